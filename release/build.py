"""`make release`: dist/webadmit-exports-VERSION.zip, ready for `sam deploy`, its checksum, and what it is made of.

Two builds of one commit are the same bytes, with the same Python 3.13 and the same zlib: names are sorted, times and
rights are always the same, bytecode knows neither its folder nor the time of its source.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.sandbox.package import ROOT, compile_for_upload, lay_out, wheels

RELEASE = ROOT / "release"
CYCLONEDX = ROOT / ".venv-release" / "bin" / "cyclonedx-py"
_ALL_FILES_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can have
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")  # within the project
_LICENCE = re.compile(r"\.dist-info/(licenses/)?(.*/)?(LICEN[CS]E|NOTICE|COPYING|AUTHORS)[^/]*$", re.IGNORECASE)


def main() -> int:
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    if changed:
        print(f"This would not be the release of a commit: commit these or take them back.\n{changed}", end="")
        return 1
    for path in build(ROOT / "dist"):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    return 0


def version() -> str:
    """The version of this software, which stands in template.yaml alone."""
    found = re.search(r'^ +VERSION: &Version "(\d+\.\d+\.\d+)"', _text(ROOT / "template.yaml"), re.MULTILINE)
    assert found, "template.yaml has no version"
    return found[1]


def build(dist: Path) -> list[Path]:
    """Writes the zip, its SHA-256 and its SBOM into that folder, and leaves what else is there; needs python3.13."""
    name = f"webadmit-exports-{version()}"
    dist.mkdir(parents=True, exist_ok=True)
    archive, checksum, sbom = (dist / f"{name}{ending}" for ending in (".zip", ".zip.sha256", ".cdx.json"))
    files = {f"{name}/{path}": text.encode() for path, text in texts().items()}
    functions = f"{name}/functions.zip"
    _write_zip(archive, {**files, functions: _functions()}, stored=functions)
    checksum.write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n", encoding="utf-8")
    sbom.write_text(_sbom(), encoding="utf-8")
    return [archive, checksum, sbom]


def texts() -> dict[str, str]:
    """What is in the zip beside the code: the documents because mails name them, the events because documents do."""
    template = _text(ROOT / "template.yaml")
    assert template.count("CodeUri: functions/\n") == 1, "template.yaml must name the code once"
    return {
        "README.md": _text(RELEASE / "README.md").replace("VERSION", version()),
        "template.yaml": template.replace("CodeUri: functions/\n", "CodeUri: functions.zip\n"),
        "samconfig.toml": _text(RELEASE / "samconfig.toml"),
        "LICENSE": _text(ROOT / "LICENSE"),
        "CHANGELOG.md": _text(ROOT / "CHANGELOG.md"),
        "SECURITY.md": _text(ROOT / "SECURITY.md"),
        "THIRD-PARTY-LICENSES.txt": "".join(_licences()),
        "docs/overview.md": _LINK.sub(_from_docs, _text(ROOT / "README.md")),
        **{
            f"docs/{path.name}": _text(path).replace("](../README.md", "](overview.md")
            for ending in ("md", "svg")
            for path in (ROOT / "docs").glob(f"*.{ending}")
        },
        **{f"docs/schemas/{path.name}": _text(path) for path in (ROOT / "docs" / "schemas").glob("*.json")},
        **{f"events/{path.name}": _text(path) for path in (ROOT / "events").glob("*.json")},
    }


def _from_docs(link: re.Match[str]) -> str:
    """A link of the project's README as it is in docs/, where that README goes, since the release has its own."""
    target = link[1]
    return f"]({target.removeprefix('docs/') if target.startswith('docs/') else f'../{target}'})"


def _functions() -> bytes:
    """The code of all functions with what it imports, and bytecode."""
    python = shutil.which("python3.13")
    assert python, "this needs a python3.13 that runs, on the PATH: Lambda runs the functions on that version"
    with tempfile.TemporaryDirectory() as made:
        folder, packed = Path(made) / "functions", Path(made) / "functions.zip"
        lay_out(folder)
        compile_for_upload(python, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        _write_zip(packed, {path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
        return packed.read_bytes()


def _licences() -> Iterator[str]:
    for wheel in wheels():
        package, number = wheel.name.split("-")[:2]
        with zipfile.ZipFile(wheel) as packed:
            names = sorted(name for name in packed.namelist() if _LICENCE.search(name))
            assert names, f"{wheel.name} has no licence"
            for name in names:
                title = f"{package} {number}: {name.rpartition('/')[2]}"
                yield f"{'=' * 80}\n{title}\n{'=' * 80}\n\n{packed.read(name).decode().strip()}\n\n"


def _sbom() -> str:
    """The packages that are shipped, by CycloneDX's own tool, each with the hash of the file that was unpacked."""
    with tempfile.TemporaryDirectory() as made:
        shipped, project = Path(made) / "shipped.txt", Path(made) / "pyproject.toml"
        shipped.write_text("".join(map(_pinned, wheels())), encoding="utf-8")
        project.write_text(
            f'[project]\nname = "webadmit-exports"\nversion = "{version()}"\nlicense = "MIT"\n', encoding="utf-8"
        )
        options = ("--output-reproducible", "--output-format", "JSON", "--mc-type", "application", "--validate")
        command = [str(CYCLONEDX), "requirements", *options, "--pyproject", str(project), str(shipped)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.dumps(json.loads(done.stdout), indent=2, sort_keys=True) + "\n"


def _pinned(wheel: Path) -> str:
    package, number = wheel.name.split("-")[:2]
    name = re.sub(r"[-_.]+", "-", package).lower()  # as the packaging user guide writes names
    return f"{name}=={number} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _write_zip(path: Path, files: Mapping[str, bytes], *, stored: str = "") -> None:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, _ALL_FILES_TIME)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # a file on Unix that everybody may read
            info.compress_type = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            packed.writestr(info, content)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
