"""What should have run, and what became of it: the figures of the morning mail. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .cron import occurrences
from .model import Export, ExportFile, Progress, Status, progress_of
from .schedules import Schedule

SPAN = timedelta(days=1)
_GRACE = timedelta(minutes=10)  # in which what is due now is started


class Outcome(StrEnum):
    """What became of an export that should have run; the worst that a person should see comes first."""

    NOT_STARTED = "not started"
    FAILED = "failed"
    LATE = "late"
    EMPTY = "empty"
    RUNNING = "still running"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRun:
    """One export at one time of its schedule, or a run that somebody started besides. `file`: None if none was."""

    export: Export
    scheduled_for: datetime
    outcome: Outcome
    file: ExportFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """How much waits: `retries` are tried again by themselves, the others wait for a person."""

    retries: int
    given_up: int
    failed_starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """The day before `until`. `older`: runs from before it that are still open."""

    until: datetime
    schedules: Sequence[Schedule]
    runs: Sequence[ExpectedRun]
    older: Sequence[ExportFile]
    queues: Queues

    def of(self, outcome: Outcome) -> list[ExpectedRun]:
        """The runs that ended like this, earliest first."""
        found = [run for run in self.runs if run.outcome is outcome]
        return sorted(found, key=lambda run: (run.scheduled_for, run.export.user_identity_id, run.export.export_id))

    @property
    def last_ready_at(self) -> datetime | None:
        """When the last file became ready."""
        return max(
            (run.file.finished_at for run in self.of(Outcome.READY) if run.file and run.file.finished_at), default=None
        )


def look_back(
    schedules: Sequence[Schedule], files: Mapping[Export, Sequence[ExportFile]], until: datetime
) -> list[ExpectedRun]:
    """What should have run in the day before, and whatever else ran; `files` are the runs of each export."""
    runs: list[ExpectedRun] = []
    counted: set[tuple[int, int]] = set()
    for schedule in schedules:
        for moment in _should_have_fired(schedule, until):
            for export in schedule.exports:
                file = next((one for one in files.get(export, ()) if one.serves(export, moment)), None)
                runs.append(ExpectedRun(export=export, scheduled_for=moment, outcome=_outcome(file), file=file))
                if file:
                    counted.add((export.export_id, file.export_file_id))
    for export, ones in files.items():
        for file in ones:
            if (export.export_id, file.export_file_id) not in counted:
                counted.add((export.export_id, file.export_file_id))
                runs.append(
                    ExpectedRun(export=export, scheduled_for=file.scheduled_for, outcome=_outcome(file), file=file)
                )
    return runs


def _should_have_fired(schedule: Schedule, until: datetime) -> Iterable[datetime]:
    """The times of the last day, since the schedule was changed; none where they cannot be told."""
    if not schedule.is_on:
        return []
    since = max(until - SPAN, schedule.changed_at)
    return occurrences(schedule.expression, schedule.timezone, since, until - _GRACE) or []


def _outcome(file: ExportFile | None) -> Outcome:
    if file is None:
        return Outcome.NOT_STARTED
    progress = progress_of(file.status)
    if progress is Progress.FINISHED_WITH_FILE:
        return Outcome.READY
    if progress is Progress.FINISHED_WITHOUT_FILE:
        return Outcome.EMPTY if file.status == Status.EMPTY_LIST else Outcome.FAILED
    return Outcome.LATE if file.overdue_at else Outcome.RUNNING
