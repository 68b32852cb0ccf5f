"""The README's sample consumer and its curl commands, run against the sandbox."""

import re
import shlex
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from tests.integration.conftest import World
from tests.sandbox.stack import Sandbox
from tests.test_docs import blocks


@pytest.fixture
def consumer(sandbox: Sandbox, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names that the sample defines, and `queue`, its queue on ReadyTopic."""
    queue, sqs = sandbox.subscribe("ReadyTopicArn"), sandbox.client("sqs")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "QUEUE_URL": queue,
        "WEBADMIT_BASE_URL": sandbox.webadmit.url,
        "WEBADMIT_API_KEY": sandbox.api_key,
    }.items():
        monkeypatch.setenv(name, value)
    (source,) = blocks("python")
    names: dict[str, Any] = {"__name__": "consumer", "queue": queue}
    code = compile(source.replace("WaitTimeSeconds=20", "WaitTimeSeconds=0"), "README.md", "exec")
    with monkeypatch.context() as patch:
        patch.setattr(boto3, "client", {"sqs": sqs}.get)
        exec(code, names)  # noqa: S102
    return names


def test_the_sample_consumer_takes_each_file_once(world: World, consumer: dict[str, Any], tmp_path: Path) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    (first,) = world.ready()

    consumer["poll"]()

    run = world.run(pair)
    file = tmp_path / f"{run.export.id}-{run.id}.csv"
    assert file.read_text().startswith("applicant_id")
    assert consumer["known"] == {first["event_id"]}


def test_the_sample_consumer_skips_what_it_knows_and_keeps_what_fails(
    sandbox: Sandbox, world: World, consumer: dict[str, Any], tmp_path: Path
) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    world.fault(method="GET", answer=(503, None))

    consumer["poll"]()
    attributes = sandbox.client("sqs").get_queue_attributes(QueueUrl=consumer["queue"], AttributeNames=["All"])
    assert attributes["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"

    consumer["known"].add(world.ready()[0]["event_id"])
    sandbox.pass_time(minutes=1)
    consumer["poll"]()
    assert list(tmp_path.iterdir()) == []


def test_the_curl_commands_find_the_ids(sandbox: Sandbox, world: World) -> None:
    sandbox.webadmit.add_export(37442, 86446, "Nursing")
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl ")]
    assert len(commands) == 2

    answers = []
    for command in commands:
        key_read = command.replace("$(cat webadmit-api-key.txt)", sandbox.api_key)
        curl, option, header, url = shlex.split(key_read.replace("https://api.webadmit.org", sandbox.webadmit.url))
        assert (curl, option) == ("curl", "-H")
        name, _, value = header.partition(": ")
        answers.append(requests.get(url, headers={name: value}, timeout=10).json())

    assert [identity["id"] for identity in answers[0]["user_identities"]] == [37442]
    assert [(export["id"], export["name"]) for export in answers[1]["exports"]] == [(86446, "Nursing")]


def test_powershell_has_the_same_commands() -> None:
    shell, power = (
        [re.findall(r"https://\S+", line) for block in blocks(name) for line in block.splitlines() if "curl" in line]
        for name in ("sh", "powershell")
    )

    assert shell == power
