"""EventBridge Scheduler, once a day → a mail that says whether the night has worked."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports import wiring
from webadmit_exports.operations.daily_report import RunOutcome
from webadmit_exports.services import Services
from webadmit_exports.telemetry import instrumented, logger, seconds_left


def now() -> datetime:
    return datetime.now(UTC)


send_morning_mail = wiring.send_morning_mail(Services(os.environ, now))


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes any event; sends the mail about the last day, and returns its figures."""
    report = send_morning_mail.send(now(), seconds_left(context))
    figures = {outcome.value: len(report.of(outcome)) for outcome in RunOutcome}
    logger.info("sent the morning mail", figures=figures)
    return figures
