"""EventBridge Scheduler, the start queue or a person → exports are started."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.names import LISTS_SIDE_BY_SIDE, READ_SECONDS, NameBook
from webadmit_exports.occurrence import parse_occurrence
from webadmit_exports.start import SIDE_BY_SIDE, Outcome, StartRuns
from webadmit_exports.start_queue import StartQueue
from webadmit_exports.telemetry import instrumented
from webadmit_exports.webadmit import WebAdmit
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
start_queue = StartQueue(
    parts.sqs, parts.setting("START_RETRY_QUEUE_URL"), attempts=int(parts.number("START_RETRY_ATTEMPTS"))
)
start_runs = StartRuns(
    webadmit=WebAdmit(parts.setting("WEBADMIT_BASE_URL"), connections=SIDE_BY_SIDE),
    api_key=parts.api_key,
    signing_keys=parts.signing_keys,
    callback_url=parts.setting("CALLBACK_URL"),
    table=parts.table,
    export_files=parts.export_files,
    start_queue=start_queue,
    topics=parts.topics,
    wording=parts.wording,
    names=NameBook(
        WebAdmit(parts.setting("WEBADMIT_BASE_URL"), connections=1 + LISTS_SIDE_BY_SIDE, read_seconds=READ_SECONDS), now
    ),
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes the schedule's input, see `occurrence`, and returns the pairs grouped by outcome.

    An SQS event is answered with the messages that shall come again (partial batch answer).
    """

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if "Records" in event:
        deliveries, unreadable = start_queue.read(event["Records"], now())
        again = [*unreadable, *start_runs.from_queue(deliveries, time_left)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}
    results = start_runs.for_occurrence(parse_occurrence(event, now()), time_left)
    return {
        outcome.value: [str(result.wanted.export) for result in results if result.outcome is outcome]
        for outcome in Outcome
    }
