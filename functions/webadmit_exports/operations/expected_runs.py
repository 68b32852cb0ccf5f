"""Which runs were expected, and their outcomes: the figures of the morning mail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.export_name import ExportName, is_startable
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.status import Progress, Status, progress_of
from webadmit_exports.domain.times import time_zone
from webadmit_exports.operations.cron import occurrences
from webadmit_exports.operations.name_history import Changes, NameHistory

GRACE = timedelta(minutes=10)  # in which what is due now is started


class RunOutcome(StrEnum):
    """The outcome of an expected run; the worst comes first."""

    NOT_STARTED = "not started"
    FAILED = "failed"
    LATE = "late"
    EMPTY = "empty"
    RUNNING = "still running"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRun:
    """One export at one time of its schedule, or a run that somebody started besides. `file`: None if none was.

    `is_guess`: what its name stood for is not recorded; it is what the name matches now.
    """

    export: Export
    scheduled_for: datetime
    outcome: RunOutcome
    file: ExportFile | None = None
    name: str = ""
    is_guess: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledName:
    """A name at a time of its schedule."""

    name: ExportName
    scheduled_for: datetime


@dataclass(slots=True)
class Expected:
    """What the schedules wanted: `exports`, with their names, `guesses` among them, and names without any."""

    exports: dict[tuple[datetime, Export], str] = field(default_factory=dict)
    guesses: set[tuple[datetime, Export]] = field(default_factory=set)
    without_exports: list[ScheduledName] = field(default_factory=list)
    not_known: list[ScheduledName] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """How many messages wait: `retries` are tried again without anyone, `given_up` wait for a person."""

    retries: int
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReport:
    """The day from `since` to `until`. `older`: runs from before it that are still open.

    `without_exports`: names that stood for nothing that can be started. `not_known`: those of which it is not known
    what they stood for, and `why_not_known`. `changes`: what names stand for now, and did not the day before.
    """

    since: datetime
    until: datetime
    schedules: Sequence[Schedule]
    runs: Sequence[ExpectedRun]
    older: Sequence[ExportFile]
    queues: Queues
    without_exports: Sequence[ScheduledName] = ()
    not_known: Sequence[ScheduledName] = ()
    why_not_known: str = ""
    changes: Changes = field(default_factory=Changes)

    def of(self, outcome: RunOutcome) -> list[ExpectedRun]:
        """The runs that ended like this, earliest first."""
        found = [run for run in self.runs if run.outcome is outcome]
        return sorted(found, key=lambda run: (run.scheduled_for, run.export.user_identity_id, run.export.export_id))

    @property
    def is_tried_again(self) -> bool:
        """Whether no more is missing than what the start queue brings back by itself."""
        missing = self.of(RunOutcome.NOT_STARTED)
        guesses = [run for run in missing if run.is_guess]  # they wait as one name, or as one whole start
        return len(missing) - len(guesses) + bool(guesses) + len(self.not_known) <= self.queues.retries

    @property
    def last_ready_at(self) -> datetime | None:
        """When the last file became ready."""
        return max(
            (run.file.finished_at for run in self.of(RunOutcome.READY) if run.file and run.file.finished_at),
            default=None,
        )


def expected_exports(schedules: Sequence[Schedule], history: NameHistory, since: datetime, until: datetime) -> Expected:
    """What should have run from `since` to before `until`, names as what they stood for at the time."""
    expected = Expected()
    for schedule in schedules:
        for moment in times_of(schedule, since, until) or ():
            for entry in schedule.entries:
                if isinstance(entry, Export):
                    expected.exports.setdefault((moment, entry), "")
                else:
                    _expect(expected, entry, moment, history)
    return expected


def _expect(expected: Expected, name: ExportName, moment: datetime, history: NameHistory) -> None:
    recorded = history.recorded_at(name, moment)
    found = recorded or history.now(name)
    unlisted = [name] if found is None else [name.within(number) for number in sorted(found.unlisted)]
    expected.not_known += [ScheduledName(name=one, scheduled_for=moment) for one in unlisted]
    if found and is_startable(name, found):
        exports = {(moment, export): text for export, text in found.exports.items()}
        expected.exports |= exports
        expected.guesses |= set() if recorded else exports.keys()
    elif not unlisted:
        expected.without_exports.append(ScheduledName(name=name, scheduled_for=moment))


def match_runs(
    expected: Expected,
    files: Mapping[Export, Sequence[ExportFile]],
    since: datetime,
    until: datetime,
) -> list[ExpectedRun]:
    """The outcomes of what was expected from `since` to before `until`, and what else ran; `files`: of each export.

    Each run belongs to one day: what a schedule wanted to that of its time, any other run to that of its start. What a
    schedule wants at `until` or later is the next day's, also where it has run already.
    """
    runs: list[ExpectedRun] = []
    counted: set[tuple[int, int]] = set()
    for (moment, export), name in expected.exports.items():
        ones = files.get(export, ())
        file = next((one for one in ones if one.serves(export, moment)), None)
        if file:
            counted.add((export.export_id, file.export_file_id))
        elif any(one.reused and moment < one.first_scheduled_for for one in ones):
            continue  # its record was begun anew for a later run under the same id: nothing is known of it any more
        is_guess = (moment, export) in expected.guesses
        runs.append(
            ExpectedRun(
                export=export, scheduled_for=moment, outcome=_outcome(file), file=file, name=name, is_guess=is_guess
            )
        )
    for export, ones in files.items():
        for file in ones:
            is_of_this_day = since <= file.first_scheduled_for and file.scheduled_for < until
            if is_of_this_day and (export.export_id, file.export_file_id) not in counted:
                counted.add((export.export_id, file.export_file_id))
                runs.append(
                    ExpectedRun(export=export, scheduled_for=file.scheduled_for, outcome=_outcome(file), file=file)
                )
    return runs


def same_time_yesterday(moment: datetime, timezone: str) -> datetime:
    """The same time of the clock a day earlier, so that the days of two mornings join also where a clock is moved."""
    zone = time_zone(timezone) or UTC
    return (moment.astimezone(zone) - timedelta(days=1)).astimezone(UTC)


def times_of(schedule: Schedule, since: datetime, until: datetime) -> list[datetime] | None:
    """When it should have fired, from when it was last changed; None where that cannot be told from its expression."""
    if not schedule.is_on or not schedule.entries:
        return []
    fired = occurrences(schedule.expression, schedule.timezone, since, until)
    return None if fired is None else [moment for moment in fired if schedule.changed_at <= moment < until]


def _outcome(file: ExportFile | None) -> RunOutcome:
    if file is None:
        return RunOutcome.NOT_STARTED
    progress = progress_of(file.status)
    if progress is Progress.FINISHED_WITH_FILE:
        return RunOutcome.READY
    if progress is Progress.FINISHED_WITHOUT_FILE:
        return RunOutcome.EMPTY if file.status == Status.EMPTY_LIST else RunOutcome.FAILED
    return RunOutcome.LATE if file.overdue_at else RunOutcome.RUNNING
