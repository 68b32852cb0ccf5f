import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import EXPORT, NIGHT, after
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.model import Export
from webadmit_exports.retry_queue import RetryQueue


@dataclass
class FakeSqs:
    """The one call of SQS that the queue makes. `refused`: the entries that are not taken."""

    batches: list[list[dict[str, str]]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.batches.append(Entries)
        failed = [{"Id": entry["Id"]} for entry in Entries if entry["Id"] in self.refused]
        return {"Failed": failed} if failed else {"Successful": Entries}


def queue(sqs: FakeSqs | None = None) -> RetryQueue:
    return RetryQueue(sqs or FakeSqs(), "https://sqs.example/queue", attempts=48)  # type: ignore[arg-type]


def record(body: str, receives: int = 1, message_id: str = "m1") -> dict[str, Any]:
    return {"messageId": message_id, "body": body, "attributes": {"ApproximateReceiveCount": str(receives)}}


GOOD = '{"exports": "37442:86446", "scheduled_for": "2026-11-23T03:30:00Z"}'


def test_exports_are_put_off_one_a_message_ten_at_once() -> None:
    sqs = FakeSqs()

    queue(sqs).put([Export(user_identity_id=1, export_id=number) for number in range(1, 24)], NIGHT)

    assert [len(batch) for batch in sqs.batches] == [10, 10, 3]
    assert json.loads(sqs.batches[2][2]["MessageBody"]) == {
        "exports": "1:23",
        "scheduled_for": "2026-11-23T03:30:00Z",
    }


def test_nothing_to_put_off_sends_nothing() -> None:
    sqs = FakeSqs()

    queue(sqs).put([], NIGHT)

    assert sqs.batches == []


def test_a_batch_that_is_not_wholly_taken_is_an_error() -> None:
    with pytest.raises(AwsUnavailable, match="did not take 1 of 3"):
        queue(FakeSqs(refused={"1"})).put([EXPORT] * 3, NIGHT)


def test_what_was_put_off_is_read_the_same() -> None:
    (delivery,), unusable = queue().read([record(GOOD)], after(hours=1))

    assert (delivery.export, delivery.scheduled_for, delivery.message_id) == (EXPORT, NIGHT, "m1")
    assert unusable == []


@pytest.mark.parametrize(("receives", "is_last"), [(1, False), (47, False), (48, True), (49, True)])
def test_the_last_try_is_known_by_the_receive_count(receives: int, is_last: bool) -> None:
    (delivery,), _ = queue().read([record(GOOD, receives)], after(hours=1))

    assert delivery.is_last is is_last


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
        '{"exports": "37442:86446,37442:86447", "scheduled_for": "2026-11-23T03:30:00Z"}',
        '{"exports": "37442:abc", "scheduled_for": "2026-11-23T03:30:00Z"}',
        '{"exports": "37442:86446", "scheduled_for": "2026-10-23T03:30:00Z"}',
    ],
)
def test_a_message_that_cannot_be_used_fails_alone(body: str) -> None:
    records = [record(GOOD, message_id="good"), record(body, message_id="bad"), record(GOOD, message_id="good too")]

    deliveries, unusable = queue().read(records, after(hours=1))

    assert [delivery.message_id for delivery in deliveries] == ["good", "good too"]
    assert unusable == ["bad"]
