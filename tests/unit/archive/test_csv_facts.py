"""Counting a CSV, against Python's csv module over the whole of it."""

import codecs
import csv
import hashlib
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webadmit_exports.archive import csv_facts as module
from webadmit_exports.archive.csv_facts import CsvFacts, csv_facts, is_csv


def facts_of(content: bytes, buffer: int = 7) -> CsvFacts:
    """The facts of a file that is read in pieces of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BUFFER", buffer)
        return csv_facts(io.BytesIO(content))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", 0),
        (b"id,name\r\n", 0),
        (b"id,name", 0),
        (b"id,name\r\n1,a\r\n2,b\r\n", 2),
        (b"id,name\r\n1,a\r\n2,b", 2),
        (b"id,name\n1,a\n2,b\n", 2),
        (b"id,name\r1,a\r2,b\r", 2),
        (b'id,essay\r\n1,"two\r\nlines"\r\n2,"and ""three""\n\nlines"\r\n', 2),
        (b'id,size\r\n1,5" pipe\r\n2,b\r\n', 2),  # a quote within a field is only a quote
        (b'id,size\r\n1,a"b,"c\r\n2,d"\r\n', 1),
        (b"id,name\r\n\r\n1,a\r\n\r\n", 1),  # blank lines are no records
        (b"\r\n\r\nid,name\r\n1,a\r\n", 1),
        (b"id\x00,name\r\n1,\x00\r\n", 1),
    ],
)
def test_records_after_the_header_are_counted(content: bytes, rows: int) -> None:
    assert facts_of(content).rows == rows


def whole(content: bytes) -> int:
    """The same with everything in memory."""
    lines = io.StringIO(content.removeprefix(codecs.BOM_UTF8).decode("latin-1"), newline="")
    return max(0, sum(1 for record in csv.reader(lines) if record) - 1)


@given(
    st.lists(st.sampled_from([b'"', b",", b"\r", b"\n", b"\r\n", b"a", b" ", b"\xe9", b"\xef\xbb\xbf"])).map(b"".join)
)
@example(b'a"b,"c\r\n"\r\n')
def test_it_counts_what_the_csv_module_counts_whatever_comes(content: bytes) -> None:
    facts = facts_of(content)

    assert facts.rows == whole(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'id\r\n"' + b"x" * 300_000 + b"\r\n", id="a quote that is never closed"),
        pytest.param(b"x" * 3_000_000, id="no line at all"),
        pytest.param(b"id\r\n" + b"x,y" * 1_000_000, id="a line without end"),
    ],
)
def test_what_is_no_csv_is_not_counted(content: bytes) -> None:
    assert facts_of(content) == CsvFacts(charset="utf-8", rows=None, header_sha256=None)


# ── The header ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (b"id,name\r\n1,a\r\n", b"id,name"),
        (b"id,name", b"id,name"),
        (b"id,name\n", b"id,name"),
        (codecs.BOM_UTF8 + b"id,name\r\n1,a\r\n", b"id,name"),
        (codecs.BOM_UTF8 + b'"id\r\nof it",name\r\n1,a\r\n', b'"id\r\nof it",name'),
        (b"\r\nid,name\r\n", b"id,name"),
        ("id,prénom\r\n".encode(), "id,prénom".encode()),
        (b"id,pr\xe9nom\r\n", b"id,pr\xe9nom"),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_header_is_taken_raw_without_mark_and_line_end(content: bytes, header: bytes, size: int) -> None:
    assert facts_of(content, size).header_sha256 == sha256(header)


# ── The charset ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        (b"plain", "utf-8"),
        ("Zoë – “x”".encode(), "utf-8"),
        (codecs.BOM_UTF8 + "Zoë".encode(), "utf-8"),
        ("Zoë – “x”".encode("windows-1252"), "windows-1252"),
        ("Zoë".encode("latin-1"), "iso-8859-1"),
        ("Zoë – x".encode("windows-1252") + b"\x81", "iso-8859-1"),  # which Windows-1252 does not have
        ("Zoë".encode()[:-1], "iso-8859-1"),  # cut off within a character
        ("€".encode()[:-1], "windows-1252"),
        ("é".encode() * 10 + b"\xe9", "iso-8859-1"),
        (b"", "utf-8"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_charset_is_told_from_the_bytes(content: bytes, charset: str, size: int) -> None:
    assert facts_of(content, size).charset == charset


@given(st.text(), st.integers(1, 5))
def test_whatever_is_utf_8_is_told_as_that(text: str, size: int) -> None:
    content = text.encode("utf-8", errors="replace")

    assert facts_of(content, size).charset == "utf-8"


@pytest.mark.parametrize(
    ("media_type", "name", "expected"),
    [
        ("text/csv", "anything", True),
        ("TEXT/CSV", "", True),
        ("application/octet-stream", "Nursing.CSV", True),
        ("application/vnd.ms-excel", "nursing.csv", True),
        ("application/zip", "nursing.zip", False),
        ("text/html", "nursing.html", False),
        ("application/octet-stream", "nursing.csv.zip", False),
    ],
)
def test_a_csv_says_so_by_its_type_or_its_name(media_type: str, name: str, expected: object) -> None:
    assert is_csv(media_type, name) is expected
