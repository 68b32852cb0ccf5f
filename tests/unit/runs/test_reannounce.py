"""Announcing again: which files a request means, what is said about them, and requests that mean nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.fakes import (
    EXPORT,
    FILE_ID,
    NIGHT,
    SETTINGS,
    Clock,
    FakeTable,
    FakeTopics,
    after,
    stand_in,
    tracker,
    update,
)
from webadmit_exports.domain.export_file import ExportFile, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.lifecycle import LifecycleSettings
from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.runs.reannounce import Reannounce

ONE = {"export_id": EXPORT.export_id, "export_file_id": FILE_ID}
SINCE = {"export_id": EXPORT.export_id, "since": "2026-11-23T03:30:00Z"}  # NIGHT


@dataclass
class World:
    """A table of files, and a topic."""

    table: FakeTable = field(default_factory=FakeTable)
    topics: FakeTopics = field(default_factory=FakeTopics)
    clock: Clock = field(default_factory=lambda: Clock(after(hours=12)))
    settings: LifecycleSettings = SETTINGS

    def put(
        self,
        file_id: int = FILE_ID,
        status: str = "Available",
        finished_at: datetime | None = None,
        export: Export = EXPORT,
        scheduled_for: datetime = NIGHT,
    ) -> ExportFile:
        record = ExportFile(
            export=export,
            export_file_id=file_id,
            status=status,
            first_scheduled_for=scheduled_for,
            scheduled_for=scheduled_for,
            started_at=scheduled_for,
            updated_at=scheduled_for,
            finished_at=finished_at,
            notified_at=finished_at,
            version="1",
        )
        self.table.records[export.export_id, file_id] = record
        return record

    def announce(self, request: object, time_left: Callable[[], float] = lambda: 60.0) -> dict[str, Any]:
        files = tracker(self.table, self.topics, self.clock, self.settings)
        return Reannounce(table=stand_in(self.table), tracker=files).announce(request, time_left)


# ── One file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_file_is_announced_again() -> None:
    world = World()
    world.put(finished_at=after(minutes=4))
    world.put(FILE_ID + 1, finished_at=after(minutes=5))

    assert world.announce(ONE) == {"announced_again": [FILE_ID], "not_announced": []}
    assert [message.body["export_file_id"] for message in world.topics.messages] == [FILE_ID]


def test_ids_may_be_written_as_text() -> None:
    world = World()
    world.put(finished_at=after(minutes=4))

    answer = world.announce({"export_id": str(EXPORT.export_id), "export_file_id": str(FILE_ID)})

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
    world = World()
    world.put(status=status, finished_at=after(minutes=4))

    world.announce(ONE)

    assert world.topics.event_types == [event_type]


def test_a_repeated_announcement_is_the_first_one_but_for_saying_so() -> None:
    world = World(clock=Clock(after(minutes=4)))
    files = tracker(world.table, world.topics, world.clock)
    files.apply(update(UpdateSource.START, "Queued", after(seconds=1)), None)
    files.apply(update(UpdateSource.CALLBACK, "Available", after(minutes=4)), world.table.only)
    world.clock.set(days=2)

    world.announce(ONE)

    first, second = world.topics.messages
    assert second.body == {**first.body, "repeated": True}
    assert second.attributes == first.attributes
    assert second.subject == "webadmit-exports: again: export 86446 is ready, file 74780 (Available)"
    assert second.mail == f"This was announced before; somebody has asked for it again.\n\n{first.mail}"


def test_a_file_may_be_announced_again_and_again_under_the_same_event_id() -> None:
    world = World()
    world.put(finished_at=after(minutes=4))

    for _ in range(3):
        world.announce(ONE)
        world.clock.go_on(days=1)

    assert len(world.topics.messages) == 3
    assert len(set(world.topics.event_ids)) == 1


def test_announcing_again_changes_no_record() -> None:
    world = World()
    before = world.put(finished_at=after(minutes=4))

    world.announce(ONE)

    assert world.table.only == before
    assert "store" not in world.table.calls


@pytest.mark.parametrize("status", ["Initializing", "Queued", "In Progress", "Hibernating"])
def test_an_open_run_is_not_announced(status: str) -> None:
    world = World()
    world.put(status=status)

    assert world.announce(ONE) == {"announced_again": [], "not_announced": [FILE_ID]}
    assert world.topics.messages == []


def test_an_empty_list_that_nobody_is_told_about_is_not_announced() -> None:
    world = World(settings=replace(SETTINGS, alert_on_empty_list=False))
    world.put(status="Empty List", finished_at=after(minutes=4))

    assert world.announce(ONE) == {"announced_again": [], "not_announced": [FILE_ID]}
    assert world.topics.messages == []


# ── Those of an export since then ───────────────────────────────────────────────────────────────────────────────────


def test_what_finished_since_then_is_announced_again_oldest_first() -> None:
    world = World()
    world.put(1, finished_at=after(seconds=-1))
    world.put(2, finished_at=after(seconds=0))
    world.put(3, finished_at=after(hours=2))
    world.put(4, status="Failed", finished_at=after(hours=1))

    assert world.announce(SINCE) == {"announced_again": [2, 3, 4], "not_announced": []}
    assert [message.body["export_file_id"] for message in world.topics.messages] == [2, 3, 4]


def test_a_run_that_was_scheduled_long_before_and_finished_since_is_announced_again() -> None:
    world = World()
    world.put(1, scheduled_for=after(days=-6), finished_at=after(hours=1))

    assert world.announce(SINCE)["announced_again"] == [1]


def test_files_of_other_exports_are_left_alone() -> None:
    world = World()
    other = Export(user_identity_id=EXPORT.user_identity_id, export_id=EXPORT.export_id + 1)
    world.put(1, export=other, finished_at=after(hours=1))
    world.put(2, finished_at=after(hours=1))

    assert world.announce(SINCE) == {"announced_again": [2], "not_announced": []}


def test_open_runs_and_empty_lists_without_an_alert_are_passed_over() -> None:
    world = World(settings=replace(SETTINGS, alert_on_empty_list=False))
    world.put(1, status="In Progress")
    world.put(2, status="Empty List", finished_at=after(hours=1))
    world.put(3, finished_at=after(hours=1))

    assert world.announce(SINCE) == {"announced_again": [3], "not_announced": [2]}


def test_where_nothing_finished_since_then_nothing_is_announced() -> None:
    assert World().announce(SINCE) == {"announced_again": [], "not_announced": []}


@pytest.mark.parametrize(
    "since",
    ["2026-11-23T03:30:00Z", "2026-11-23T03:30:00+00:00", "2026-11-22T22:30:00-05:00", "2026-11-23 04:30+01:00"],
)
def test_a_time_may_be_written_with_any_zone(since: str) -> None:
    world = World()
    world.put(1, finished_at=after(seconds=-1))
    world.put(2, finished_at=after(seconds=0))

    assert world.announce({"export_id": EXPORT.export_id, "since": since})["announced_again"] == [2]


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
    world = World()
    world.put(finished_at=after(minutes=4))

    with pytest.raises(InvalidInput) as refused:
        world.announce(request_)

    assert '{"announce_again": {"export_id": 86446, "export_file_id": 74780}} for one file' in str(refused.value)
    assert '{"announce_again": {"export_id": 86446, "since": "2026-11-20T00:00:00Z"}}' in str(refused.value)
    assert world.topics.messages == []


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "", "x", "086446", "86446 ", "٣", [86446], 10**18])
@pytest.mark.parametrize(
    ("request_", "name"), [(ONE, "export_id"), (ONE, "export_file_id"), (SINCE, "export_id")], ids=str
)
def test_an_id_that_is_none_is_named(request_: dict[str, object], name: str, value: object) -> None:
    world = World()

    with pytest.raises(InvalidInput, match=rf"^{name} must be a whole number of 1 to 18 digits"):
        world.announce({**request_, name: value})

    assert world.table.calls == []


def test_a_file_that_is_not_on_record_is_named() -> None:
    world = World()
    world.put(finished_at=after(minutes=4))

    with pytest.raises(InvalidInput, match="there is no record of file 5 of export 86446"):
        world.announce({**ONE, "export_file_id": 5})


# ── Time, and AWS ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_there_is_no_time_for_is_named_and_left() -> None:
    world = World()
    for number in range(1, 6):
        world.put(number, finished_at=after(hours=1))
    seconds = iter([60.0, 15.1, 15.0, 14.9, 1.0])

    answer = world.announce(SINCE, lambda: next(seconds))

    assert answer == {"announced_again": [1, 2], "not_announced": [3, 4, 5]}
    assert [message.body["export_file_id"] for message in world.topics.messages] == [1, 2]


@pytest.mark.parametrize("request_", [ONE, SINCE], ids=["one file", "since"])
def test_what_sns_does_not_take_is_a_failure(request_: dict[str, object]) -> None:
    world = World(topics=FakeTopics(failing=1))
    world.put(finished_at=after(minutes=4))

    with pytest.raises(AwsUnavailable, match="SNS"):
        world.announce(request_)

    assert world.topics.messages == []


@pytest.mark.parametrize(("request_", "call"), [(ONE, "read"), (SINCE, "newest")], ids=["one file", "since"])
def test_a_table_that_cannot_be_read_is_a_failure(request_: dict[str, object], call: str) -> None:
    world = World()
    world.put(finished_at=after(minutes=4))
    world.table.failing.append(call)

    with pytest.raises(AwsUnavailable, match="DynamoDB"):
        world.announce(request_)


def test_a_request_that_failed_may_be_repeated() -> None:
    world = World(topics=FakeTopics(failing=1))
    for number in (1, 2):
        world.put(number, finished_at=after(hours=1) + timedelta(seconds=number))
    with pytest.raises(AwsUnavailable):
        world.announce(SINCE)

    assert world.announce(SINCE) == {"announced_again": [1, 2], "not_announced": []}
