"""What the names of columns are, and how they differ."""

import codecs

import pytest

from webadmit_exports.delivery.columns import NAMED, ColumnChanges, compare, in_json, named, parse_columns

BEFORE = ("id", "name", "gpa", "term")


@pytest.mark.parametrize(
    ("head", "charset", "columns"),
    [
        (b"id,name\r\n1,a\r\n", "utf-8", ("id", "name")),
        (codecs.BOM_UTF8 + b"id,name", "utf-8", ("id", "name")),
        (b'\r\n\r\n"last, first",id\r\n', "utf-8", ("last, first", "id")),
        (b'"a\r\nb",id\r\n', "utf-8", ("a\r\nb", "id")),
        ("Prénom,id".encode("windows-1252"), "windows-1252", ("Prénom", "id")),
        (b"gre_1,gre_2,2nd major", "utf-8", ("gre_1", "gre_2", "2nd major")),
        (b"id,,", "utf-8", ("id", "", "")),
        (b"id,2026,Agree to mail from info@x.example?", "utf-8", ("id", "2026", "Agree to mail from info@x.example?")),
        (b"", "utf-8", None),
        (b"\r\n\r\n", "utf-8", None),
    ],
)
def test_the_first_line_has_the_names(head: bytes, charset: str, columns: tuple[str, ...] | None) -> None:
    assert parse_columns(head, charset) == columns


@pytest.mark.parametrize(
    "record",
    [
        *(b"Jane,jane@mail.example", b"Jane,555 1234,x", b"Jane,(617) 555-0123", b"Jane,A01234567", b"12"),
        *(b"Jane,2001-04-30,3.85", b"Jane,4/30/2001,1", b"Smith,Anna,(617) 555-0123,A0123,12 Main St,Nursing"),
    ],
)
def test_a_first_line_that_looks_like_a_record_has_no_names(record: bytes) -> None:
    assert parse_columns(record, "utf-8") is None


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (BEFORE, ColumnChanges()),
        ((*BEFORE, "new", "newer"), ColumnChanges(added=("new", "newer"))),
        (("id", "name", "gpa"), ColumnChanges(gone=("term",))),
        (("id", "gpa", "term"), ColumnChanges(gone=("name",))),
        (("id", "name", "gpa_overall", "term"), ColumnChanges(renamed=(("gpa", "gpa_overall"),))),
        (("id", "new", "name", "gpa", "term"), ColumnChanges(inserted=("new",))),
        (("id", "gpa", "name", "term"), ColumnChanges(moved=("gpa", "name"))),
        (("id", "name", "term", "new"), ColumnChanges(gone=("gpa",), inserted=("new",))),
        ((), ColumnChanges(is_another_line=True)),
        (("Doe", "Jane", "gpa", "nursing"), ColumnChanges(is_another_line=True)),
        (("id", "Jane", "gpa", "nursing"), ColumnChanges(renamed=(("name", "Jane"), ("term", "nursing")))),
    ],
)
def test_columns_are_compared_by_their_names_and_places(now: tuple[str, ...], changes: ColumnChanges) -> None:
    assert compare(BEFORE, now) == changes


def test_names_that_stand_there_twice_are_counted() -> None:
    assert compare(("id", "code", "code"), ("id", "code")) == ColumnChanges(gone=("code",))
    assert compare(("id", "code"), ("id", "code", "code")) == ColumnChanges(added=("code",))


def test_at_most_twenty_are_named() -> None:
    names = [f"column {number}" for number in range(50)]

    assert in_json(names) == names[:NAMED]
    assert named(names).endswith('"column 19", and 30 more')
    assert in_json(["x" * 1000]) == ["x" * 200]


def test_what_breaks_a_load_is_said_in_words() -> None:
    changes = compare(("id", "name", "gpa", "term", "zip"), ("id", "gpa", "x.example", "term", "zip_code", "last"))

    assert list(changes.lines()) == [
        'gone: "name"',
        'new in between: "x. example", "last"',
        'renamed: "zip" is now "zip_code"',
    ]
