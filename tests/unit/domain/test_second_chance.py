"""Which runs are started once more, and what becomes of their records."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import EXPORT, FILE_ID, NIGHT, SETTINGS, after, file, update
from webadmit_exports.domain import second_chance
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.lifecycle import apply_update, claim_due, past_announcement
from webadmit_exports.domain.second_chance import SecondChance
from webadmit_exports.domain.start_request import StartRequest

ENDED = after(minutes=4)
FAILED = file("Failed", start_failed_again=True, finished_at=ENDED, due_at=ENDED)
AGAIN_AT = after(minutes=5)
CHANCE = SecondChance(after_failure=FILE_ID, again_at=AGAIN_AT)


def waiting(failed: ExportFile = FAILED) -> ExportFile:
    """Its second start is in the queue."""
    marked = second_chance.start_again(failed, AGAIN_AT, AGAIN_AT, SETTINGS)
    assert marked
    return marked.record


def started(failed: ExportFile, file_id: int = FILE_ID + 1, **more: Any) -> ExportFile:
    """The record of the second run, twenty minutes after the schedule."""
    answer = update(
        UpdateSource.START,
        "Queued",
        after(minutes=20),
        failed.scheduled_for,
        export_file_id=file_id,
        failed=failed,
        **more,
    )
    step = apply_update(failed if file_id == FILE_ID else None, answer, after(minutes=21), SETTINGS)
    assert step
    return step.record


# ── Which ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_webadmit_calls_failed_is_started_again_and_not_told() -> None:
    assert second_chance.has_second_chance(FAILED, after(minutes=5), SETTINGS)
    assert claim_due(FAILED, after(minutes=5), SETTINGS) is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "Empty List"},
        {"status": "Available"},
        {"reason": "WebAdMIT no longer knows this file (404)"},
        {"start_failed_again": False},
        {"notified_at": after(minutes=5)},
        {"after_failure": 5},
        {"again_at": after(minutes=5)},
        {"started_at": after(days=-1), "finished_at": ENDED},
        {"due_at": after(minutes=7)},  # somebody is telling it just now
    ],
)
def test_no_other_run_is(change: dict[str, Any]) -> None:
    record = replace(FAILED, **change)

    assert not second_chance.has_second_chance(record, after(minutes=5), SETTINGS)
    assert second_chance.start_again(record, AGAIN_AT, after(minutes=5), SETTINGS) is None


def test_none_is_where_that_is_switched_off() -> None:
    settings = replace(SETTINGS, start_failed_again=False)

    claimed = claim_due(FAILED, after(minutes=5), settings)

    assert claimed
    assert claimed.claimed


def test_a_run_of_a_day_is_still_started_again() -> None:
    record = replace(FAILED, started_at=after(minutes=5, days=-1))

    assert second_chance.has_second_chance(record, after(minutes=5), SETTINGS)


@pytest.mark.parametrize(("status", "asks"), [("Queued", False), ("In Progress", True)])
def test_a_run_that_a_start_joins_which_asks_for_it_has_a_second_chance(status: str, *, asks: bool) -> None:
    by_hand = file(status, start_failed_again=False, due_at=after(minutes=5))
    later = update(UpdateSource.START, status, after(hours=1), after(hours=1), start_failed_again=asks)

    joined = apply_update(by_hand, later, after(hours=1), SETTINGS)

    assert joined
    assert joined.record.start_failed_again is asks


# ── The failed run ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_marked_run_is_told_after_thirteen_hours_and_no_earlier() -> None:
    record = waiting()

    assert (record.again_at, record.due_at, record.updated_at) == (AGAIN_AT, AGAIN_AT + timedelta(hours=13), AGAIN_AT)
    assert claim_due(record, AGAIN_AT + timedelta(hours=12, minutes=59), SETTINGS) is None
    told = claim_due(record, AGAIN_AT + timedelta(hours=13), SETTINGS)
    assert told
    assert told.claimed


def test_a_run_gives_way_to_its_second_run_without_a_word() -> None:
    gave_way = second_chance.give_way(waiting(), after(minutes=21), SETTINGS)

    assert gave_way
    assert gave_way.record.due_at is None
    assert gave_way.record.expires_at == after(minutes=21) + SETTINGS.keep_records
    assert second_chance.has_second_run(gave_way.record)
    assert not second_chance.has_second_run(waiting())
    assert claim_due(gave_way.record, after(days=2), SETTINGS) is None
    for untold in (FAILED, waiting(), gave_way.record):
        assert past_announcement(untold, after(minutes=22), SETTINGS) is None
    assert second_chance.give_way(gave_way.record, after(minutes=22), SETTINGS) is None
    assert second_chance.give_way(FAILED, after(minutes=22), SETTINGS) is None


def test_a_run_without_a_second_one_is_due_at_once_with_the_reason() -> None:
    given_up = second_chance.without_second_run(waiting(), "It is gone.", after(hours=1))

    assert given_up
    assert (given_up.record.no_second_run, given_up.record.due_at) == ("It is gone.", after(hours=1))
    assert second_chance.without_second_run(given_up.record, "Again.", after(hours=2)) is None
    assert second_chance.without_second_run(FAILED, "It is gone.", after(hours=1)) is None
    told = claim_due(given_up.record, after(hours=1), SETTINGS)
    assert told
    assert told.claimed
    assert past_announcement(replace(given_up.record, notified_at=after(hours=1)), after(hours=2), SETTINGS)


# ── The second start ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_start_is_for_the_time_of_the_failed_run() -> None:
    request = StartRequest.again(FAILED, AGAIN_AT)

    assert (request.entries, request.scheduled_for, request.second_chance) == ((EXPORT,), NIGHT, CHANCE)


@pytest.mark.parametrize(
    ("record", "minutes", "goes_ahead"),
    [
        (waiting(), 20, True),
        (waiting(), 12 * 60 + 50, True),
        (waiting(), 12 * 60 + 51, False),  # it could meet the telling of the failure
        (FAILED, 20, False),
        (replace(waiting(), again_at=after(minutes=6)), 20, False),  # another start was marked
        (replace(waiting(), notified_at=after(minutes=6)), 20, False),
        (replace(waiting(), no_second_run="It is gone."), 20, False),
        (replace(waiting(), due_at=None), 20, False),
        (replace(waiting(), status="Available"), 20, False),
        (replace(waiting(), export_file_id=5), 20, False),
    ],
)
def test_only_the_start_that_was_marked_goes_ahead(record: ExportFile, minutes: int, *, goes_ahead: bool) -> None:
    found = second_chance.to_start_again([file(file_id=1), record], CHANCE, after(minutes=minutes))

    assert found == (record if goes_ahead else None)


def test_a_second_run_and_a_newer_run_are_told_from_others() -> None:
    failed, second = waiting(), started(waiting())
    newer = file("Queued", after(hours=1), file_id=9)
    of_another = replace(newer, export=Export(user_identity_id=1, export_id=EXPORT.export_id))

    assert second_chance.second_run([newer, second, failed], failed) == second
    assert second_chance.second_run([newer, failed], failed) is None
    of_the_night_before = replace(second, first_scheduled_for=after(days=-1), scheduled_for=after(days=-1))
    assert second_chance.second_run([of_the_night_before], failed) is None
    assert second_chance.newer_run([newer, failed], failed) == newer
    assert second_chance.newer_run([of_another, failed, file(file_id=1)], failed) is None


# ── The second run ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_run_serves_all_times_and_identities_that_the_failed_one_served() -> None:
    other = AnsweredStart(1, after(hours=-1))
    failed = waiting(
        replace(
            FAILED,
            first_scheduled_for=after(hours=-1),
            scheduled_for=NIGHT,
            answered=frozenset({other, AnsweredStart(1, after(days=-8))}),
        )
    )

    second = started(failed)

    assert (second.first_scheduled_for, second.scheduled_for) == (after(hours=-1), NIGHT)
    assert second.answered == frozenset({other, AnsweredStart(EXPORT.user_identity_id, NIGHT)})
    assert second.after_failure == FILE_ID
    assert not second_chance.has_second_chance(
        replace(second, status="Failed", start_failed_again=True), after(hours=2), SETTINGS
    )


def test_a_run_that_a_second_start_joins_takes_the_place_of_the_failed_one() -> None:
    newer = file("Queued", after(hours=1), file_id=9, due_at=after(hours=2), answered=frozenset())
    joins = update(UpdateSource.START, "Queued", after(hours=1), NIGHT, export_file_id=9, failed=waiting())

    joined = apply_update(newer, joins, after(hours=1), SETTINGS)

    assert joined
    assert (joined.record.after_failure, joined.record.first_scheduled_for) == (FILE_ID, NIGHT)


@pytest.mark.parametrize("status", ["Queued", "Failed"])
@pytest.mark.parametrize("as_of", [ENDED, after(minutes=20)])
def test_a_second_run_under_the_id_of_the_first_begins_its_record_anew(status: str, as_of: Any) -> None:
    failed = waiting()
    answer = update(UpdateSource.START, status, as_of, failed=failed, start_failed_again=True)

    step = apply_update(failed, answer, after(minutes=21), SETTINGS)

    assert step
    assert (step.record.after_failure, step.record.again_at, step.record.status) == (FILE_ID, None, status)
    assert not second_chance.has_second_chance(step.record, after(hours=1), SETTINGS)
    assert (claim_due(step.record, after(minutes=22), SETTINGS) is not None) == (status == "Failed")


@pytest.mark.parametrize("failed", [FAILED, waiting()])
def test_a_newer_run_that_takes_over_the_record_of_an_untold_failure_is_its_second_chance(failed: ExportFile) -> None:
    newer = apply_update(
        failed, update(UpdateSource.START, "Queued", after(hours=1), after(hours=1)), after(hours=1), SETTINGS
    )

    assert newer
    assert newer.record.after_failure == FILE_ID
    assert newer.record.spans(NIGHT)


@pytest.mark.parametrize("how", [{"notified_at": after(minutes=6)}, {"again_at": AGAIN_AT}])
def test_a_newer_run_that_takes_over_the_record_of_a_settled_failure_is_not(how: dict[str, Any]) -> None:
    told = replace(FAILED, due_at=None, **how)

    newer = apply_update(
        told, update(UpdateSource.START, "Queued", after(hours=1), after(hours=1)), after(hours=1), SETTINGS
    )

    assert newer
    assert newer.record.after_failure is None
    assert not newer.record.spans(NIGHT)
