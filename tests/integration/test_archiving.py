"""From "ready" to safely stored: real HTTP from the storage, a real S3 API, and everything that comes between."""

import hashlib
import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.integration.conftest import World
from tests.sandbox.lambda_runtime import Answer, AwsCall, Drop, Kill
from tests.sandbox.package import ROOT
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import APPLICANT, File

DOWNLOAD = r"^/files/"


def announced(world: World, content: bytes | None = None, **file: Any) -> str:
    """An export whose run has ended and was announced."""
    pair = world.add_export()
    if content is not None:
        world.export(pair).file = File.of(content, file.pop("name", "nursing.csv"), **file)
    world.start(pair)
    world.finish(pair)
    return pair


def age(sandbox: Sandbox, *, minutes: float = 16) -> None:
    """Until what was not archived comes again."""
    sandbox.pass_time(minutes=minutes)
    requests.post(f"{sandbox.aws_url}/sandbox/age-objects?seconds={minutes * 60}", timeout=10).raise_for_status()


def only(world: World, pair: str) -> dict[str, Any]:
    (stored,) = world.objects(pair).values()
    return stored


# ── A file is archived ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_ready_is_stored_and_told_of(world: World) -> None:
    pair = announced(world)

    (invocation,) = world.archive()

    assert invocation.payload == {"batchItemFailures": []}
    ((key, stored),) = world.objects(pair).items()
    run, (ready,), (receipt,) = world.run(pair), world.ready(), world.receipts()
    finished = ready["finished_at"]
    day, time = finished[:10].replace("-", "/"), finished[11:19].replace(":", "")
    assert key == f"{run.export.id}/{day}/{time}-{run.id}-Export_{run.export.id}.csv"
    assert APPLICANT.encode("windows-1252") in stored["body"]
    assert stored["content_type"] == "text/csv;charset=iso-8859-1"
    assert receipt == {
        **{name: value for name, value in ready.items() if name not in ("href", "event_id", "event_type")},
        "event_id": receipt["event_id"],
        "event_type": "export_file.archived",
        "bucket": world.sandbox.outputs["ArchiveBucketName"],
        "key": key,
        "version_id": stored["versions"][0],
        "bytes": len(stored["body"]),
        "sha256": hashlib.sha256(stored["body"]).hexdigest(),
        "content_type": "text/csv;charset=iso-8859-1",
        "charset": "windows-1252",
        "rows": 1,
        "header_sha256": hashlib.sha256(b"applicant_id,name,export").hexdigest(),
        "header_changed": False,
    }
    assert stored["metadata"]["export-file-id"] == str(run.id)
    assert stored["metadata"]["declared-charset"] == "iso-8859-1"
    assert (stored["metadata"]["sha256"], stored["metadata"]["rows"]) == (receipt["sha256"], "1")
    assert stored["tags"] == {"receipt": "sent", "delivery": "started"}


def test_neither_the_key_nor_anything_else_of_ours_reaches_the_storage(world: World) -> None:
    announced(world)

    world.archive()

    (request,) = world.sandbox.webadmit.downloaded[-1:]
    assert "x-api-key" not in request.headers
    assert world.sandbox.api_key not in json.dumps([request.headers, request.path, request.query])


def test_two_deliveries_of_one_announcement_leave_one_object_and_one_receipt(world: World) -> None:
    pair = announced(world)
    (ready,) = world.notifications("Ready")
    world.archive()
    queue = world.sandbox.resources["ArchiveQueue"]

    for body in (json.dumps(ready["Message"]), json.dumps({**ready, "Message": json.dumps(ready["Message"])})):
        world.sandbox.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        assert [one.payload for one in world.archive()] == [{"batchItemFailures": []}]

    assert len(only(world, pair)["versions"]) == 1
    assert len(world.receipts()) == 1


def test_a_file_that_is_announced_again_by_hand_is_told_of_again(world: World) -> None:
    pair = announced(world)
    world.archive()
    run = world.run(pair)
    request = {"announce_again": {"export_id": run.export.id, "export_file_id": run.id}}

    assert not world.sandbox.functions["ReconcileRunsFunction"].invoke(request).failed
    world.archive()

    first, second = world.receipts()
    assert second == {**first, "repeated": True}
    assert len(only(world, pair)["versions"]) == 1


