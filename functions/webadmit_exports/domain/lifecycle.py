"""How a status update changes the record of a run, and what is announced then: the rules of the whole service. Pure.

The process that learns that a file is ready announces it at once: the write that finishes the file also takes a short
lease on its announcement (`due_at`); after publishing, the file is marked (`notified_at`). A ready, unannounced file
whose lease is over is claimed by whichever process finds it.

Every other outcome is due at once and claimed by the sweep alone (`claim_due`). Callbacks run in as many processes as
WebAdMIT calls back, so that none of them can keep a pace, and SNS switches a mail subscription off that gets more than
ten messages a second. A failure may have a second chance first: see `domain.second_chance`.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from webadmit_exports.domain.announcement import EVENT_TYPES, Announcement, EventType
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.second_chance import has_second_chance
from webadmit_exports.domain.status import RunOutcome, is_finished, outcome_of, progress_of
from webadmit_exports.domain.transition import LifecycleSettings, Transition, at_rest, changed, is_not_due_yet
from webadmit_exports.domain.which_run import is_a_new_run, is_about, may_be_about_an_earlier_run

LEASE = timedelta(minutes=2)  # longer than any single publish takes with its retries


def apply_update(
    record: ExportFile | None, update: StatusUpdate, now: datetime, settings: LifecycleSettings
) -> Transition | None:
    """What the record becomes with this update; None where nothing changes, or the update is about another run.

    Only the answer to a start makes a record and says which scheduled times it serves. A callback changes a record that
    serves the scheduled time of its URL, and a poll one that is there.
    """
    if update.source is UpdateSource.START and (record is None or is_a_new_run(record, update)):
        begun = ExportFile.begun(update, now, before=record)
        return _settle_ready(_finish_or_wait(begun, update, now), now, settings)
    if record is None or not is_about(record, update):
        return None
    if may_be_about_an_earlier_run(record, update):
        return changed(record, Transition(record=record.due_at_once(now)), now)
    joined = record.joined(update) if update.source is UpdateSource.START else record
    current = _move(joined, update, now)
    settle = _settle_polled if update.source is UpdateSource.POLL else _settle_ready
    return changed(record, settle(current, now, settings), now)


def claim_due(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Transition | None:
    """Claims the announcement that a finished run is due, with or without a file: for the sweep.

    None where there is nothing to announce, and where the run has a second chance.
    """
    if has_second_chance(record, now, settings):
        return None
    return changed(record, _settle(record, now, settings), now)


def on_no_answer(
    record: ExportFile, now: datetime, settings: LifecycleSettings, *, ask_later: bool
) -> Transition | None:
    """An open run about which WebAdMIT gave no answer, which may be late all the same; `ask_later` moves its check."""
    if record.finished_at:
        return None
    if ask_later:
        return changed(record, _settle_polled(record, now, settings), now)
    return changed(record, _claim_if_late(record, now, settings) or Transition(record=record), now)


def past_announcement(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Announcement | None:
    """What was announced, or is to be, when the run finished.

    None for an open run, where nobody is told, and for a failure that has or had a second chance and was not told.
    """
    has_chance = has_second_chance(record, now, settings) or record.again_at is not None
    is_told = record.finished_at and (record.notified_at or not has_chance)
    event_type = _event_type(record, settings) if is_told else None
    return Announcement(event_type=event_type, export_file=record) if event_type else None


def defer_check(record: ExportFile, now: datetime) -> Transition | None:
    """An open run that WebAdMIT may not be asked about, which people have been told: not late as well, asked later."""
    if record.finished_at:
        return None
    return Transition(
        record=replace(record, overdue_at=record.overdue_at or now, due_at=record.next_check(now), updated_at=now)
    )


def mark_announced(
    record: ExportFile, announced: Announcement, now: datetime, settings: LifecycleSettings
) -> Transition | None:
    """The record after that was published; None where it is not, or no longer, the pending announcement."""
    if not _is_pending(record, announced, settings):
        return None
    if announced.event_type is EventType.OVERDUE:
        marked = replace(record, overdue_at=now, due_at=record.next_check(now))
    else:
        marked = replace(at_rest(record, now, settings), notified_at=now)
    return Transition(record=replace(marked, updated_at=now))


def release_claim(
    record: ExportFile, unannounced: Announcement, now: datetime, settings: LifecycleSettings
) -> Transition | None:
    """The record after publishing that failed, due at once; None where another process has claimed it since."""
    if not _is_pending(record, unannounced, settings) or record.due_at != unannounced.export_file.due_at:
        return None
    return Transition(record=replace(record, due_at=now, updated_at=now))


def _move(record: ExportFile, update: StatusUpdate, now: datetime) -> ExportFile:
    if progress_of(update.status) <= progress_of(record.status):
        return record
    moved = replace(record, status=update.status, href=update.href or record.href, reason=update.reason)
    return _finish_or_wait(moved, update, now)


def _finish_or_wait(record: ExportFile, update: StatusUpdate, now: datetime) -> ExportFile:
    """A run whose status has just changed: finished, and then due at once, or to be asked about later.

    A callback tells when it came in. When the run that an answer tells of had finished is not known: by now.
    """
    if is_finished(record.status):
        finished_at = update.as_of if update.source is UpdateSource.CALLBACK else now
        return replace(record, finished_at=finished_at, notified_at=None, due_at=now, expires_at=None)
    return replace(record, due_at=record.due_at or record.next_check(now))


def _settle(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Transition:
    """Claims the announcement of a finished file that is due."""
    if record.finished_at is None or record.due_at is None or is_not_due_yet(record, now):
        return Transition(record=record)
    event_type = _event_type(record, settings)
    if event_type is None:
        return Transition(record=at_rest(record, now, settings))
    return _claim(record, event_type, now)


def _settle_ready(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Transition:
    """The same where the file is ready, or nobody is told; any other outcome stays due for the sweep."""
    if record.finished_at and _event_type(record, settings) in (EventType.READY, None):
        return _settle(record, now, settings)
    return Transition(record=record)


def _settle_polled(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Transition:
    """The same after WebAdMIT was asked about the run: where it is still open, it is late, or asked about later."""
    if record.finished_at or is_not_due_yet(record, now):
        return _settle_ready(record, now, settings)
    return _claim_if_late(record, now, settings) or Transition(record=replace(record, due_at=record.next_check(now)))


def _claim_if_late(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Transition | None:
    if record.overdue_at or now - record.started_at < settings.overdue_after or is_not_due_yet(record, now):
        return None
    return _claim(record, EventType.OVERDUE, now)


def _claim(record: ExportFile, event_type: EventType, now: datetime) -> Transition:
    claimed = replace(record, due_at=now + LEASE)
    return Transition(record=claimed, claimed=Announcement(event_type=event_type, export_file=claimed))


def _event_type(record: ExportFile, settings: LifecycleSettings) -> EventType | None:
    """What is announced of a run that has ended; None where nobody is told."""
    outcome = outcome_of(record.status)
    if outcome is None or (outcome is RunOutcome.EMPTY and not settings.alert_on_empty_list):
        return None
    return EVENT_TYPES[outcome]


def _is_pending(record: ExportFile, announcement: Announcement, settings: LifecycleSettings) -> bool:
    """Whether the record still waits for that announcement."""
    event_type = announcement.event_type
    if event_type is EventType.OVERDUE:
        waits = not record.finished_at and not record.overdue_at
    else:
        waits = bool(record.finished_at) and not record.notified_at and _event_type(record, settings) is event_type
    return waits and replace(announcement, export_file=record).event_id == announcement.event_id
