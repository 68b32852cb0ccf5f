"""DeliveriesTable: what was delivered last, what came of each file, and what people were told.

The only module that knows its items.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code
from webadmit_exports.domain.delivered import Before, Contents, Outcome, name_on_server
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.times import utc_microseconds, utc_seconds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LONGEST_COLUMNS = 300_000  # bytes of their names; an item may have 400 KB
_KEPT = timedelta(days=800)  # what was delivered last: a new cycle is compared with the one before it
_OUTCOMES_KEPT = timedelta(days=100)
_TOLD_AGAIN_AFTER = timedelta(hours=12)
_TOLD = "what people were told"  # the one item of that
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize

# Each condition says what it protects.
_NOTHING_NEWER_WAS_DELIVERED = "attribute_not_exists(finished_at) OR finished_at <= :finished_at"
# A cause is told again by the delivery that has told it, which may have died; else only if a file has arrived since.
_IT_IS_NOT_TOLD = (
    "attribute_not_exists(#cause) OR #teller = :teller OR (#cause < :long_ago AND last_delivered_at > #cause)"
)


class DeliveriesTable:
    """Every method raises AwsUnavailable if DynamoDB does not do as asked."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def before(self, export: Export, labels: Labels) -> Before:
        """What was delivered last of that export, else of that program under that name, else of that name."""
        if last := self._read(_of_export(export.export_id)):
            return Before(contents=_contents(last))
        if not labels.export_name:
            return Before()
        if of_program := self._read(_of_program(labels)):
            return Before(contents=_contents(self._read(_of_export(int(of_program["export_id"])))))
        if of_name := self._read(_of_name(labels)):
            contents = _contents(self._read(_of_export(int(of_name["export_id"]))))
            return Before(contents=contents, name_of_others_since=datetime.fromisoformat(of_name["first_at"]))
        return Before()

    def remember(self, export: Export, labels: Labels, finished_at: datetime, contents: Contents) -> None:
        """Notes a file as the one that later ones are compared with, unless a newer one is."""
        columns = None if contents.columns is None else json.dumps(contents.columns, ensure_ascii=False)
        if columns and len(columns.encode()) > _LONGEST_COLUMNS:
            columns = None
        self._note_last(_of_export(export.export_id), finished_at, columns=columns, rows=contents.rows)
        if labels.export_name:
            self._note_last(_of_program(labels), finished_at, export_id=export.export_id)
            self._note_last(_of_name(labels), finished_at, export_id=export.export_id)

    def outcome(self, export_id: int, export_file_id: int, finished_at: datetime) -> Outcome | None:
        """What came of a file; None while nothing has."""
        item = self._read(_of_file(export_id, export_file_id, finished_at))
        if item is None:
            return None
        return Outcome(what=item["outcome"], at=datetime.fromisoformat(item["at"]), by=item["by"])

    def note_outcome(self, export_id: int, export_file_id: int, finished_at: datetime, outcome: Outcome) -> None:
        """Notes what came of a file."""
        item = {
            "of": _of_file(export_id, export_file_id, finished_at),
            "outcome": outcome.what,
            "at": utc_microseconds(outcome.at),
            "by": outcome.by,
            "expires_at": int((outcome.at + _OUTCOMES_KEPT).timestamp()),
        }
        with aws_errors("DynamoDB"):
            self._client.put_item(TableName=self._name, Item=_item(item))

    def may_tell(self, cause: str, teller: str, now: datetime) -> bool:
        """Whether that delivery is to tell people of a cause: nobody has, or a file has arrived since, half a day ago.

        However many files wait, a cause is told once.
        """
        names = {"#cause": f"told {cause}", "#teller": f"teller of {cause}"}
        return self._update(
            _TOLD,
            "SET #cause = :now, #teller = :teller",
            values={
                ":now": utc_microseconds(now),
                ":long_ago": utc_microseconds(now - _TOLD_AGAIN_AFTER),
                ":teller": teller,
            },
            names=names,
            condition=_IT_IS_NOT_TOLD,
        )

    def note_arrival(self, now: datetime) -> None:
        """Notes that a file was delivered: what goes wrong later is told anew."""
        self._update(_TOLD, "SET last_delivered_at = :now", values={":now": utc_microseconds(now)})

    def _note_last(self, of: str, finished_at: datetime, **facts: str | int | None) -> None:
        known = {name: value for name, value in facts.items() if value is not None}
        unknown = [f"#{name}" for name in facts if name not in known]
        sets = [
            "finished_at = :finished_at",
            "first_at = if_not_exists(first_at, :finished_at)",
            "expires_at = :expires",
        ]
        sets += [f"#{name} = :{name}" for name in known]
        self._update(
            of,
            f"SET {', '.join(sets)}{' REMOVE ' + ', '.join(unknown) if unknown else ''}",
            values={
                ":finished_at": utc_seconds(finished_at),
                ":expires": int((finished_at + _KEPT).timestamp()),
                **{f":{name}": value for name, value in known.items()},
            },
            names={f"#{name}": name for name in facts},
            condition=_NOTHING_NEWER_WAS_DELIVERED,
        )

    def _update(
        self,
        of: str,
        expression: str,
        *,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        condition: str = "",
    ) -> bool:
        """Whether the condition held."""
        options: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if names:
            options["ExpressionAttributeNames"] = names
        with aws_errors("DynamoDB"):
            try:
                self._client.update_item(
                    TableName=self._name,
                    Key=_item({"of": of}),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=_item(values),
                    **options,
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return False
        return True

    def _read(self, of: str) -> dict[str, Any] | None:
        with aws_errors("DynamoDB"):
            answer = self._client.get_item(TableName=self._name, Key=_item({"of": of}), ConsistentRead=True)
        item = answer.get("Item")
        return {name: _deserialize(value) for name, value in item.items()} if item else None


def _of_export(export_id: int) -> str:
    return f"export {export_id}"


def _of_program(labels: Labels) -> str:
    return f"program {labels.organization.casefold()}\n{name_on_server(labels.export_name).casefold()}"


def _of_name(labels: Labels) -> str:
    return f"name {name_on_server(labels.export_name).casefold()}"


def _of_file(export_id: int, export_file_id: int, finished_at: datetime) -> str:
    return f"file {export_id} {export_file_id} {utc_seconds(finished_at)}"


def _contents(item: Mapping[str, Any] | None) -> Contents | None:
    if item is None:
        return None
    columns = tuple(json.loads(item["columns"])) if "columns" in item else None
    return Contents(columns=columns, rows=int(item["rows"]) if "rows" in item else None)


def _item(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in values.items()}