def test_what_webadmit_calls_a_file_cannot_leave_its_folder(world: World) -> None:
    pair = announced(world, b"id\r\n1\r\n", name="../../..\\x/é\r\nX: y" + "z" * 1000 + ".csv")

    world.archive()

    ((key, _),) = world.objects(pair).items()
    assert key.count("/") == 4
    assert ".." not in key
    assert len(key.rpartition("/")[2]) < 130


# ── What the storage does ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            {"answer": (403, "<Error><Code>AccessDenied</Code></Error>")}, id="expired before it was followed"
        ),
        pytest.param({"answer": (503, "<Error><Code>SlowDown</Code></Error>")}, id="slow down"),
        pytest.param({"spoil": "cut off"}, id="cut off"),
        pytest.param({"headers": {"Content-Length": "100000"}, "spoil": "cut off"}, id="wrong length"),
    ],
)
def test_a_download_that_fails_is_begun_anew_with_a_fresh_url(world: World, fault: dict[str, Any]) -> None:
    pair = announced(world)
    world.fault(path=DOWNLOAD, **fault)
    before = len(world.sandbox.webadmit.downloaded)

    world.archive()

    tokens = [one.query["X-Amz-Signature"][0] for one in world.sandbox.webadmit.downloaded[before:]]
    assert len(set(tokens)) == 2
    assert len(only(world, pair)["versions"]) == 1
    assert len(world.receipts()) == 1


def test_a_redirect_is_not_followed(world: World) -> None:
    announced(world)
    elsewhere = {"Location": f"{world.sandbox.webadmit.url}/files/elsewhere.csv?X-Amz-Signature=x"}
    world.fault(path=DOWNLOAD, answer=(302, ""), headers=elsewhere, times=3)

    world.archive()

    assert not [one for one in world.sandbox.webadmit.downloaded if "elsewhere" in one.path]


def test_what_somebody_else_publishes_to_ready_topic_is_not_fetched(world: World) -> None:
    """The file exists in WebAdMIT, and the API key reaches it, but no run of this stack has finished with it."""
    pair = world.add_export(seconds=0, callbacks=0)
    run = world.sandbox.webadmit.start(world.export(pair), None)
    message = {
        "version": "1",
        "event_id": "8feeb43f-8ef1-5e5b-b877-cffbc19996ff",
        "event_type": "export_file.ready",
        "user_identity_id": world.identity,
        "export_id": run.export.id,
        "export_file_id": run.id,
        "status": "Available",
        "scheduled_for": world.now.isoformat(),
        "finished_at": world.now.isoformat(),
    }
    world.sandbox.client("sns").publish(
        TopicArn=world.sandbox.outputs["ReadyTopicArn"], Message=json.dumps(message), Subject="forged"
    )

    world.archive()

    assert world.objects(pair) == {}
    assert not [one for one in world.sandbox.webadmit.requests if f"/export_files/{run.id}" in one.path]
    assert (world.alerts(), world.receipts()) == ([], [])


def test_a_file_that_comes_too_slowly_is_given_up_with_size_and_rate(world: World) -> None:
    announced(world, b"x" * 64 * 1024 * 100, content_type="application/zip", name="a.zip")
    world.fault(path=DOWNLOAD, pace=0.5)
    message = take_announcement(world)

    result = world.sandbox.functions["ArchiveFileFunction"].invoke(message, timeout=130)

    assert result.payload == {"batchItemFailures": []}
    (alert,) = world.alerts()
    assert alert["bytes"] == 64 * 1024 * 100
    assert 0 < alert["bytes_per_second"] < 1024 * 1024
    assert "retry_until" not in alert


