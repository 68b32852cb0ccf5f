"""How strong the unit tests are: `make mutants` changes the code in a thousand ways and counts what no test notices.

mutmut needs the code beside the tests, so that a copy is laid out in .build/mutants. `PACKAGES=domain` takes one of
them.
"""

import collections
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.sandbox.package import FUNCTIONS, ROOT

FOLDER = ROOT / ".build" / "mutants"
PACKAGES = ("domain", "messages", "runs", "archive")
COPIED = ("tests", "docs", "events", "template.yaml", "samconfig.toml", "README.md")
_CONFIG = """[mutmut]
source_paths =
{sources}
also_copy =
{copies}
pytest_add_cli_args = -p no:cacheprovider
pytest_add_cli_args_test_selection =
    tests/unit
"""
_PYTEST = """[tool.pytest.ini_options]
pythonpath = ["."]
addopts = "--import-mode=importlib"
"""


def lay_out(packages: tuple[str, ...]) -> None:
    """The copy, with the settings of mutmut and pytest."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    shutil.copytree(FUNCTIONS / "webadmit_exports", FOLDER / "webadmit_exports")
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, FOLDER / name)
    sources = "\n".join(f"    webadmit_exports/{package}" for package in packages)
    copies = "\n".join(f"    {name}" for name in ("webadmit_exports", *COPIED))
    (FOLDER / "setup.cfg").write_text(_CONFIG.format(sources=sources, copies=copies), encoding="utf-8")
    (FOLDER / "pyproject.toml").write_text(_PYTEST, encoding="utf-8")


def main() -> int:
    packages = tuple(os.environ.get("PACKAGES", "").split()) or PACKAGES
    lay_out(packages)
    mutmut = Path(sys.executable).with_name("mutmut")
    ran = subprocess.run([mutmut, "run"], cwd=FOLDER, check=False)
    told = subprocess.run([mutmut, "results", "--all", "true"], cwd=FOLDER, check=False, capture_output=True, text=True)
    outcomes = collections.Counter(re.findall(r": (.+)$", told.stdout, re.MULTILINE))
    for name in re.findall(r"(\S+): survived$", told.stdout, re.MULTILINE):
        shown = subprocess.run([mutmut, "show", name], cwd=FOLDER, check=False, capture_output=True, text=True)
        change = [line for line in shown.stdout.splitlines() if re.match(r"[-+] ", line)]
        print("\n".join([f"survived: {name}", *change]))
    counted = sum(outcomes.values())
    killed = outcomes["killed"] + outcomes["timeout"]
    print(f"{killed} of {counted} mutants were killed ({killed / max(counted, 1):.0%}): {dict(outcomes)}")
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
