"""Cases 1 to 14: the schedule, the retry queue and people start exports."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import World
from tests.sandbox.http_server import Handler, serve, url_of
from tests.sandbox.stack import Sandbox, wait_until
from tests.sandbox.webadmit_server import Request

# ── The path ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_schedule_starts_its_exports_and_their_files_are_announced(sandbox: Sandbox, world: World) -> None:
    for export_id in (86446, 86447):
        sandbox.webadmit.add_export(37442, export_id)

    (invocation,) = sandbox.fire("StartRunsFunctionSchedule", world.now)
    for export_id in (86446, 86447):
        sandbox.webadmit.send_callback(sandbox.webadmit.run_of(export_id), "Available")

    assert invocation.payload["started"] == ["37442:86446", "37442:86447"]
    assert sorted(message["export_id"] for message in world.ready()) == [86446, 86447]
    assert {record["scheduled_for"] for record in world.records()} == {world.now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_the_second_schedule_starts_the_second_list(sandbox: Sandbox, world: World) -> None:
    sandbox.webadmit.add_export(37442, 86448)

    (invocation,) = sandbox.fire("StartRunsFunctionFrequentSchedule", world.now)

    assert invocation.payload["started"] == ["37442:86448"]


def test_a_start_is_recorded_with_all_that_is_known(world: World) -> None:
    pair = world.add_export()

    world.start(pair)

    record, run = world.record(pair), world.run(pair)
    assert {name: record[name] for name in ("export_id", "export_file_id", "user_identity_id", "status", "href")} == {
        "export_id": run.export.id,
        "export_file_id": run.id,
        "user_identity_id": world.identity,
        "status": "Initializing",
        "href": f"/api/v1/exports/{run.export.id}/export_files/{run.id}",
    }
    assert record["unfinished"]
    assert datetime.fromisoformat(record["due_at"]) > datetime.fromisoformat(record["started_at"])
    assert not {"finished_at", "notified_at", "overdue_at", "expires_at"} & set(record)


def test_the_callback_goes_out_in_the_query_and_in_the_body(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()

    world.start(pair)

    request = [one for one in sandbox.webadmit.requests if one.method == "POST"][-1]
    (callback,) = request.query["callback"]
    assert json.loads(request.body) == {"callback": callback}
    assert callback.startswith(f"{sandbox.outputs['CallbackUrl']}/callbacks/{pair.replace(':', '/')}/")


# ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault",
    [
        {"spoil": "lost"},
        {"spoil": "html"},
        {"spoil": "cut off"},
        {"answer": (503, "<html>Scheduled maintenance</html>"), "times": 2},
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again_and_joins(world: World, fault: dict[str, Any]) -> None:
    pair = world.add_export()
    world.fault(method="POST", **fault)

    assert world.start(pair) == {"started": [pair]}
    world.finish(pair)

    assert len(world.records(pair)) == 1
    assert len(world.ready()) == 1
    assert world.alerts() == []


def test_a_callback_that_overtakes_the_answer_to_its_start_waits_for_its_record(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export(early=True)
    before = len(sandbox.webadmit.callbacks)

    world.start(pair)

    assert len(world.wait_for_ready()) == 1
    wait_until(lambda: len(sandbox.webadmit.callbacks) > before)
    assert [callback.status for callback in sandbox.webadmit.callbacks[before:]] == [200]
    record = wait_until(lambda: "notified_at" in world.record(pair) and world.record(pair))
    assert record["status"] == "Available"
    assert "due_at" not in record


def test_a_callback_that_comes_before_its_start_is_answered_is_refused_and_the_sweep_finds_the_end(
    world: World,
) -> None:
    """It comes while the answer, which still says Initializing, is on its way for longer than a callback waits."""
    pair = world.add_export()
    refused: list[int] = []

    def finish_before_the_answer(request: Request) -> None:
        if request.method == "POST":
            refused.append(world.finish(pair).status)

    world.sandbox.webadmit.after = finish_before_the_answer

    world.start(pair)
    assert (refused, world.ready()) == ([404], [])
    world.age(pair, minutes=6)

    assert world.sweep() == {"asked": 1, "found": 1}
    assert [message["status"] for message in world.ready()] == ["Available"]


def test_the_id_of_a_run_that_had_finished_begins_a_new_run(world: World) -> None:
    pair = world.add_export()
    world.start(pair, scheduled_for=world.now - timedelta(hours=1))
    run = world.run(pair)
    world.finish(pair)
    world.age(pair, hours=1)
    run.status = "In Progress"  # WebAdMIT begins again under the same id

    world.start(pair)
    assert world.record(pair)["status"] == "In Progress"
    world.age(pair, minutes=6)
    run.status = "Available"
    world.sweep()

    assert len(world.records(pair)) == 1
    first, second = world.ready()
    assert first["export_file_id"] == second["export_file_id"]
    assert first["event_id"] != second["event_id"]


def test_two_invocations_at_the_same_moment_are_joined_by_webadmit(world: World) -> None:
    pair = world.add_export()
    both = threading.Barrier(2, timeout=20)

    def together(request: Request) -> None:
        if request.method != "GET":
            both.wait()

    world.sandbox.webadmit.before = together

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: world.start(pair), range(2)))
    world.finish(pair)

    assert outcomes == [{"started": [pair]}] * 2
    assert len(world.records(pair)) == 1
    assert len(world.ready()) == 1


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_key_is_told_once_and_the_nights_runs_start_when_it_is_repaired(
    sandbox: Sandbox, world: World
) -> None:
    pairs = [world.add_export() for _ in range(40)]
    sandbox.webadmit.api_key = "f" * 32

    assert sorted(world.start(*pairs)["deferred"]) == sorted(pairs)
    world.retry()
    (alert,) = world.alerts()
    assert alert["event_type"] == "start.delayed"
    assert alert["exports"].count(",") == 39
    assert sandbox.outputs["WebAdmitApiKeyArn"] in alert["advice"]

    sandbox.store_api_key("f" * 32 + "\n")
    world.retry()

    assert len(world.records()) == 40
    assert {record["scheduled_for"] for record in world.records()} == {world.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert len(world.alerts()) == 1


def test_a_rate_limit_that_lasts_too_long_is_left_to_the_retry_queue(world: World) -> None:
    pairs = [world.add_export() for _ in range(20)]
    world.fault(method="POST", answer=(429, None), headers={"Retry-After": "3000"}, times=99)

    assert sorted(world.start(*pairs)["deferred"]) == sorted(pairs)
    world.sandbox.webadmit.faults.clear()
    world.retry()

    assert len(world.records()) == 20
    assert [alert["event_type"] for alert in world.alerts()] == ["start.delayed"]


def test_a_redirect_is_not_followed_and_the_key_stays_home(world: World) -> None:
    met: list[str] = []

    class Elsewhere(Handler):
        def do_GET(self) -> None:
            met.append(self.path)
            self.answer(200, {}, b"")

        do_POST = do_GET

    elsewhere = serve(Elsewhere)
    pair = world.add_export()
    for status in (301, 302, 307):
        world.fault(method="POST", answer=(status, None), headers={"Location": f"{url_of(elsewhere)}/api"})
    try:
        assert world.start(pair) == {"deferred": [pair]}
    finally:
        elsewhere.shutdown()
        elsewhere.server_close()

    assert met == []
    (alert,) = world.alerts()
    assert "WebAdmitBaseUrl" in alert["advice"]
    assert urlsplit(url_of(elsewhere)).netloc not in str(alert)


# ── Later ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_while_webadmit_is_down_exports_wait_and_start_by_themselves(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.fault(method="POST", answer=(503, "<html>Scheduled maintenance</html>"), times=3 + 8)

    assert world.start(pair) == {"deferred": [pair]}
    for _ in range(8):  # two hours
        world.retry()
        assert world.records() == []
    world.retry()
    world.finish(pair)

    assert world.record(pair)["scheduled_for"] == world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(world.ready()) == 1
    assert [alert["event_type"] for alert in world.alerts()] == ["start.delayed"]


def test_after_twelve_hours_an_export_is_given_up_told_and_kept_for_a_person(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.fault(method="POST", answer=(503, None), times=999)
    world.start(pair)

    for _ in range(47):
        world.retry()
    assert [alert["event_type"] for alert in world.alerts()] == ["start.delayed"]
    world.retry()
    world.retry()

    assert [alert["event_type"] for alert in world.alerts()] == ["start.delayed", "start.failed"]
    kept = sandbox.client("sqs").receive_message(QueueUrl=sandbox.resources["StartRetryDeadLetterQueue"])["Messages"]
    assert [json.loads(message["Body"])["exports"] for message in kept] == [pair]
    assert len(world.asked()) == 3 + 48


def test_a_message_that_cannot_be_read_fails_alone(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    sqs, url = sandbox.client("sqs"), sandbox.resources["StartRetryQueue"]
    for body in ("what", json.dumps({"exports": pair, "scheduled_for": world.now.isoformat()}), "{}"):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    (invocation,) = world.retry()

    assert len(invocation.payload["batchItemFailures"]) == 2
    assert world.record(pair)
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessagesNotVisible"] == "2"


# ── Events that cannot be used ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"exports": "1:2, 1:3"}, "' 1:3'"),
        ({"exports": "1:2,"}, "''"),
        ({"exports": "1:x"}, "'1:x'"),
        ({"exports": "-1:2"}, "'-1:2'"),
        ({}, '"exports" must be text'),
        ({"exports": "1:2", "scheduled_for": "soon"}, "'soon'"),
        ({"exports": "1:2", "scheduled_for": "2020-01-01T00:00:00Z"}, "more than 7 days ago"),
        ({"exports": "1:2", "scheduled_for": "2220-01-01T00:00:00Z"}, "in the future"),
        ({"exports": "1:2", "scheduled_for": "2026-11-23T03:30:00"}, "without a zone"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_with_its_bad_part(
    sandbox: Sandbox, world: World, event: dict[str, str], complaint: str
) -> None:
    before = len(sandbox.webadmit.requests)

    invocation = sandbox.functions["StartRunsFunction"].invoke(event)

    assert invocation.failed
    assert invocation.payload["errorType"] == "InvalidInput"
    assert complaint in invocation.payload["errorMessage"]
    assert len(sandbox.webadmit.requests) == before


def test_an_empty_list_starts_nothing(sandbox: Sandbox, world: World) -> None:
    before = sum(len(function.calls) for function in sandbox.functions.values())

    assert world.start() == {}

    assert sum(len(function.calls) for function in sandbox.functions.values()) == before


def test_by_hand_the_time_may_be_left_out(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()

    invocation = sandbox.functions["StartRunsFunction"].invoke({"exports": pair})

    assert invocation.payload["started"] == [pair]
    assert datetime.fromisoformat(world.record(pair)["scheduled_for"]) >= world.now


# ── Labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_names_of_an_export_stand_in_its_record_and_are_asked_for_once(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    sandbox.functions["StartRunsFunction"].stop()
    before = len(sandbox.webadmit.requests)

    world.start(pair)
    world.finish(pair)
    world.start(pair, scheduled_for=world.now + timedelta(seconds=1))

    lists = [one.path for one in sandbox.webadmit.requests[before:] if one.method == "GET"]
    assert sorted(lists) == ["/api/v1/user_identities", f"/api/v1/user_identities/{world.identity}/exports"]
    for record in world.records(pair):
        assert (record["export_name"], record["cycle"]) == (f"Export {world.export(pair).id}", "2026 - 2027")
        assert record["organization"] == "Sandbox School of Nursing"
