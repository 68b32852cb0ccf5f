"""The record of every export file, in DynamoDB. The only module that knows attribute names."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code, query_pages
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.times import utc_microseconds, utc_seconds
from webadmit_exports.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    Item = dict[str, Any]

UNFINISHED_INDEX = "UnfinishedIndex"
_UNFINISHED = "1"  # the one value of the index's partition key; records without it are not in the index
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize
_PAGE = 25  # runs of one export that are looked at in one go

# Each condition says what it protects.
_NOBODY_HAS_RECORDED_IT = "attribute_not_exists(export_file_id)"
_NOBODY_HAS_WRITTEN_SINCE_IT_WAS_READ = "#version = :read"


class WriteConflict(Exception):
    """Somebody else wrote the record first; `current` is what they wrote, None where the record is gone."""

    def __init__(self, current: ExportFile | None) -> None:
        super().__init__("another write came first")
        self.current = current


class ExportFilesTable:
    """Reads and writes records; every method raises AwsUnavailable if DynamoDB does not do as asked."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def read(self, export_id: int, export_file_id: int) -> ExportFile | None:
        """One record, as it is now; None where there is none."""
        key = {"export_id": {"N": str(export_id)}, "export_file_id": {"N": str(export_file_id)}}
        with aws_errors("DynamoDB"):
            answer = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        item = answer.get("Item")
        return from_item(item) if item else None

    def newest(self, export_id: int, since: datetime) -> list[ExportFile]:
        """The runs of an export that serve `since` or a later scheduled time, as they are now, newest first.

        File ids grow, so it stops at the first 25 runs that are all older.
        """
        found: list[ExportFile] = []
        for page in self._pages(
            KeyConditionExpression="export_id = :export",
            ExpressionAttributeValues={":export": {"N": str(export_id)}},
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=_PAGE,
        ):
            serving = [file for file in page if file.scheduled_for >= since]
            found += serving
            if not serving:
                break
        return found

    def unfinished(self, now: datetime) -> Iterator[ExportFile]:
        """What is due by `now`, longest due first, page by page; may be seconds out of date, as indexes are."""
        for page in self._pages(
            IndexName=UNFINISHED_INDEX,
            KeyConditionExpression="unfinished = :unfinished AND due_at <= :now",
            ExpressionAttributeValues={":unfinished": {"S": _UNFINISHED}, ":now": {"S": utc_microseconds(now)}},
        ):
            yield from page

    def _pages(self, **query: Any) -> Iterator[list[ExportFile]]:
        """Read one after the other, as far as the caller goes on."""
        for items in query_pages(self._client, TableName=self._name, **query):
            yield list(_readable(items))

    def store(self, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
        """Writes the record if it is still as `replacing` (None: not there); returns it with its new version.

        Raises WriteConflict, with what is there now, if it is not.
        """
        record = replace(record, version=uuid.uuid4().hex)
        condition: dict[str, Any] = {"ConditionExpression": _NOBODY_HAS_RECORDED_IT}
        if replacing is not None:
            condition = {
                "ConditionExpression": _NOBODY_HAS_WRITTEN_SINCE_IT_WAS_READ,
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":read": {"S": replacing.version}},
            }
        with aws_errors("DynamoDB"):
            try:
                self._client.put_item(
                    TableName=self._name,
                    Item=to_item(record),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition,
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                item = cast("Item", error.response.get("Item", {}))
                # Unless botocore has repeated a write whose answer was lost: then what is there is our own.
                if item.get("version") != {"S": record.version}:
                    raise WriteConflict(from_item(item) if item else None) from None
        return record


def _readable(items: Iterable[Mapping[str, Any]]) -> Iterator[ExportFile]:
    """Without those that a person may have spoilt by hand: one of them must not keep all others from being finished."""
    for item in items:
        try:
            yield from_item(item)
        except (KeyError, ValueError, TypeError):
            logger.error(
                "a record cannot be read", key={name: item.get(name) for name in ("export_id", "export_file_id")}
            )


def to_item(record: ExportFile) -> "Item":
    """A record as DynamoDB has it; what is empty has no attribute."""
    attributes: dict[str, str | int | set[str] | None] = {
        "export_id": record.export.export_id,
        "export_file_id": record.export_file_id,
        "user_identity_id": record.export.user_identity_id,
        "status": record.status,
        "href": record.href,
        "reason": record.reason,
        "first_scheduled_for": utc_seconds(record.first_scheduled_for),
        "scheduled_for": utc_seconds(record.scheduled_for),
        "answered": None if record.answered is None else {str(start) for start in record.answered},
        "started_at": utc_microseconds(record.started_at),
        "updated_at": utc_microseconds(record.updated_at),
        "finished_at": _text(record.finished_at),
        "notified_at": _text(record.notified_at),
        "overdue_at": _text(record.overdue_at),
        "due_at": _text(record.due_at),
        "unfinished": _UNFINISHED if record.due_at else None,
        "expires_at": int(record.expires_at.timestamp()) if record.expires_at else None,
        "reused": "1" if record.reused else None,
        "start_failed_again": "1" if record.start_failed_again else None,
        "again_at": _text(record.again_at),
        "no_second_run": record.no_second_run,
        "after_failure": record.after_failure,
        **record.labels.known,
        "version": record.version,
    }
    return {name: _serialize(value) for name, value in attributes.items() if value not in (None, "")}


def from_item(item: Mapping[str, Any]) -> ExportFile:
    """The record in an item; raises KeyError, TypeError or ValueError where a person has spoilt it."""
    attributes = {name: _deserialize(value) for name, value in item.items()}

    def moment(name: str) -> datetime | None:
        return datetime.fromisoformat(attributes[name]) if name in attributes else None

    scheduled_for = datetime.fromisoformat(attributes["scheduled_for"])
    return ExportFile(
        export=Export(user_identity_id=int(attributes["user_identity_id"]), export_id=int(attributes["export_id"])),
        export_file_id=int(attributes["export_file_id"]),
        status=attributes["status"],
        href=attributes.get("href"),
        reason=attributes.get("reason"),
        first_scheduled_for=moment("first_scheduled_for") or scheduled_for,  # an item put back by hand may lack it
        scheduled_for=scheduled_for,
        answered=frozenset(map(AnsweredStart.parse, attributes["answered"])) if "answered" in attributes else None,
        started_at=datetime.fromisoformat(attributes["started_at"]),
        updated_at=datetime.fromisoformat(attributes["updated_at"]),
        finished_at=moment("finished_at"),
        notified_at=moment("notified_at"),
        overdue_at=moment("overdue_at"),
        due_at=moment("due_at"),
        expires_at=datetime.fromtimestamp(int(attributes["expires_at"]), UTC) if "expires_at" in attributes else None,
        reused="reused" in attributes,
        start_failed_again="start_failed_again" in attributes,
        again_at=moment("again_at"),
        no_second_run=attributes.get("no_second_run"),
        after_failure=int(attributes["after_failure"]) if "after_failure" in attributes else None,
        labels=Labels.among(attributes),
        version=attributes.get("version", ""),
    )


def _text(moment: datetime | None) -> str | None:
    return utc_microseconds(moment) if moment else None
