"""The script of docs/handing-over.md, run against the sandbox."""

import json
import re
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from tests.integration.conftest import World
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import File
from tests.test_docs import DOCS

(SCRIPT,) = re.findall(r"```python\n(.*?)```", DOCS["handing-over.md"], re.DOTALL)


@pytest.fixture
def script(sandbox: Sandbox, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names that the script defines."""
    clients = {"sqs": sandbox.client("sqs"), "s3": sandbox.client("s3")}
    monkeypatch.setenv("QUEUE_URL", sandbox.subscribe("ArchivedTopicArn"))
    monkeypatch.setenv("TARGET", str(tmp_path))
    names: dict[str, Any] = {"__name__": "script"}
    with monkeypatch.context() as patch:
        patch.setattr(boto3, "client", clients.get)
        exec(compile(SCRIPT.replace("WaitTimeSeconds=20", "WaitTimeSeconds=0"), "handing-over.md", "exec"), names)  # noqa: S102
    return names


def archive(world: World, pair: str, content: bytes, second: int) -> None:
    world.export(pair).file = File.of(content, "nursing.csv")
    world.start(pair, scheduled_for=world.now.replace(second=second))
    world.finish(pair)
    world.archive()


def test_files_come_to_the_share_and_odd_ones_are_held(world: World, script: dict[str, Any], tmp_path: Path) -> None:
    pair = world.add_export()
    contents = [b"id\r\n1\r\n2\r\n3\r\n", b"id\r\n1\r\n2\r\n", b"id,name\r\n1,a\r\n2,b\r\n", b"id,name\r\n"]
    for second, content in enumerate(contents):
        archive(world, pair, content, second)
        script["poll"]()

    assert sorted(path.read_bytes() for path in tmp_path.glob("*.csv")) == sorted(contents[:2])
    export_id = pair.partition(":")[2]
    assert len(list(tmp_path.glob(f"Export_{export_id}-{export_id}-20*-*.csv"))) == 2
    held = tmp_path / "held"
    assert sorted(path.read_bytes() for path in held.iterdir()) == sorted(contents[2:])


def test_after_an_odd_file_all_are_held_until_a_person_has_looked(
    world: World, script: dict[str, Any], tmp_path: Path
) -> None:
    pair, other = world.add_export(), world.add_export()
    archive(world, pair, b'id,essay\r\n1,"' + b"never closed\r\n" * 20_000, 0)
    archive(world, pair, b"id,essay\r\n1,a\r\n", 1)
    archive(world, other, b"id\r\n1\r\n", 2)
    for _ in range(3):
        script["poll"]()
    held = sorted((tmp_path / "held").iterdir())
    assert len(held) == 2

    for file in held:
        file.unlink()
    archive(world, pair, b"id,essay\r\n2,b\r\n", 3)
    script["poll"]()

    assert sorted(path.read_bytes() for path in tmp_path.glob("*.csv")) == [b"id\r\n1\r\n", b"id,essay\r\n2,b\r\n"]


def test_what_fails_comes_again(world: World, script: dict[str, Any], tmp_path: Path) -> None:
    pair = world.add_export()
    archive(world, pair, b"id\r\n1\r\n", 0)
    s3 = script["s3"]
    script["s3"] = None
    with pytest.raises(AttributeError):
        script["poll"]()

    script["s3"] = s3
    world.sandbox.pass_time(minutes=10)
    script["poll"]()

    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == b"id\r\n1\r\n"


@pytest.mark.parametrize(
    "forged",
    [
        {"export_id": "../../x"},
        {"export_id": None},
        {"key": "../../x"},
        {"key": "1/2026/11/23/083410-1-..\\..\\x.csv"},
        {"key": "1/2026/11/23/083410-1-/../../x"},
        {"export_name": "../../x"},
        {"export_name": "C:\\x"},
    ],
)
def test_a_forged_receipt_writes_nothing_outside_of_the_folder(
    world: World, script: dict[str, Any], tmp_path: Path, forged: dict[str, Any]
) -> None:
    pair = world.add_export()
    archive(world, pair, b"id\r\n1\r\n", 0)
    (receipt,) = world.receipts()
    (message,) = world.sandbox.client("sqs").receive_message(QueueUrl=script["QUEUE_URL"])["Messages"]
    body = {"Message": json.dumps({**receipt, **forged})}
    target = tmp_path / "a"
    target.mkdir()
    script["TARGET"], script["HELD"] = target, target / "held"

    with suppress(Exception):
        script["take"]({**message, "Body": json.dumps(body)})

    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.parent == target and re.fullmatch(r"[\w.-]+", path.name) for path in written)
    assert bool(written) == ("export_name" in forged)


def test_a_file_in_a_bucket_of_another_account_is_not_taken(world: World, script: dict[str, Any]) -> None:
    asked: list[dict[str, str]] = []
    pair = world.add_export()
    archive(world, pair, b"id\r\n1\r\n", 0)
    download = script["s3"].download_file

    def note(*arguments: Any, **more: Any) -> None:
        asked.append(more["ExtraArgs"])
        download(*arguments, **more)

    script["s3"] = SimpleNamespace(download_file=note)
    script["poll"]()

    assert [one["ExpectedBucketOwner"] for one in asked] == ["123456789012"]


def test_the_longest_names_fit_into_a_path_of_windows(script: dict[str, Any]) -> None:
    receipt = {
        "export_name": "N" * 120,
        "export_id": 10**18 - 1,
        "key": f"{10**18 - 1}/2026/11/23/083410-{10**18 - 1}-{'x' * 96}.csv",
    }

    name = script["file_name"](receipt)

    assert len(name) + len(".partial") <= 150
    assert name.endswith("-2026-11-23-083410-999999999999999999.csv")
