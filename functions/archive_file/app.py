"""ReadyTopic, through ArchiveQueue → announced files are archived."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports import wiring
from webadmit_exports.services import Services
from webadmit_exports.telemetry import instrumented, seconds_left


def now() -> datetime:
    return datetime.now(UTC)


archive_file = wiring.archive_file(Services(os.environ, now))


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an SQS event; returns the messages that shall come again (partial batch response)."""
    again = archive_file.archive_all(event["Records"], seconds_left(context))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}
