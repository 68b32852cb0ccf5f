"""Starts that fail as a whole, and the commands that bring them back."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.conftest import World
from tests.sandbox.lambda_runtime import Answer, AwsCall, Kill
from tests.sandbox.stack import Sandbox


def die(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    raise Kill


@pytest.fixture
def exports(sandbox: Sandbox, world: World) -> list[str]:
    """What the schedule starts."""
    for export_id in (86446, 86447):
        sandbox.webadmit.add_export(37442, export_id)
    return ["37442:86446", "37442:86447"]


def start_again(sandbox: Sandbox) -> dict[str, Any]:
    invocation = sandbox.functions["StartRunsFunction"].invoke({"start_again": "failed"})
    assert not invocation.failed, invocation.payload
    return dict(invocation.payload)


def waiting(sandbox: Sandbox, queue: str) -> list[Any]:
    """The bodies of what lies in a queue; they are visible again afterwards."""
    answer = sandbox.client("sqs").receive_message(
        QueueUrl=sandbox.resources[queue], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_start_that_dies_three_times_is_kept_and_started_again_under_its_first_time(
    sandbox: Sandbox, world: World, exports: list[str]
) -> None:
    function = world.intercept("StartRunsFunction", die)

    invocations = sandbox.fire("StartRunsFunctionSchedule", world.now - timedelta(hours=3))
    function.interceptor = None

    assert [one.failed for one in invocations] == [True, True, True]
    assert [one["requestPayload"]["exports"] for one in waiting(sandbox, "FailedStartsQueue")] == [",".join(exports)]
    assert start_again(sandbox)["started"] == exports
    moment = (world.now - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {record["scheduled_for"] for record in world.records()} == {moment}
    assert waiting(sandbox, "FailedStartsQueue") == []


@pytest.mark.parametrize("schedule", ["StartRunsFunctionSchedule", "StartRunsFunctionFrequentSchedule"])
def test_an_event_that_lambda_does_not_take_is_kept_and_started_again(
    sandbox: Sandbox, world: World, exports: list[str], schedule: str
) -> None:
    sandbox.webadmit.add_export(37442, 86448)

    assert sandbox.fire(schedule, world.now, lambda_is_down=True) == []

    wanted = exports if schedule == "StartRunsFunctionSchedule" else ["37442:86448"]
    assert start_again(sandbox)["started"] == wanted
    assert waiting(sandbox, "FailedStartsQueue") == []


def test_what_had_started_before_the_invocation_died_is_not_started_twice(
    sandbox: Sandbox, world: World, exports: list[str]
) -> None:
    def die_after_the_first_write(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if call.action == "PutItem":
            raise Kill
        return answer

    function = world.intercept("StartRunsFunction", die_after_the_first_write)
    sandbox.fire("StartRunsFunctionSchedule", world.now)
    function.interceptor = None

    start_again(sandbox)

    assert len(world.records()) == 2
    assert len(sandbox.webadmit.runs) == 2


def test_what_cannot_be_used_stays_and_is_named(sandbox: Sandbox, world: World, exports: list[str]) -> None:
    sqs, url = sandbox.client("sqs"), sandbox.resources["FailedStartsQueue"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"exports": "1:2", "scheduled_for": "2020-01-01T00:00:00Z"}))
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"exports": exports[0], "scheduled_for": str(world.now)}))

    answer = start_again(sandbox)
    sandbox.pass_time(minutes=15)

    assert answer["started"] == [exports[0]]
    assert len(answer["unusable"]) == 1
    assert "more than 7 days ago" in answer["unusable"][0]
    assert len(waiting(sandbox, "FailedStartsQueue")) == 1


def test_a_sweep_that_fails_is_not_repeated_and_not_kept(sandbox: Sandbox, world: World) -> None:
    function = world.intercept("ReconcileRunsFunction", die)

    invocations = sandbox.fire("ReconcileRunsFunctionSweep")
    function.interceptor = None

    assert [one.failed for one in invocations] == [True]
    assert waiting(sandbox, "FailedStartsQueue") == []


def test_what_the_retry_queue_gave_up_goes_back_with_one_command_under_its_first_time(
    sandbox: Sandbox, world: World
) -> None:
    pair, sqs = world.add_export(), sandbox.client("sqs")
    first = world.now - timedelta(hours=13)
    message = {"exports": pair, "scheduled_for": first.isoformat()}
    sqs.send_message(QueueUrl=sandbox.resources["StartRetryDeadLetterQueue"], MessageBody=json.dumps(message))

    sandbox.move_messages(sandbox.outputs["StartRetryDeadLetterQueueArn"])
    world.retry()

    assert world.record(pair)["scheduled_for"] == first.strftime("%Y-%m-%dT%H:%M:%SZ")
