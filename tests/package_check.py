"""What `make package` runs: validates the template, builds it, and imports every handler from what was built.

It runs beside the SAM CLI, whose own yaml it uses.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
BOTO3 = ROOT / ".build" / "boto3-for-python3.13"
# What is looked at while a handler is imported.
SETTINGS = {
    "WEBADMIT_BASE_URL": "https://api.webadmit.org",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


def main() -> int:
    python = find_python_313()
    if python is None:
        print("make package needs a python3.13 that runs, on the PATH: sam builds for that version.")
        return 1
    sam = Path(sys.executable).parent / "sam"
    run(sam, "validate", "--lint", "--region", "us-east-1")
    run(sam, "build", "--region", "us-east-1")
    if not BOTO3.exists():  # Lambda has it of its own
        constraint = ROOT / "tests" / "requirements.txt"
        run(python, "-m", "pip", "install", "--quiet", "--target", BOTO3, "--constraint", constraint, "boto3")
    functions = built_functions()
    for name, (handler, variables) in functions.items():
        import_handler(python, BUILT / name, handler, variables)
        print(f"imported {handler} from {name}")
    size = sum(path.stat().st_size for path in (BUILT / next(iter(functions))).rglob("*") if path.is_file())
    print(f"The package is good: {len(functions)} functions of {size / 1024 / 1024:.1f} MiB each.")
    return 0


def find_python_313() -> str | None:
    """A python3.13 that answers: some version managers put one on the PATH that does not."""
    python = shutil.which("python3.13")
    works = python and subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
    return python if works else None


def run(*command: str | Path) -> None:
    print("$", Path(command[0]).name, *command[1:], flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as if they were nothing."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)


def built_functions() -> dict[str, tuple[str, list[str]]]:
    """By logical id: the handler, and the names of the environment variables that the template sets."""
    template: dict[str, Any] = yaml.load((BUILT / "template.yaml").read_text(encoding="utf-8"), Loader)  # noqa: S506
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    return {
        name: (resource["Properties"]["Handler"], [*shared, *resource["Properties"]["Environment"]["Variables"]])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def import_handler(python: str, folder: Path, handler: str, variables: list[str]) -> None:
    """Imports it as Lambda would, with what the template sets and nothing else of ours."""
    module, _, name = handler.rpartition(".")
    environment = {
        **os.environ,
        **dict.fromkeys(variables, "1"),  # names of resources are not looked at before the first call
        **SETTINGS,
        "PYTHONPATH": os.pathsep.join([str(folder), str(BOTO3)]),
    }
    code = f"import {module}; assert callable({module}.{name})"
    subprocess.run([python, "-c", code], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