def take_announcement(world: World) -> dict[str, Any]:
    """The event of the one announcement in the queue, taken out of it."""
    sqs, url = world.sandbox.client("sqs"), world.sandbox.resources["ArchiveQueue"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    attributes = {"ApproximateReceiveCount": "1"}
    return {"Records": [{"messageId": message["MessageId"], "body": message["Body"], "attributes": attributes}]}


# ── What WebAdMIT and AWS do ────────────────────────────────────────────────────────────────────────────────────────


def s3_call(call: AwsCall, method: str, part: str) -> bool:
    return call.service == "s3" and call.action.startswith(method) and part in call.action


def test_the_lost_answer_to_the_last_call_is_settled_by_asking_for_the_object(world: World) -> None:
    pair = announced(world)

    def lose_answers(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if s3_call(call, "PUT", ".csv") and "tagging" not in call.action:
            raise Drop
        return answer

    world.intercept("ArchiveFileFunction", lose_answers)
    (invocation,) = world.archive()

    assert invocation.payload == {"batchItemFailures": []}
    assert len(only(world, pair)["versions"]) == 1
    assert len(world.receipts()) == 1


def test_two_processes_at_once_leave_one_object_and_one_receipt(world: World) -> None:
    pair = announced(world)
    event = take_announcement(world)
    both = threading.Barrier(2, timeout=20)

    def meet_at_the_end(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        if s3_call(call, "PUT", ".csv") and "tagging" not in call.action:
            both.wait()
        return forward()

    function = world.intercept("ArchiveFileFunction", meet_at_the_end)
    with ThreadPoolExecutor(2) as pool:
        answers = [one.payload["batchItemFailures"] for one in pool.map(function.invoke, [event, event])]

    assert sorted(len(failures) for failures in answers) == [0, 1]
    age(world.sandbox)
    assert function.invoke(event).payload == {"batchItemFailures": []}
    assert len(only(world, pair)["versions"]) == 1
    assert len(world.receipts()) == 1


CALLS_FOR_A_FILE = 10  # of a new process to AWS; to die after one is to die before the next


@pytest.mark.parametrize("number", range(CALLS_FOR_A_FILE + 1))
def test_a_process_may_die_before_each_call_and_after_the_last(world: World, number: int) -> None:
    pair = announced(world)
    calls = itertools.count()

    def die(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        one = next(calls)
        if one == number:
            raise Kill
        answer = forward()
        if one + 1 == number == CALLS_FOR_A_FILE:
            raise Kill
        return answer

    function = world.intercept("ArchiveFileFunction", die)
    function.stop()
    (died,) = world.archive()
    function.interceptor = None
    age(world.sandbox)
    world.archive()

    assert died.failed
    stored = only(world, pair)
    assert stored["tags"]["receipt"] == "sent"
    assert {receipt["sha256"] for receipt in world.receipts()} == {hashlib.sha256(stored["body"]).hexdigest()}
    assert len({receipt["event_id"] for receipt in world.receipts()}) == 1
    assert len(world.receipts()) <= 2  # a death between the receipt and its mark repeats it


def test_the_deaths_reach_every_call_and_no_more(world: World) -> None:
    announced(world)
    world.sandbox.functions["ArchiveFileFunction"].stop()
    before = len(world.calls("ArchiveFileFunction"))

    world.archive()

    assert len(world.calls("ArchiveFileFunction")) - before == CALLS_FOR_A_FILE


REFUSED = b'{"__type": "AccessDeniedException"}'
REFUSALS = {
    "s3": b"<Error><Code>AccessDenied</Code></Error>",
    "sns": b"<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>",
}


@pytest.mark.parametrize("service", ["s3", "sns", "dynamodb", "secretsmanager"])
def test_while_an_aws_service_fails_the_file_waits(world: World, service: str) -> None:
    pair = announced(world)

    def fail(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        if call.service != service:
            return forward()
        return Answer(400, {"Content-Type": "application/json"}, REFUSALS.get(service, REFUSED))

    function = world.intercept("ArchiveFileFunction", fail)
    (invocation,) = world.archive()
    assert len(invocation.payload["batchItemFailures"]) == 1
    function.interceptor = None
    age(world.sandbox)

    world.archive()

    assert len(only(world, pair)["versions"]) == 1
    assert len(world.receipts()) == 1


def test_what_is_no_announcement_is_dropped_and_a_broken_one_fails_alone(world: World) -> None:
    event = json.loads((ROOT / "events" / "announcement.json").read_text(encoding="utf-8"))
    function = world.sandbox.functions["ArchiveFileFunction"]
    bodies = {"hello": [], '{"event_type": "export_file.ready", "export_id": 0}': [event["Records"][0]["messageId"]]}

    for body, failed in bodies.items():
        event["Records"][0]["body"] = body
        answer = function.invoke(event).payload
        assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == failed
