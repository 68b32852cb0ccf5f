"""From a failed run to the second one, with fakes: what the sweep, the queue and the start make of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import EXPORT, FILE_ID, NIGHT, SETTINGS, Clock, FakeStartQueue, after, identity, run, update
from tests.unit.world import World
from webadmit_exports.aws.start_queue import Delivery
from webadmit_exports.domain.export_file import ExportFile, UpdateSource
from webadmit_exports.errors import (
    AnnouncementDelayed,
    ApiKeyRefused,
    RequestRefused,
    Unavailable,
    WebAdmitError,
)
from webadmit_exports.runs.reconcile import SweepIncomplete

SECOND = FILE_ID + 1


def failed_world(**more: Any) -> World:
    """The first run of the export has failed, four minutes after the schedule."""
    world = World(**more)
    world.webadmit.answers[EXPORT] = [run(FILE_ID)]
    world.start(EXPORT)
    end(world, "Failed", minutes=4)
    return world


def end(world: World, status: str, file_id: int = FILE_ID, **duration: float) -> None:
    """WebAdMIT calls back."""
    world.clock.set(**duration)
    ended = update(UpdateSource.CALLBACK, status, world.clock.now(), export_file_id=file_id)
    assert world.tracker().apply(ended, world.record(file_id))


def swept_world(**more: Any) -> World:
    """And the sweep has put its second start into the queue; a quarter of an hour has gone by."""
    world = failed_world(**more)
    assert world.sweep().started_again == 1
    world.clock.go_on(minutes=15)
    return world


def bring(world: World, *, last: bool = False) -> list[str]:
    """The queue brings the second start; returns the message if it shall come again."""
    (request,) = world.start_queue.requests
    delivery = Delivery(message_id="m", request=request, is_last=last, is_failed_invocation=False)
    return world.retry(delivery)


def told(world: World) -> list[dict[str, Any]]:
    world.sweep()
    return [dict(message.body) for message in world.topics.messages]


def first(world: World) -> ExportFile:
    return world.record(FILE_ID)


def test_a_failed_run_is_put_into_the_queue_once_and_nobody_is_told() -> None:
    world = failed_world()

    assert [world.sweep().started_again for _ in range(3)] == [1, 0, 0]

    (request,) = world.start_queue.requests
    assert (request.entries, request.scheduled_for) == ((EXPORT,), NIGHT)
    assert request.second_chance
    assert (request.second_chance.after_failure, request.second_chance.again_at) == (FILE_ID, first(world).again_at)
    assert world.topics.messages == []


def test_where_the_second_run_has_a_file_it_is_announced_as_if_nothing_had_been() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [run(SECOND)]

    assert bring(world) == []
    end(world, "Available", SECOND, minutes=30)

    (ready,) = told(world)
    assert (ready["event_type"], ready["export_file_id"], ready["scheduled_for"]) == (
        "export_file.ready",
        SECOND,
        "2026-11-23T03:30:00Z",
    )
    assert "after_failure" not in ready
    world.clock.go_on(days=2)
    assert len(told(world)) == 1
    assert world.announce_again({"export_id": EXPORT.export_id, "export_file_id": FILE_ID})["announced_again"] == []


def test_where_the_second_run_fails_too_one_alert_has_both_numbers_and_there_is_no_third() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [run(SECOND)]
    bring(world)
    end(world, "Failed", SECOND, minutes=30)

    (failed,) = told(world)

    assert (failed["event_type"], failed["export_file_id"], failed["after_failure"]) == (
        "export_file.failed",
        SECOND,
        FILE_ID,
    )
    (message,) = world.topics.messages
    assert message.subject.endswith('export 86446 "Nursing applicants" failed twice in WebAdMIT, file 74781')
    assert "ran in WebAdMIT twice and failed both times" in message.mail
    assert "First run: failed, file 74780" in message.mail
    assert len(world.start_queue.requests) == 1


@pytest.mark.parametrize(("status", "after_failure"), [("Failed", FILE_ID), ("In Progress", None)])
def test_a_second_start_that_is_answered_with_the_failed_run_itself_is_told_once(
    status: str, after_failure: int | None
) -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [run(FILE_ID, status)]

    assert bring(world) == []

    assert [message.get("after_failure") for message in told(world)] == ([FILE_ID] if after_failure else [])
    assert bring(world) == []
    assert len(told(world)) == bool(after_failure)
    assert len(world.webadmit.started) == 2


def test_a_second_start_that_comes_again_after_it_was_recorded_starts_nothing() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [run(SECOND)]
    world.table.failing = ["store"]  # the record of the second run

    assert [bring(world), bring(world), bring(world)] == [["m"], [], []]

    assert len(world.webadmit.started) == 3  # the second of which could not be recorded
    assert len(world.table.records) == 2


def test_a_death_before_the_failed_run_gave_way_is_made_up_for_by_the_message() -> None:
    world = swept_world()
    waiting = first(world)
    world.webadmit.answers[EXPORT] = [run(SECOND)]
    bring(world)
    world.put(waiting)  # as if the process had died before

    assert bring(world) == []

    assert first(world).due_at is None
    assert len(world.webadmit.started) == 2


def test_a_death_before_the_failed_run_gave_way_is_made_up_for_by_the_sweep() -> None:
    world = swept_world()
    waiting = first(world)
    world.webadmit.answers[EXPORT] = [run(SECOND, "Available")]
    bring(world)
    world.put(waiting)
    world.clock.go_on(hours=13)

    assert [message["event_type"] for message in told(world)] == ["export_file.ready"]
    assert first(world).due_at is None


# ── No second run ───────────────────────────────────────────────────────────────────────────────────────────────────


def no_second_run(world: World) -> str:
    """What the one alert says of it."""
    (failed,) = told(world)
    assert (failed["event_type"], failed["export_file_id"]) == ("export_file.failed", FILE_ID)
    assert f"Not again: {failed['no_second_run']}" in world.topics.messages[0].mail
    world.clock.go_on(days=1)
    assert [message["export_file_id"] for message in told(world)].count(FILE_ID) == 1
    assert bring(world) == []
    return str(failed["no_second_run"])


def test_a_second_start_that_webadmit_refuses_for_good_is_told_with_the_failure() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [RequestRefused("/", "answered 404", "“Not found.”", status=404)]

    assert bring(world) == []

    assert no_second_run(world) == "WebAdMIT does not know the identity or the export (404). “Not found.”"


def test_where_a_newer_run_has_begun_the_second_chance_is_dropped_and_that_is_said() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [run(SECOND)]
    world.start(EXPORT, scheduled_for=after(minutes=15))

    assert bring(world) == []

    assert len(world.webadmit.started) == 2
    assert no_second_run(world) == "A newer run of the export has begun. It has the file 74781."


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ApiKeyRefused("/", "answered 401"), "WebAdMIT refused the API key (401)."),
        (Unavailable("/", "answered 503"), "WebAdMIT gave no usable answer. Answered 503."),
    ],
)
def test_while_webadmit_is_down_or_refuses_the_key_it_waits_and_the_last_try_tells_both_facts(
    error: WebAdmitError, why: str
) -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [error] * 3

    assert bring(world) == ["m"]
    assert told(world) == []
    assert bring(world, last=True) == []

    assert no_second_run(world) == why


def test_a_second_start_that_never_comes_is_told_after_thirteen_hours() -> None:
    world = swept_world()
    world.clock.go_on(hours=12, minutes=44)
    assert told(world) == []
    world.clock.go_on(minutes=1)

    assert no_second_run(world) == "None came about within thirteen hours."


def test_a_second_start_is_given_up_again_where_the_table_did_not_take_it() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [RequestRefused("/", "answered 404", status=404)] * 2
    world.table.failing = ["store"]

    assert bring(world) == ["m"]
    assert bring(world) == []

    assert no_second_run(world).startswith("WebAdMIT does not know")


def test_a_file_that_appears_after_a_failed_run_gave_way_is_announced_though_sns_fails_at_first() -> None:
    world = swept_world()
    world.webadmit.answers[EXPORT] = [run(SECOND)]
    bring(world)
    world.topics.failing = 1
    with pytest.raises(AnnouncementDelayed):
        end(world, "Available", minutes=30)

    assert ("export_file.ready", FILE_ID) in [(one["event_type"], one["export_file_id"]) for one in told(world)]


@pytest.mark.parametrize(("more", "asks"), [({}, False), ({"scheduled_for": "2026-11-23T03:30:00Z"}, True)])
def test_a_name_has_the_second_chance_of_its_request(more: dict[str, str], *, asks: bool) -> None:
    world = World()
    world.webadmit.add(identity(1), "Slate nightly")

    world.start_event({"exports": "Slate*", **more})

    assert world.table.only.start_failed_again is asks


def test_a_failure_that_is_about_to_be_started_again_is_not_announced_again() -> None:
    world = failed_world()
    request = {"export_id": EXPORT.export_id, "export_file_id": FILE_ID}

    assert world.announce_again(request) == {"announced_again": [], "not_announced": [FILE_ID]}


# ── The sweep ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_queue_that_does_not_take_it_leaves_the_failure_due_and_untold() -> None:
    world = failed_world(start_queue=FakeStartQueue(failing=True))

    with pytest.raises(SweepIncomplete):
        world.sweep()
    world.start_queue.failing = False

    assert world.sweep().started_again == 1
    assert world.topics.messages == []


def test_a_mark_that_failed_leaves_two_messages_of_which_one_counts() -> None:
    world = failed_world()
    world.table.failing = ["store"]
    with pytest.raises(SweepIncomplete):
        world.sweep()
    world.clock.go_on(minutes=5)
    world.sweep()
    lost, marked = world.start_queue.requests
    world.clock.go_on(minutes=15)

    world.start_queue.requests = [lost]
    assert bring(world) == []
    assert len(world.webadmit.started) == 1
    world.start_queue.requests = [marked]
    assert bring(world) == []
    assert len(world.webadmit.started) == 2


@pytest.mark.parametrize(
    ("how", "is_started_again"), [("by hand", False), ("by hand, asked for", True), ("off", False), ("a day", False)]
)
def test_who_has_a_second_chance(how: str, *, is_started_again: bool) -> None:
    world = World()
    event = {"exports": str(EXPORT)} | ({"start_failed_again": True} if how == "by hand, asked for" else {})
    event |= {"scheduled_for": "2026-11-23T03:30:00Z"} if how in ("off", "a day") else {}
    world.webadmit.answers[EXPORT] = [run(FILE_ID)]
    world.start_event(event)
    if how == "off":
        world.settings = replace(SETTINGS, start_failed_again=False)
    end_at = world.clock.now() + (timedelta(days=1, minutes=1) if how == "a day" else timedelta(minutes=4))
    world.clock = Clock(end_at)
    ended = update(UpdateSource.POLL, "Failed", end_at)
    world.tracker().apply(ended, first(world))

    assert world.sweep().started_again == is_started_again
    assert len(world.topics.messages) == (not is_started_again)


def test_a_run_that_webadmit_no_longer_knows_is_told_at_once() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [run(FILE_ID)]
    world.start(EXPORT)
    world.clock.go_on(minutes=6)

    assert world.sweep().started_again == 0
    assert [message.body["reason"] for message in world.topics.messages] == ["WebAdMIT no longer knows this file (404)"]
