"""StartRetryQueue: what could not be started yet. SQS brings each message back until its exports have started."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from webadmit_exports.aws.clients import aws_errors
from webadmit_exports.domain.start_request import StartRequest, parse_queued
from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


RETRY_EVERY = timedelta(minutes=15)  # the queue's delay and visibility timeout in template.yaml
_BATCH = 10  # what SQS takes at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it came. `is_last`: if it fails again, SQS moves it to the dead-letter queue.

    `is_failed_invocation`: a start that failed as a whole, so that nobody has been told about its exports yet.
    """

    message_id: str
    request: StartRequest
    is_last: bool
    is_failed_invocation: bool


class StartQueue:
    """Sends to the queue; `attempts` is how often SQS brings a message before it gives up (its `maxReceiveCount`)."""

    def __init__(self, client: "SQSClient", url: str, *, attempts: int) -> None:
        self._client = client
        self._url = url
        self._attempts = attempts

    @property
    def span(self) -> timedelta:
        """How long exports are tried again."""
        return self._attempts * RETRY_EVERY

    def put(self, requests: Sequence[StartRequest]) -> None:
        """Defers the requests, each in a message of its own; raises AwsUnavailable if SQS does not take them all."""
        bodies = [request.to_json() for request in requests]
        for start in range(0, len(bodies), _BATCH):
            batch = bodies[start : start + _BATCH]
            with aws_errors("SQS"):
                answer = self._client.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)],
                )
            if answer.get("Failed"):
                raise AwsUnavailable(f"SQS did not take {len(answer['Failed'])} of {len(batch)} messages")

    def read(self, records: Iterable[Mapping[str, Any]], now: datetime) -> tuple[list[Delivery], list[str]]:
        """The deliveries in an SQS event, and the ids of the messages that cannot be read: those fail alone."""
        deliveries, unreadable = [], []
        for record in records:
            try:
                deliveries.append(self._read(record, now))
            except InvalidInput as error:
                unreadable.append(record["messageId"])
                logger.error("a message in the start queue cannot be read", reason=str(error))
        return deliveries, unreadable

    def _read(self, record: Mapping[str, Any], now: datetime) -> Delivery:
        attributes = record.get("messageAttributes", {})
        texts = {name: str(attribute.get("stringValue", "")) for name, attribute in attributes.items()}
        request, is_ours = parse_queued(record["body"], texts, now)
        return Delivery(
            message_id=record["messageId"],
            request=request,
            is_last=int(record["attributes"]["ApproximateReceiveCount"]) >= self._attempts,
            is_failed_invocation=not is_ours or len(request.entries) > 1,
        )
