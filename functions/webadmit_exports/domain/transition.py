"""What changes of records have in common. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from webadmit_exports.domain.announcement import Announcement
from webadmit_exports.domain.export_file import ExportFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleSettings:
    """What the operator may choose."""

    overdue_after: timedelta
    keep_records: timedelta
    alert_on_empty_list: bool
    start_failed_again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What a record becomes; `claimed` is what the write of it gives the right, and the duty, to announce."""

    record: ExportFile
    claimed: Announcement | None = None


def changed(before: ExportFile, after: Transition, now: datetime) -> Transition | None:
    """The transition, with the time of its write; None where nothing changes."""
    return None if after.record == before else replace(after, record=replace(after.record, updated_at=now))


def is_not_due_yet(record: ExportFile, now: datetime) -> bool:
    """Whether another process has a claim: only what is due is asked about; what is due later was just claimed."""
    return record.due_at is not None and record.due_at > now


def at_rest(record: ExportFile, now: datetime, settings: LifecycleSettings) -> ExportFile:
    """The record when nothing is left to do."""
    return replace(record, due_at=None, expires_at=now + settings.keep_records)
