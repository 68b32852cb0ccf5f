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

    found = WatchedDeliveries(table=moto_deliveries, machine=stand_in(machine)).look_at([run], MORNING)

    assert found == Deliveries(outcomes={(EXPORT.export_id, READY_FILE.export_file_id): outcome}, waiting=4)
    assert machine.asked == [MORNING - timedelta(hours=1)]
