"""How news changes the record of an export file, and what is announced then. Pure: the rules of the whole service.

The write that finishes a file also takes a short lease on its announcement (`due_at`); after publishing, the file is
marked (`notified_at`). Whoever finds a finished, unannounced file whose lease is over takes it over.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from .model import ExportFile, News, Progress, Source, Status, progress_of, utc_microseconds

LEASE = timedelta(minutes=2)  # longer than any single publish takes with its retries
_SHORTEST_CHECK = timedelta(minutes=5)
_LONGEST_CHECK = timedelta(hours=1)
_EVENT_IDS = uuid.UUID("6f1f3a52-51d5-4bd6-9f34-0c7f6a0f2f4e")


class EventType(StrEnum):
    """The `event_type` of a message: the public contract."""

    READY = "export_file.ready"
    FAILED = "export_file.failed"
    EMPTY = "export_file.empty"
    OVERDUE = "export_file.overdue"
    IDENTITY_REFUSED = "identity.refused"
    START_DELAYED = "start.delayed"
    START_FAILED = "start.failed"
    REPORT_DAILY = "report.daily"
    ARCHIVED = "export_file.archived"
    ARCHIVE_FAILED = "archive.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator may choose."""

    overdue_after: timedelta
    keep_records: timedelta
    alert_on_empty_list: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What subscribers are to be told about one export file."""

    event_type: EventType
    export_file: ExportFile

    @property
    def event_id(self) -> str:
        """The same for one file, run and outcome, however often it is sent: it hangs on what is stored, not on when."""
        file = self.export_file
        moment = file.started_at if self.event_type is EventType.OVERDUE else file.finished_at
        assert moment is not None, "only a finished file is announced as ready, failed or empty"
        return event_id(self.event_type, file.export.export_id, file.export_file_id, utc_microseconds(moment))


def event_id(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid.uuid5(_EVENT_IDS, "/".join(str(part) for part in parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a record becomes; `claimed` is what the write of it gives the right, and the duty, to announce."""

    record: ExportFile
    claimed: Announcement | None = None


def advance(record: ExportFile | None, news: News, now: datetime, rules: Rules) -> Step | None:
    """What the record becomes with this news; None where it changes nothing, or is about a run that is not ours.

    Only the answer to a start makes a record and says which occurrences it serves; a callback changes a record that
    serves its own occurrence, and a poll one that is there.
    """
    if news.source is Source.START and (record is None or _is_a_new_run(record, news)):
        begun = replace(_begin(news, now), reused=record is not None)
        return _settle(_finish_or_wait(begun, news, now), now, rules)
    if record is None or not _is_about(record, news):
        return None
    if _may_be_about_an_earlier_run(record, news):
        return _changed(record, Step(record=_ask_at_once(record, now)), now)
    current = _move(_join(record, news), news, now)
    if news.source is Source.POLL:
        return _changed(record, _settle_asked(current, now, rules), now)
    return _changed(record, _settle(current, now, rules), now)


def take_over(record: ExportFile, now: datetime, rules: Rules) -> Step | None:
    """Claims the announcement of a finished file whose lease is over; None where there is nothing to take over."""
    return _changed(record, _settle(record, now, rules), now)


def _changed(before: ExportFile, step: Step, now: datetime) -> Step | None:
    return None if step.record == before else replace(step, record=replace(step.record, updated_at=now))


def unheard(record: ExportFile, now: datetime, rules: Rules, *, ask_later: bool) -> Step | None:
    """An open run about which WebAdMIT gave no answer: late all the same if it is; `ask_later` moves its next check."""
    if record.finished_at:
        return None
    if ask_later:
        return _changed(record, _settle_asked(record, now, rules), now)
    return _changed(record, _claim_if_late(record, now, rules) or Step(record=record), now)


def told_before(record: ExportFile, rules: Rules) -> Announcement | None:
    """What was announced, or is to be, when the run finished; None for an open run, or where nobody is told."""
    event_type = _outcome(record, rules) if record.finished_at else None
    return Announcement(event_type=event_type, export_file=record) if event_type else None


def put_by(record: ExportFile, now: datetime) -> Step | None:
    """An open run that WebAdMIT may not be asked about, which people have been told: not late as well, asked later."""
    if record.finished_at:
        return None
    return Step(
        record=replace(record, overdue_at=record.overdue_at or now, due_at=_next_check(record, now), updated_at=now)
    )


def mark_announced(record: ExportFile, done: Announcement, now: datetime, rules: Rules) -> ExportFile:
    """The record after `done` was published; unchanged where the announcement is not, or no longer, the pending one."""
    if _pending(record, rules, done.event_type) != done.event_id:
        return record
    if done.event_type is EventType.OVERDUE:
        return replace(record, overdue_at=now, due_at=_next_check(record, now), updated_at=now)
    return replace(record, notified_at=now, due_at=None, expires_at=now + rules.keep_records, updated_at=now)


def give_back(record: ExportFile, undone: Announcement, now: datetime, rules: Rules) -> ExportFile:
    """The record after publishing `undone` failed: whoever comes next may try at once."""
    if _pending(record, rules, undone.event_type) != undone.event_id:
        return record
    return replace(record, due_at=now, updated_at=now)


