"""StartRetryQueue: what could not be started yet, one export a message; SQS brings each back until it has started."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .aws import asking
from .errors import AwsUnavailable, InvalidInput
from .model import Export
from .occurrence import Occurrence, parse_occurrence
from .telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

RETRY_EVERY = timedelta(minutes=15)  # the queue's delay and visibility timeout in template.yaml
_BATCH = 10  # what SQS takes at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it came. `is_last`: if it fails again, SQS moves it to the dead-letter queue."""

    message_id: str
    export: Export
    scheduled_for: datetime
    is_last: bool


class RetryQueue:
    """Sends to the queue; `attempts` is how often SQS brings a message before it gives up (its `maxReceiveCount`)."""

    def __init__(self, client: "SQSClient", url: str, *, attempts: int) -> None:
        self._client = client
        self._url = url
        self._attempts = attempts

    @property
    def span(self) -> timedelta:
        """How long exports are tried again."""
        return self._attempts * RETRY_EVERY

    def put(self, exports: Sequence[Export], scheduled_for: datetime) -> None:
        """Puts the exports off, each in a message of its own; raises AwsUnavailable if SQS does not take them all."""
        bodies = [Occurrence(exports=(export,), scheduled_for=scheduled_for).to_json() for export in exports]
        for start in range(0, len(bodies), _BATCH):
            batch = bodies[start : start + _BATCH]
            with asking("SQS"):
                answer = self._client.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)],
                )
            if answer.get("Failed"):
                raise AwsUnavailable(f"SQS did not take {len(answer['Failed'])} of {len(batch)} messages")

    def read(self, records: Iterable[Mapping[str, Any]], now: datetime) -> tuple[list[Delivery], list[str]]:
        """The deliveries in an SQS event, and the ids of the messages that cannot be used: those fail alone."""
        deliveries, unusable = [], []
        for record in records:
            try:
                deliveries.append(self._read(record, now))
            except InvalidInput as error:
                unusable.append(record["messageId"])
                logger.error("a message in the retry queue cannot be used", reason=str(error))
        return deliveries, unusable

    def _read(self, record: Mapping[str, Any], now: datetime) -> Delivery:
        try:
            event = json.loads(record["body"])
        except ValueError:
            raise InvalidInput("the message is not JSON") from None
        if not isinstance(event, dict) or not event.get("scheduled_for"):
            raise InvalidInput('the message must be an object with "exports" and "scheduled_for"')
        occurrence = parse_occurrence(event, now)
        if len(occurrence.exports) != 1:
            raise InvalidInput("the message must hold exactly one export")
        return Delivery(
            message_id=record["messageId"],
            export=occurrence.exports[0],
            scheduled_for=occurrence.scheduled_for,
            is_last=int(record["attributes"]["ApproximateReceiveCount"]) >= self._attempts,
        )
