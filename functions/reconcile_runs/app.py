"""EventBridge Scheduler → what callbacks left open is finished. A person → files are announced again."""

import dataclasses
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.again import AnnounceAgain
from webadmit_exports.reconcile import ReconcileRuns
from webadmit_exports.telemetry import instrumented, logger
from webadmit_exports.webadmit import WebAdmit
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
reconcile_runs = ReconcileRuns(
    webadmit=WebAdmit(parts.setting("WEBADMIT_BASE_URL")),
    api_key=parts.api_key,
    table=parts.table,
    export_files=parts.export_files,
    topics=parts.topics,
    wording=parts.wording,
    now=now,
)


announce_again = AnnounceAgain(table=parts.table, export_files=parts.export_files)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes the schedule's empty event, and answers with the figures of the sweep.

    `{"announce_again": …}`, see `again`, is for a person: it announces files again instead.
    """

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if "announce_again" in event:
        return announce_again.announce(event["announce_again"], time_left)
    figures = dataclasses.asdict(reconcile_runs.sweep(time_left))
    logger.info("swept", **figures)
    return figures