def _is_a_new_run(record: ExportFile, news: News) -> bool:
    """WebAdMIT may give a new run the id of one that had finished before we asked; whatever status it brings then.

    A run that finished after we asked is the very one that we asked for: its callback has overtaken the answer.
    """
    return news.source is Source.START and record.finished_at is not None and record.finished_at < news.as_of


def _is_about(record: ExportFile, news: News) -> bool:
    """Whether the news may change that record: an address that leaked speaks for the run of its occurrence alone."""
    if news.source is not Source.CALLBACK:
        return True
    return news.scheduled_for is not None and record.serves(news.export, news.scheduled_for)


def _begin(news: News, now: datetime) -> ExportFile:
    assert news.scheduled_for is not None, "a start knows its occurrence"
    return ExportFile(
        export=news.export,
        export_file_id=news.export_file_id,
        status=news.status,
        href=news.href,
        reason=news.reason,
        first_scheduled_for=news.scheduled_for,
        scheduled_for=news.scheduled_for,
        started_at=news.as_of,
        updated_at=now,
        names=news.names,
    )


def _join(record: ExportFile, news: News) -> ExportFile:
    """A start that was answered with a run that we know joins it: the run then serves that occurrence too."""
    if news.source is not Source.START or news.scheduled_for is None:
        return record
    return replace(
        record,
        first_scheduled_for=min(record.first_scheduled_for, news.scheduled_for),
        scheduled_for=max(record.scheduled_for, news.scheduled_for),
    )


def _move(record: ExportFile, news: News, now: datetime) -> ExportFile:
    if progress_of(news.status) <= progress_of(record.status):
        return record
    moved = replace(record, status=news.status, href=news.href or record.href, reason=news.reason)
    return _finish_or_wait(moved, news, now)


def _may_be_about_an_earlier_run(record: ExportFile, news: News) -> bool:
    """An id can serve run after run; an answer that was long on its way may tell of the one before."""
    if news.source is not Source.POLL or progress_of(news.status) <= progress_of(record.status):
        return False
    return news.as_of < (record.started_at if record.finished_at else record.updated_at)


def _ask_at_once(record: ExportFile, now: datetime) -> ExportFile:
    """WebAdMIT itself can tell what is so: it is asked at the next sweep."""
    if record.finished_at or (record.due_at is not None and record.due_at <= now):
        return record
    return replace(record, due_at=now)


def _finish_or_wait(record: ExportFile, news: News, now: datetime) -> ExportFile:
    """A run whose status has just changed: finished, and then due at once, or to be asked about later.

    A callback tells when it came in. When the run that an answer tells of had finished is not known: by now.
    """
    if progress_of(record.status) >= Progress.FINISHED_WITHOUT_FILE:
        finished_at = news.as_of if news.source is Source.CALLBACK else now
        return replace(record, finished_at=finished_at, notified_at=None, due_at=now, expires_at=None)
    return replace(record, due_at=record.due_at or _next_check(record, now))


def _settle(record: ExportFile, now: datetime, rules: Rules) -> Step:
    """Claims the announcement of a finished file that is due."""
    if record.finished_at is None or record.due_at is None or _is_leased(record, now):
        return Step(record=record)
    event_type = _outcome(record, rules)
    if event_type is None:
        return Step(record=replace(record, due_at=None, expires_at=now + rules.keep_records))
    return _claim(record, event_type, now)


def _settle_asked(record: ExportFile, now: datetime, rules: Rules) -> Step:
    """The same after WebAdMIT was asked about the run: where it is still open, it is late, or asked about later."""
    if record.finished_at or _is_leased(record, now):
        return _settle(record, now, rules)
    return _claim_if_late(record, now, rules) or Step(record=replace(record, due_at=_next_check(record, now)))


def _claim_if_late(record: ExportFile, now: datetime, rules: Rules) -> Step | None:
    if record.overdue_at or now - record.started_at < rules.overdue_after or _is_leased(record, now):
        return None
    return _claim(record, EventType.OVERDUE, now)


def _is_leased(record: ExportFile, now: datetime) -> bool:
    """Whether somebody else is at it: only what is due is asked about, so that what is due later was just claimed."""
    return record.due_at is not None and record.due_at > now


def _claim(record: ExportFile, event_type: EventType, now: datetime) -> Step:
    claimed = replace(record, due_at=now + LEASE)
    return Step(record=claimed, claimed=Announcement(event_type=event_type, export_file=claimed))


def _outcome(record: ExportFile, rules: Rules) -> EventType | None:
    if progress_of(record.status) is Progress.FINISHED_WITH_FILE:
        return EventType.READY
    if record.status == Status.EMPTY_LIST:
        return EventType.EMPTY if rules.alert_on_empty_list else None
    return EventType.FAILED


def _pending(record: ExportFile, rules: Rules, event_type: EventType) -> str | None:
    """The event id of the announcement of that type that the record still waits for; None where it waits for none."""
    if event_type is EventType.OVERDUE:
        waits = record.finished_at is None and record.overdue_at is None
    else:
        waits = record.finished_at is not None and record.notified_at is None and _outcome(record, rules) is event_type
    return Announcement(event_type=event_type, export_file=record).event_id if waits else None


def _next_check(record: ExportFile, now: datetime) -> datetime:
    """A twelfth of the run's age from now, but at least five minutes and at most an hour."""
    return now + min(max((now - record.started_at) / 12, _SHORTEST_CHECK), _LONGEST_CHECK)
