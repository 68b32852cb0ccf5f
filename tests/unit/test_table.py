"""Conditions and expressions on a table with the template's own schema, in moto."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from tests.fakes import EXPORT, FILE_ID, NAMES, NIGHT, RULES, after, news
from tests.reliability import races
from webadmit_exports.model import Export, ExportFile, Source
from webadmit_exports.progress import end_of_an_open_run
from webadmit_exports.table import ExportFilesTable, Overtaken

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
_TOLD = end_of_an_open_run(news(Source.CALLBACK, "Available", after(hours=5)), after(hours=5), RULES)
assert _TOLD
END = _TOLD.export_file


@pytest.fixture
def table() -> Iterator[ExportFilesTable]:
    with races.table(keeps_conditions=True) as made:
        yield made


@pytest.mark.parametrize("joins", [0, 1])
@pytest.mark.parametrize("joined", [0, 1])
def test_the_end_of_an_open_run_is_written_over_what_changes_and_nothing_else(
    table: ExportFilesTable, joined: int, joins: int
) -> None:
    day = timedelta(days=1)
    record = replace(OPEN, first_scheduled_for=NIGHT - joined * day, scheduled_for=NIGHT + joins * day)
    stored = table.store(record, replacing=None)

    finished = table.finish(END)

    assert finished.version not in ("", stored.version)
    assert finished == table.read(EXPORT.export_id, FILE_ID)
    assert replace(finished, version="") == replace(
        record,
        status="Available",
        finished_at=after(hours=5),
        due_at=after(hours=5, minutes=2),
        updated_at=after(hours=5),
    )
    assert list(table.unfinished(after(hours=6))) == [finished]


@pytest.mark.parametrize(
    "other",
    [
        {"export": Export(user_identity_id=5, export_id=EXPORT.export_id)},
        {"first_scheduled_for": after(seconds=1), "scheduled_for": after(hours=1)},
        {"first_scheduled_for": after(hours=-1), "scheduled_for": after(seconds=-1)},
        {"status": "Failed", "finished_at": after(hours=1)},
        {"notified_at": after(hours=1)},
        {"reason": "WebAdMIT does not know it"},
        {"expires_at": after(days=90)},
    ],
    ids="-".join,
)
def test_a_record_of_another_kind_is_left_and_told(table: ExportFilesTable, other: dict[str, object]) -> None:
    stored = table.store(replace(OPEN, **other), replacing=None)  # type: ignore[arg-type]

    with pytest.raises(Overtaken) as overtaken:
        table.finish(END)

    assert overtaken.value.current == stored
    assert table.read(EXPORT.export_id, FILE_ID) == stored


def test_the_end_of_an_unknown_run_makes_no_record(table: ExportFilesTable) -> None:
    with pytest.raises(Overtaken) as overtaken:
        table.finish(END)

    assert overtaken.value.current is None
    assert table.read(EXPORT.export_id, FILE_ID) is None


class AnswerLost:
    """A client whose first write is made, and whose answer is lost: botocore then makes the same write again."""

    def __init__(self, client: object) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        call = getattr(self._client, name)
        if name not in ("put_item", "update_item"):
            return call

        def twice(**arguments: object) -> object:
            call(**arguments)
            return call(**arguments)

        return twice


def test_a_write_whose_answer_was_lost_is_known_again(table: ExportFilesTable) -> None:
    unreliable = ExportFilesTable(AnswerLost(table._client), "files")  # type: ignore[arg-type]

    stored = unreliable.store(OPEN, replacing=None)
    finished = unreliable.finish(END)

    assert stored.status == "In Progress"
    assert finished == table.read(EXPORT.export_id, FILE_ID)
    assert finished.finished_at == END.finished_at


def test_what_dynamodb_refuses_for_another_reason_is_no_overtaking(table: ExportFilesTable) -> None:
    elsewhere = ExportFilesTable(table._client, "no-such-table")

    with pytest.raises(Exception, match="DynamoDB answered ResourceNotFoundException") as refused:
        elsewhere.finish(END)

    assert isinstance(refused.value.__cause__, ClientError)
