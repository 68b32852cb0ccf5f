"""The facts of the morning mail: the runs of a day and their outcomes, and what waits, rings or was changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webadmit_exports.aws.alarms import RingingAlarm
from webadmit_exports.aws.queue_lengths import QueueLengths
from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.delivered import DELIVERED, Outcome
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import NamePattern
from webadmit_exports.domain.second_chance import waits_for_second_run
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.operations.name_history import Changes


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

    name: NamePattern
    scheduled_for: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """What came of the files' deliveries, by export id and file id. `waiting`: those that have gone on for an hour.

    `vanished`: files of which nothing is known, and nothing is under way. `earlier`: runs of the day before whose files
    were held back or given up since the last mail.
    """

    outcomes: Mapping[tuple[int, int], Outcome]
    waiting: int
    vanished: int = 0
    earlier: Sequence[ExpectedRun] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReport:
    """The day from `since` to `until`. `older`: runs from before it that are still open.

    `without_exports`: names that stood for nothing that can be started. `not_known`: those of which it is not known
    what they stood for, and `why_not_known`. `changes`: what names stand for now, and did not the day before.
    `alarms`: those that ring now; None where that cannot be read. `second_starts`: how many of the starts that wait in
    the queue are second ones, of runs that failed. `deliveries`: None where files are not delivered, or
    where that could not be read (`are_deliveries_unknown`).
    """

    since: datetime
    until: datetime
    schedules: Sequence[Schedule]
    runs: Sequence[ExpectedRun]
    older: Sequence[ExportFile]
    queues: QueueLengths
    without_exports: Sequence[ScheduledName] = ()
    not_known: Sequence[ScheduledName] = ()
    why_not_known: str = ""
    changes: Changes = field(default_factory=Changes)
    alarms: Sequence[RingingAlarm] | None = ()
    second_starts: int = 0
    deliveries: Deliveries | None = None
    are_deliveries_unknown: bool = False

    def of(self, outcome: RunOutcome) -> list[ExpectedRun]:
        """The runs that ended like this, earliest first."""
        found = [run for run in self.runs if run.outcome is outcome]
        return sorted(found, key=lambda run: (run.scheduled_for, run.export.user_identity_id, run.export.export_id))

    @property
    def second_runs(self) -> list[ExpectedRun]:
        """The runs that failed at first, and were or are to be started once more."""
        return [run for run in self.runs if run.file and (run.file.after_failure or waits_for_second_run(run.file))]

    @property
    def failed_twice(self) -> list[ExpectedRun]:
        """Those of them whose second run has failed too."""
        return [run for run in self.of(RunOutcome.FAILED) if run.file and run.file.after_failure]

    def delivered_as(self, what: str) -> list[ExpectedRun]:
        """The files whose deliveries have ended like this."""
        return [run for run, outcome in self._delivered() if outcome.what == what]

    @property
    def last_delivered_at(self) -> datetime | None:
        """When the last file was delivered."""
        return max((outcome.at for _, outcome in self._delivered() if outcome.what == DELIVERED), default=None)

    def _delivered(self) -> Iterator[tuple[ExpectedRun, Outcome]]:
        outcomes = self.deliveries.outcomes if self.deliveries else {}
        earlier = self.deliveries.earlier if self.deliveries else ()
        for run in (*earlier, *self.of(RunOutcome.READY)):
            if run.file and (outcome := outcomes.get((run.export.export_id, run.file.export_file_id))):
                yield run, outcome

    @property
    def switched(self) -> list[Schedule]:
        """The schedules that somebody has switched on or off by hand."""
        return [schedule for schedule in self.schedules if schedule.was_switched]

    @property
    def is_tried_again(self) -> bool:
        """Whether no more is missing than what the start queue brings back by itself."""
        missing = self.of(RunOutcome.NOT_STARTED)
        guesses = [run for run in missing if run.is_guess]  # they wait as one name, or as one whole start
        tried_again = self.queues.retries - self.second_starts
        return len(missing) - len(guesses) + bool(guesses) + len(self.not_known) <= tried_again

    @property
    def last_ready_at(self) -> datetime | None:
        """When the last file became ready."""
        return max(
            (run.file.finished_at for run in self.of(RunOutcome.READY) if run.file and run.file.finished_at),
            default=None,
        )
