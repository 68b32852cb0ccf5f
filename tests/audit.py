"""What `make audit` runs: cfn-lint and checkov over what CloudFormation gets, with all switches on and with all off.

And pip-audit over the packages that are shipped, and asl-validator, which needs npm, over the state machine: cfn-lint
sees neither a broken expression in it nor a state that leads nowhere.

Both overlook what hangs on a condition that is false by default. So each variant is what is left when every condition
is true, or every one false. Checks that are deliberately not followed are named with the reason: those that many
resources share in .checkov.yaml, the others in template.yaml, beside the resource, under `Metadata: checkov: skip:`.

It runs in a virtual environment of its own, with the scanners.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sandbox import template

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".build" / "audit"
ASL = ROOT / "tests" / "asl"
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a scanner minds."""

    check: str
    resource: str
    message: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A check that template.yaml says is not followed."""

    check: str
    resource: str
    reason: str


def main() -> int:
    translated = template.translated()
    variants = {"on": resolved(translated, on=True), "off": resolved(translated, on=False)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    found: dict[Finding, list[str]] = {}
    for name, variant in variants.items():
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(variant, indent=2) + "\n", encoding="utf-8")
        findings, skips = scan(path, resources=len(variant["Resources"]))
        for finding in [*findings, *unexplained(skips)]:
            found.setdefault(finding, []).append(name)
        count = len(variant["Resources"])
        print(f"all switches {name}: {count} resources, {len(skips)} checks skipped for reasons given there")
    print(known_vulnerabilities(found))
    print(state_machines(translated, found))
    for finding, names in sorted(found.items()):
        print(f"  {finding.check}  {finding.resource}: {finding.message} ({', '.join(names)})")
    print(f"{len(found)} findings." if found else "The audit is good: nothing was found.")
    return 1 if found else 0


def state_machines(translated: dict[str, Any], found: dict[Finding, list[str]]) -> str:
    """Adds what asl-validator minds in each state machine, with an ARN wherever the template has a function."""
    validator = FOLDER / "asl"
    shutil.copytree(ASL, validator, dirs_exist_ok=True)
    subprocess.run(["npm", "ci", "--silent", "--no-update-notifier"], cwd=validator, check=True, timeout=120)
    machines = [
        (name, one["Properties"]["Definition"])
        for name, one in translated["Resources"].items()
        if one["Type"] == "AWS::StepFunctions::StateMachine"
    ]
    for name, definition in machines:
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(with_arns(definition), indent=2) + "\n", encoding="utf-8")
        command = [str(validator / "node_modules" / ".bin" / "asl-validator"), "--json-path", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            found.setdefault(Finding("asl-validator", name, (done.stdout + done.stderr).strip()), []).append("as it is")
    return f"{len(machines)} state machine: looked at by asl-validator"


def with_arns(value: Any) -> Any:
    """A definition as Step Functions gets it, but for the names of functions."""
    if isinstance(value, dict):
        if list(value) == ["Fn::Sub"]:
            return value["Fn::Sub"].replace("${AWS::Partition}", "aws")
        if list(value) in (["Fn::GetAtt"], ["Ref"]):
            return "arn:aws:lambda:us-east-1:123456789012:function:one"
        return {key: with_arns(part) for key, part in value.items()}
    return [with_arns(part) for part in value] if isinstance(value, list) else value


def known_vulnerabilities(found: dict[Finding, list[str]]) -> str:
    """Adds what pip-audit knows of the packages that are shipped; says what it did, or that it could not do it."""
    pip_audit = str(Path(sys.executable).parent / "pip-audit")
    shipped = str(ROOT / "functions" / "requirements.txt")
    options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    command = [pip_audit, *options, "--requirement", shipped]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return "pip-audit could not reach its data: known vulnerabilities of shipped packages were NOT looked for"
    for package in packages:
        for one in package.get("vulns", []):
            finding = Finding(one["id"], f"{package['name']} {package['version']}", "has a known vulnerability")
            found.setdefault(finding, []).append(f"fixed in {', '.join(one['fix_versions']) or 'no version yet'}")
    return f"{len(packages)} packages that are shipped: looked up by pip-audit"


def resolved(translated: dict[str, Any], *, on: bool) -> dict[str, Any]:
    """The template as if all of its conditions were true, or all false."""
    variant = {name: part for name, part in translated.items() if name != "Conditions"}
    if on:  # then no parameter is empty, whatever its default
        variant["Parameters"] = {
            name: {key: value for key, value in parameter.items() if (key, value) != ("Default", "")}
            for name, parameter in variant["Parameters"].items()
        }
    for section in ("Resources", "Outputs"):
        entries = {name: entry for name, entry in variant.get(section, {}).items() if on or "Condition" not in entry}
        variant[section] = {
            # only here: a Condition further down belongs to a policy
            name: branch({key: value for key, value in entry.items() if key != "Condition"}, on=on)
            for name, entry in entries.items()
        }
    return variant


def branch(value: Any, *, on: bool) -> Any:
    """The value with every Fn::If replaced by its first branch, or by its second; a branch of no value goes away."""
    if isinstance(value, dict):
        if list(value) == ["Fn::If"]:
            return branch(value["Fn::If"][1 if on else 2], on=on)
        parts = {key: branch(part, on=on) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part != NO_VALUE}
    if isinstance(value, list):
        return [part for part in (branch(part, on=on) for part in value) if part != NO_VALUE]
    return value


def scan(path: Path, *, resources: int) -> tuple[list[Finding], list[Skip]]:
    """What both scanners say of a file, which has so many resources."""
    # Parameters and mappings that hang on conditions may be unused now; `make package` looks for those nothing uses.
    unused = ("--ignore-checks", "W2001", "W7001")
    linted = output("cfn-lint", "--format", "json", "--regions", template.REGION, *unused, "--", path)
    settings = ("--framework", "cloudformation", "--skip-download", "--config-file", ROOT / ".checkov.yaml")
    report = output("checkov", *settings, "--output", "json", "--file", path)
    seen = report.get("summary", report)
    complete = not seen["parsing_errors"] and seen["resource_count"] == resources
    assert complete, f"checkov did not look at all {resources} resources of {path.name}: {seen}"
    return [*lint_findings(linted), *check_findings(report)], check_skips(report)


def output(scanner: str, *arguments: str | Path) -> Any:
    """What a scanner says, which has to be JSON: one that breaks down has found nothing, but is not good."""
    # Nothing of a person's own settings: they may skip checks, or hold a key with which checkov would call home.
    environment = {"PATH": os.environ["PATH"], "HOME": str(FOLDER)}
    command: list[str | Path] = [Path(sys.executable).parent / scanner, *arguments]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        sys.exit(f"{scanner} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def lint_findings(linted: Iterable[dict[str, Any]]) -> list[Finding]:
    """What cfn-lint minds, of whatever level."""
    return [
        Finding(one["Rule"]["Id"], ".".join(str(key) for key in one["Location"]["Path"] or []), one["Message"])
        for one in linted
    ]


def check_findings(report: dict[str, Any]) -> list[Finding]:
    """What checkov minds."""
    return [Finding(one["check_id"], one["resource"], one["check_name"]) for one in report["results"]["failed_checks"]]


def check_skips(report: dict[str, Any]) -> list[Skip]:
    """What checkov was told to skip."""
    return [
        Skip(one["check_id"], one["resource"], one["check_result"]["suppress_comment"])
        for one in report["results"]["skipped_checks"]
    ]


def unexplained(skips: Iterable[Skip]) -> list[Finding]:
    """Skips without a reason, which are findings too."""
    return [
        Finding(skip.check, skip.resource, "is skipped, but template.yaml does not say why")
        for skip in skips
        if skip.reason in ("", "No comment provided")
    ]


if __name__ == "__main__":
    sys.exit(main())
