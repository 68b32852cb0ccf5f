"""Starts that fail as a whole come back by themselves, in AWS's own shapes."""

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


def waiting(sandbox: Sandbox, queue: str, *, hidden_for: int = 0) -> list[Any]:
    """The bodies of what lies in a queue; they are visible again after these seconds."""
    answer = sandbox.client("sqs").receive_message(
        QueueUrl=sandbox.resources[queue], MaxNumberOfMessages=10, VisibilityTimeout=hidden_for
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_start_that_dies_three_times_comes_back_by_itself_under_its_first_time(
    sandbox: Sandbox, world: World, exports: list[str]
) -> None:
    function = world.intercept("StartRunsFunction", die)

    invocations = sandbox.fire("StartRunsFunctionSchedule", world.now - timedelta(hours=3))
    function.interceptor = None
    assert [one.failed for one in invocations] == [True, True, True]
    world.retry()

    moment = (world.now - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {record["scheduled_for"] for record in world.records()} == {moment}
    assert len(world.records()) == len(exports)
    assert world.alerts() == []
    assert waiting(sandbox, "StartRetryQueue") == []


def test_a_start_that_dies_whenever_it_comes_back_is_kept_for_a_person(
    sandbox: Sandbox, world: World, exports: list[str]
) -> None:
    world.intercept("StartRunsFunction", die)
    sandbox.fire("StartRunsFunctionSchedule", world.now)

    for _ in range(46):  # a consumer that dies is to the queue one that takes a message and does not delete it
        sandbox.pass_time(minutes=15)
        (message,) = waiting(sandbox, "StartRetryQueue", hidden_for=900)
        assert message["requestPayload"]["exports"] == ",".join(exports)
    for _ in range(3):
        world.retry()

    assert waiting(sandbox, "StartRetryQueue") == []
    (kept,) = waiting(sandbox, "StartRetryDeadLetterQueue")
    assert kept["requestPayload"]["exports"] == ",".join(exports)


@pytest.mark.parametrize("schedule", ["StartRunsFunctionSchedule", "StartRunsFunctionFrequentSchedule"])
def test_a_start_that_lambda_does_not_take_comes_back_by_itself_under_its_time(
    sandbox: Sandbox, world: World, exports: list[str], schedule: str
) -> None:
    sandbox.webadmit.add_export(37442, 86448)
    due = world.now - timedelta(hours=24)

    assert sandbox.fire(schedule, due, lambda_is_down=True) == []
    sandbox.pass_time(minutes=15)
    (request,) = waiting(sandbox, "StartRetryQueue")
    assert set(request) == {"FunctionName", "InvocationType", "Payload"}
    sandbox.deliver("StartRetryQueue")

    wanted = [86446, 86447] if schedule == "StartRunsFunctionSchedule" else [86448]
    assert [record["export_id"] for record in world.records()] == wanted
    assert {record["scheduled_for"] for record in world.records()} == {due.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert waiting(sandbox, "StartRetryQueue") == []


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

    world.retry()

    assert len(world.records()) == 2
    assert len(sandbox.webadmit.runs) == 2


def test_what_still_cannot_start_is_split_told_once_and_starts_later(
    sandbox: Sandbox, world: World, exports: list[str]
) -> None:
    sandbox.fire("StartRunsFunctionSchedule", world.now, lambda_is_down=True)
    world.fault(method="POST", path="/86447/", answer=(503, None), times=4)

    world.retry()
    assert [record["export_id"] for record in world.records()] == [86446]
    assert [one["exports"] for one in waiting(sandbox, "StartRetryQueue")] == []  # it is delayed
    for _ in range(2):
        world.retry()

    assert [record["export_id"] for record in world.records()] == [86446, 86447]
    assert {record["scheduled_for"] for record in world.records()} == {world.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert [(one["event_type"], one["exports"]) for one in world.alerts()] == [("start.delayed", "37442:86447")]


def test_an_export_of_a_whole_start_that_is_given_up_is_told_once(
    sandbox: Sandbox, world: World, exports: list[str]
) -> None:
    del sandbox.webadmit.exports[86447]
    sandbox.fire("StartRunsFunctionSchedule", world.now, lambda_is_down=True)

    for _ in range(3):
        world.retry()

    assert [(one["event_type"], one["exports"]) for one in world.alerts()] == [("start.failed", "37442:86447")]


def test_a_sweep_that_fails_is_not_repeated_and_not_kept(sandbox: Sandbox, world: World) -> None:
    function = world.intercept("ReconcileRunsFunction", die)

    invocations = sandbox.fire("ReconcileRunsFunctionSweep")
    function.interceptor = None

    assert [one.failed for one in invocations] == [True]
    assert waiting(sandbox, "StartRetryQueue") == []


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
