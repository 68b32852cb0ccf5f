"""What a night is said to have brought: what should have run, and what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes import EXPORT, NIGHT, after, file
from webadmit_exports.aws.queue_lengths import QueueLengths
from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.operations.cron import same_time_yesterday, times_of
from webadmit_exports.operations.daily_report import DailyReport, ExpectedRun
from webadmit_exports.operations.expected_runs import GRACE, expected_exports, match_runs
from webadmit_exports.operations.name_history import NameHistory

MORNING = after(hours=5)  # 08:30 UTC
LONG_AGO = after(days=-30)
OTHER = Export(user_identity_id=37442, export_id=86447)
NIGHTLY = Schedule(
    name="Exports",
    entries=(EXPORT,),
    expression="cron(30 3 * * ? *)",
    timezone="UTC",
    is_on=True,
    changed_at=LONG_AGO,
)


def look(schedules: list[Schedule], files: Mapping[int, Sequence[ExportFile]], now: datetime) -> list[ExpectedRun]:
    """As the morning mail of that moment does."""
    until = now - GRACE
    since = same_time_yesterday(until, "UTC")
    history = NameHistory(names=[], recorded={}, before={}, look_up=lambda _: {})
    return match_runs(expected_exports(schedules, history, since, until), files, since, until)


def runs(
    *files: ExportFile, schedules: Iterable[Schedule] = (NIGHTLY,), until: datetime = MORNING
) -> list[ExpectedRun]:
    by_export: dict[int, list[ExportFile]] = {}
    for one in files:
        by_export.setdefault(one.export.export_id, []).append(one)
    return look(list(schedules), by_export, until)


def outcomes(some: Iterable[ExpectedRun]) -> list[tuple[datetime, RunOutcome]]:
    return [(run.scheduled_for, run.outcome) for run in some]


def night(*some: ExpectedRun) -> DailyReport:
    queues = QueueLengths(retries=0, given_up=0)
    return DailyReport(
        since=MORNING - timedelta(days=1), until=MORNING, schedules=[NIGHTLY], runs=some, older=[], queues=queues
    )


# ── What became of a run ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Available", RunOutcome.READY),
        ("Success With Errors", RunOutcome.READY),
        ("Failed", RunOutcome.FAILED),
        ("Empty List", RunOutcome.EMPTY),
        ("Initializing", RunOutcome.RUNNING),
        ("Queued", RunOutcome.RUNNING),
        ("In Progress", RunOutcome.RUNNING),
        ("Hibernating", RunOutcome.RUNNING),
    ],
)
def test_the_status_tells_what_became_of_a_run(status: str, outcome: RunOutcome) -> None:
    one = file(status)

    assert runs(one) == [ExpectedRun(export=EXPORT, scheduled_for=NIGHT, outcome=outcome, file=one)]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("In Progress", RunOutcome.LATE),
        ("Queued", RunOutcome.LATE),
        ("Available", RunOutcome.READY),
        ("Failed", RunOutcome.FAILED),
        ("Empty List", RunOutcome.EMPTY),
    ],
)
def test_only_a_run_that_is_still_open_is_late(status: str, outcome: RunOutcome) -> None:
    assert outcomes(runs(file(status, overdue_at=after(hours=4)))) == [(NIGHT, outcome)]


def test_an_export_without_a_run_was_not_started() -> None:
    assert runs() == [ExpectedRun(export=EXPORT, scheduled_for=NIGHT, outcome=RunOutcome.NOT_STARTED)]


def test_a_run_of_another_time_or_another_identity_does_not_stand_in_for_one_that_is_missing() -> None:
    namesake = Export(user_identity_id=1, export_id=EXPORT.export_id)
    files = {EXPORT.export_id: [file(scheduled_for=after(hours=1)), file(export=namesake)]}

    found = look([NIGHTLY], files, MORNING)

    assert outcomes(found)[0] == (NIGHT, RunOutcome.NOT_STARTED)


def test_each_export_of_a_schedule_is_told_about() -> None:
    both = replace(NIGHTLY, entries=(EXPORT, OTHER))

    found = runs(file("Failed", export=OTHER), schedules=[both])

    assert [(run.export, run.outcome) for run in found] == [
        (EXPORT, RunOutcome.NOT_STARTED),
        (OTHER, RunOutcome.FAILED),
    ]


# ── Runs that are shared, and runs besides ──────────────────────────────────────────────────────────────────────────

TWICE = replace(NIGHTLY, expression="cron(30 3,4 * * ? *)")


def test_a_run_that_was_joined_serves_both_times() -> None:
    joined = file(scheduled_for=after(hours=1), first_scheduled_for=NIGHT)

    found = runs(joined, schedules=[TWICE])

    assert outcomes(found) == [(NIGHT, RunOutcome.READY), (after(hours=1), RunOutcome.READY)]
    assert [run.file for run in found] == [joined, joined]


def test_two_runs_serve_a_time_each() -> None:
    files = [file("Failed", after(hours=1), file_id=2), file("Available", NIGHT, file_id=1)]

    found = runs(*files, schedules=[TWICE])

    assert outcomes(found) == [(NIGHT, RunOutcome.READY), (after(hours=1), RunOutcome.FAILED)]


def test_a_run_that_somebody_started_by_hand_is_counted_besides() -> None:
    by_hand = file("Failed", after(hours=2), file_id=2)

    found = runs(file(), by_hand)

    assert outcomes(found) == [(NIGHT, RunOutcome.READY), (after(hours=2), RunOutcome.FAILED)]
    assert found[1].file == by_hand


def test_a_run_of_an_export_that_is_on_no_list_is_counted_besides() -> None:
    stray = file("In Progress", after(hours=1), export=OTHER)

    assert ExpectedRun(export=OTHER, scheduled_for=after(hours=1), outcome=RunOutcome.RUNNING, file=stray) in runs(
        stray
    )


def test_runs_of_different_exports_with_the_same_number_are_different_runs() -> None:
    found = runs(file(), file(export=OTHER), schedules=[])

    assert [run.export for run in found] == [EXPORT, OTHER]


def test_a_run_is_not_counted_besides_as_well_when_its_export_is_on_both_lists() -> None:
    frequent = replace(NIGHTLY, name="FrequentExports", expression="cron(30 4 * * ? *)")
    files = [file(scheduled_for=after(hours=1), file_id=2), file(file_id=1)]

    found = runs(*files, schedules=[NIGHTLY, frequent])

    assert outcomes(found) == [(NIGHT, RunOutcome.READY), (after(hours=1), RunOutcome.READY)]


# ── Times that are expected ─────────────────────────────────────────────────────────────────────────────────────────


OFF = replace(NIGHTLY, is_on=False, wanted_on=False)


def test_a_schedule_that_is_off_expects_nothing() -> None:
    assert runs(schedules=[OFF]) == []


def test_what_ran_of_a_schedule_that_is_off_is_counted() -> None:
    assert outcomes(runs(file(), schedules=[OFF])) == [(NIGHT, RunOutcome.READY)]


def test_what_a_schedule_that_was_switched_off_by_hand_did_not_start_is_missing() -> None:
    assert outcomes(runs(schedules=[replace(NIGHTLY, is_on=False)])) == [(NIGHT, RunOutcome.NOT_STARTED)]


def test_a_run_that_two_pairs_have_joined_stands_for_both() -> None:
    namesake = Export(user_identity_id=1, export_id=EXPORT.export_id)
    answered = frozenset({AnsweredStart(EXPORT.user_identity_id, NIGHT), AnsweredStart(1, NIGHT)})
    both = replace(NIGHTLY, entries=(EXPORT, namesake))

    found = runs(replace(file(), answered=answered), schedules=[both])

    assert outcomes(found) == [(NIGHT, RunOutcome.READY)] * 2


def test_a_schedule_without_exports_expects_nothing() -> None:
    assert runs(schedules=[replace(NIGHTLY, entries=())]) == []


@pytest.mark.parametrize(
    ("changed_at", "expected"),
    [
        (NIGHT, [NIGHT, after(hours=1)]),
        (after(seconds=1), [after(hours=1)]),
        (after(hours=1), [after(hours=1)]),
        (after(hours=1, seconds=1), []),
        (after(hours=100), []),
    ],
)
def test_times_before_the_schedule_was_changed_are_not_expected(changed_at: datetime, expected: list[datetime]) -> None:
    found = runs(schedules=[replace(TWICE, changed_at=changed_at)])

    assert outcomes(found) == [(moment, RunOutcome.NOT_STARTED) for moment in expected]


def test_a_run_from_before_the_schedule_was_changed_is_counted_all_the_same() -> None:
    assert outcomes(runs(file(), schedules=[replace(NIGHTLY, changed_at=after(hours=1))])) == [
        (NIGHT, RunOutcome.READY)
    ]


@pytest.mark.parametrize(
    ("until", "is_expected"),
    [
        (NIGHT, False),
        (after(minutes=9, seconds=59), False),
        (after(minutes=10), False),  # that is the next morning's
        (after(minutes=11), True),
        (after(days=1, minutes=10), True),
        (after(days=1, minutes=11), False),
        (after(hours=1), True),
        (after(hours=23, minutes=59), True),
        (after(days=-1, hours=23), False),
    ],
)
def test_what_was_due_in_the_last_ten_minutes_is_not_expected_yet(until: datetime, is_expected: bool) -> None:
    found = runs(schedules=[NIGHTLY], until=until)

    assert (NIGHT in [run.scheduled_for for run in found]) is is_expected


@pytest.mark.parametrize("hand_or_schedule", [NIGHTLY, replace(NIGHTLY, entries=())])
@pytest.mark.parametrize("minutes", [-20, -11, -10, -9, -1, 0, 1, 30])
def test_each_run_belongs_to_exactly_one_morning(minutes: int, hand_or_schedule: Schedule) -> None:
    """Also one that starts minutes before the mail, or while it is written."""
    morning = NIGHT - timedelta(minutes=minutes)

    mornings = [runs(file(), schedules=[hand_or_schedule], until=morning + timedelta(days=day)) for day in (-1, 0, 1)]

    assert sum(run.file is not None for found in mornings for run in found) == 1


def test_a_run_by_hand_that_the_schedule_joins_counts_for_the_schedule_alone() -> None:
    joined, morning = file("Queued", NIGHT, first_scheduled_for=after(minutes=-30)), after(minutes=1)

    mornings = [runs(joined, until=morning + timedelta(days=day)) for day in (0, 1)]

    assert [outcomes(run for run in found if run.file) for found in mornings] == [[], [(NIGHT, RunOutcome.RUNNING)]]


def test_what_was_due_more_than_a_day_ago_is_not_expected_any_more() -> None:
    once = replace(NIGHTLY, expression="cron(30 3 23 11 ? 2026)")  # NIGHT

    assert runs(schedules=[once], until=after(days=1, hours=1)) == []


@pytest.mark.parametrize("first", [datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC)])
@pytest.mark.parametrize("expression", ["cron(0 7-19 * * ? *)", "cron(55 6 * * ? *)", "cron(30 7 * * ? *)"])
def test_the_days_of_the_mornings_join_also_where_clocks_are_moved(first: datetime, expression: str) -> None:
    new_york = "America/New_York"
    schedule = replace(NIGHTLY, expression=expression, timezone=new_york)
    seven = datetime(first.year, first.month, first.day, 7, tzinfo=ZoneInfo(new_york))
    ends = [(seven + timedelta(days=day)).astimezone(UTC) - GRACE for day in range(5)]

    told = [moment for end in ends for moment in times_of(schedule, same_time_yesterday(end, new_york), end) or []]

    assert told == times_of(schedule, same_time_yesterday(ends[0], new_york), ends[-1])


def test_an_export_in_both_lists_at_the_same_time_is_expected_once() -> None:
    assert len(runs(file(), schedules=[NIGHTLY, replace(NIGHTLY, name="FrequentExports")])) == 1


def test_a_record_that_was_begun_anew_does_not_make_its_earlier_runs_unstarted() -> None:
    hourly = replace(NIGHTLY, expression="cron(30 0-3 * * ? *)")

    found = runs(replace(file(), reused=True), schedules=[hourly])

    assert outcomes(found) == [(NIGHT, RunOutcome.READY)]


def test_times_are_those_of_the_schedules_zone() -> None:
    evening = replace(NIGHTLY, expression="cron(30 22 ? * SUN *)", timezone="America/New_York")

    assert outcomes(runs(schedules=[evening])) == [(NIGHT, RunOutcome.NOT_STARTED)]


@pytest.mark.parametrize(
    "change",
    [
        {"expression": "cron(30 3 L * ? *)"},
        {"expression": "rate(1 day)"},
        {"timezone": "Mars/Olympus"},
    ],
)
def test_where_it_cannot_be_told_when_a_schedule_fires_only_runs_are_counted(change: dict[str, Any]) -> None:
    untold = replace(NIGHTLY, **change)

    assert runs(schedules=[untold]) == []
    assert outcomes(runs(file("Failed"), schedules=[untold])) == [(NIGHT, RunOutcome.FAILED)]


# ── The night as a whole ────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_of_an_outcome_come_earliest_first_and_then_by_their_ids() -> None:
    pairs = [(2, 1, 0), (1, 9, 0), (1, 2, 0), (3, 3, -1)]
    some = [
        ExpectedRun(
            export=Export(user_identity_id=identity, export_id=export),
            scheduled_for=after(hours=hours),
            outcome=RunOutcome.FAILED,
        )
        for identity, export, hours in pairs
    ]
    ready = ExpectedRun(export=EXPORT, scheduled_for=NIGHT, outcome=RunOutcome.READY, file=file())

    found = night(*some, ready).of(RunOutcome.FAILED)

    assert [str(run.export) for run in found] == ["3:3", "1:2", "1:9", "2:1"]


def test_the_last_file_is_the_one_that_became_ready_last_whenever_it_was_scheduled() -> None:
    some = runs(
        file(scheduled_for=after(hours=1), file_id=1, finished_at=after(hours=1, minutes=2)),
        file(scheduled_for=NIGHT, file_id=2, finished_at=after(hours=3)),
        file("Failed", after(hours=2), file_id=3, finished_at=after(hours=4)),
        file("Empty List", after(hours=2), file_id=4, finished_at=after(hours=4)),
    )

    assert night(*some).last_ready_at == after(hours=3)


def test_without_a_file_that_is_ready_there_is_no_last_one() -> None:
    assert night(*runs(file("Failed", finished_at=after(minutes=5)))).last_ready_at is None
    assert night().last_ready_at is None


def test_a_day_of_an_hourly_schedule_is_told_in_full() -> None:
    hourly = replace(NIGHTLY, expression="cron(0 7-19 * * ? *)")
    until = NIGHT.replace(hour=22, minute=0)

    found = runs(schedules=[hourly], until=until)

    first = NIGHT.replace(hour=7, minute=0)
    assert [run.scheduled_for for run in found] == [first + timedelta(hours=number) for number in range(13)]
