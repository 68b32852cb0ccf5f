"""What `make package` runs: validates the template, builds it, and imports every handler from what was built.

It also makes the release twice, in different places, which must be the same bytes. It runs in the SAM CLI's own virtual
environment.
"""

import hashlib
import importlib.util
import marshal
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from samcli.cli.types import CfnParameterOverridesType

from release import build
from tests.sandbox.package import BYTECODE, NOT_COMPILED, ROOT, compile_for_upload, zipped

BUILT = ROOT / ".aws-sam" / "build"
RELEASES = ROOT / ".build" / "releases"
# What is looked at while a handler is imported.
SETTINGS = {
    "WEBADMIT_BASE_URL": "https://api.webadmit.org",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}
UNCHECKED_HASH = 0b01  # PEP 552
HEADER_BYTES = 16  # of a .pyc, before the code


def main() -> int:
    check_settings()
    check_sam_commands()
    python, sam = shutil.which("python3.13") or "python3.13", Path(sys.executable).parent / "sam"
    run(sam, "validate", "--lint", "--region", "us-east-1")
    run(sam, "build", "--region", "us-east-1")
    functions = built_functions()
    for name, (handler, variables) in functions.items():
        import_handler(python, BUILT / name, handler, variables)
        print(f"imported {handler} from {name}")
    plain = zipped(BUILT / next(iter(functions)))
    for name in functions:
        check_binaries(BUILT / name)
        compile_for_upload(python, BUILT / name)
        check_bytecode(BUILT / name)
    assert len({digest(BUILT / name) for name in functions}) == 1, "the packages differ, so that each is uploaded"
    size = zipped(BUILT / next(iter(functions)))
    print(
        f"The package is good: {len(functions)} functions, one package of {plain / 1e6:.1f} MB as it is uploaded,"
        f" {size / 1e6:.1f} MB with bytecode."
    )
    check_release(functions)
    return 0


def check_release(functions: dict[str, tuple[str, list[str]]]) -> None:
    """Two builds are the same bytes, whatever surrounds them; each handler can be imported from what is released."""
    shutil.rmtree(RELEASES, ignore_errors=True)
    here, elsewhere = RELEASES / "here", RELEASES / "else where"
    here.mkdir(parents=True)
    of_before = here / "webadmit-exports-0.9.0.zip"
    of_before.write_bytes(b"another version")
    made = build.build(here)
    assert of_before.read_bytes() == b"another version", "another version was touched"
    archive = made[0]
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, elsewhere / name)
    (elsewhere / ".venv-release").symlink_to(ROOT / ".venv-release")
    code = "from pathlib import Path; from release.build import build; build(Path('dist'))"
    other = {**os.environ, "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", code], cwd=elsewhere, env=other, umask=0o077, check=True)
    for path in made:
        assert path.read_bytes() == (elsewhere / "dist" / path.name).read_bytes(), f"two builds of {path.name} differ"
    shutil.unpack_archive(archive, RELEASES)
    unpacked = RELEASES / "functions"
    shutil.unpack_archive(RELEASES / archive.stem / "functions.zip", unpacked)
    check_binaries(unpacked)
    for version in ("3.13", "3.14"):  # what Lambda has, and what it will have next
        python = shutil.which(f"python{version}")
        if python is None or subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
            print(f"There is no python{version} on this machine: the handlers were NOT imported with it.")
            continue
        for handler, variables in functions.values():
            import_handler(python, unpacked, handler, variables)
        print(f"imported {len(functions)} handlers from the release with python{version}")
    print(f"The release is good: {archive.name}, {archive.stat().st_size / 1e6:.1f} MB, twice the same bytes.")


def check_binaries(folder: Path) -> None:
    """What is compiled for one architecture has the same in Python beside it: `Architecture` is a parameter."""
    compiled = [path.relative_to(folder).as_posix() for path in folder.rglob("*.so")]
    bound = [path for path in compiled if not (folder / f"{path.partition('.')[0]}.py").exists()]
    assert not bound, f"{bound} run on one architecture alone"


def check_settings() -> None:
    """Every list of parameters in samconfig.toml and in the README is read by SAM as it stands there."""
    for name in ("samconfig.toml", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.findall(r"^parameter_overrides = \[.*?^\]", text, re.DOTALL | re.MULTILINE):
            written = tomllib.loads(block)["parameter_overrides"]
            expected = {one.partition("=")[0]: one.partition("=")[2].strip("'\"") for one in written}
            understood = CfnParameterOverridesType().convert(written, None, None)
            assert understood == expected, f"{name}: SAM reads {written} as {understood}"
    for name in ("README.md", "release/README.md"):
        commands = re.findall(
            r"^sam deploy --parameter-overrides (.+)$", (ROOT / name).read_text("utf-8"), re.MULTILINE
        )
        assert commands, f"{name} has no command that deploys"
        for command in commands:
            written = shlex.split(command)
            understood = CfnParameterOverridesType().convert(written, None, None)
            expected = {one.partition("=")[0]: one.partition("=")[2].strip("'") for one in written}
            assert understood == expected, f"{name}: SAM reads {written} as {understood}"


def check_sam_commands() -> None:
    """SAM knows every command and every option that the README and the docs give to it."""
    pages = [ROOT / "README.md", ROOT / "release" / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    commands = {line for line in re.findall(r"^(sam .+)$|`(sam [^`]+)`", text, re.MULTILINE) for line in line if line}
    options: dict[str, set[str]] = {}
    for command in commands:
        words = [word for word in command.split() if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        subcommand = " ".join(words[1 : 3 if words[1] in ("remote", "list") else 2])
        options.setdefault(subcommand, set()).update(re.findall(r"--[a-z-]+", command))
    for subcommand, used in options.items():
        sam = Path(sys.executable).parent / "sam"
        shown = subprocess.run([sam, *subcommand.split(), "--help"], capture_output=True, text=True, check=True).stdout
        assert not [option for option in used if option not in shown], f"sam {subcommand} does not know all of {used}"


def check_bytecode(folder: Path) -> None:
    """What is imported has bytecode that counts whatever the timestamps are, and that does not name its folder.

    In a SAM package all files have the same time, so that Python would take other bytecode for old.
    """
    loop = f'for folder in .aws-sam/build/*Function; do python3.13 {" ".join(BYTECODE)} "$folder" "$folder"; done'
    command = loop.replace(NOT_COMPILED, f'"{NOT_COMPILED}"')
    assert command in (ROOT / "docs" / "speed.md").read_text(encoding="utf-8"), command
    for module in folder.rglob("*.py"):
        if re.search(NOT_COMPILED, str(module)):
            continue
        compiled = Path(importlib.util.cache_from_source(str(module))).with_name(f"{module.stem}.cpython-313.pyc")
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == UNCHECKED_HASH, f"{compiled} has the flags {flags:#b}"
        if sys.version_info[:2] == (3, 13):  # else it cannot be read here
            code = marshal.loads(compiled.read_bytes()[HEADER_BYTES:])  # noqa: S302 - just compiled here
            assert code.co_filename == str(module.relative_to(folder)), code.co_filename


def digest(folder: Path) -> str:
    """The same for folders with the same files."""
    content = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return content.hexdigest()


def run(*command: str | Path) -> None:
    print("$", Path(command[0]).name, *command[1:], flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


class Loader(yaml.SafeLoader):  # type: ignore[misc]
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
        "PYTHONPATH": str(folder),
    }
    code = f"import {module}; assert callable({module}.{name})"
    subprocess.run([python, "-B", "-s", "-S", "-c", code], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
