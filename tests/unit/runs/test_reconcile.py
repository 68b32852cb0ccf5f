"""The sweep, with fakes: rate limits, time, stale rows of the index, refused identities."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from tests.fakes import Clock, FakeKeys, FakeTable, FakeTopics, after, tracker, update
from tests.unit.world import World
from webadmit_exports.domain.export_file import ExportFile, UpdateSource
from webadmit_exports.domain.lifecycle import LEASE
from webadmit_exports.errors import (
    AccessRefused,
    AnswerTooLong,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from webadmit_exports.runs.call_budget import SWEEPS_AN_HOUR
from webadmit_exports.runs.poll import Figures
from webadmit_exports.runs.reconcile import SweepIncomplete
from webadmit_exports.webadmit.answers import RateLimit

TEN_CALLS_A_SWEEP = RateLimit(limit=12 * 8 * 10, remaining=4000)
FORBIDDEN = AccessRefused("/", "answered 403", "No access.")


def swept_world(minutes: float = 10, **more: Any) -> World:
    """Ten minutes after the schedule."""
    return World(clock=Clock(after(minutes=minutes)), **more)


# ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_list_answers_for_all_runs_of_an_identity() -> None:
    world = swept_world()
    for number in range(50):
        world.open_run(number + 1, identity=number % 2 + 1)

    assert world.sweep() == Figures(due=50, asked=50)
    assert sorted(world.webadmit.asked) == ["runs 1", "runs 2"]


def test_connections_that_may_have_died_are_dropped_before_each_sweep_that_asks() -> None:
    world = swept_world()
    world.sweep()
    world.open_run(1)

    world.sweep()

    assert world.webadmit.dropped_before == [0]


def test_forty_seconds_are_enough_to_ask_about_one_more_identity() -> None:
    world = swept_world(timeout=40)
    world.open_run(1)

    assert world.sweep() == Figures(due=1, asked=1)


def test_a_finished_run_is_announced_from_the_list() -> None:
    world = swept_world()
    world.open_run(5, status="Available")

    assert world.sweep() == Figures(due=1, asked=1, found=1)
    assert world.topics.event_types == ["export_file.ready"]


def test_a_run_with_the_same_number_of_another_export_is_not_taken_for_it() -> None:
    world = swept_world()
    record = world.open_run(5)
    del world.webadmit.runs[record.export.export_id, 5]
    world.webadmit.runs[999, 5] = (37442, "Available")

    world.sweep()

    assert world.record(5).reason == "WebAdMIT no longer knows this file (404)"


def test_only_what_the_list_lacks_is_asked_about_alone() -> None:
    world = swept_world()
    for file_id in (1, 2, 3):
        world.open_run(file_id)
    world.webadmit.unlisted = {2}

    assert world.sweep() == Figures(due=3, asked=3)
    assert world.webadmit.asked == ["runs 37442", "run 2"]


def test_what_was_asked_about_is_due_later() -> None:
    world = swept_world()
    world.open_run(1)

    world.sweep()

    assert world.record(1).due_at == after(minutes=15)
    assert world.sweep() == Figures()


@pytest.mark.parametrize("status", [400, 410, 422])
def test_another_refusal_of_a_single_file_proves_nothing_for_seven_days(status: int) -> None:
    world = swept_world()
    world.open_run(1)
    world.webadmit.unlisted = {1}
    world.webadmit.errors["run 1"] = RequestRefused("/", f"answered {status}", status=status)

    with pytest.raises(SweepIncomplete):
        world.sweep()
    assert (world.record(1).status, world.record(1).due_at) == ("Queued", after(minutes=15))

    world.clock.set(days=7, hours=1)
    world.sweep()
    assert (world.record(1).status, world.record(1).reason) == ("Failed", f"WebAdMIT does not tell about it ({status})")


@pytest.mark.parametrize(
    "fault", ["runs unavailable", "single unavailable", "single refused", "no access", "not in the list"]
)
def test_a_run_that_cannot_be_asked_about_is_reported_once_and_does_not_fill_the_sweeps(fault: str) -> None:
    world, failed = swept_world(), 0
    world.open_run(1)
    world.webadmit.unlisted = {1}
    unavailable, refused = Unavailable("/", "answered 500"), RequestRefused("/", "answered 422", status=422)
    if fault != "not in the list":
        world.webadmit.errors["run 1"] = {"single refused": refused, "no access": FORBIDDEN}.get(fault, unavailable)
    if fault == "list unavailable":
        world.webadmit.errors["runs 37442"] = unavailable

    for _ in range(12 * 24):
        try:
            world.sweep()
        except SweepIncomplete:
            failed += 1
        world.clock.go_on(minutes=5)

    assert len(world.topics.messages) == 1
    assert failed == 0 or fault in ("runs unavailable", "single unavailable") or failed < 80


def test_without_open_runs_the_key_is_not_read() -> None:
    world = swept_world()

    world.sweep()

    assert world.keys.reads == 0


@pytest.mark.parametrize("error", [ApiKeyUnusable("no value"), AwsUnavailable("Secrets Manager answered x")])
def test_without_a_key_the_sweep_fails_and_nothing_changes(error: Exception) -> None:
    world = swept_world(keys=FakeKeys(error))
    before = world.open_run(1)

    with pytest.raises(type(error)):
        world.sweep()

    assert world.record(1) == before


def test_a_refused_key_ends_the_sweep() -> None:
    world = swept_world()
    for identity in (1, 2, 3):
        world.open_run(identity, identity)
    world.webadmit.errors = {"runs 1": ApiKeyRefused("/", "answered 401")}

    with pytest.raises(ApiKeyRefused):
        world.sweep()

    assert world.webadmit.asked == ["runs 1"]


def test_identities_that_cannot_be_asked_about_do_not_stop_the_others() -> None:
    world = swept_world()
    for identity in (1, 2, 3):
        world.open_run(identity, identity, "Available")
    world.webadmit.errors = {
        "runs 1": Unavailable("/", "answered 503"),
        "runs 2": Unavailable("/", "no answer (ReadTimeout)"),
    }

    with pytest.raises(SweepIncomplete, match="2 of 3"):
        world.sweep()

    assert [message.body["user_identity_id"] for message in world.topics.messages] == [3]


def test_a_table_that_fails_once_does_not_stop_the_others() -> None:
    world = swept_world()
    for file_id in (1, 2, 3):
        world.open_run(file_id, status="Available")
    world.table.failing.append("store")

    with pytest.raises(SweepIncomplete, match="1 of 3"):
        world.sweep()

    assert len(world.topics.messages) == 2


@pytest.mark.parametrize(
    ("status", "event_type"), [("Failed", "export_file.failed"), ("Empty List", "export_file.empty")]
)
def test_a_failure_that_is_found_by_polling_is_told_in_the_same_sweep(status: str, event_type: str) -> None:
    world = swept_world()
    world.open_run(1, status=status)
    world.open_run(2, status="Available")

    assert world.sweep() == Figures(due=2, asked=2, found=2, announced=1)
    assert sorted(world.topics.event_types) == sorted([event_type, "export_file.ready"])
    assert world.sweep() == Figures()


def test_what_callbacks_left_due_is_told_before_anything_is_asked() -> None:
    world = swept_world(keys=FakeKeys(ApiKeyUnusable("no value")))
    world.open_run(1)
    world.open_run(2)
    failed = update(UpdateSource.CALLBACK, "Failed", after(minutes=9), export=world.record(1).export, export_file_id=1)
    assert tracker(world.table, world.topics, world.clock).apply(failed, world.record(1))
    assert world.topics.messages == []

    with pytest.raises(ApiKeyUnusable):
        world.sweep()

    assert world.topics.event_types == ["export_file.failed"]


def test_a_list_of_runs_that_is_too_long_to_read_has_each_run_asked_about_alone() -> None:
    world = swept_world()
    for file_id in range(1, 51):
        world.open_run(file_id, status="Available")
    world.webadmit.errors = {"runs 37442": AnswerTooLong("/", "the answer was longer than 4,194,304 bytes")}
    world.webadmit.limit = TEN_CALLS_A_SWEEP

    world.sweep()

    assert world.webadmit.asked == ["runs 37442", *(f"run {file_id}" for file_id in range(1, 10))]
    assert world.topics.event_types == ["export_file.ready"] * 9


# ── Rate limit and time ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [600, 1000, 5000])
def test_a_sweep_takes_an_eighth_of_the_rate_limit_at_most(limit: int) -> None:
    world = swept_world()
    for file_id in range(1, 201):
        world.open_run(file_id)
    world.webadmit.unlisted, world.webadmit.limit = set(range(201)), RateLimit(limit=limit, remaining=limit)

    for _ in range(SWEEPS_AN_HOUR):
        world.sweep()
        assert len(world.webadmit.asked) <= max(1, limit / 8 / SWEEPS_AN_HOUR)


def test_what_there_were_no_calls_for_comes_first_in_the_next_sweep() -> None:
    world = swept_world()
    world.webadmit.limit = TEN_CALLS_A_SWEEP
    for identity in range(1, 26):
        world.open_run(identity, identity)

    swept: list[str] = []
    for minutes in (10, 15, 20):
        world.clock.set(minutes=minutes)
        world.sweep()
        swept += world.webadmit.asked

    assert set(swept) == {f"runs {identity}" for identity in range(1, 26)}


def test_when_others_have_used_most_of_the_limit_the_rest_is_left_to_them() -> None:
    world = swept_world()
    for identity in range(1, 11):
        world.open_run(identity, identity)
    world.webadmit.limit = RateLimit(limit=5000, remaining=1249)

    assert world.sweep() == Figures(due=10, asked=1)


def test_where_webadmit_does_not_tell_its_limit_everything_is_asked() -> None:
    world = swept_world()
    world.webadmit.limit = RateLimit()
    for identity in range(1, 101):
        world.open_run(identity, identity)

    assert world.sweep() == Figures(due=100, asked=100)


def test_a_rate_limit_ends_the_asking_and_is_no_failure() -> None:
    world = swept_world()
    for identity in (1, 2):
        world.open_run(identity, identity)
    world.webadmit.errors = {"runs 1": RateLimited("/", "answered 429", retry_after=None)}

    assert world.sweep() == Figures(due=2)
    assert world.webadmit.asked == ["runs 1"]


def test_without_time_nothing_is_asked_or_announced() -> None:
    world = swept_world(timeout=39)
    world.open_run(1)
    files = tracker(world.table, FakeTopics(failing=1), Clock(after(minutes=1)))
    with pytest.raises(AwsUnavailable):
        files.apply(update(UpdateSource.START, "Available", after(minutes=1)), None)

    assert world.sweep() == Figures(due=2)
    assert world.webadmit.asked == []
    assert world.topics.messages == []


# ── Stale rows, overlapping sweeps ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class StaleIndex(FakeTable):
    """The index shows the records as they were when it was made."""

    shown: list[ExportFile] = field(default_factory=list)

    def unfinished(self, now: datetime) -> Iterator[ExportFile]:
        yield from self.shown


def test_stale_rows_of_the_index_change_nothing() -> None:
    world = swept_world(table=StaleIndex())
    files = tracker(world.table, world.topics, Clock(after(minutes=1)))
    world.open_run(1, status="In Progress")
    opened = world.record(1)
    files.apply(
        update(UpdateSource.CALLBACK, "Available", after(minutes=1), export=opened.export, export_file_id=1),
        opened,
    )
    record = world.record(1)
    assert isinstance(world.table, StaleIndex)
    claimed = replace(record, notified_at=None, due_at=after(minutes=1), version="old")
    world.table.shown = [opened, claimed]

    world.sweep()

    assert world.record(1) == record
    assert world.topics.event_types == ["export_file.ready"]


def test_a_row_whose_record_is_gone_changes_nothing() -> None:
    world = swept_world(table=StaleIndex())
    opened = world.open_run(1)
    world.table.records.clear()
    assert isinstance(world.table, StaleIndex)
    world.table.shown = [opened, replace(opened, finished_at=after(minutes=1), status="Available")]

    world.sweep()

    assert world.table.records == {}
    assert world.topics.messages == []


# ── Refused identities ──────────────────────────────────────────────────────────────────────────────────────────────


def forbidden_world(runs: int = 40) -> World:
    world = swept_world()
    for file_id in range(1, runs + 1):
        world.open_run(file_id)
    world.open_run(500, identity=2)
    world.webadmit.errors = {"runs 37442": FORBIDDEN}
    world.webadmit.errors |= dict.fromkeys([f"run {number}" for number in range(1, runs + 1)], FORBIDDEN)
    return world


def test_an_identity_that_lost_its_access_is_reported_once() -> None:
    world = forbidden_world()

    for number in range(1, 41):  # that are not all due at the same time
        record = world.record(number)
        key = (record.export.export_id, number)
        world.table.records[key] = replace(record, due_at=after(minutes=number))
    for _ in range(30):
        world.sweep()
        world.clock.go_on(minutes=10)

    (message,) = [message for message in world.topics.messages if message.event_type == "identity.refused"]
    assert message.body["user_identity_id"] == 37442
    assert message.body["reason"] == "WebAdMIT refused access to the identity (403). No access."
    assert str(message.body["exports"]).count(",") == 39
    assert message.subject == "webadmit-exports: WebAdMIT refuses access to identity 37442, 40 open runs"


def test_a_refused_identity_costs_two_calls_a_sweep_and_the_others_go_on() -> None:
    world = forbidden_world()

    assert world.sweep() == Figures(due=41, asked=1, refused=40)
    assert len(world.webadmit.asked) == 3


def test_runs_of_a_refused_identity_are_followed_and_announced_when_access_is_back() -> None:
    world = forbidden_world(runs=1)
    world.sweep()
    world.webadmit.errors.clear()
    world.webadmit.runs[world.record(1).export.export_id, 1] = (37442, "Available")

    world.clock.go_on(hours=1)
    world.sweep()

    assert world.topics.event_types == ["identity.refused", "export_file.ready"]


def test_a_run_of_a_refused_identity_is_given_up_after_seven_days() -> None:
    world = forbidden_world(runs=1)
    world.sweep()

    world.clock.set(days=7, hours=1)
    world.sweep()
    world.clock.set(days=8)
    world.sweep()

    assert [one for one in world.topics.event_types if one != "export_file.overdue"] == [
        "identity.refused",
        "export_file.failed",
    ]
    assert "there was no news for 7 days" in str(world.record(1).reason)


def test_a_report_that_cannot_be_sent_is_sent_by_the_next_sweep_under_the_same_event_id() -> None:
    world, ids = forbidden_world(), []
    world.topics.failing = 1
    with pytest.raises(SweepIncomplete):
        world.sweep()
    world.table.failing.append("store")
    with pytest.raises(SweepIncomplete):
        world.sweep()
    world.clock.go_on(minutes=5)
    world.sweep()

    ids = world.topics.event_ids
    assert world.topics.event_types == ["identity.refused"] * 2
    assert len(set(ids)) == 1


def test_two_sweeps_that_overlap_report_a_late_run_once() -> None:
    world = swept_world(minutes=300, table=StaleIndex())
    world.table.shown = [world.open_run(1)]  # type: ignore[attr-defined]

    def sweep_again() -> None:  # the index has not caught up
        world.topics.before = lambda: None
        world.clock.go_on(seconds=1)
        world.sweep()

    world.topics.before = sweep_again
    world.sweep()

    assert world.topics.event_types == ["export_file.overdue"]


def test_a_list_that_is_refused_still_lets_single_files_be_asked_about() -> None:
    world = swept_world()
    world.open_run(1, status="Available")
    world.webadmit.errors = {"runs 37442": RequestRefused("/", "answered 404", "User identity not found.", status=404)}

    assert world.sweep() == Figures(due=1, asked=1, found=1)
    assert world.topics.event_types == ["export_file.ready"]


# ── Announcing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_that_is_over_is_taken_over() -> None:
    world = swept_world()
    files = tracker(world.table, FakeTopics(failing=1), Clock(after(minutes=1)))
    with pytest.raises(AwsUnavailable):
        files.apply(update(UpdateSource.START, "Available", after(minutes=1)), None)

    assert world.sweep() == Figures(due=1, announced=1)
    assert world.table.only.due_at is None


def test_a_topic_that_is_down_makes_the_sweep_fail_and_leaves_all_due() -> None:
    world = swept_world(topics=FakeTopics(failing=99))
    files = tracker(world.table, FakeTopics(failing=99), Clock(after(minutes=1)))
    for file_id in (1, 2, 3):
        with pytest.raises(AwsUnavailable):
            files.apply(update(UpdateSource.START, "Available", after(minutes=1), export_file_id=file_id), None)

    with pytest.raises(SweepIncomplete, match="3 of 3"):
        world.sweep()

    world.topics.failing = 0
    world.clock.go_on(seconds=LEASE.total_seconds())
    assert world.sweep() == Figures(due=3, announced=3)


def test_what_is_not_due_is_left_alone() -> None:
    world = swept_world(minutes=5)
    world.open_run(1)

    assert world.sweep() == Figures()
