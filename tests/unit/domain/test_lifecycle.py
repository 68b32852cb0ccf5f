"""The rules of the service, without AWS."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.fakes import EXPORT, LABELS, NIGHT, SETTINGS, after, update
from webadmit_exports.domain import status as statuses
from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.lifecycle import (
    LEASE,
    apply_update,
    claim_due,
    defer_check,
    mark_announced,
    on_no_answer,
    release_claim,
)
from webadmit_exports.domain.status import Progress, Status, progress_of
from webadmit_exports.domain.transition import Transition

START, CALLBACK, POLL = UpdateSource.START, UpdateSource.CALLBACK, UpdateSource.POLL


def begun(status: str = "In Progress") -> ExportFile:
    step = apply_update(None, update(START, status, after(seconds=1)), after(seconds=2), SETTINGS)
    assert step
    return step.record


def applied(record: ExportFile, item: StatusUpdate, **duration: float) -> Transition:
    step = apply_update(record, item, after(**duration), SETTINGS)
    assert step, "the news was expected to change something"
    return step


def announced(record: ExportFile, claimed: Announcement | None, **duration: float) -> ExportFile:
    """The record after that was announced; the same where that marks nothing."""
    assert claimed
    marked = mark_announced(record, claimed, after(**duration), SETTINGS)
    return marked.record if marked else record


def swept(record: ExportFile, **duration: float) -> Transition:
    """What the sweep claims."""
    step = claim_due(record, after(**duration), SETTINGS)
    assert step
    return step


def finished(status: str = "Available", minutes: float = 4) -> ExportFile:
    """A run that finished by a callback and was announced."""
    step = applied(begun(), update(CALLBACK, status, after(minutes=minutes)), minutes=minutes)
    step = step if step.claimed else swept(step.record, minutes=minutes)
    return announced(step.record, step.claimed, minutes=minutes, seconds=1)


# ── How runs begin ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_start_answer_begins_a_record_that_is_checked_later() -> None:
    record = begun()

    assert record.scheduled_for == record.first_scheduled_for == NIGHT
    assert record.started_at == after(seconds=1)
    assert record.due_at == after(minutes=5, seconds=2)
    assert (record.finished_at, record.notified_at, record.expires_at) == (None, None, None)


@pytest.mark.parametrize("source", [POLL, CALLBACK])
def test_only_the_answer_to_a_start_begins_a_record(source: UpdateSource) -> None:
    assert apply_update(None, update(source, "Available", after(seconds=3)), after(seconds=3), SETTINGS) is None


def test_a_start_answer_may_itself_be_finished() -> None:
    step = apply_update(None, update(START, "Available", after(seconds=1)), after(seconds=2), SETTINGS)

    assert step
    assert step.claimed
    assert step.record.finished_at == after(seconds=2)
    assert step.record.due_at == after(seconds=2) + LEASE


# ── How they go on ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("source", [START, CALLBACK, POLL])
@pytest.mark.parametrize("status", ["Available", "Success With Errors"])
def test_the_write_that_finishes_a_ready_file_claims_its_announcement(status: str, source: UpdateSource) -> None:
    step = applied(begun(), update(source, status, after(minutes=4)), minutes=4)

    assert step.claimed
    assert step.claimed.event_type is EventType.READY
    assert step.record.status == status
    assert step.record.finished_at == after(minutes=4)
    assert step.record.due_at == after(minutes=4) + LEASE


@pytest.mark.parametrize("source", [START, CALLBACK, POLL])
@pytest.mark.parametrize(("status", "event_type"), [("Failed", EventType.FAILED), ("Empty List", EventType.EMPTY)])
def test_a_run_that_ends_without_a_file_is_due_at_once_for_the_sweep_which_alone_claims_it(
    status: str, event_type: EventType, source: UpdateSource
) -> None:
    step = applied(begun(), update(source, status, after(minutes=4)), minutes=4)

    assert step.claimed is None
    assert (step.record.finished_at, step.record.due_at) == (after(minutes=4), after(minutes=4))
    for told in (START, CALLBACK, POLL):  # nor does the same again claim it
        assert apply_update(step.record, update(told, status, after(minutes=3)), after(minutes=5), SETTINGS) is None

    claimed = claim_due(step.record, after(minutes=5), SETTINGS)

    assert claimed
    assert claimed.claimed
    assert claimed.claimed.event_type is event_type
    assert claimed.record.due_at == after(minutes=5) + LEASE


@pytest.mark.parametrize("status", Status)
def test_ready_is_only_what_has_a_file(status: Status) -> None:
    """Over every status, so that a new one is not announced as a file by mistake."""
    has_file = progress_of(status) is Progress.FINISHED_WITH_FILE
    has_ended = progress_of(status) >= Progress.FINISHED_WITHOUT_FILE

    step = apply_update(None, update(START, status, after(seconds=1)), after(seconds=2), SETTINGS)

    assert step
    assert (step.claimed is not None) is has_file
    swept = claim_due(step.record, after(minutes=5), SETTINGS)
    assert (swept is not None and swept.claimed is not None) is has_ended


def test_a_new_status_without_a_file_is_not_announced_as_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(statuses._ENDS, "Cancelled", statuses.RunOutcome.FAILED)

    step = apply_update(None, update(START, "Cancelled", after(seconds=1)), after(seconds=2), SETTINGS)

    assert step
    assert step.claimed is None
    claimed = claim_due(step.record, after(seconds=3), SETTINGS)
    assert claimed
    assert claimed.claimed
    assert claimed.claimed.event_type is EventType.FAILED


def test_an_empty_list_is_no_alert_where_that_is_switched_off() -> None:
    settings = replace(SETTINGS, alert_on_empty_list=False)

    step = apply_update(begun(), update(CALLBACK, "Empty List", after(minutes=4)), after(minutes=4), settings)

    assert step
    assert step.claimed is None
    assert step.record.due_at is None
    assert step.record.expires_at == after(minutes=4) + settings.keep_records


@pytest.mark.parametrize("late", ["Initializing", "Queued", "In Progress", "Zipping", "Failed", "Empty List"])
def test_news_that_is_not_further_along_changes_nothing(late: str) -> None:
    record = finished("Available")

    assert apply_update(record, update(CALLBACK, late, after(minutes=9)), after(minutes=9), SETTINGS) is None


def test_a_repeated_callback_changes_nothing() -> None:
    assert apply_update(finished(), update(CALLBACK, "Available", after(hours=1)), after(hours=1), SETTINGS) is None


def test_a_file_after_a_failure_is_claimed_as_ready() -> None:
    step = applied(finished("Failed"), update(CALLBACK, "Available", after(minutes=9)), minutes=9)

    assert step.claimed
    assert step.claimed.event_type is EventType.READY
    assert step.record.finished_at == after(minutes=9)
    assert (step.record.notified_at, step.record.expires_at) == (None, None)


def test_the_href_stays_where_news_has_none() -> None:
    record = replace(begun(), href="/api/v1/exports/86446/export_files/74780")

    assert applied(record, update(CALLBACK, "Available", after(minutes=4)), minutes=4).record.href == record.href
    moved = applied(record, update(POLL, "Available", after(minutes=4), href="/elsewhere"), minutes=4).record
    assert moved.href == "/elsewhere"


def test_a_step_forward_of_an_open_run_is_stored_and_keeps_its_check() -> None:
    record = begun("Queued")

    step = applied(record, update(CALLBACK, "In Progress", after(minutes=1)), minutes=1)

    assert step.claimed is None
    assert (step.record.status, step.record.due_at) == ("In Progress", record.due_at)


# ── Joins, and new runs under an old id ─────────────────────────────────────────────────────────────────────────────


def test_a_join_only_moves_the_run_on_to_the_newer_scheduled_time() -> None:
    record, later = begun(), NIGHT + timedelta(hours=1)

    step = applied(record, update(START, "In Progress", after(hours=1), later), hours=1, seconds=1)

    answered = frozenset({AnsweredStart(37442, NIGHT), AnsweredStart(37442, later)})
    changed = replace(record, scheduled_for=later, answered=answered, updated_at=after(hours=1, seconds=1))
    assert step == Transition(record=changed, claimed=None)
    assert step.record.serves(EXPORT, NIGHT)
    assert step.record.serves(EXPORT, later)


@pytest.mark.parametrize(
    "scheduled_for",
    [NIGHT - timedelta(seconds=1), NIGHT + timedelta(minutes=30), NIGHT + timedelta(hours=1, seconds=1)],
)
@pytest.mark.parametrize("status", ["In Progress", "Failed"])
def test_a_callback_changes_nothing_at_the_address_of_a_scheduled_time_that_the_run_does_not_serve(
    status: str, scheduled_for: datetime
) -> None:
    later = NIGHT + timedelta(hours=1)
    joined = applied(begun(status), update(START, status, after(seconds=1), later), minutes=1).record

    for told in ("Available", "Failed"):
        assert (
            apply_update(joined, update(CALLBACK, told, after(hours=2), scheduled_for), after(hours=2), SETTINGS)
            is None
        )
    assert apply_update(joined, update(CALLBACK, "Available", after(hours=2), later), after(hours=2), SETTINGS)


def test_a_record_from_before_the_set_serves_all_times_between_its_first_and_its_last() -> None:
    later, latest = NIGHT + timedelta(hours=1), NIGHT + timedelta(hours=2)
    old = replace(begun(), answered=None, scheduled_for=later)

    joined = applied(old, update(START, "In Progress", after(hours=2), latest), hours=2).record

    assert joined.answered is None
    for record, last in ((old, later), (joined, latest)):
        assert all(record.serves(EXPORT, moment) for moment in (NIGHT, after(minutes=30), last))
        assert not record.serves(EXPORT, last + timedelta(seconds=1))


def test_times_whose_addresses_have_expired_fall_out_so_that_a_record_does_not_outgrow_its_item() -> None:
    record = begun()
    for hours in range(1, 24 * 30):
        joined = update(START, "In Progress", after(hours=hours), after(hours=hours))
        record = applied(record, joined, hours=hours).record

    assert record.answered
    assert len(record.answered) == 7 * 24 + 1
    assert record.covers(EXPORT, NIGHT)
    assert not record.serves(EXPORT, NIGHT)


def test_a_run_that_two_identities_have_joined_answers_to_both() -> None:
    other = Export(user_identity_id=2, export_id=EXPORT.export_id)
    joined = applied(begun(), update(START, "In Progress", after(seconds=9), export=other), seconds=9).record

    for export in (EXPORT, other):
        assert joined.is_of(export)
        assert applied(joined, update(CALLBACK, "Available", after(minutes=2), export=export), minutes=2).claimed
    assert joined.export == EXPORT
    assert not joined.is_of(Export(user_identity_id=3, export_id=EXPORT.export_id))
    assert not joined.is_of(Export(user_identity_id=2, export_id=1))


def test_a_callback_for_another_identity_changes_nothing() -> None:
    other = Export(user_identity_id=1, export_id=EXPORT.export_id)

    assert (
        apply_update(begun(), update(CALLBACK, "Available", after(hours=2), export=other), after(hours=2), SETTINGS)
        is None
    )


def test_an_address_of_the_run_before_says_nothing_about_the_new_one_under_its_id() -> None:
    later = NIGHT + timedelta(days=1)
    again = applied(finished(), update(START, "In Progress", after(days=1), later), days=1, seconds=1).record

    assert (
        apply_update(again, update(CALLBACK, "Available", after(days=1, minutes=1), NIGHT), after(days=2), SETTINGS)
        is None
    )


def test_the_same_start_answer_again_changes_nothing() -> None:
    assert apply_update(begun(), update(START, "In Progress", after(seconds=1)), after(seconds=3), SETTINGS) is None


@pytest.mark.parametrize("status", ["Queued", "In Progress", "Available", "Failed"])
def test_a_start_answer_that_its_callback_has_overtaken_changes_nothing(status: str) -> None:
    record = finished(minutes=1)

    assert apply_update(record, update(START, status, after(seconds=1)), after(minutes=2), SETTINGS) is None


def test_a_run_that_finished_at_the_very_moment_of_the_request_is_no_older_one() -> None:
    record = finished(minutes=1)

    assert apply_update(record, update(START, "In Progress", after(minutes=1)), after(minutes=2), SETTINGS) is None


def test_an_overtaken_start_answer_still_moves_the_run_on_to_its_scheduled_time() -> None:
    record, later = finished(minutes=61), NIGHT + timedelta(hours=1)

    step = applied(record, update(START, "In Progress", after(hours=1), later), minutes=62)

    assert step.claimed is None
    assert (step.record.status, step.record.scheduled_for) == ("Available", later)


@pytest.mark.parametrize("status", ["Initializing", "In Progress"])
def test_a_start_answer_with_the_id_of_a_run_that_had_finished_begins_again(status: str) -> None:
    record, later = finished(), NIGHT + timedelta(days=1)

    step = applied(record, update(START, status, after(days=1), later), days=1, seconds=1)

    assert step.claimed is None
    assert (step.record.status, step.record.started_at) == (status, after(days=1))
    assert (step.record.finished_at, step.record.notified_at, step.record.expires_at) == (None, None, None)
    assert step.record.first_scheduled_for == later


def test_a_new_run_under_an_old_id_may_be_finished_at_once_and_is_announced_as_another() -> None:
    first = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    record = announced(first.record, first.claimed, minutes=5)

    second = applied(record, update(START, "Available", after(days=1), after(days=1)), days=1, seconds=1)

    assert first.claimed
    assert second.claimed
    assert second.claimed.event_id != first.claimed.event_id


def test_a_callback_finishes_a_run_when_it_came_in_not_when_it_could_be_written() -> None:
    """Between the two, WebAdMIT may have begun a new run under the same id."""
    slow = applied(begun(), update(CALLBACK, "Available", after(hours=1)), hours=1, seconds=2)
    assert slow.record.finished_at == after(hours=1)

    again = applied(
        slow.record, update(START, "In Progress", after(hours=1, seconds=1), after(hours=1)), hours=1, seconds=3
    )

    assert (again.record.status, again.record.finished_at) == ("In Progress", None)


def test_an_answer_that_is_older_than_the_record_has_webadmit_asked_again() -> None:
    """A start that joined meanwhile may have begun a new run under the same id."""
    joined = applied(begun(), update(START, "In Progress", after(minutes=2), after(minutes=2)), minutes=2).record
    old = update(POLL, "Available", after(minutes=1))

    step = applied(joined, old, minutes=2, seconds=5)

    assert step.claimed is None
    assert (step.record.status, step.record.due_at) == ("In Progress", after(minutes=2, seconds=5))
    assert apply_update(step.record, old, after(minutes=2, seconds=6), SETTINGS) is None


def test_an_answer_that_is_older_than_a_failure_still_announces_the_file() -> None:
    failed = applied(begun(), update(CALLBACK, "Failed", after(minutes=5)), minutes=5).record

    assert applied(failed, update(POLL, "Available", after(minutes=4)), minutes=6).claimed


def test_the_callback_of_either_scheduled_time_finishes_a_joined_run() -> None:
    later = NIGHT + timedelta(hours=1)
    joined = applied(begun(), update(START, "In Progress", after(hours=1), later), hours=1).record

    for scheduled_for in (NIGHT, later):
        step = applied(joined, update(CALLBACK, "Available", after(hours=2), scheduled_for), hours=2)
        assert step.claimed


def test_the_answer_to_a_question_that_was_asked_before_the_new_run_does_not_finish_it() -> None:
    again = applied(finished(), update(START, "In Progress", after(days=1)), days=1, seconds=1).record

    step = applied(again, update(POLL, "Available", after(hours=23)), days=1, seconds=2)

    assert step.claimed is None
    assert step.record.status == "In Progress"


def test_a_late_run_that_is_just_being_reported_is_not_reported_by_another() -> None:
    first = applied(begun(), update(POLL, "In Progress", after(hours=5)), hours=5)

    assert first.claimed
    assert (
        apply_update(
            first.record,
            update(POLL, "In Progress", after(hours=5, seconds=1)),
            after(hours=5, seconds=1),
            SETTINGS,
        )
        is None
    )


# ── The announcement ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_marked_announcement_leaves_nothing_to_do() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)

    record = announced(step.record, step.claimed, minutes=5)

    assert record.notified_at == after(minutes=5)
    assert record.due_at is None
    assert record.expires_at == after(minutes=5) + SETTINGS.keep_records
    assert claim_due(record, after(days=2), SETTINGS) is None


def test_what_is_announced_is_marked_once() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    record = announced(step.record, step.claimed, minutes=5)

    assert announced(record, step.claimed, minutes=6) is record
    assert step.claimed
    assert release_claim(record, step.claimed, after(minutes=6), SETTINGS) is None


def test_a_record_begins_with_everything_that_the_start_told() -> None:
    told = update(START, "In Progress", after(seconds=1), href="/api/v1/x", reason="why", labels=LABELS)

    begun_now = apply_update(None, told, after(seconds=2), SETTINGS)

    assert begun_now
    assert (begun_now.record.href, begun_now.record.reason, begun_now.record.labels) == ("/api/v1/x", "why", LABELS)
    assert begun_now.record.reused is False


def test_while_a_lease_lasts_nobody_else_announces() -> None:
    record = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4).record
    still = after(minutes=4) + LEASE - timedelta(seconds=1)

    assert claim_due(record, still, SETTINGS) is None
    assert apply_update(record, update(CALLBACK, "Available", still), still, SETTINGS) is None


def test_a_lease_that_is_over_is_taken_over_under_the_same_event_id() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    later = after(minutes=4) + LEASE

    by_reconciler = claim_due(step.record, later, SETTINGS)
    by_callback = apply_update(step.record, update(CALLBACK, "Available", later), later, SETTINGS)

    assert step.claimed
    assert by_reconciler
    assert by_reconciler == by_callback
    assert by_reconciler.claimed
    assert by_reconciler.claimed.event_id == step.claimed.event_id
    assert by_reconciler.record.due_at == later + LEASE


def test_a_join_does_not_change_the_event_id() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    joined = applied(step.record, update(START, "Available", after(minutes=3), after(minutes=3)), minutes=4).record

    again = claim_due(joined, after(hours=1), SETTINGS)

    assert step.claimed
    assert again
    assert again.claimed
    assert again.claimed.event_id == step.claimed.event_id


def test_a_lease_that_is_given_back_can_be_taken_at_once() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    assert step.claimed

    released = release_claim(step.record, step.claimed, after(minutes=5), SETTINGS)

    assert released
    assert released.record.due_at == after(minutes=5)
    assert claim_due(released.record, after(minutes=5), SETTINGS)


def test_a_claim_that_another_process_has_taken_over_is_not_released() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    taken_over = claim_due(step.record, after(minutes=7), SETTINGS)
    assert step.claimed
    assert taken_over

    assert release_claim(taken_over.record, step.claimed, after(minutes=7), SETTINGS) is None


def test_an_announcement_that_another_outcome_has_replaced_marks_nothing() -> None:
    failed = swept(applied(begun(), update(CALLBACK, "Failed", after(minutes=4)), minutes=4).record, minutes=4)
    ready = applied(failed.record, update(CALLBACK, "Available", after(minutes=5)), minutes=5)

    assert announced(ready.record, failed.claimed, minutes=6) == ready.record
    assert failed.claimed
    assert release_claim(ready.record, failed.claimed, after(minutes=6), SETTINGS) is None


def test_an_empty_list_from_before_alerts_were_switched_on_stays_quiet() -> None:
    settings = replace(SETTINGS, alert_on_empty_list=False)
    quiet = apply_update(begun(), update(CALLBACK, "Empty List", after(minutes=4)), after(minutes=4), settings)
    assert quiet

    assert apply_update(quiet.record, update(CALLBACK, "Empty List", after(days=1)), after(days=1), SETTINGS) is None


# ── Checks of open runs ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(hours=1), timedelta(minutes=5)),
        (timedelta(hours=2), timedelta(minutes=10)),
        (timedelta(hours=12), timedelta(hours=1)),
        (timedelta(days=3), timedelta(hours=1)),
    ],
)
def test_checks_back_off_with_the_age_of_a_run(age: timedelta, wait: timedelta) -> None:
    now = begun().started_at + age
    record = replace(begun(), overdue_at=after(minutes=1), due_at=now)

    step = apply_update(record, update(POLL, "In Progress", now), now, SETTINGS)

    assert step
    assert step.record.due_at == now + wait


@pytest.mark.parametrize(("seconds", "late"), [(-1, False), (0, True)])
def test_a_run_is_late_from_the_chosen_time_on(seconds: int, late: bool) -> None:
    record = begun()
    now = record.started_at + SETTINGS.overdue_after + timedelta(seconds=seconds)

    step = apply_update(record, update(POLL, "In Progress", now), now, SETTINGS)

    assert step
    assert bool(step.claimed) is late


def test_a_run_that_is_open_for_too_long_is_reported_once_and_still_followed() -> None:
    step = applied(begun(), update(POLL, "In Progress", after(hours=4, minutes=1)), hours=4, minutes=1)
    assert step.claimed
    assert step.claimed.event_type is EventType.OVERDUE

    record = announced(step.record, step.claimed, hours=4, minutes=2)
    again = applied(record, update(POLL, "In Progress", after(hours=5)), hours=5)
    ready = applied(again.record, update(POLL, "Available", after(hours=6)), hours=6)

    assert record.overdue_at == after(hours=4, minutes=2)
    assert again.claimed is None
    assert ready.claimed
    assert ready.claimed.event_type is EventType.READY


def test_an_overdue_alert_that_a_crash_cut_off_is_taken_up_under_the_same_event_id() -> None:
    first = applied(begun(), update(POLL, "In Progress", after(hours=5)), hours=5)
    later = after(hours=5) + LEASE

    second = apply_update(first.record, update(POLL, "In Progress", later), later, SETTINGS)

    assert first.claimed
    assert second
    assert second.claimed
    assert second.claimed.event_id == first.claimed.event_id


def test_an_overdue_alert_does_not_mark_a_run_that_has_finished_meanwhile() -> None:
    late = applied(begun(), update(POLL, "In Progress", after(hours=5)), hours=5)
    ready = applied(late.record, update(CALLBACK, "Available", after(hours=5)), hours=5, seconds=1)

    assert announced(ready.record, late.claimed, hours=5, seconds=2) == ready.record


# ── What is left to do afterwards ───────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_was_reported_late_is_asked_about_again() -> None:
    late = applied(begun(), update(POLL, "In Progress", after(hours=6, seconds=1)), hours=6, seconds=1)

    marked = announced(late.record, late.claimed, hours=6, seconds=1)

    assert marked.overdue_at == marked.updated_at == after(hours=6, seconds=1)
    assert marked.due_at == marked.next_check(after(hours=6, seconds=1)) == after(hours=6, minutes=30, seconds=1)


def test_a_check_that_is_deferred_comes_later_and_the_run_is_not_reported_late() -> None:
    deferred = defer_check(begun(), after(hours=6, seconds=1))

    assert deferred
    assert (deferred.record.overdue_at, deferred.record.updated_at) == (
        after(hours=6, seconds=1),
        after(hours=6, seconds=1),
    )
    assert deferred.record.due_at == after(hours=6, minutes=30, seconds=1)
    assert deferred.claimed is None
    assert defer_check(finished(), after(hours=6, seconds=1)) is None


def test_a_question_without_an_answer_changes_nothing_before_a_run_is_late() -> None:
    record = replace(begun(), due_at=after(minutes=5))

    assert on_no_answer(record, after(minutes=6), SETTINGS, ask_later=False) is None
    later = on_no_answer(record, after(minutes=6), SETTINGS, ask_later=True)

    assert later
    assert later.record.due_at == after(minutes=11)
    assert on_no_answer(finished(), after(hours=6), SETTINGS, ask_later=True) is None


def test_a_claim_that_is_released_tells_when() -> None:
    step = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    assert step.claimed

    released = release_claim(step.record, step.claimed, after(minutes=5), SETTINGS)

    assert released
    assert released.record.updated_at == after(minutes=5)


def test_the_announcement_of_an_earlier_run_does_not_mark_the_next_one_under_its_id() -> None:
    first = applied(begun(), update(CALLBACK, "Available", after(minutes=4)), minutes=4)
    assert first.claimed
    second = replace(first.record, finished_at=after(days=1), due_at=after(days=1))

    assert mark_announced(second, first.claimed, after(days=1), SETTINGS) is None
    assert release_claim(second, first.claimed, after(days=1), SETTINGS) is None
