"""EventBridge Scheduler, the start queue or a person → exports are started."""

import os
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.aws import clients
from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.aws.start_queue import StartQueue
from webadmit_exports.domain.start_request import parse_start_request
from webadmit_exports.runs import label_cache, resolve_names
from webadmit_exports.runs.requested_start import StartOutcome
from webadmit_exports.runs.start import SIDE_BY_SIDE, StartRuns
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented, seconds_left
from webadmit_exports.webadmit import listing
from webadmit_exports.webadmit.client import WebAdmit
from webadmit_exports.webadmit.listing import Lister


def now() -> datetime:
    return datetime.now(UTC)


shared = SharedServices(os.environ, now)
webadmit = partial(WebAdmit, shared.setting("WEBADMIT_BASE_URL"), version=shared.setting("VERSION"))
labels = label_cache.LabelCache(
    webadmit(connections=label_cache.SIDE_BY_SIDE, read_seconds=label_cache.READ_SECONDS), now
)
start_runs = StartRuns(
    webadmit=webadmit(connections=SIDE_BY_SIDE),
    api_key=shared.api_key,
    signing_keys=shared.signing_keys,
    callback_url=shared.setting("CALLBACK_URL"),
    table=shared.table,
    tracker=shared.tracker,
    start_queue=StartQueue(
        clients.sqs(), shared.setting("START_RETRY_QUEUE_URL"), attempts=int(shared.number("START_RETRY_ATTEMPTS"))
    ),
    topics=shared.topics,
    writer=shared.writer,
    labels=labels,
    resolve_names=resolve_names.ResolveNames(
        lister=Lister(
            webadmit=webadmit(connections=listing.SIDE_BY_SIDE, read_seconds=resolve_names.READ_SECONDS),
            followed_cycles=int(shared.number("FOLLOWED_CYCLES")),
        ),
        matches=NameMatches(shared.dynamodb, shared.setting("NAME_MATCHES_TABLE")),
        labels=labels,
    ),
    now=now,
)


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
