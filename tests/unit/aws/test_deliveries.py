"""What DeliveriesTable knows: what was delivered last, what came of a file, what people were told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import EXPORT, LABELS, NIGHT, after
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.domain.delivered import Before, Contents, Outcome
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import NO_LABELS
from webadmit_exports.errors import AwsUnavailable

CONTENTS = Contents(columns=("id", "Prénom"), rows=7)
OTHER = Contents(columns=("id",), rows=8)
NEXT_YEARS = Export(user_identity_id=9, export_id=90000)
PHARMACY = replace(LABELS, organization="School of Pharmacy")


def test_nothing_is_known_at_first(moto_deliveries: DeliveriesTable) -> None:
    assert moto_deliveries.before(EXPORT, LABELS) == Before()
    assert moto_deliveries.outcome(86446, 74780, NIGHT) is None


def test_the_export_is_compared_with_its_own_last_file(moto_deliveries: DeliveriesTable) -> None:
    moto_deliveries.remember(EXPORT, LABELS, NIGHT, CONTENTS)
    moto_deliveries.remember(EXPORT, LABELS, after(days=1), OTHER)

    assert moto_deliveries.before(EXPORT, PHARMACY) == Before(contents=OTHER)


def test_an_older_file_that_is_sent_again_is_not_the_last_one(moto_deliveries: DeliveriesTable) -> None:
    moto_deliveries.remember(EXPORT, LABELS, after(days=1), OTHER)
    moto_deliveries.remember(EXPORT, LABELS, NIGHT, CONTENTS)

    assert moto_deliveries.before(EXPORT, LABELS).contents == OTHER


@pytest.mark.parametrize("name", [LABELS.export_name, LABELS.export_name.upper()])
def test_a_new_export_is_compared_with_its_programs_last_file_of_that_name(
    moto_deliveries: DeliveriesTable, name: str
) -> None:
    moto_deliveries.remember(EXPORT, LABELS, NIGHT, CONTENTS)

    before = moto_deliveries.before(NEXT_YEARS, replace(LABELS, export_name=name, cycle="2027 - 2028"))

    assert before == Before(contents=CONTENTS)


def test_an_export_of_another_program_is_known_as_such(moto_deliveries: DeliveriesTable) -> None:
    moto_deliveries.remember(EXPORT, LABELS, NIGHT, CONTENTS)
    moto_deliveries.remember(EXPORT, LABELS, after(days=5), OTHER)

    assert moto_deliveries.before(NEXT_YEARS, PHARMACY) == Before(contents=OTHER, name_of_others_since=NIGHT)


def test_an_export_without_a_name_is_compared_with_itself_only(moto_deliveries: DeliveriesTable) -> None:
    moto_deliveries.remember(EXPORT, NO_LABELS, NIGHT, CONTENTS)

    assert moto_deliveries.before(NEXT_YEARS, NO_LABELS) == Before()
    assert moto_deliveries.before(EXPORT, NO_LABELS) == Before(contents=CONTENTS)


@pytest.mark.parametrize("columns", [None, ("x" * 400_000,)])
def test_what_is_not_known_or_too_long_takes_the_place_of_what_was(
    moto_deliveries: DeliveriesTable, columns: Any
) -> None:
    moto_deliveries.remember(EXPORT, LABELS, NIGHT, CONTENTS)
    moto_deliveries.remember(EXPORT, LABELS, after(days=1), Contents(columns=columns, rows=None))

    assert moto_deliveries.before(EXPORT, LABELS).contents == Contents(columns=None, rows=None)


def test_an_outcome_is_that_of_one_run(moto_deliveries: DeliveriesTable) -> None:
    outcome = Outcome(what="delivered", at=after(minutes=7), by="execution 1")
    moto_deliveries.note_outcome(86446, 74780, NIGHT, outcome)

    assert moto_deliveries.outcome(86446, 74780, NIGHT) == outcome
    assert moto_deliveries.outcome(86446, 74780, after(days=1)) is None  # a later run under the same id


def test_a_cause_is_told_by_one_delivery_which_may_repeat_it(moto_deliveries: DeliveriesTable) -> None:
    tellers = ["1", "2", "1", "3"]

    assert [moto_deliveries.may_tell("NOT_SENT later", teller, NIGHT) for teller in tellers] == [
        True,
        False,
        True,
        False,
    ]
    assert moto_deliveries.may_tell("NOT_SENT never", "2", NIGHT)


@pytest.mark.parametrize(
    ("arrived_after", "asked_after", "may_tell"),
    [(None, 1000, False), (1, 2, False), (1, 13, True), (14, 13, True), (-1, 1000, False)],
)
def test_a_cause_is_told_again_half_a_day_later_where_a_file_has_arrived_since(
    moto_deliveries: DeliveriesTable, arrived_after: float | None, asked_after: float, may_tell: bool
) -> None:
    moto_deliveries.may_tell("cause", "1", NIGHT)
    if arrived_after is not None:
        moto_deliveries.note_arrival(after(hours=arrived_after))

    assert moto_deliveries.may_tell("cause", "2", NIGHT + timedelta(hours=asked_after)) == may_tell


def test_a_table_that_is_gone_is_an_error_of_aws(moto_deliveries: DeliveriesTable, dynamodb: Any) -> None:
    dynamodb.delete_table(TableName="deliveries")

    for call in (
        lambda: moto_deliveries.before(EXPORT, LABELS),
        lambda: moto_deliveries.remember(EXPORT, LABELS, NIGHT, CONTENTS),
        lambda: moto_deliveries.may_tell("cause", "1", NIGHT),
        lambda: moto_deliveries.note_outcome(1, 2, NIGHT, Outcome(what="held back", at=NIGHT, by="")),
    ):
        with pytest.raises(AwsUnavailable):
            call()
