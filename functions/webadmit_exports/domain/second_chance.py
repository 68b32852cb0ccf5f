"""A second chance: a run that failed in WebAdMIT is started once more before people are told. Pure.

The sweep puts the export into the start queue, with the file id of the failed run, and marks its record (`again_at`). A
quarter of an hour later the export starts again for the same scheduled time. The record of that run takes the place of
the failed one (`after_failure`), which is then at rest, and is never started again itself. Where no second run comes
about, the failure is told after all: at once where that is known (`no_second_run`), else after thirteen hours.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.status import Status
from webadmit_exports.domain.transition import LifecycleSettings, Transition, at_rest, changed, is_not_due_yet

_LONGEST_AGE = timedelta(days=1)  # of a run: an older one is not started again
_INSURANCE = timedelta(hours=13)  # after which a failure without a second run is told
_LAST_START = timedelta(hours=12, minutes=45)  # later, the start and the telling of the failure could meet


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondChance:
    """Of a second start: the file id of the run that failed, and when this start was put into the queue."""

    after_failure: int
    again_at: datetime


def has_second_chance(record: ExportFile, now: datetime, settings: LifecycleSettings) -> bool:
    """Whether the run is to be started once more: WebAdMIT itself said `Failed`, and it is the first for its time."""
    return (
        settings.start_failed_again
        and record.start_failed_again
        and record.status == Status.FAILED
        and record.reason is None  # else it is we who gave the run up
        and record.notified_at is None
        and (record.again_at, record.after_failure) == (None, None)
        and now - record.started_at <= _LONGEST_AGE
        and not is_not_due_yet(record, now)
    )


def start_again(
    record: ExportFile, again_at: datetime, now: datetime, settings: LifecycleSettings
) -> Transition | None:
    """What changes when the second start of a failed run is in the queue; None if it must not start again."""
    if not has_second_chance(record, now, settings):
        return None
    return changed(record, Transition(record=replace(record, again_at=again_at, due_at=again_at + _INSURANCE)), now)


def give_way(record: ExportFile, now: datetime, settings: LifecycleSettings) -> Transition | None:
    """A failed run after its second run was recorded: at rest, and nobody is told of it."""
    if not is_unsettled(record):
        return None
    return changed(record, Transition(record=at_rest(record, now, settings)), now)


def without_second_run(record: ExportFile, why: str, now: datetime) -> Transition | None:
    """A failed run of which is known that no second one follows: due at once, to be told."""
    if not waits_for_second_run(record):
        return None
    return changed(record, Transition(record=replace(record, no_second_run=why, due_at=now)), now)


def is_unsettled(record: ExportFile) -> bool:
    """Whether it had a second chance, but no second run has taken its place so far, and nobody was told."""
    return record.again_at is not None and record.is_untold_failure


def waits_for_second_run(record: ExportFile) -> bool:
    """Whether its second start is still to come."""
    return is_unsettled(record) and record.no_second_run is None


def has_second_run(record: ExportFile) -> bool:
    """Whether a second run has taken its place: then nothing is told of this one."""
    return record.again_at is not None and (record.notified_at, record.due_at) == (None, None)


def to_start_again(files: Iterable[ExportFile], chance: SecondChance, now: datetime) -> ExportFile | None:
    """The failed run that a second start is for; None if that start must not go ahead.

    The queue may have a second start twice, if marking the record failed: only the one that was marked counts.
    """
    for file in files:
        if (file.export_file_id, file.again_at) == (chance.after_failure, chance.again_at):
            return file if waits_for_second_run(file) and now - chance.again_at <= _LAST_START else None
    return None


def second_run(files: Iterable[ExportFile], failed: ExportFile) -> ExportFile | None:
    """The run that took the place of the failed one, if it is there; another run may have failed under the same id."""
    same_id = (file for file in files if file.after_failure == failed.export_file_id)
    return next((file for file in same_id if file.spans(failed.first_scheduled_for)), None)


def newer_run(files: Iterable[ExportFile], failed: ExportFile) -> ExportFile | None:
    """A run of the same export, among these, that began after the failed one."""
    return next((file for file in files if file.started_at > failed.started_at and file.is_of(failed.export)), None)
