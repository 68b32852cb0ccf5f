"""EventBridge Scheduler → what callbacks left open is finished. A person → files are announced again."""

import dataclasses
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.aws import clients
from webadmit_exports.aws.start_queue import StartQueue
from webadmit_exports.runs.reannounce import Reannounce
from webadmit_exports.runs.reconcile import ReconcileRuns
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented, logger, seconds_left
from webadmit_exports.webadmit.client import WebAdmit


def now() -> datetime:
    return datetime.now(UTC)


shared = SharedServices(os.environ, now)
reannounce = Reannounce(table=shared.table, tracker=shared.tracker)
reconcile_runs = ReconcileRuns(
    webadmit=WebAdmit(shared.setting("WEBADMIT_BASE_URL"), version=shared.setting("VERSION")),
    api_key=shared.api_key,
    table=shared.table,
    tracker=shared.tracker,
    start_queue=StartQueue(
        clients.sqs(), shared.setting("START_RETRY_QUEUE_URL"), attempts=int(shared.number("START_RETRY_ATTEMPTS"))
    ),
    topics=shared.topics,
    writer=shared.writer,
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes the schedule's empty event, and returns the figures of the sweep.

    `{"announce_again": …}`, see `runs.reannounce`, is for a person: it announces files again instead.
    """
    if "announce_again" in event:
        return reannounce.announce(event["announce_again"], seconds_left(context))
    figures = dataclasses.asdict(reconcile_runs.sweep(seconds_left(context)))
    logger.info("the sweep is done", **figures)
    return figures
