"""Conditions and expressions on a table with the template's own schema, in moto."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from tests.fakes import EXPORT, FILE_ID, LABELS, NIGHT, after, stand_in
from webadmit_exports.aws.table import ExportFilesTable, WriteConflict
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile
from webadmit_exports.domain.labels import Labels

OPEN = ExportFile(
    export=EXPORT,
    export_file_id=FILE_ID,
    status="In Progress",
    href="/api/v1/exports/86446/export_files/74780",
    first_scheduled_for=NIGHT,
    scheduled_for=NIGHT,
    answered=frozenset({AnsweredStart(37442, NIGHT), AnsweredStart(40001, NIGHT)}),
    started_at=after(seconds=1),
    updated_at=after(seconds=2),
    overdue_at=after(hours=4),
    due_at=after(minutes=5),
    reused=True,
    labels=LABELS,
)
ENDED = replace(
    OPEN, status="Available", finished_at=after(hours=5), due_at=after(hours=5, minutes=2), updated_at=after(hours=5)
)


def test_what_is_stored_is_read_the_same(moto_table: ExportFilesTable) -> None:
    stored = moto_table.store(OPEN, replacing=None)
    ended = moto_table.store(ENDED, replacing=stored)

    assert len({OPEN.version, stored.version, ended.version}) == 3
    assert replace(ended, version="") == ENDED
    assert moto_table.read(EXPORT.export_id, FILE_ID) == ended
    assert list(moto_table.unfinished(after(hours=6))) == [ended]


def test_a_run_that_was_joined_every_minute_for_a_week_fits_into_an_item(moto_table: ExportFilesTable) -> None:
    starts = frozenset(AnsweredStart(10**18 - 1, after(minutes=number)) for number in range(7 * 24 * 60 + 1))

    stored = moto_table.store(replace(OPEN, answered=starts), replacing=None)

    assert moto_table.read(EXPORT.export_id, FILE_ID) == stored
    assert sum(len(str(start)) for start in starts) < 400 * 1024  # DynamoDB's limit


def test_reads_that_decide_ask_for_what_is_there_now(moto_table: ExportFilesTable) -> None:
    asked: list[dict[str, object]] = []
    moto_table._client.meta.events.register("provide-client-params.dynamodb", lambda params, **_: asked.append(params))

    moto_table.read(EXPORT.export_id, FILE_ID)
    moto_table.newest(EXPORT.export_id, NIGHT)

    assert [one.get("ConsistentRead") for one in asked] == [True, True]


@pytest.mark.parametrize(
    "spoilt", [{}, {"status": {"N": "1"}, "started_at": {"S": "yesterday"}}, {"scheduled_for": {"N": "7"}}]
)
def test_a_record_that_a_person_has_spoilt_does_not_hide_the_others(
    moto_table: ExportFilesTable, spoilt: dict[str, dict[str, str]]
) -> None:
    good = moto_table.store(OPEN, replacing=None)
    key = {"export_id": {"N": str(EXPORT.export_id)}, "export_file_id": {"N": "1"}}
    index = {"unfinished": {"S": "1"}, "due_at": {"S": "2026-01-01T00:00:00.000000Z"}}
    moto_table._client.put_item(TableName="files", Item={**key, **index, **spoilt})

    assert list(moto_table.unfinished(after(hours=1))) == [good]
    assert moto_table.newest(EXPORT.export_id, NIGHT) == [good]


def test_an_item_with_what_must_be_there_alone_is_read(moto_table: ExportFilesTable) -> None:
    item = {
        "export_id": {"N": "86446"},
        "export_file_id": {"N": "74780"},
        "user_identity_id": {"N": "37442"},
        "status": {"S": "Available"},
        "scheduled_for": {"S": "2026-11-23T03:30:00Z"},
        "started_at": {"S": "2026-11-23T03:30:01.000000Z"},
        "updated_at": {"S": "2026-11-23T03:34:10.000000Z"},
        "finished_at": {"S": "2026-11-23T03:34:10.000000Z"},
    }
    moto_table._client.put_item(TableName="files", Item=item)

    read = moto_table.read(86446, 74780)

    assert read
    assert (read.first_scheduled_for, read.version, read.reused, read.labels) == (NIGHT, "", False, Labels())


def test_a_record_that_was_written_since_it_was_read_is_left_and_told(moto_table: ExportFilesTable) -> None:
    read = moto_table.store(OPEN, replacing=None)
    current = moto_table.store(replace(OPEN, status="Queued"), replacing=read)

    for known in (read, None):
        with pytest.raises(WriteConflict) as overtaken:
            moto_table.store(ENDED, replacing=known)
        assert overtaken.value.current == current

    assert moto_table.read(EXPORT.export_id, FILE_ID) == current


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


def test_a_write_that_botocore_repeats_is_known_again(moto_table: ExportFilesTable) -> None:
    unreliable = ExportFilesTable(stand_in(AnswerLost(moto_table._client)), "files")

    stored = unreliable.store(OPEN, replacing=None)
    ended = unreliable.store(ENDED, replacing=stored)

    assert stored.status == "In Progress"
    assert ended == moto_table.read(EXPORT.export_id, FILE_ID)


def test_what_dynamodb_refuses_for_another_reason_is_no_overtaking(moto_table: ExportFilesTable) -> None:
    elsewhere = ExportFilesTable(moto_table._client, "no-such-table")

    with pytest.raises(Exception, match="DynamoDB answered ResourceNotFoundException") as refused:
        elsewhere.store(OPEN, replacing=None)

    assert isinstance(refused.value.__cause__, ClientError)
