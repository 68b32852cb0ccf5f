"""The sample consumer of docs/consuming.md, run against the sandbox."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.integration.conftest import World
from tests.sandbox.http_server import Handler, serve, url_of
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
    code = compile(source.replace("WaitTimeSeconds=20", "WaitTimeSeconds=0"), "consuming.md", "exec")
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
    assert file.read_text(encoding="windows-1252").startswith("applicant_id")
    assert consumer["known"] == {first["event_id"]}


def test_the_sample_consumer_takes_again_what_a_person_had_announced_again(
    world: World, consumer: dict[str, Any], tmp_path: Path
) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    consumer["poll"]()
    (file,) = tmp_path.iterdir()
    file.unlink()
    run = world.run(pair)
    request = {"export_id": run.export.id, "export_file_id": run.id}

    world.sandbox.functions["ReconcileRunsFunction"].invoke({"announce_again": request})
    consumer["poll"]()

    assert list(tmp_path.iterdir()) == [file]


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


@pytest.mark.parametrize(
    "forged",
    [
        {"href": "https://evil.example/x"},
        {"href": "@evil.example/x"},
        {"export_id": "../../x"},
        {"export_file_id": "1/../../../x"},
        {"export_id": [1]},
        {"export_file_id": None},
    ],
)
def test_the_sample_consumer_takes_a_forged_message_nowhere(
    sandbox: Sandbox, world: World, consumer: dict[str, Any], tmp_path: Path, forged: dict[str, Any]
) -> None:
    """The key goes to WebAdMIT alone, and a file into the folder alone."""
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    (true,) = world.ready()
    sandbox.client("sqs").purge_queue(QueueUrl=consumer["queue"])
    forged = {**true, "event_id": "8feeb43f-8ef1-5e5b-b877-cffbc19996ff", **forged}
    sandbox.client("sns").publish(TopicArn=sandbox.outputs["ReadyTopicArn"], Message=json.dumps(forged))
    run, before = world.run(pair), len(sandbox.webadmit.requests)

    consumer["poll"]()

    assert {path.name for path in tmp_path.iterdir()} <= {f"{run.export.id}-{run.id}.csv"}
    assert not list(tmp_path.parent.glob("*x*.csv"))
    asked = [one.path for one in sandbox.webadmit.requests[before:]]
    assert {path.partition("?")[0] for path in asked} <= {f"/api/v1/exports/{run.export.id}/export_files/{run.id}"}


def test_the_sample_consumer_takes_the_key_to_no_other_host(
    sandbox: Sandbox, world: World, consumer: dict[str, Any], tmp_path: Path
) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    seen: list[str | None] = []

    class Elsewhere(Handler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("x-api-key"))
            self.send_response(200)
            self.end_headers()

    elsewhere = serve(Elsewhere)
    try:
        world.fault(method="GET", answer=(302, None), headers={"Location": f"{url_of(elsewhere)}/x"})
        consumer["poll"]()
    finally:
        elsewhere.shutdown()
        elsewhere.server_close()

    assert seen == []
    assert list(tmp_path.iterdir()) == []
