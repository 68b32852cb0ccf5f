"""`make demo`, as a person runs it."""

import contextlib
import html
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.sandbox.demo import NIGHT
from tests.sandbox.package import ROOT, build
from tests.sandbox.stack import wait_until

COMMAND = [sys.executable, "-m", "tests.sandbox"]


def children_of(pid: int) -> dict[int, str]:
    """The processes that a process began, however deep, and their command lines."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has just ended
            found = re.search(r"^PPid:\t(\d+)$", status.read_text(), re.MULTILINE)
            parents[int(status.parent.name)] = int(found[1]) if found else 0
    began = {pid}
    while more := {child for child, parent in parents.items() if parent in began} - began:
        began |= more
    return {child: command_of(child) for child in began - {pid}}


def command_of(pid: int) -> str:
    """The command line of a process; empty once it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def words_of(picture: Path) -> Counter[str]:
    """The words in an SVG; its mails may come in another order, and at other times."""
    texts = re.findall(r">([^<>]+)</text>", picture.read_text(encoding="utf-8"))
    return Counter(re.findall(r"[^\W\d_]+", html.unescape(" ".join(texts))))


def test_the_demo_shows_the_night_its_archive_and_its_deliveries_and_ends_by_itself(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    command = [*COMMAND, "deliver", f"picture={picture}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    for export_id in NIGHT:
        assert re.search(rf"{export_id} .*(Available|Success With Errors|Empty List|Failed) +│ yes", done.stdout)
    assert "The file of export 86446 is ready in WebAdMIT." in done.stdout
    assert '"event_type": "export_file.ready"' in done.stdout
    assert "5 messages on ReadyTopic, 5 on AlertsTopic" in done.stdout
    assert "5 of 6 runs since" in done.stdout
    assert "1 run failed at first and was given a second chance." in done.stdout
    assert "has fetched 5 files" in done.stdout
    assert "5 receipts on ArchivedTopic" in done.stdout
    assert '"event_type": "export_file.archived"' in done.stdout
    assert "4 messages on DeliveredTopic" in done.stdout
    assert "is held back, and a person told" in done.stdout
    assert "Two hours later the server is back, and gets the file by itself." in done.stdout
    assert "What next" in done.stdout
    assert done.stderr == ""
    assert words_of(picture) == words_of(ROOT / "docs" / "demo.svg"), "make demo DELIVER=1 PICTURE=1 draws it anew"


def test_ctrl_c_ends_the_demo_and_all_that_it_began() -> None:
    build()  # so that the wait below is not for pip
    demo = subprocess.Popen(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any("awslambdaric" in command for command in children_of(demo.pid).values()), seconds=60)
    began = children_of(demo.pid)

    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=20)

    assert demo.returncode == 130
    assert "Stopped; nothing is left running." in out
    assert err == ""
    assert any("aws_server" in command for command in began.values())
    assert not [pid for pid, command in began.items() if command_of(pid) == command]
