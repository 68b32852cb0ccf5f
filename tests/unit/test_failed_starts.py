import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes import EXPORT, NIGHT, after
from webadmit_exports.failed_starts import FailedStart, FailedStarts
from webadmit_exports.model import Export
from webadmit_exports.occurrence import Occurrence

INPUT = {"exports": "37442:86446,37442:86447", "scheduled_for": "2026-11-23T03:30:00Z"}
BOTH = Occurrence(exports=(EXPORT, Export(user_identity_id=37442, export_id=86447)), scheduled_for=NIGHT)


@dataclass
class FakeSqs:
    """A queue whose messages are given out once."""

    bodies: list[str]
    deleted: list[str] = field(default_factory=list)

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, WaitTimeSeconds: int) -> dict[str, Any]:  # noqa: N803
        given, self.bodies = self.bodies[:MaxNumberOfMessages], self.bodies[MaxNumberOfMessages:]
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in given]} if given else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        self.deleted.append(ReceiptHandle)


def take(*documents: Any) -> list[FailedStart]:
    bodies = [one if isinstance(one, str) else json.dumps(one) for one in documents]
    return list(FailedStarts(FakeSqs(bodies), "https://sqs.example/queue").take(after(hours=1)))  # type: ignore[arg-type]


def test_what_the_schedule_could_not_hand_over_is_read() -> None:
    assert [one.occurrence for one in take(INPUT)] == [BOTH]


def test_what_lambda_could_not_run_is_read_from_its_record() -> None:
    record = {"version": "1.0", "timestamp": "2026-11-23T03:41:07.123Z", "requestPayload": INPUT}

    assert [one.occurrence for one in take(record)] == [BOTH]


def test_a_start_by_hand_without_a_time_gets_that_of_lambdas_record() -> None:
    record = {"timestamp": "2026-11-23T03:30:00.456Z", "requestPayload": {"exports": INPUT["exports"]}}

    assert [one.occurrence for one in take(record)] == [BOTH]


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        {},
        {"exports": "37442:86446"},
        {"requestPayload": None, "timestamp": "2026-11-23T03:30:00Z"},
        {"requestPayload": {"start_again": "failed"}, "timestamp": "2026-11-23T03:30:00Z"},
        {"exports": "37442:86446", "scheduled_for": "2026-11-16T02:00:00Z"},
    ],
)
def test_what_cannot_be_used_says_why_and_the_rest_is_read(document: Any) -> None:
    bad, good = take(document, INPUT)

    assert bad.occurrence is None
    assert bad.problem
    assert good.occurrence == BOTH


def test_all_messages_are_taken_and_each_is_done_alone() -> None:
    sqs = FakeSqs([json.dumps({**INPUT, "more": number}) for number in range(25)])
    failed_starts = FailedStarts(sqs, "https://sqs.example/queue")  # type: ignore[arg-type]

    taken = list(failed_starts.take(after(hours=1)))
    failed_starts.done(taken[3])

    assert len(taken) == 25
    assert sqs.deleted == [taken[3].handle]
