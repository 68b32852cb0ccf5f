"""EventBridge Scheduler, the start queue or a person → exports are started."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports import wiring
from webadmit_exports.domain.start_request import parse_start_request
from webadmit_exports.runs.start_one import StartOutcome
from webadmit_exports.services import Services
from webadmit_exports.telemetry import instrumented, seconds_left


def now() -> datetime:
    return datetime.now(UTC)


start_runs = wiring.start_runs(Services(os.environ, now))


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes the schedule's input, see `domain.start_request`, and returns the pairs and names grouped by outcome.

    An SQS event is answered with the messages that shall come again (partial batch response).
    """
    if "Records" in event:
        deliveries, unreadable = start_runs.start_queue.read(event["Records"], now())
        again = [*unreadable, *start_runs.retry(deliveries, seconds_left(context))]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}
    results = start_runs.start(parse_start_request(event, now()), seconds_left(context))
    return {
        outcome.value: [str(result.requested.entry) for result in results if result.outcome is outcome]
        for outcome in StartOutcome
    }
