"""What the morning mail says of deliveries."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.approval import assert_approved
from tests.fakes import EXPORT, READY_FILE, WRITER, FakeMachine, after, stand_in
from tests.schemas import check_message
from tests.unit.operations.test_morning_mail import MORNING, READY_AT, night, some
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.domain.delivered import DELIVERED, GIVEN_UP, HELD, Outcome
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.operations.daily_report import DailyReport, Deliveries, ExpectedRun
from webadmit_exports.operations.morning_mail import WatchedDeliveries
from webadmit_exports.operations.report_message import report_message

SINCE = MORNING - timedelta(days=1)


def delivered_night(*outcomes: str, waiting: int = 0) -> DailyReport:
    """A night of ready runs with these outcomes of their deliveries; an empty one: none yet."""
    runs = some(RunOutcome.READY, len(outcomes))
    known = {
        (run.export.export_id, run.file.export_file_id): Outcome(
            what=what, at=READY_AT + timedelta(minutes=number), by="execution"
        )
        for number, (run, what) in enumerate(zip(runs, outcomes, strict=True))
        if run.file and what
    }
    return replace(night(runs), deliveries=Deliveries(outcomes=known, waiting=waiting))


@pytest.mark.parametrize(
    ("report", "subject"),
    [
        (delivered_night(*[DELIVERED] * 12), "12 of 12 ready and delivered, the last at 02:52"),
        (delivered_night(DELIVERED, HELD), "ACTION NEEDED: 2 of 2 ready, 1 delivered, 1 held back"),
        (
            delivered_night(DELIVERED, GIVEN_UP, HELD),
            "ACTION NEEDED: 3 of 3 ready, 1 delivered, 1 held back, 1 not delivered",
        ),
        (
            delivered_night(DELIVERED, "", waiting=1),
            "ACTION NEEDED: 2 of 2 ready, 1 delivered, 1 still to be delivered",
        ),
        (delivered_night(DELIVERED, ""), "2 of 2 ready, 1 delivered"),
        (delivered_night(DELIVERED, waiting=2), "ACTION NEEDED: 1 of 1 ready and delivered, 2 still to be delivered"),
    ],
)
def test_the_subject_says_what_was_delivered(report: DailyReport, subject: str) -> None:
    message = report_message(report, WRITER)

    assert message.subject == f"webadmit-exports: {subject}"
    check_message(message.body)


def test_the_mail_of_a_mixed_night_is_the_approved_one() -> None:
    message = report_message(delivered_night(*[DELIVERED] * 9, HELD, HELD, GIVEN_UP, waiting=1), WRITER)

    assert_approved("morning mail, deliveries", f"Subject: {message.subject}\n\n{message.mail}")


def test_programs_get_the_figures() -> None:
    body = report_message(delivered_night(DELIVERED, DELIVERED, HELD, GIVEN_UP, "", waiting=3), WRITER).body

    names = ("delivered", "held_back", "deliveries_given_up", "deliveries_waiting")
    assert [body[name] for name in names] == [2, 1, 1, 3]


def test_where_nothing_is_delivered_nothing_is_said_of_it() -> None:
    message = report_message(night(some(RunOutcome.READY)), WRITER)

    assert "deliver" not in message.subject + message.mail
    assert "delivered" not in message.body


def test_outcomes_are_looked_up_by_the_run_and_those_that_run_for_an_hour_by_the_machine(
    moto_deliveries: DeliveriesTable,
) -> None:
    outcome = Outcome(what=DELIVERED, at=after(minutes=9), by="execution")
    assert READY_FILE.finished_at
    moto_deliveries.note_outcome(EXPORT.export_id, READY_FILE.export_file_id, READY_FILE.finished_at, outcome)
    run = ExpectedRun(export=EXPORT, scheduled_for=READY_FILE.scheduled_for, outcome=RunOutcome.READY, file=READY_FILE)
    machine = FakeMachine(running=4)

    watched = WatchedDeliveries(table=moto_deliveries, machine=stand_in(machine))
    found = watched.look_at([run], [], SINCE, MORNING, in_archive=0)

    assert found == Deliveries(outcomes={(EXPORT.export_id, READY_FILE.export_file_id): outcome}, waiting=4, earlier=[])
    assert machine.asked == [MORNING - timedelta(hours=1)]


@pytest.mark.parametrize(
    ("what", "hours", "is_told"),
    [(GIVEN_UP, 12, True), (HELD, 1, True), (GIVEN_UP, -1, False), (DELIVERED, 12, False)],
)
def test_what_was_given_up_after_the_mail_of_its_night_is_in_the_next_one(
    moto_deliveries: DeliveriesTable, what: str, hours: int, is_told: bool
) -> None:
    """A file of 03:30 is given up at 15:30; the mail comes at seven."""
    (run,) = some(RunOutcome.READY)
    assert run.file
    assert run.file.finished_at
    outcome = Outcome(what=what, at=SINCE + timedelta(hours=hours), by="execution")
    moto_deliveries.note_outcome(run.export.export_id, run.file.export_file_id, run.file.finished_at, outcome)
    watched = WatchedDeliveries(table=moto_deliveries, machine=stand_in(FakeMachine()))

    found = watched.look_at([], [run.file], SINCE, MORNING, in_archive=0)
    message = report_message(replace(night(some(RunOutcome.READY, first=50)), deliveries=found), WRITER)

    assert [one.file for one in found.earlier] == [run.file] * is_told
    word = "held back" if what == HELD else "not delivered"
    assert (f"1 {word}" in message.subject) == is_told
    assert (f"file {run.file.export_file_id}" in message.mail) == is_told


@pytest.mark.parametrize(("waiting", "in_archive", "vanished"), [(0, 0, 3), (2, 0, 1), (1, 1, 1), (4, 0, 0)])
def test_files_that_no_delivery_brings_are_counted(
    moto_deliveries: DeliveriesTable, waiting: int, in_archive: int, vanished: int
) -> None:
    machine = FakeMachine(running=waiting)
    watched = WatchedDeliveries(table=moto_deliveries, machine=stand_in(machine))
    runs = [*some(RunOutcome.READY, 3), *some(RunOutcome.FAILED, 1, first=50)]

    found = watched.look_at(runs, [], SINCE, MORNING, in_archive=in_archive)

    assert found.vanished == vanished
    mail = report_message(replace(night(runs), deliveries=found), WRITER).mail
    assert (f"Without a delivery ({vanished})" in mail) == bool(vanished)
    assert watched.look_at(runs, [], SINCE, READY_AT, in_archive=0).vanished == 0  # they may still begin


def test_what_cannot_be_read_of_deliveries_does_not_stop_the_mail() -> None:
    message = report_message(replace(night(some(RunOutcome.READY)), are_deliveries_unknown=True), WRITER)

    assert "What was delivered could not be read" in message.mail
