"""EventBridge Scheduler, the retry queue or a person → exports are started."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.failed_starts import FailedStarts
from webadmit_exports.names import LISTS_SIDE_BY_SIDE, READ_SECONDS, NameBook
from webadmit_exports.occurrence import parse_occurrence
from webadmit_exports.retry_queue import RetryQueue
from webadmit_exports.start import SIDE_BY_SIDE, Outcome, Result, StartRuns
from webadmit_exports.telemetry import instrumented
from webadmit_exports.webadmit import WebAdmit
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
retry_queue = RetryQueue(
    parts.sqs, parts.setting("START_RETRY_QUEUE_URL"), attempts=int(parts.number("START_RETRY_ATTEMPTS"))
)
failed_starts = FailedStarts(parts.sqs, parts.setting("FAILED_STARTS_QUEUE_URL"))
start_runs = StartRuns(
    webadmit=WebAdmit(parts.setting("WEBADMIT_BASE_URL"), connections=SIDE_BY_SIDE),
    api_key=parts.api_key,
    signing_keys=parts.signing_keys,
    callback_url=parts.setting("CALLBACK_URL"),
    table=parts.table,
    export_files=parts.export_files,
    retry_queue=retry_queue,
    topics=parts.topics,
    wording=parts.wording,
    names=NameBook(
        WebAdmit(parts.setting("WEBADMIT_BASE_URL"), connections=1 + LISTS_SIDE_BY_SIDE, read_seconds=READ_SECONDS), now
    ),
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes the schedule's input, see `occurrence`, and answers with the pairs by what became of them.

    An SQS event is answered with the messages that shall come again (partial batch answer). `{"start_again": "failed"}`
    starts what stands in FailedStartsQueue.
    """

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if "Records" in event:
        deliveries, unusable = retry_queue.read(event["Records"], now())
        results = start_runs.from_retry_queue(deliveries, time_left)
        put_off = [
            delivery.message_id
            for delivery, result in zip(deliveries, results, strict=True)
            if result.outcome is Outcome.PUT_OFF
        ]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in [*unusable, *put_off]]}
    if event.get("start_again") == "failed":
        results, problems = start_runs.again(failed_starts, time_left)
        return {**_summary(results), "unusable": problems}
    return _summary(start_runs.for_occurrence(parse_occurrence(event, now()), time_left))


def _summary(results: list[Result]) -> dict[str, list[str]]:
    return {
        outcome.value: [str(result.wanted.export) for result in results if result.outcome is outcome]
        for outcome in Outcome
    }
