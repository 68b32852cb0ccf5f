"""What every table promises: the one in DynamoDB, with the template's own schema, and the fake of the unit tests."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.fakes import EXPORT, LABELS, NIGHT, FakeTable, after
from webadmit_exports.aws.table import ExportFilesTable, WriteConflict
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export

Table = ExportFilesTable | FakeTable
OTHER = Export(user_identity_id=1, export_id=EXPORT.export_id + 1)


@pytest.fixture(params=["DynamoDB", "fake"])
def table(request: pytest.FixtureRequest) -> Table:
    return FakeTable() if request.param == "fake" else request.getfixturevalue("moto_table")


def record(file_id: int, scheduled_for: datetime = NIGHT, **more: Any) -> ExportFile:
    values: dict[str, Any] = {"export": EXPORT, "status": "Queued", "started_at": NIGHT, "updated_at": NIGHT, **more}
    return ExportFile(
        export_file_id=file_id,
        first_scheduled_for=scheduled_for,
        scheduled_for=scheduled_for,
        **values,
    )


def test_a_record_comes_back_as_it_was_stored_under_a_new_version(table: Table) -> None:
    full = record(
        1,
        href="/api/v1/exports/86446/export_files/1",
        reason="WebAdMIT no longer knows this file (404)",
        updated_at=after(microseconds=7),
        finished_at=after(minutes=1, microseconds=1),
        notified_at=after(minutes=2),
        overdue_at=after(minutes=3),
        due_at=after(minutes=4),
        expires_at=after(days=90),
        reused=True,
        labels=LABELS,
    )

    stored = table.store(full, replacing=None)

    assert stored.version not in ("", full.version)
    assert replace(stored, version="") == full
    assert table.read(EXPORT.export_id, 1) == stored


def test_times_of_the_schedule_are_kept_to_the_second(table: Table) -> None:
    table.store(record(1, after(microseconds=9)), replacing=None)

    stored = table.read(EXPORT.export_id, 1)

    assert stored
    assert stored.scheduled_for == stored.first_scheduled_for == NIGHT


def test_what_is_not_there_is_none(table: Table) -> None:
    assert table.read(EXPORT.export_id, 1) is None
    assert table.newest(EXPORT.export_id, NIGHT) == []
    assert list(table.unfinished(after(days=1))) == []


def test_whoever_knows_something_old_is_told_what_is_there(table: Table) -> None:
    first = table.store(record(1), replacing=None)
    second = table.store(replace(first, status="In Progress"), replacing=first)

    for known in (first, None, replace(first, version="")):
        with pytest.raises(WriteConflict) as conflict:
            table.store(record(1, status="Failed"), replacing=known)
        assert conflict.value.current == second
    assert table.read(EXPORT.export_id, 1) == second


def test_a_record_that_is_gone_is_not_made_anew(table: Table) -> None:
    with pytest.raises(WriteConflict) as conflict:
        table.store(record(1), replacing=record(1, version="of a record that was deleted"))

    assert conflict.value.current is None
    assert table.read(EXPORT.export_id, 1) is None


def test_the_newest_runs_of_an_export_come_first_and_older_ones_not_at_all(table: Table) -> None:
    for number in range(1, 61):
        table.store(record(number, after(hours=number)), replacing=None)
    table.store(record(99, after(days=9), export=OTHER), replacing=None)

    newest = table.newest(EXPORT.export_id, after(hours=21))

    assert [file.export_file_id for file in newest] == list(range(60, 20, -1))


def test_what_is_due_comes_longest_due_first(table: Table) -> None:
    for number, minutes in enumerate((3, 1, 2, 9), start=1):
        table.store(record(number, due_at=after(minutes=minutes)), replacing=None)
    table.store(record(5), replacing=None)  # nothing is to be done about it

    due = list(table.unfinished(after(minutes=3)))

    assert [file.export_file_id for file in due] == [2, 3, 1]


def test_what_is_settled_is_due_no_more(table: Table) -> None:
    stored = table.store(record(1, due_at=NIGHT), replacing=None)

    table.store(replace(stored, due_at=None), replacing=stored)

    assert list(table.unfinished(after(days=1))) == []
