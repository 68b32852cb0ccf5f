"""What is said about deliveries."""

import pytest

from tests.approval import assert_approved
from tests.fakes import ANNOUNCED, NIGHT, WRITER, after
from tests.schemas import check_message
from tests.unit.delivery.world import receipt_of
from webadmit_exports.delivery.columns import compare
from webadmit_exports.delivery.hold import Difference, Reason
from webadmit_exports.delivery.messages import DeliveryMessages
from webadmit_exports.delivery.progress import Delivery
from webadmit_exports.messages.delivery_problems import DeliveryProblem

MESSAGES = DeliveryMessages(writer=WRITER)
DELIVERY = Delivery(
    receipt=receipt_of(),
    execution="execution 1",
    began_at=NIGHT,
    since=NIGHT,
    folder="/incoming",
    partial="partial_1f3a9c2e8b7d_Nursing_applicants__86446_20261123_033410_74780.csv.partial",
)
CHANGES = compare(("id", "name", "gpa", "term"), ("id", "name", "gpa_overall", "campus", "term"))
MAILS = {
    "delivered": MESSAGES.delivered(DELIVERY, (), repeated=False),
    "delivered, new columns": MESSAGES.delivered(DELIVERY, ("campus", "visa"), repeated=False),
    "delivered, sent again": MESSAGES.delivered(DELIVERY, (), repeated=True),
    "held back": MESSAGES.held(
        DELIVERY.receipt,
        Difference(
            reasons=(
                Reason("Its columns are not those of the file before it.", f"{'; '.join(CHANGES.lines())}."),
                Reason("It has 2 records, fewer than half of the 1,012 of the file before it."),
            ),
            columns=CHANGES,
            previous_rows=1012,
        ),
    ),
    "not delivered yet": MESSAGES.failed(
        DELIVERY, DeliveryProblem.NOT_SENT, "“Permission denied for user webadmit”", after(hours=12)
    ),
    "not delivered, not renamed": MESSAGES.failed(DELIVERY, DeliveryProblem.NOT_RENAMED, "", None),
}


@pytest.mark.parametrize("name", MAILS)
def test_every_mail_about_a_delivery_is_the_approved_one(name: str) -> None:
    assert_approved(name, f"Subject: {MAILS[name].subject}\n\n{MAILS[name].mail}")


@pytest.mark.parametrize("name", MAILS)
def test_every_message_about_a_delivery_is_as_its_schema_says(name: str) -> None:
    message = MAILS[name]

    check_message(message.body)
    assert message.attributes["event_type"] == message.event_type
    assert message.attributes["export"] == "37442:86446"
    assert {**ANNOUNCED.labels.known}.items() <= dict(message.attributes).items()


@pytest.mark.parametrize("problem", DeliveryProblem)
@pytest.mark.parametrize("until", [None, after(hours=12)])
def test_every_alert_about_a_delivery_says_what_to_do(problem: DeliveryProblem, until: None) -> None:
    message = MESSAGES.failed(DELIVERY, problem, "", until)

    assert "{" not in message.mail.replace('{"deliver": {', "")
    assert "What to do: " in message.mail
    assert ("deliver.json" in message.mail) == (until is None)
    check_message(message.body)


def test_each_kind_of_message_about_one_file_has_an_event_id_of_its_own() -> None:
    ids = [message.body["event_id"] for name, message in MAILS.items() if name != "delivered, new columns"]

    assert MAILS["delivered"].body["event_id"] == MAILS["delivered, sent again"].body["event_id"]
    assert len(set(ids)) == len(ids) - 1
