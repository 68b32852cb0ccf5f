"""Lays the functions out as `sam build` does, the runtime client beside them as Lambda does. Cached under .build/."""

import compileall
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
_REQUIREMENTS = FUNCTIONS / "requirements.txt"
_PINNED = ROOT / "tests" / "requirements.txt"
_CACHE = ROOT / ".build"
# The largest parts of Powertools that nothing imports.
NOT_COMPILED = "event_handler|data_classes"
# The optional step of docs/speed.md between `sam build` and `sam deploy`, without Python and without the folder. The
# folder is also taken out of the names of the files in the bytecode (-s), or the six packages would differ.
BYTECODE = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-x", NOT_COMPILED, "-s")


@dataclass(frozen=True, slots=True)
class Package:
    """`task` is what Lambda sees as /var/task, `runtime` its runtime client.

    Lambda also has an SDK of its own, which is left out here: what is not shipped would not be found.
    """

    task: Path
    runtime: Path


def build() -> Package:
    """Builds what has changed; safe to call from several processes at once."""
    code = sorted(path for path in FUNCTIONS.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return Package(task=_cached("task", code, _lay_out_compiled), runtime=runtime())


def runtime() -> Path:
    """Lambda's runtime client and what it needs, with bytecode."""
    text = _PINNED.read_text(encoding="utf-8")
    pinned = re.findall(r"^(?:awslambdaric|simplejson|snapshot-restore-py)==[\w.]+", text, re.MULTILINE)
    return _cached("runtime", [_PINNED], lambda folder: pip(folder, "--no-deps", *pinned))


def wheels() -> list[Path]:
    """The packages that are shipped, each for every processor; pip compares their hashes with those that are pinned."""
    what = ("--requirement", _REQUIREMENTS, "--require-hashes", "--no-deps", "--only-binary", ":all:")
    kind = ("--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", "3.13")
    folder = _cached("wheels", [_REQUIREMENTS], lambda made: _pip("download", "--dest", made, *what, *kind))
    return sorted(folder.glob("*.whl"))


def lay_out(folder: Path) -> None:
    """What is shipped, as `sam build` leaves it: without bytecode and commands."""
    for wheel in wheels():
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder, [name for name in packed.namelist() if ".data/" not in name])
    shutil.copytree(FUNCTIONS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))


def _lay_out_compiled(folder: Path) -> None:
    lay_out(folder)
    compileall.compile_dir(folder, quiet=2)


def compile_for_upload(python: str, folder: Path) -> None:
    """Adds bytecode to a package: it counts whatever the timestamps are, and is the same for the same code."""
    subprocess.run([python, *BYTECODE, folder, folder], check=True)


def pip(folder: Path, *arguments: str | Path) -> None:
    """Installs into that folder."""
    _pip("install", "--target", folder, *arguments)


def _pip(verb: str, *arguments: str | Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip could not {verb} {' '.join(map(str, arguments))}:\n{done.stderr}")


def zipped(folder: Path) -> int:
    """The size in bytes, packed as `sam deploy` does."""
    with tempfile.TemporaryDirectory() as made:
        return Path(shutil.make_archive(f"{made}/package", "zip", folder)).stat().st_size


def _cached(name: str, sources: list[Path], make: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for source in sources:
        digest.update(str(source).encode() + source.read_bytes())
    folder = _CACHE / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        _CACHE.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_CACHE))
        try:
            make(made)
            made.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another process was faster
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder
