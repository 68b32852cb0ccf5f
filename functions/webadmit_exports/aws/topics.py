"""Publishes messages to the SNS topics."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code
from webadmit_exports.domain.announcement import EventType
from webadmit_exports.messages.message import Message
from webadmit_exports.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


# SNS switches an email subscription off that gets more than ten messages a second.
_SECONDS_BETWEEN_MESSAGES = 0.2
_INVALID = {
    "InvalidParameter",
    "InvalidParameterValue",
    "ParameterValueInvalid",
    "ValidationError",
    "ValidationException",
}


@dataclass(slots=True)
class Pace:
    """Lets callers through one by one, each at least `interval` seconds after the one before, from any thread."""

    interval: float = _SECONDS_BETWEEN_MESSAGES
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Returns when it is the caller's turn."""
        with self._lock:
            now = self.clock()
            turn = max(self._next, now)
            self._next = turn + self.interval
        if turn > now:
            self.sleep(turn - now)


class Topics:
    """ReadyTopic for files that can be fetched, AlertsTopic for what needs attention, ArchivedTopic, DeliveredTopic.

    The last two are empty where a function publishes nothing there.
    """

    def __init__(
        self, client: "SNSClient", *, ready_arn: str, alerts_arn: str, archived_arn: str = "", delivered_arn: str = ""
    ) -> None:
        self._client = client
        self._alerts_arn = alerts_arn
        self._arns = {
            EventType.READY: ready_arn,
            EventType.ARCHIVED: archived_arn,
            EventType.DELIVERED: delivered_arn,
        }
        self._paces = {arn: Pace() for arn in (*self._arns.values(), alerts_arn)}

    def publish(self, message: Message) -> None:
        """Publishes to the topic that the event type belongs to; raises AwsUnavailable if SNS does not take it."""
        topic = self._arns.get(message.event_type, self._alerts_arn)
        self._paces[topic].wait()
        with aws_errors("SNS"):
            try:
                self._client.publish(
                    TopicArn=topic,
                    Subject=message.subject,
                    MessageStructure="json",
                    Message=_json({"default": _json(message.body), "email": message.mail}),
                    MessageAttributes={name: _attribute(value) for name, value in message.attributes.items()},
                )
            except ClientError as error:
                if error_code(error) not in _INVALID:
                    raise
                # As it stands SNS would refuse it for ever. Better a plain message than none.
                logger.error("SNS refused a message as invalid; sent plain", event_type=message.event_type)
                self._client.publish(
                    TopicArn=topic,
                    Message=_json(message.body),
                    MessageAttributes={"event_type": _attribute(message.event_type)},
                )


def _json(document: object) -> str:
    """As short as it can be: SNS takes 256 KiB, and an escaped letter takes six bytes or seven."""
    return json.dumps(document, ensure_ascii=False)


def _attribute(value: str | int) -> "MessageAttributeValueTypeDef":
    return {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}
