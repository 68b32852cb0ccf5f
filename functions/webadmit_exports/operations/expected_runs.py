"""Which runs were expected, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import NamePattern, startable, started_once
from webadmit_exports.domain.second_chance import has_second_run, is_unsettled, second_run, waits_for_second_run
from webadmit_exports.domain.status import RunOutcome, outcome_of
from webadmit_exports.operations.cron import times_of
from webadmit_exports.operations.daily_report import ExpectedRun, ScheduledName
from webadmit_exports.operations.name_history import NameHistory

GRACE = timedelta(minutes=10)  # in which what is due now is started


@dataclass(slots=True)
class Expected:
    """What the schedules wanted: `exports`, with their names, `guesses` among them, and names without any.

    `by_name`: those that are not listed as pairs, so that a run under any identity will do.
    """

    exports: dict[tuple[datetime, Export], str] = field(default_factory=dict)
    by_name: set[tuple[datetime, Export]] = field(default_factory=set)
    guesses: set[tuple[datetime, Export]] = field(default_factory=set)
    without_exports: list[ScheduledName] = field(default_factory=list)
    not_known: list[ScheduledName] = field(default_factory=list)


def expected_exports(schedules: Sequence[Schedule], history: NameHistory, since: datetime, until: datetime) -> Expected:
    """What should have run from `since` to before `until`, names as what they stood for at the time."""
    expected = Expected()
    wanted = [
        (moment, entry)
        for schedule in schedules
        for moment in times_of(schedule, since, until) or ()
        for entry in schedule.entries
    ]
    expected.exports |= {(moment, entry): "" for moment, entry in wanted if isinstance(entry, Export)}
    for moment, entry in wanted:
        if isinstance(entry, NamePattern):
            _expect(expected, entry, moment, history)
    return expected


def _expect(expected: Expected, name: NamePattern, moment: datetime, history: NameHistory) -> None:
    recorded = history.recorded_at(name, moment)
    found = recorded or history.matches_now(name)
    unlisted = [name] if found is None else [name.within(number) for number in sorted(found.unlisted)]
    expected.not_known += [ScheduledName(name=name, scheduled_for=moment) for name in unlisted]
    chosen = startable(name, found).exports if found else {}
    if chosen:
        there = [export for time, export in expected.exports if time == moment]
        exports = {(moment, export): chosen[export] for export in started_once(chosen, there)}
        expected.exports |= exports
        expected.by_name |= exports.keys()
        expected.guesses |= set() if recorded else exports.keys()
    elif not unlisted:
        expected.without_exports.append(ScheduledName(name=name, scheduled_for=moment))


def match_runs(
    expected: Expected,
    files: Mapping[int, Sequence[ExportFile]],
    since: datetime,
    until: datetime,
) -> list[ExpectedRun]:
    """The outcomes of what was expected from `since` to before `until`, and what else ran.

    `files`: by export id, of all identities.

    Each run belongs to one day: what a schedule wanted to that of its time, any other run to that of its start. What a
    schedule wants at `until` or later is the next day's, also where it has run already.
    """
    files = {export_id: _without_first_runs(same) for export_id, same in files.items()}
    runs: list[ExpectedRun] = []
    counted: set[tuple[int, int]] = set()
    for (moment, export), name in expected.exports.items():
        is_any = (moment, export) in expected.by_name
        ones = [run for run in files.get(export.export_id, ()) if is_any or run.is_of(export)]
        file = next((run for run in ones if run.spans(moment)), None)
        if file:
            counted.add((export.export_id, file.export_file_id))
        elif any(run.reused and moment < run.first_scheduled_for for run in ones):
            continue  # its record was begun anew for a later run under the same id: nothing is known of it any more
        is_guess = (moment, export) in expected.guesses
        runs.append(
            ExpectedRun(
                export=export, scheduled_for=moment, outcome=_outcome(file), file=file, name=name, is_guess=is_guess
            )
        )
    for export_id, same in files.items():
        for file in same:
            is_of_this_day = since <= file.first_scheduled_for and file.scheduled_for < until
            if is_of_this_day and (export_id, file.export_file_id) not in counted:
                counted.add((export_id, file.export_file_id))
                runs.append(
                    ExpectedRun(export=file.export, scheduled_for=file.scheduled_for, outcome=_outcome(file), file=file)
                )
    return runs


def _without_first_runs(files: Sequence[ExportFile]) -> list[ExportFile]:
    """Without failed runs whose second run has taken their place."""
    return [file for file in files if not (has_second_run(file) or (is_unsettled(file) and second_run(files, file)))]


def _outcome(file: ExportFile | None) -> RunOutcome:
    if file is None:
        return RunOutcome.NOT_STARTED
    if waits_for_second_run(file):
        return RunOutcome.RUNNING
    return outcome_of(file.status) or (RunOutcome.LATE if file.overdue_at else RunOutcome.RUNNING)
