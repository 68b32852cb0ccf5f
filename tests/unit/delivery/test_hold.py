"""Which files are held back, and what is said of them."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import ANNOUNCED, EXPORT
from tests.unit.delivery.world import receipt_of
from webadmit_exports.delivery.hold import Difference, HoldRules
from webadmit_exports.delivery.receipt import Receipt
from webadmit_exports.domain.delivered import Before, Contents
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import NamePattern

COLUMNS = ("id", "name", "gpa")
KNOWN = Contents(columns=COLUMNS, rows=1000)
CSV = receipt_of(b"id,name,gpa\r\n")
RULES = HoldRules(are_on=True)


def look_at(now: Contents, was: Contents | None = KNOWN, receipt: Receipt = CSV, **rules: Any) -> Difference:
    return replace(RULES, **rules).look_at(receipt, now, Before(contents=was))


def said(difference: Difference) -> str:
    """The one reason, in words."""
    (reason,) = difference.reasons
    return str(reason)


def test_the_first_file_of_an_export_goes_on() -> None:
    assert look_at(KNOWN, was=None).reasons == ()


def test_a_file_like_the_one_before_it_goes_on() -> None:
    assert look_at(KNOWN) == Difference(previous_rows=1000)


def test_columns_at_the_end_go_on_and_are_named() -> None:
    difference = look_at(replace(KNOWN, columns=(*COLUMNS, "campus")))

    assert difference.reasons == ()
    assert difference.columns.added == ("campus",)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("id", "name"), 'gone: "gpa"'),
        (("id", "name", "gpa_overall"), 'renamed: "gpa" is now "gpa_overall"'),
        (("id", "gpa", "name"), 'in another place: "gpa", "name"'),
        (("id", "campus", "name", "gpa"), 'new in between: "campus"'),
    ],
)
def test_columns_that_are_gone_renamed_or_moved_hold_a_file(columns: tuple[str, ...], words: str) -> None:
    (reason,) = look_at(replace(KNOWN, columns=columns)).reasons

    assert reason == ("Its columns are not those of the file before it.", f"{words[0].upper()}{words[1:]}.")


def test_a_first_line_that_is_another_one_holds_a_file_and_is_not_shown() -> None:
    difference = look_at(replace(KNOWN, columns=("Doe", "Jane", "gpa")))

    assert (
        said(difference) == "Its first line has fewer than half of the columns of the file before it, or is a record."
    )
    assert difference.columns.fields == {}


@pytest.mark.parametrize(("rows", "is_held"), [(499, True), (500, False), (0, True), (5000, False)])
def test_fewer_than_half_of_the_records_hold_a_file(rows: int, is_held: bool) -> None:
    difference = look_at(replace(KNOWN, rows=rows))

    assert bool(difference.reasons) == is_held
    assert difference.previous_rows == 1000


@pytest.mark.parametrize(
    "delta", [EXPORT, NamePattern(text="nursing*"), NamePattern(text=ANNOUNCED.labels.export_name)]
)
def test_few_records_hold_no_file_of_a_delta_export(delta: Any) -> None:
    other = Export(user_identity_id=1, export_id=2)

    assert look_at(replace(KNOWN, rows=1), deltas=(other, delta)).reasons == ()
    assert look_at(replace(KNOWN, rows=1), deltas=(other, NamePattern(text="Pharmacy*"))).reasons


def test_a_delta_export_is_held_for_its_columns() -> None:
    assert look_at(Contents(columns=("id",), rows=1), deltas=(EXPORT,)).reasons


def test_a_csv_that_cannot_be_read_as_one_is_held_also_the_first() -> None:
    unreadable = Receipt({name: text for name, text in CSV.body.items() if name not in ("header_sha256", "rows")})

    assert said(look_at(Contents(columns=None, rows=None), None, unreadable)) == "It cannot be read as a CSV."


def test_an_empty_csv_is_held_also_the_first() -> None:
    empty = Receipt({**CSV.body, "header_sha256": hashlib.sha256(b"").hexdigest(), "rows": 0})

    reason = said(look_at(Contents(columns=None, rows=0), None, empty))

    assert reason == "It is empty: it has not even the names of columns."


def test_a_file_whose_first_line_has_no_names_any_more_is_held() -> None:
    reason = said(look_at(replace(KNOWN, columns=None)))

    assert reason == "Its first line has no names of columns, and that of the file before it had."


def test_a_file_that_calls_itself_something_else_goes_on_until_a_csv_becomes_it() -> None:
    excel = Receipt({**CSV.body, "key": "86446/a.xlsx", "content_type": "application/vnd.ms-excel"})
    nothing = Contents(columns=None, rows=None)

    assert look_at(nothing, nothing, excel).reasons == ()
    assert look_at(nothing, KNOWN, excel).reasons


@pytest.mark.parametrize(("days", "is_held"), [(0.9, False), (1, True), (300, True)])
def test_the_first_file_of_another_program_is_held_where_its_name_has_been_delivered_for_a_day(
    days: float, is_held: bool
) -> None:
    since = CSV.finished_at - timedelta(days=days)

    difference = RULES.look_at(CSV, KNOWN, Before(contents=KNOWN, name_of_others_since=since))

    assert bool(difference.reasons) == is_held
    if is_held:
        assert said(difference).endswith('It is of School of Nursing, and its name is "Nursing applicants".')


def test_switched_off_nothing_is_held_and_new_columns_are_still_named() -> None:
    worse = Contents(columns=("gpa",), rows=0)

    assert look_at(worse, are_on=False).reasons == ()
    assert look_at(replace(KNOWN, columns=(*COLUMNS, "new")), are_on=False).columns.added == ("new",)
