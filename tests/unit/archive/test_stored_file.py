"""Announcements as ReadyTopic sends them, keys of objects, names of files, and facts as metadata."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ANNOUNCED, READY_FILE, READY_MESSAGE, WRITER
from webadmit_exports.archive.announced_file import parse_ready_message
from webadmit_exports.archive.csv_facts import CsvFacts
from webadmit_exports.archive.stored_file import FileFacts, parse_facts, safe_name
from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.errors import InvalidInput
from webadmit_exports.messages.file_messages import file_message

READY = file_message(Announcement(event_type=EventType.READY, export_file=READY_FILE), WRITER)
BODY: dict[str, Any] = dict(READY.body)


# ── Announcements ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("repeated", [{}, {"repeated": True}])
def test_a_message_of_ready_topic_is_read_as_it_is_written(repeated: dict[str, bool]) -> None:
    message = parse_ready_message(json.dumps({**BODY, **repeated}))

    assert message == replace(READY_MESSAGE, is_repeated=bool(repeated))


def test_it_may_come_in_the_envelope_of_sns() -> None:
    envelope = {"Type": "Notification", "TopicArn": "arn:aws:sns:::x", "Message": json.dumps(BODY)}

    assert parse_ready_message(json.dumps(envelope)) == READY_MESSAGE


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[]", "{}", "null", "[" * 100_000, json.dumps({**BODY, "event_type": "export_file.failed"}), '"x"'],
)
def test_what_announces_no_file_is_none(text: str) -> None:
    assert parse_ready_message(text) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("export_id", 0),
        ("export_id", "86446"),
        ("export_id", True),
        ("export_id", 86446.5),
        ("export_file_id", -1),
        ("export_file_id", 10**18),
        ("user_identity_id", None),
        ("finished_at", None),
        ("finished_at", "2026-11-23T03:34:10"),
    ],
)
def test_an_announcement_that_cannot_be_used_names_its_part(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        parse_ready_message(json.dumps({**BODY, name: value}))


# ── Keys and names ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_has_the_export_the_day_the_time_the_file_and_its_name() -> None:
    assert ANNOUNCED.key("Nursing applicants.csv") == "86446/2026/11/23/033410-74780-Nursing_applicants.csv"


def test_a_new_run_under_an_old_id_has_another_key() -> None:
    later = replace(ANNOUNCED, finished_at=ANNOUNCED.finished_at.replace(day=24))

    assert later.key("a.csv") != ANNOUNCED.key("a.csv")


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("Nursing.csv", "Nursing.csv"),
        ("Nursing, all applicants (2026).csv", "Nursing_all_applicants_2026_.csv"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/", "file"),
        ("..", "file"),
        ("...csv", "csv"),
        (".htaccess", "htaccess"),
        ("a..b.csv", "a.b.csv"),
        ("a\r\nSet-Cookie: x.csv", "a_Set-Cookie_x.csv"),
        ("a\0b.csv", "a_b.csv"),
        ("Enfermería_Ünïversität.csv", "Enfermeria_Universitat.csv"),
        ("看護.csv", "csv"),
        ("", "file"),
        ("x" * 1000 + ".csv", "x" * 96 + ".csv"),
        ("x" * 1000, "x" * 100),
        ("a." + "y" * 1000, "a." + "y" * 98),
        ("name.", "name"),
        ("con?<>|*.csv", "con_.csv"),
    ],
)
def test_a_name_is_made_safe(given_name: str, expected: str) -> None:
    assert safe_name(given_name) == expected


@given(st.text(max_size=1200))
def test_no_name_is_unsafe_after_that(text: str) -> None:
    name = safe_name(text)

    assert 1 <= len(name) <= 100
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert ".." not in name
    assert name[0] not in ".-"


# ── Facts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

CSV = CsvFacts(charset="windows-1252", rows=41, header_sha256="ab" * 32)
FIRST = FileFacts.of("cd" * 32, CSV, None)


def test_the_first_file_of_an_export_has_nothing_before_it_and_no_changed_header() -> None:
    assert FIRST.known == {
        "sha256": "cd" * 32,
        "charset": "windows-1252",
        "rows": 41,
        "header_sha256": "ab" * 32,
        "header_changed": False,
    }


@pytest.mark.parametrize(("header", "changed"), [("ab" * 32, False), ("ef" * 32, True)])
def test_a_later_file_is_compared_with_the_one_before(header: str, changed: object) -> None:
    facts = FileFacts.of("cd" * 32, replace(CSV, rows=12, header_sha256=header), FIRST)

    assert (facts.rows, facts.previous_rows, facts.header_changed) == (12, 41, changed)


def test_what_is_no_csv_has_its_checksum_only() -> None:
    assert FileFacts.of("cd" * 32, None, FIRST).known == {"sha256": "cd" * 32}
    assert FileFacts.of("cd" * 32, replace(CSV, rows=None, header_sha256=None), FIRST).known == {
        "sha256": "cd" * 32,
        "charset": "windows-1252",
    }


KNOWN = [FIRST, FileFacts(sha256="x"), FileFacts.of("cd" * 32, replace(CSV, rows=0, header_sha256="z"), FIRST)]


@pytest.mark.parametrize("facts", KNOWN)
def test_metadata_brings_back_the_facts(facts: FileFacts) -> None:
    metadata = facts.metadata

    assert parse_facts(metadata) == facts
    assert all(re.fullmatch("[a-z0-9-]+", name) and isinstance(text, str) for name, text in metadata.items())


@pytest.mark.parametrize("texts", [{}, {"rows": "7"}, {"receipt": "sent"}])
def test_an_object_without_its_checksum_has_no_facts(texts: dict[str, str]) -> None:
    assert parse_facts(texts) is None
