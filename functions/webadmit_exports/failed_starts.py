"""FailedStartsQueue: starts whose whole invocation failed, kept until a person has them started again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .aws import asking
from .errors import InvalidInput
from .occurrence import Occurrence, parse_occurrence

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10  # what SQS gives at once


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStart:
    """One message: what was to be started, or why that cannot be read. `handle` is for `done`."""

    handle: str
    occurrence: Occurrence | None = None
    problem: str = ""


class FailedStarts:
    """Takes from the queue; every method raises AwsUnavailable if SQS does not do as asked."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def take(self, now: datetime) -> Iterator[FailedStart]:
        """The messages that are there; each comes again after a quarter of an hour unless it is `done`."""
        while True:
            with asking("SQS"):
                # Waits a second: an answer at once may have looked at a part of the queue only.
                answer = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=1)
            if not answer.get("Messages"):
                return
            for message in answer["Messages"]:
                handle = message["ReceiptHandle"]
                try:
                    yield FailedStart(handle=handle, occurrence=_read(message["Body"], now))
                except InvalidInput as error:
                    yield FailedStart(handle=handle, problem=str(error))

    def done(self, failed_start: FailedStart) -> None:
        """Takes the message out of the queue."""
        with asking("SQS"):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=failed_start.handle)


def _read(body: str, now: datetime) -> Occurrence:
    """The schedule's input as EventBridge Scheduler leaves it, or in the record that Lambda makes of a failed event."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        raise InvalidInput("the message is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput("the message is not an object")
    event = document.get("requestPayload", document)
    if not isinstance(event, Mapping):
        raise InvalidInput("the message holds no event")
    # Who left the time out meant the time at which they asked; Lambda's record has that of the failure.
    scheduled_for = event.get("scheduled_for") or document.get("timestamp")
    if not scheduled_for:
        raise InvalidInput('the message has no "scheduled_for"')
    return parse_occurrence({**event, "scheduled_for": scheduled_for}, now)
