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


def test_runs_that_we_did_not_start_are_ignored(world: World) -> None:
    pair, by_hand = world.add_export(), world.add_export()
    world.start(pair)
    world.sandbox.webadmit.start(world.export(by_hand), None).status = "Available"
    world.age(pair, minutes=6)

    world.sweep()

    assert world.records(by_hand) == []
    assert world.ready() == []


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
