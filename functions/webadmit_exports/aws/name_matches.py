"""What each name stood for at each scheduled time, in a table of its own: what the morning mail expects."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code, query_pages
from webadmit_exports.domain.identities import Identity
from webadmit_exports.domain.ids import Export, parse_pair
from webadmit_exports.domain.name_pattern import Matches, NamePattern
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

    def add(self, name: NamePattern, scheduled_for: datetime, found: Matches) -> bool:
        """Adds to what is known of that time; returns whether an export is known then, or an identity not listed yet.

        Adding twice changes nothing, and neither of two starts takes away what the other one has found. A name in one
        identity only adds: by itself it would look as if there were no others.
        """
        sets = {
            "exports": {"SS": [f"{export} {text}" for export, text in found.exports.items()]},
            "identities": {"SS": [_text(identity) for identity in found.identities.values()]},
            "listed": {"NS": [str(number) for number in found.identities if number not in found.unlisted]},
        }
        values: dict[str, Any] = {f":{of}": texts for of, texts in sets.items() if any(texts.values())}
        expression = "SET expires_at = :expires_at"
        if values:
            expression += " ADD " + ", ".join(f"{value.removeprefix(':')} {value}" for value in values)
        values[":expires_at"] = {"N": str(int((scheduled_for + _KEPT).timestamp()))}
        condition: dict[str, Any] = {}
        if name.user_identity_id is not None:
            condition = {"ConditionExpression": "attribute_exists(expires_at)"}
        with aws_errors("DynamoDB"):
            try:
                item = self._client.update_item(
                    TableName=self._table,
                    Key={"name": {"S": name.text}, "scheduled_for": {"S": utc_seconds(scheduled_for)}},
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **condition,
                )["Attributes"]
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return bool(found.exports)
        known = _matches(item)
        return bool(known.exports or known.unlisted)

    def before(self, name: NamePattern, moment: datetime) -> Iterator[tuple[datetime, Matches]]:
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
    identities = [_identity(text) for text in sorted(item.get("identities", {}).get("SS", ()))]
    listed = {int(number) for number in item.get("listed", {}).get("NS", ())}
    return Matches(
        exports=dict(_export(text) for text in sorted(item.get("exports", {}).get("SS", ()))),
        identities={identity.id: identity for identity in identities},
        unlisted=frozenset(identity.id for identity in identities if identity.id not in listed),
    )


def _export(text: str) -> tuple[Export, str]:
    pair, _, name = text.partition(" ")
    export = parse_pair(pair)
    assert export, "nothing else is stored"
    return export, name


def _text(identity: Identity) -> str:
    return json.dumps(asdict(identity), ensure_ascii=False)


def _identity(text: str) -> Identity:
    """Without what a later version may have written besides: after a rollback it is read by this one."""
    known = {field.name for field in fields(Identity)}
    return Identity(**{name: value for name, value in json.loads(text).items() if name in known})
