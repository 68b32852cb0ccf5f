"""What is released, and how; `make package` builds it twice, `make deploy-check` deploys it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from release import build
from tests.sandbox.package import ROOT
from tests.test_docs import README, slug

RELEASED = (ROOT / "release" / "README.md").read_text(encoding="utf-8")


def test_the_version_of_every_document_is_the_templates() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## ([0-9.]+), ", changelog, re.MULTILINE)[0] == build.version()
    assert set(re.findall(r"(?:Version |webadmit-exports-)(\d+\.\d+\.\d+)", README)) == {build.version()}
    assert not re.findall(r"\d+\.\d+\.\d+", RELEASED), "release/README.md says VERSION"


def test_the_release_has_the_settings_of_the_clone_but_no_values() -> None:
    """A value there would come back at each upgrade, whatever a university has set."""

    def read(path: Path) -> dict[str, Any]:
        return tomllib.loads(path.read_text(encoding="utf-8"))

    ours, released = read(ROOT / "samconfig.toml"), read(ROOT / "release" / "samconfig.toml")
    for environment in ("default", "prelaunch"):
        del ours[environment]["build"]
        assert ours[environment]["deploy"]["parameters"].pop("parameter_overrides")

    assert released == ours


def test_what_a_released_document_links_is_in_the_release() -> None:
    texts = build.texts()
    documents = {name: text for name, text in texts.items() if name.endswith(".md")}
    of_the_clone = re.compile(r"CONTRIBUTING\.md|(functions|tests)(/.*)?")

    for name, text in documents.items():
        for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
            target = os.path.normpath(Path(name).parent / link) if link else name
            if not of_the_clone.fullmatch(target):
                assert target in texts or any(one.startswith(f"{target}/") for one in texts), f"{name}: {link}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", documents[target], re.MULTILINE)
                assert anchor in {slug(heading) for heading in headings}, f"{name}: {link}#{anchor}"


def test_the_released_template_takes_the_code_from_the_zip() -> None:
    template = build.texts()["template.yaml"]

    assert "    CodeUri: functions.zip\n" in template
    assert "functions/\n" not in template


def test_every_package_that_is_shipped_has_a_licence_in_the_release() -> None:
    licences = build.texts()["THIRD-PARTY-LICENSES.txt"]
    shipped = re.findall(r"^([\w.-]+)==", (ROOT / "functions" / "requirements.txt").read_text("utf-8"), re.MULTILINE)

    for name in shipped:
        assert re.search(rf"^{name.replace('-', '[-_]')} [\d.]+", licences, re.MULTILINE), name


def test_changes_that_are_not_committed_are_no_release(tmp_path: Path) -> None:
    for name in ("release", "tests/sandbox/package.py", "tests/sandbox/__init__.py", "tests/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy: Any = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)

    done = subprocess.run(
        [sys.executable, "-m", "release.build"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stdout.startswith("This would not be the release of a commit: commit these or take them back.\n?? ")
    assert not (tmp_path / "dist").exists()


def test_workflows_may_do_little_and_name_actions_by_commit() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        workflow = yaml.safe_load(text)

        assert workflow["permissions"] == {"contents": "read"}
        used = re.findall(r"uses: (\S+)", text)
        assert used
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one) for one in used), used
        writing = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        release = {"contents": "write", "id-token": "write", "attestations": "write"}
        assert writing == ({"release": release} if path.name == "release.yml" else {})
