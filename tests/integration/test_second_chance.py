"""A run that failed in WebAdMIT is started once more, through the real functions, the queue and their roles."""

import json
from datetime import timedelta

from tests.integration.conftest import World


def failed(world: World) -> str:
    """An export whose run has failed, and which the sweep has put into the queue."""
    pair = world.add_export()
    world.start(pair)
    world.finish(pair, "Failed")
    assert world.sweep() == {"started_again": 1}
    return pair


def test_where_the_second_run_has_a_file_only_that_is_announced(world: World) -> None:
    pair = failed(world)
    assert world.alerts() == []

    world.retry()
    world.finish(pair)

    first, second = world.records(pair)
    (ready,) = world.ready()
    assert ready["export_file_id"] == second["export_file_id"]
    assert ready["scheduled_for"] == first["scheduled_for"] == second["scheduled_for"]
    assert second["after_failure"] == first["export_file_id"]
    assert first["again_at"]
    assert "due_at" not in first
    assert (world.sweep(), world.alerts()) == ({}, [])


def test_where_both_runs_fail_one_alert_has_both_numbers_and_there_is_no_third(world: World) -> None:
    pair = failed(world)
    world.retry()
    world.finish(pair, "Failed")

    assert world.sweep() == {"announced": 1}
    world.retry()

    (alert,) = world.alerts()
    first, second = world.records(pair)
    assert (alert["event_type"], alert["export_file_id"]) == ("export_file.failed", second["export_file_id"])
    assert alert["after_failure"] == first["export_file_id"]
    (mail,) = world.mails()
    assert "failed twice in WebAdMIT" in mail["subject"]
    assert len(world.asked()) == 2


def test_a_second_run_whose_callback_is_lost_is_found_by_asking(world: World) -> None:
    pair = failed(world)
    world.retry()
    world.run(pair).status = "Available"
    second = world.records(pair)[-1]
    world.sandbox.change_record(second, due_at=second["started_at"])

    assert world.sweep() == {"asked": 1, "found": 1}
    assert len(world.ready()) == 1


def test_a_second_start_that_webadmit_refuses_is_told_with_the_failure(world: World) -> None:
    pair = failed(world)
    world.fault(method="POST", answer=(404, {"message": "Export not found."}))

    world.retry()
    assert world.sweep() == {"announced": 1}

    (alert,) = world.alerts()
    assert (alert["event_type"], alert["export_file_id"]) == ("export_file.failed", world.run(pair).id)
    assert alert["no_second_run"].startswith("WebAdMIT does not know the identity or the export (404).")
    assert "Not again: WebAdMIT does not know" in world.mails()[0]["text"]


def test_while_webadmit_is_down_it_waits_for_twelve_hours_and_then_both_facts_are_told_in_one_mail(
    world: World,
) -> None:
    pair = failed(world)
    world.fault(method="POST", answer=(503, None), times=99)

    for _ in range(47):
        world.retry()
    assert (world.sweep(), world.alerts()) == ({}, [])
    world.retry()
    assert world.sweep() == {"announced": 1}

    (alert,) = world.alerts()
    assert alert["no_second_run"].startswith("WebAdMIT gave no usable answer.")
    assert len(world.records(pair)) == 1
    queue = world.sandbox.resources["StartRetryDeadLetterQueue"]
    assert "Messages" not in world.sandbox.client("sqs").receive_message(QueueUrl=queue)


def test_where_the_next_run_has_begun_the_second_chance_is_dropped_and_that_is_said(world: World) -> None:
    pair = world.add_export()
    world.start(pair, scheduled_for=world.now - timedelta(hours=1))
    world.finish(pair, "Failed")
    world.sweep()
    world.start(pair)

    world.retry()
    world.sweep()

    (alert,) = world.alerts()
    assert f"A newer run of the export has begun. It has the file {world.run(pair).id}." == alert["no_second_run"]
    assert len(world.asked()) == 2


def test_what_a_person_starts_without_a_time_is_told_at_once_unless_the_event_asks_for_more(world: World) -> None:
    first, second = world.add_export(), world.add_export()
    for event in ({"exports": first}, {"exports": second, "start_failed_again": True}):
        assert not world.sandbox.functions["StartRunsFunction"].invoke(event).failed
    for pair in (first, second):
        world.finish(pair, "Failed")

    assert world.sweep() == {"announced": 1, "started_again": 1}
    assert [alert["export_id"] for alert in world.alerts()] == [world.export(first).id]


def test_messages_of_the_version_before_are_read(world: World) -> None:
    pair = world.add_export()
    body = json.dumps({"exports": pair, "scheduled_for": world.now.isoformat()})
    world.sandbox.client("sqs").send_message(QueueUrl=world.sandbox.resources["StartRetryQueue"], MessageBody=body)

    world.retry()

    assert world.record(pair)["start_failed_again"]
