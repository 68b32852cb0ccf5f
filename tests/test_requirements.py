"""What is shipped is pinned with everything that it needs, so that what is tested is what runs."""

import ast
import importlib.metadata
import re
import sys

from packaging.requirements import Requirement

from tests.sandbox.package import FUNCTIONS

WANTED = {
    Requirement(line).name
    for line in (FUNCTIONS / "requirements.in").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
}
PINNED = dict(
    re.findall(r"^([\w.-]+)==([\w.]+)", (FUNCTIONS / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
)


def test_all_that_the_shipped_packages_need_is_pinned() -> None:
    for name in PINNED:
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert needed.name.lower().replace("_", "-") in PINNED, f"{name} needs {text}"


def test_the_tests_run_with_the_versions_that_are_shipped() -> None:
    assert {name: importlib.metadata.version(name) for name in PINNED} == PINNED


def test_the_three_packages_that_the_project_is_built_on_are_shipped_and_used() -> None:
    imported = set()
    for path in FUNCTIONS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.partition(".")[0])
    ours = {path.name for path in FUNCTIONS.iterdir()} | {"webadmit_exports"}
    theirs = {
        name for name in imported if name not in sys.stdlib_module_names and not name.startswith(("mypy_boto3", "_"))
    }

    assert theirs - ours == {"boto3", "botocore", "requests", "urllib3", "aws_lambda_powertools"}
    assert {"boto3", "requests", "aws-lambda-powertools", "tzdata"} == WANTED
    assert set(PINNED) >= WANTED
