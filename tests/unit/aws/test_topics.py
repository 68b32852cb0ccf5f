import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes import READY_FILE, WRITER, stand_in
from webadmit_exports.aws.topics import Pace, Topics
from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.file_messages import file_message


@dataclass
class Seconds:
    now: float = 50.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def test_the_first_message_does_not_wait_and_the_others_come_five_a_second() -> None:
    seconds = Seconds()
    pace = Pace(clock=seconds.clock, sleep=seconds.sleep)

    for _ in range(11):
        pace.wait()

    assert seconds.slept == [0.2] * 10


def test_messages_that_are_slow_by_themselves_do_not_wait() -> None:
    seconds = Seconds()
    pace = Pace(clock=seconds.clock, sleep=seconds.sleep)

    for _ in range(3):
        pace.wait()
        seconds.now += 0.25

    assert seconds.slept == []


def test_callers_that_come_together_get_turns_one_after_another() -> None:
    turns: list[float] = []
    pace = Pace(clock=lambda: 50.0, sleep=lambda seconds: turns.append(round(seconds, 6)))

    for _ in range(4):  # as threads would, before the first of them has slept
        pace.wait()

    assert turns == [0.2, 0.4, 0.6]


READY = file_message(Announcement(event_type=EventType.READY, export_file=READY_FILE), WRITER)


@dataclass
class FakeSns:
    """Refuses the first messages with these error codes."""

    refusals: list[str] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, **message: Any) -> None:
        if self.refusals:
            raise ClientError({"Error": {"Code": self.refusals.pop(0)}}, "Publish")
        self.published.append(message)


def topics(sns: FakeSns) -> Topics:
    return Topics(stand_in(sns), ready_arn="ready", alerts_arn="alerts")


def test_a_message_goes_to_its_topic_with_a_text_for_people_and_json_for_programmes() -> None:
    sns = FakeSns()

    topics(sns).publish(READY)
    topics(sns).publish(replace(READY, event_type=EventType.FAILED))

    assert [message["TopicArn"] for message in sns.published] == ["ready", "alerts"]
    versions = json.loads(sns.published[0]["Message"])
    assert json.loads(versions["default"]) == READY.body
    assert versions["email"] == READY.mail
    assert sns.published[0]["MessageAttributes"]["export_id"] == {"DataType": "Number", "StringValue": "86446"}
    assert sns.published[0]["MessageAttributes"]["status"] == {"DataType": "String", "StringValue": "Available"}


@pytest.mark.parametrize("code", ["InvalidParameter", "ParameterValueInvalid", "ValidationException"])
def test_a_message_that_sns_refuses_as_invalid_is_sent_once_more_in_its_plainest_form(code: str) -> None:
    sns = FakeSns([code])

    topics(sns).publish(READY)

    (message,) = sns.published
    assert json.loads(message["Message"]) == READY.body
    assert set(message) == {"TopicArn", "Message", "MessageAttributes"}
    assert set(message["MessageAttributes"]) == {"event_type"}


@pytest.mark.parametrize("codes", [["Throttled"], ["InternalError"], ["InvalidParameter", "InvalidParameter"]])
def test_another_refusal_is_left_to_be_tried_again(codes: list[str]) -> None:
    sns = FakeSns(list(codes))

    with pytest.raises(AwsUnavailable, match=codes[-1]):
        topics(sns).publish(READY)

    assert sns.published == []


def test_the_messages_of_a_topic_are_paced() -> None:
    waited: list[str] = []
    paced = topics(FakeSns())

    def pace(name: str) -> Pace:
        return Pace(clock=lambda: 50.0, sleep=lambda _: waited.append(name))

    paced._paces = {name: pace(name) for name in ("ready", "alerts")}

    for _ in range(3):
        paced.publish(READY)

    assert waited == ["ready", "ready"]
