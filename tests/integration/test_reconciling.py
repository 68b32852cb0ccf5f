"""Case 26 and its neighbours: what callbacks leave open, the sweep finishes."""

from datetime import timedelta

import pytest

from tests.integration.conftest import World
from tests.sandbox.stack import Sandbox
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export


@pytest.mark.parametrize(
    ("status", "topic", "event_type"),
    [
        ("Available", "Ready", "export_file.ready"),
        ("Success With Errors", "Ready", "export_file.ready"),
        ("Failed", "Alerts", "export_file.failed"),
        ("Empty List", "Alerts", "export_file.empty"),
    ],
)
def test_a_run_whose_callback_never_comes_is_found_and_announced(
    world: World, status: str, topic: str, event_type: str
) -> None:
    pair = world.add_export()
    world.start(pair)
    world.run(pair).status = status
    world.age(pair, minutes=6)

    told = {"announced": 1} if topic == "Alerts" else {}  # at once by the poll, or after all polls
    assert world.sweep() == {"asked": 1, "found": 1, **told}
    world.finish(pair, status)  # late after all

    (notification,) = world.notifications(topic)
    assert notification["Message"]["event_type"] == event_type
    assert world.record(pair)["notified_at"]


def test_a_run_that_is_not_due_is_not_asked_about(world: World) -> None:
    pair = world.add_export()
    world.start(pair)

    assert world.sweep() == {}
    assert world.asked("GET") == []


def test_a_sweep_with_nothing_open_does_not_read_the_api_key(world: World) -> None:
    calls = world.calls("ReconcileRunsFunction")
    before = len(calls)

    world.sweep()

    assert [call.action for call in calls[before:]] == ["Query"]


