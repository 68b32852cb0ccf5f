"""Conditions and expressions on a table with the template's own schema, in moto."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from tests.fakes import EXPORT, FILE_ID, NAMES, NIGHT, after
from tests.reliability import races
from webadmit_exports.aws.table import ExportFilesTable, WriteConflict
from webadmit_exports.domain.export_file import ExportFile

OPEN = ExportFile(
    export=EXPORT,
    export_file_id=FILE_ID,
    status="In Progress",
    href="/api/v1/exports/86446/export_files/74780",
    first_scheduled_for=NIGHT,
    scheduled_for=NIGHT,
    started_at=after(seconds=1),
    updated_at=after(seconds=2),
    overdue_at=after(hours=4),
    due_at=after(minutes=5),
    reused=True,
    names=NAMES,
)
ENDED = replace(
    OPEN, status="Available", finished_at=after(hours=5), due_at=after(hours=5, minutes=2), updated_at=after(hours=5)
)


@pytest.fixture
def table() -> Iterator[ExportFilesTable]:
    with races.table(keeps_conditions=True) as made:
        yield made


def test_what_is_stored_is_read_the_same(table: ExportFilesTable) -> None:
    stored = table.store(OPEN, replacing=None)
    ended = table.store(ENDED, replacing=stored)

    assert len({OPEN.version, stored.version, ended.version}) == 3
    assert replace(ended, version="") == ENDED
    assert table.read(EXPORT.export_id, FILE_ID) == ended
    assert list(table.unfinished(after(hours=6))) == [ended]


def test_a_record_that_was_written_since_it_was_read_is_left_and_told(table: ExportFilesTable) -> None:
    read = table.store(OPEN, replacing=None)
    current = table.store(replace(OPEN, status="Queued"), replacing=read)

    for known in (read, None):
        with pytest.raises(WriteConflict) as overtaken:
            table.store(ENDED, replacing=known)
        assert overtaken.value.current == current

    assert table.read(EXPORT.export_id, FILE_ID) == current


def test_a_record_that_is_gone_is_not_made_anew(table: ExportFilesTable) -> None:
    with pytest.raises(WriteConflict) as overtaken:
        table.store(ENDED, replacing=replace(OPEN, version="of a record that was deleted"))

    assert overtaken.value.current is None
    assert table.read(EXPORT.export_id, FILE_ID) is None


class AnswerLost:
    """A client whose first write is made, and whose answer is lost: botocore then makes the same write again."""

    def __init__(self, client: object) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        call = getattr(self._client, name)
        if name != "put_item":
            return call

        def twice(**arguments: object) -> object:
            call(**arguments)
            return call(**arguments)

        return twice


def test_a_write_whose_answer_was_lost_is_known_again(table: ExportFilesTable) -> None:
    unreliable = ExportFilesTable(AnswerLost(table._client), "files")  # type: ignore[arg-type]

    stored = unreliable.store(OPEN, replacing=None)
    ended = unreliable.store(ENDED, replacing=stored)

    assert stored.status == "In Progress"
    assert ended == table.read(EXPORT.export_id, FILE_ID)


def test_what_dynamodb_refuses_for_another_reason_is_no_overtaking(table: ExportFilesTable) -> None:
    elsewhere = ExportFilesTable(table._client, "no-such-table")

    with pytest.raises(Exception, match="DynamoDB answered ResourceNotFoundException") as refused:
        elsewhere.store(OPEN, replacing=None)

    assert isinstance(refused.value.__cause__, ClientError)
