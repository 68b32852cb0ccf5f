"""EventBridge Scheduler → what callbacks left open is finished. A person → files are announced again."""

import dataclasses
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports import wiring
from webadmit_exports.services import Services
from webadmit_exports.telemetry import instrumented, logger, seconds_left


def now() -> datetime:
    return datetime.now(UTC)


services = Services(os.environ, now)
reconcile_runs, reannounce = wiring.reconcile_runs(services), wiring.reannounce(services)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes the schedule's empty event, and returns the figures of the sweep.

    `{"announce_again": …}`, see `runs.reannounce`, is for a person: it announces files again instead.
    """
    if "announce_again" in event:
        return reannounce.announce(event["announce_again"], seconds_left(context))
    figures = dataclasses.asdict(reconcile_runs.sweep(seconds_left(context)))
    logger.info("swept", **figures)
    return figures
