"""Announcing again: which files a request means, what is said about them, and requests that mean nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import (
    EXPORT,
    FILE_ID,
    SETTINGS,
    Clock,
    FakeTopics,
    after,
    file,
    update,
)
from tests.unit.world import World
from webadmit_exports.domain.export_file import UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import AwsUnavailable, InvalidInput

ONE = {"export_id": EXPORT.export_id, "export_file_id": FILE_ID}
SINCE = {"export_id": EXPORT.export_id, "since": "2026-11-23T03:30:00Z"}  # NIGHT


def next_day_world(**more: Any) -> World:
    """Twelve hours after the schedule."""
    return World(clock=Clock(after(hours=12)), **more)


# ── One file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_file_is_announced_again() -> None:
    world = next_day_world()
    world.put(file(finished_at=after(minutes=4)))
    world.put(file(file_id=FILE_ID + 1, finished_at=after(minutes=5)))

    assert world.announce_again(ONE) == {"announced_again": [FILE_ID], "not_announced": []}
    assert [message.body["export_file_id"] for message in world.topics.messages] == [FILE_ID]


def test_ids_may_be_written_as_text() -> None:
    world = next_day_world()
    world.put(file(finished_at=after(minutes=4)))

    answer = world.announce_again({"export_id": str(EXPORT.export_id), "export_file_id": str(FILE_ID)})

    assert answer["announced_again"] == [FILE_ID]


@pytest.mark.parametrize(
    ("status", "event_type"),
    [
        ("Available", "export_file.ready"),
        ("Success With Errors", "export_file.ready"),
        ("Failed", "export_file.failed"),
        ("Empty List", "export_file.empty"),
    ],
)
def test_a_file_is_announced_again_as_what_it_was(status: str, event_type: str) -> None:
    world = next_day_world()
    world.put(file(status=status, finished_at=after(minutes=4)))

    world.announce_again(ONE)

    assert world.topics.event_types == [event_type]


def test_a_repeated_announcement_is_the_first_one_but_for_saying_so() -> None:
    world = World(clock=Clock(after(minutes=4)))
    world.answer("Queued")
    world.tracker().apply(update(UpdateSource.CALLBACK, "Available", after(minutes=4)), world.table.only)
    world.clock.set(days=2)

    world.announce_again(ONE)

    first, second = world.topics.messages
    assert second.body == {**first.body, "repeated": True}
    assert second.attributes == first.attributes
    assert second.subject == "webadmit-exports: again: export 86446 is ready, file 74780 (Available)"
    assert second.mail == f"This was announced before; somebody has asked for it again.\n\n{first.mail}"


def test_a_file_may_be_announced_again_and_again_under_the_same_event_id() -> None:
    world = next_day_world()
    world.put(file(finished_at=after(minutes=4)))

    for _ in range(3):
        world.announce_again(ONE)
        world.clock.go_on(days=1)

    assert len(world.topics.messages) == 3
    assert len(set(world.topics.event_ids)) == 1


def test_announcing_again_changes_no_record() -> None:
    world = next_day_world()
    world.put(before := file(finished_at=after(minutes=4)))

    world.announce_again(ONE)

    assert world.table.only == before
    assert "store" not in world.table.calls


@pytest.mark.parametrize("status", ["Initializing", "Queued", "In Progress", "Hibernating"])
def test_an_open_run_is_not_announced(status: str) -> None:
    world = next_day_world()
    world.put(file(status=status))

    assert world.announce_again(ONE) == {"announced_again": [], "not_announced": [FILE_ID]}
    assert world.topics.messages == []


def test_an_empty_list_that_nobody_is_told_about_is_not_announced() -> None:
    world = next_day_world(settings=replace(SETTINGS, alert_on_empty_list=False))
    world.put(file(status="Empty List", finished_at=after(minutes=4)))

    assert world.announce_again(ONE) == {"announced_again": [], "not_announced": [FILE_ID]}
    assert world.topics.messages == []


# ── Those of an export since then ───────────────────────────────────────────────────────────────────────────────────


def test_what_finished_since_then_is_announced_again_oldest_first() -> None:
    world = next_day_world()
    world.put(file(file_id=1, finished_at=after(seconds=-1)))
    world.put(file(file_id=2, finished_at=after(seconds=0)))
    world.put(file(file_id=3, finished_at=after(hours=2)))
    world.put(file(file_id=4, status="Failed", finished_at=after(hours=1)))

    assert world.announce_again(SINCE) == {"announced_again": [2, 3, 4], "not_announced": []}
    assert [message.body["export_file_id"] for message in world.topics.messages] == [2, 3, 4]


def test_a_run_that_was_scheduled_long_before_and_finished_since_is_announced_again() -> None:
    world = next_day_world()
    world.put(file(file_id=1, scheduled_for=after(days=-6), finished_at=after(hours=1)))

    assert world.announce_again(SINCE)["announced_again"] == [1]


def test_files_of_other_exports_are_left_alone() -> None:
    world = next_day_world()
    other = Export(user_identity_id=EXPORT.user_identity_id, export_id=EXPORT.export_id + 1)
    world.put(file(file_id=1, export=other, finished_at=after(hours=1)))
    world.put(file(file_id=2, finished_at=after(hours=1)))

    assert world.announce_again(SINCE) == {"announced_again": [2], "not_announced": []}


def test_open_runs_and_empty_lists_without_an_alert_are_passed_over() -> None:
    world = next_day_world(settings=replace(SETTINGS, alert_on_empty_list=False))
    world.put(file(file_id=1, status="In Progress"))
    world.put(file(file_id=2, status="Empty List", finished_at=after(hours=1)))
    world.put(file(file_id=3, finished_at=after(hours=1)))

    assert world.announce_again(SINCE) == {"announced_again": [3], "not_announced": [2]}


def test_where_nothing_finished_since_then_nothing_is_announced() -> None:
    assert next_day_world().announce_again(SINCE) == {"announced_again": [], "not_announced": []}


@pytest.mark.parametrize(
    "since",
    ["2026-11-23T03:30:00Z", "2026-11-23T03:30:00+00:00", "2026-11-22T22:30:00-05:00", "2026-11-23 04:30+01:00"],
)
def test_a_time_may_be_written_with_any_zone(since: str) -> None:
    world = next_day_world()
    world.put(file(file_id=1, finished_at=after(seconds=-1)))
    world.put(file(file_id=2, finished_at=after(seconds=0)))

    assert world.announce_again({"export_id": EXPORT.export_id, "since": since})["announced_again"] == [2]


# ── Requests that cannot be used ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "request_",
    [
        None,
        "all",
        [],
        [ONE],
        86446,
        {},
        {"export_id": 86446},
        {"export_file_id": 74780},
        {"since": "2026-11-23T03:30:00Z"},
        {**ONE, "since": "2026-11-23T03:30:00Z"},
        {**ONE, "user_identity_id": 37442},
        {**SINCE, "until": "2026-11-24T03:30:00Z"},
        {"Export_id": 86446, "export_file_id": 74780},
        {**SINCE, "since": None},
        {**SINCE, "since": ""},
        {**SINCE, "since": 0},
        {**SINCE, "since": 1763868600},
        {**SINCE, "since": ["2026-11-23T03:30:00Z"]},
        {**SINCE, "since": "yesterday"},
        {**SINCE, "since": "2026-11-31T03:30:00Z"},
        {**SINCE, "since": "2026-11-23"},
        {**SINCE, "since": "2026-11-23T03:30:00"},
    ],
)
def test_a_request_that_cannot_be_used_is_answered_with_the_right_forms(request_: object) -> None:
    world = next_day_world()
    world.put(file(finished_at=after(minutes=4)))

    with pytest.raises(InvalidInput) as refused:
        world.announce_again(request_)

    assert '{"announce_again": {"export_id": 86446, "export_file_id": 74780}} for one file' in str(refused.value)
    assert '{"announce_again": {"export_id": 86446, "since": "2026-11-20T00:00:00Z"}}' in str(refused.value)
    assert world.topics.messages == []


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "", "x", "086446", "86446 ", "٣", [86446], 10**18])
@pytest.mark.parametrize(
    ("request_", "name"), [(ONE, "export_id"), (ONE, "export_file_id"), (SINCE, "export_id")], ids=str
)
def test_an_id_that_is_none_is_named(request_: dict[str, object], name: str, value: object) -> None:
    world = next_day_world()

    with pytest.raises(InvalidInput, match=rf"^{name} must be a whole number of 1 to 18 digits"):
        world.announce_again({**request_, name: value})

    assert world.table.calls == []


def test_a_file_that_is_not_on_record_is_named() -> None:
    world = next_day_world()
    world.put(file(finished_at=after(minutes=4)))

    with pytest.raises(InvalidInput, match="there is no record of file 5 of export 86446"):
        world.announce_again({**ONE, "export_file_id": 5})


# ── Time, and AWS ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_there_is_no_time_for_is_named_and_left() -> None:
    world = next_day_world()
    world.put(*(file(file_id=number, finished_at=after(hours=1)) for number in range(1, 6)))
    world.timeout = 25
    world.topics.before = lambda: world.clock.go_on(seconds=5)  # each takes five of them; fifteen are kept back

    answer = world.announce_again(SINCE)

    assert answer == {"announced_again": [1, 2], "not_announced": [3, 4, 5]}
    assert [message.body["export_file_id"] for message in world.topics.messages] == [1, 2]


@pytest.mark.parametrize("request_", [ONE, SINCE], ids=["one file", "since"])
def test_what_sns_does_not_take_is_a_failure(request_: dict[str, object]) -> None:
    world = next_day_world(topics=FakeTopics(failing=1))
    world.put(file(finished_at=after(minutes=4)))

    with pytest.raises(AwsUnavailable, match="SNS"):
        world.announce_again(request_)

    assert world.topics.messages == []


@pytest.mark.parametrize(("request_", "call"), [(ONE, "read"), (SINCE, "newest")], ids=["one file", "since"])
def test_a_table_that_cannot_be_read_is_a_failure(request_: dict[str, object], call: str) -> None:
    world = next_day_world()
    world.put(file(finished_at=after(minutes=4)))
    world.table.failing.append(call)

    with pytest.raises(AwsUnavailable, match="DynamoDB"):
        world.announce_again(request_)


def test_a_request_that_failed_may_be_repeated() -> None:
    world = next_day_world(topics=FakeTopics(failing=1))
    for number in (1, 2):
        world.put(file(file_id=number, finished_at=after(hours=1) + timedelta(seconds=number)))
    with pytest.raises(AwsUnavailable):
        world.announce_again(SINCE)

    assert world.announce_again(SINCE) == {"announced_again": [1, 2], "not_announced": []}
