"""EventBridge Scheduler → what callbacks left open is finished."""

import dataclasses
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

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


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes any event; answers with the figures of the sweep."""
    figures = dataclasses.asdict(reconcile_runs.sweep(lambda: context.get_remaining_time_in_millis() / 1000))
    logger.info("swept", **figures)
    return figures