def test_an_open_run_is_asked_about_again_later(world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.run(pair).status = "In Progress"
    world.age(pair, minutes=6)

    assert world.sweep() == {"asked": 1}
    assert world.sweep() == {}

    assert world.record(pair)["status"] == "In Progress"


def test_one_list_answers_for_all_open_runs_of_an_identity(world: World) -> None:
    pairs = [world.add_export() for _ in range(5)]
    world.start(*pairs)
    for pair in pairs:
        world.age(pair, minutes=6)

    assert world.sweep() == {"asked": 5}

    assert world.asked("GET") == [f"/api/v1/user_identities/{world.identity}/export_files"]


def test_a_run_that_the_list_lacks_is_asked_about_alone(world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.run(pair).status = "Available"
    world.age(pair, minutes=6)
    world.fault(method="GET", path="/export_files$", answer=(200, {"export_files": []}))

    assert world.sweep() == {"asked": 1, "found": 1}
    assert len(world.ready()) == 1


def test_a_run_that_webadmit_no_longer_knows_has_failed_and_the_alert_says_why(world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    del world.sandbox.webadmit.runs[world.run(pair).id]
    world.age(pair, minutes=6)

    assert world.sweep() == {"asked": 1, "found": 1, "announced": 1}

    (alert,) = world.alerts()
    assert (alert["event_type"], alert["status"]) == ("export_file.failed", "Failed")
    assert alert["reason"] == "WebAdMIT no longer knows this file (404)"
    assert world.record(pair)["reason"] == alert["reason"]


def test_runs_that_we_did_not_start_are_ignored(world: World) -> None:
    pair, by_hand = world.add_export(), world.add_export()
    world.start(pair)
    world.sandbox.webadmit.start(world.export(by_hand), None).status = "Available"
    world.age(pair, minutes=6)

    world.sweep()

    assert world.records(by_hand) == []
    assert world.ready() == []


def test_one_identity_that_cannot_be_asked_about_does_not_stop_the_others(sandbox: Sandbox, world: World) -> None:
    other = world.identity + 100_000
    pairs = [world.add_export(), world.add_export(identity=other)]
    world.start(*pairs)
    for pair in pairs:
        world.run(pair).status = "Available"
        world.age(pair, minutes=6)
    world.fault(method="GET", path=f"/{world.identity}/", answer=(503, "<html>Scheduled maintenance</html>"))

    assert sandbox.sweep().failed  # so that an alarm can say it
    assert [message["user_identity_id"] for message in world.ready()] == [other]
    assert world.record(pairs[0])["status"] == "Initializing"

    world.sweep()
    assert len(world.ready()) == 2


def test_a_refused_key_makes_the_sweep_fail_and_changes_nothing(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.age(pair, minutes=6)
    before = world.record(pair)
    sandbox.webadmit.api_key = "f" * 32

    invocation = sandbox.sweep()

    assert invocation.failed
    assert invocation.payload["errorType"] == "ApiKeyRefused"
    assert world.record(pair) == before


def test_a_run_that_is_open_for_too_long_is_reported_once_and_announced_when_it_ends(world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.run(pair).status = "In Progress"
    for _ in range(3):
        world.age(pair, hours=5)
        world.sweep()

    (alert,) = world.alerts()
    assert alert["event_type"] == "export_file.overdue"
    assert alert["started_at"] < alert["scheduled_for"]  # aged
    assert "finished_at" not in alert
    assert world.record(pair)["overdue_at"]

    world.finish(pair)
    assert len(world.ready()) == 1


def test_a_finished_file_that_nobody_announced_is_announced_when_its_lease_is_over(world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    (first,) = world.ready()
    record = world.record(pair)
    # As a crash between publishing and marking leaves it:
    world.sandbox.change_record(record, notified_at=None, expires_at=None, unfinished="1", due_at=record["finished_at"])

    assert world.sweep() == {"announced": 1}
    assert world.sweep() == {}

    assert [message["event_id"] for message in world.ready()] == [first["event_id"]] * 2


def test_a_run_that_was_taken_off_the_list_of_exports_is_still_followed(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()  # never was on the stack's lists
    world.start(pair)
    world.run(pair).status = "Available"
    world.age(pair, minutes=6)

    world.sweep()

    assert len(world.ready()) == 1


def test_a_thousand_open_runs_of_twenty_identities_are_asked_about_in_one_sweep_with_few_calls(
    sandbox: Sandbox, world: World
) -> None:
    table = ExportFilesTable(sandbox.client("dynamodb"), sandbox.outputs["ExportFilesTableName"])
    began = world.now - timedelta(hours=1)
    for number in range(1000):
        identity, export_id = 500_000 + number % 20, 500_000 + number
        run = sandbox.webadmit.start(sandbox.webadmit.add_export(identity, export_id), None)
        run.status = "Empty List" if number < 10 else "In Progress"
        record = ExportFile(
            export=Export(user_identity_id=identity, export_id=export_id),
            export_file_id=run.id,
            status="Queued",
            first_scheduled_for=began,
            scheduled_for=began,
            started_at=began,
            updated_at=began,
            due_at=began,
        )
        table.store(record, replacing=None)
    asked_before = len(sandbox.webadmit.requests)

    assert world.sweep() == {"asked": 1000, "found": 10, "announced": 10}

    assert len(sandbox.webadmit.requests) - asked_before <= 60
    assert {record["status"] for record in world.records()} == {"Empty List", "In Progress"}
    assert world.sweep() == {}


def test_a_run_whose_callback_address_died_with_a_redeployment_is_found_and_the_next_gets_the_new_one(
    sandbox: Sandbox, world: World
) -> None:
    before, after = world.add_export(), world.add_export()
    function = sandbox.functions["StartRunsFunction"]
    gone = "http://127.0.0.1:9"  # as the endpoint of an API that the redeployment replaced
    function.extra_environment = {"CALLBACK_URL": gone}
    function.stop()
    world.start(before)
    function.extra_environment = {}
    function.stop()

    world.start(after)
    answers = [world.finish(before).status, world.finish(after).status]
    world.age(before, minutes=6)
    world.sweep()

    assert world.callback_url(before).startswith(gone)
    assert answers == [0, 200]
    assert {message["export_id"] for message in world.ready()} == {world.export(pair).id for pair in (before, after)}
