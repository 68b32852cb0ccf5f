"""The script of docs/handing-over.md, run against the sandbox."""

import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.integration.conftest import World
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import File
from tests.test_docs import DOCS


@pytest.fixture
def script(sandbox: Sandbox, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names that the script defines."""
    clients = {"sqs": sandbox.client("sqs"), "s3": sandbox.client("s3")}
    monkeypatch.setenv("QUEUE_URL", sandbox.subscribe("ArchivedTopicArn"))
    monkeypatch.setenv("TARGET", str(tmp_path))
    (source,) = re.findall(r"```python\n(.*?)```", DOCS["handing-over.md"], re.DOTALL)
    names: dict[str, Any] = {"__name__": "script"}
    with monkeypatch.context() as patch:
        patch.setattr(boto3, "client", clients.get)
        exec(compile(source.replace("WaitTimeSeconds=20", "WaitTimeSeconds=0"), "handing-over.md", "exec"), names)  # noqa: S102
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
    assert sorted(path.read_bytes() for path in (tmp_path / "held").iterdir()) == sorted(contents[2:])


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
