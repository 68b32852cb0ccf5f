"""What each name stood for at each scheduled time, in a table of its own: what the morning mail expects."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from webadmit_exports.aws.clients import asking, query_pages
from webadmit_exports.domain.export_name import ExportName, Matches
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.times import utc_seconds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_KEPT = timedelta(days=100)  # so that a schedule that rests in summer still has something to be compared with
_PAGE = 25


class NameMatches:
    """Every method raises AwsUnavailable if DynamoDB does not do as asked."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, name: ExportName, scheduled_for: datetime, found: Matches) -> bool:
        """Adds to what is known of that time; returns whether any export is known then.

        Adding twice changes nothing, and neither of two starts takes away what the other one has found.
        """
        sets = {
            "exports": {"SS": [f"{export} {text}" for export, text in found.exports.items()]},
            "identities": {"SS": [f"{number} {title}" for number, title in found.identities.items()]},
            "unlisted": {"NS": [str(number) for number in found.unlisted]},
        }
        values: dict[str, Any] = {f":{of}": texts for of, texts in sets.items() if any(texts.values())}
        expression = "SET expires_at = :expires_at"
        if values:
            expression += " ADD " + ", ".join(f"{value.removeprefix(':')} {value}" for value in values)
        if found.identities and not found.unlisted:
            expression += " DELETE unlisted :listed"
            values[":listed"] = {"NS": [str(number) for number in found.identities]}
        values[":expires_at"] = {"N": str(int((scheduled_for + _KEPT).timestamp()))}
        with asking("DynamoDB"):
            item = self._client.update_item(
                TableName=self._table,
                Key={"name": {"S": name.text}, "scheduled_for": {"S": utc_seconds(scheduled_for)}},
                UpdateExpression=expression,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        return "exports" in item

    def before(self, name: ExportName, moment: datetime) -> Iterator[tuple[datetime, Matches]]:
        """What the name stood for at scheduled times before that moment, newest first."""
        for items in query_pages(
            self._client,
            TableName=self._table,
            KeyConditionExpression="#name = :name AND scheduled_for < :moment",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": {"S": name.text}, ":moment": {"S": utc_seconds(moment)}},
            ScanIndexForward=False,
            Limit=_PAGE,
        ):
            for item in items:
                yield datetime.fromisoformat(item["scheduled_for"]["S"]), _matches(item)


def _matches(item: Mapping[str, Any]) -> Matches:
    return Matches(
        exports={_export(pair): text for pair, text in _split(item, "exports")},
        identities={int(number): title for number, title in _split(item, "identities")},
        unlisted=frozenset(int(number) for number in item.get("unlisted", {}).get("NS", ())),
    )


def _split(item: Mapping[str, Any], of: str) -> Iterable[tuple[str, str]]:
    """An id and a text from each text of a set."""
    for text in sorted(item.get(of, {}).get("SS", ())):
        number, _, rest = text.partition(" ")
        yield number, rest


def _export(pair: str) -> Export:
    identity, _, export = pair.partition(":")
    return Export(user_identity_id=int(identity), export_id=int(export))
