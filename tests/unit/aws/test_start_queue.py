import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import EXPORT, NIGHT, after, file, stand_in
from webadmit_exports.aws.start_queue import Delivery, StartQueue
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.errors import AwsUnavailable


@dataclass
class FakeSqs:
    """The one call of SQS that the queue makes. `refused`: the entries that are not taken."""

    batches: list[list[dict[str, str]]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.batches.append(Entries)
        failed = [{"Id": entry["Id"]} for entry in Entries if entry["Id"] in self.refused]
        return {"Failed": failed} if failed else {"Successful": Entries}


def queue(sqs: FakeSqs | None = None) -> StartQueue:
    return StartQueue(stand_in(sqs or FakeSqs()), "https://sqs.example/queue", attempts=48)


def record(body: str, receives: int = 1, message_id: str = "m1", **attributes: str) -> dict[str, Any]:
    """As Lambda hands it over (Lambda developer guide, "Using Lambda with Amazon SQS")."""
    return {
        "messageId": message_id,
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "messageAttributes": {
            name: {"stringValue": text, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, text in attributes.items()
        },
    }


GOOD = '{"exports": "37442:86446", "scheduled_for": "2026-11-23T03:30:00Z"}'
BOTH = (EXPORT, Export(user_identity_id=37442, export_id=86447))
INPUT = {"exports": "37442:86446,37442:86447", "scheduled_for": "2026-11-23T03:30:00Z"}
NOT_REPLACED = {**INPUT, "scheduled_for": "<aws.scheduler.scheduled-time>"}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:webadmit-exports-StartRunsFunction"


def scheduler(payload: object) -> str:
    """The API request that EventBridge Scheduler could not make (user guide, "Configuring a dead-letter queue")."""
    return json.dumps({"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": payload})


def of_lambda(payload: object) -> str:
    """What Lambda says of an invocation that failed for good (developer guide, "Capturing records ...")."""
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-11-23T03:41:07.123Z",
            "requestContext": {
                "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
                "functionArn": f"{FUNCTION}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": "Runtime.ExitError", "errorMessage": "it died"},
        }
    )


def read(body: str, receives: int = 1, **attributes: str) -> Delivery:
    (delivery,), _ = queue().read([record(body, receives, **attributes)], after(hours=1))
    return delivery


def test_exports_are_deferred_one_a_message_ten_at_once() -> None:
    sqs = FakeSqs()

    exports = [Export(user_identity_id=1, export_id=number) for number in range(1, 24)]
    queue(sqs).put([StartRequest(entries=(export,), scheduled_for=NIGHT) for export in exports])

    assert [len(batch) for batch in sqs.batches] == [10, 10, 3]
    assert json.loads(sqs.batches[2][2]["MessageBody"]) == {
        "exports": "1:23",
        "scheduled_for": "2026-11-23T03:30:00Z",
    }


def test_nothing_to_defer_sends_nothing() -> None:
    sqs = FakeSqs()

    queue(sqs).put([])

    assert sqs.batches == []


def test_a_batch_that_is_not_wholly_taken_is_an_error() -> None:
    with pytest.raises(AwsUnavailable, match="did not take 1 of 3"):
        queue(FakeSqs(refused={"1"})).put([StartRequest(entries=(EXPORT,), scheduled_for=NIGHT)] * 3)


def test_what_was_deferred_is_read_the_same() -> None:
    delivery = read(GOOD)

    assert delivery.request == StartRequest(entries=(EXPORT,), scheduled_for=NIGHT)
    assert (delivery.message_id, delivery.is_failed_invocation) == ("m1", False)


@pytest.mark.parametrize(
    "request_",
    [
        StartRequest(entries=(EXPORT,), scheduled_for=NIGHT, start_failed_again=False),
        StartRequest.again(file("Failed"), after(minutes=5, microseconds=7)),
    ],
)
def test_whether_a_failure_is_started_again_and_which_one_comes_back_with_the_message(request_: StartRequest) -> None:
    delivery = read(request_.to_json())

    assert (delivery.request, delivery.is_failed_invocation) == (request_, False)


def test_a_message_of_several_exports_is_a_whole_start() -> None:
    assert read(json.dumps(INPUT)).is_failed_invocation


@pytest.mark.parametrize("payload", [INPUT, json.dumps(INPUT), NOT_REPLACED, json.dumps(NOT_REPLACED)])
def test_a_start_that_scheduler_could_not_hand_over_is_read_from_its_api_request(payload: object) -> None:
    delivery = read(scheduler(payload), SCHEDULED_TIME="2026-11-23T03:30:00Z", ERROR_CODE="ThrottlingException")

    assert delivery.request == StartRequest(entries=BOTH, scheduled_for=NIGHT)
    assert delivery.is_failed_invocation


def test_a_start_that_lambda_could_not_run_is_read_from_its_record() -> None:
    delivery = read(of_lambda(INPUT))

    assert delivery.request == StartRequest(entries=BOTH, scheduled_for=NIGHT)
    assert delivery.is_failed_invocation


def test_a_whole_start_of_one_export_is_a_whole_start_too() -> None:
    one = {**INPUT, "exports": "37442:86446"}

    assert read(of_lambda(one)).is_failed_invocation
    assert read(scheduler(one), SCHEDULED_TIME="2026-11-23T03:30:00Z").is_failed_invocation


def test_a_start_by_hand_without_a_time_gets_that_of_lambdas_record() -> None:
    delivery = read(of_lambda({"exports": "37442:86446"}))

    assert delivery.request.scheduled_for == after(minutes=11, seconds=7)
    assert delivery.request.start_failed_again is False
    assert read(of_lambda(INPUT)).request.start_failed_again
    assert read(scheduler(NOT_REPLACED), SCHEDULED_TIME="2026-11-23T03:30:00Z").request.start_failed_again


@pytest.mark.parametrize(("receives", "is_last"), [(1, False), (47, False), (48, True), (49, True)])
def test_the_last_try_is_known_by_the_receive_count(receives: int, is_last: bool) -> None:
    assert read(GOOD, receives).is_last is is_last


def test_exports_are_tried_for_twelve_hours() -> None:
    assert queue().span == timedelta(hours=12)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"exports": "37442:86446"}',
        '{"exports": "", "scheduled_for": "2026-11-23T03:30:00Z"}',
        scheduler(NOT_REPLACED),
        scheduler('{"exports": "37442:86446", "scheduled_'),
        scheduler(None),
        of_lambda(None),
        of_lambda("what"),
        of_lambda({"Records": []}),
        of_lambda({"exports": "37442:86446", "scheduled_for": "2026-10-23T03:30:00Z"}),
        "[" * 100_000,
        GOOD[:-1] + ', "after_failure": 74780}',
        GOOD[:-1] + ', "after_failure": 74780, "again_at": "soon"}',
        GOOD[:-1] + ', "after_failure": "x", "again_at": "2026-11-23T03:35:00Z"}',
        '{"exports": "37442:abc", "scheduled_for": "2026-11-23T03:30:00Z"}',
        '{"exports": "37442:86446", "scheduled_for": "2026-10-23T03:30:00Z"}',
    ],
)
def test_a_message_that_cannot_be_read_fails_alone_whatever_it_is(body: str) -> None:
    records = [record(GOOD, message_id="good"), record(body, message_id="bad"), record(GOOD, message_id="good too")]

    deliveries, unreadable = queue().read(records, after(hours=1))

    assert [delivery.message_id for delivery in deliveries] == ["good", "good too"]
    assert unreadable == ["bad"]
