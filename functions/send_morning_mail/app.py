"""EventBridge Scheduler, once a day → a mail that says whether the night has worked."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.morning_mail import SendMorningMail
from webadmit_exports.night import Outcome, Queues
from webadmit_exports.start_queue import waiting_in
from webadmit_exports.telemetry import instrumented, logger
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
sqs = parts.sqs


def count_queues() -> Queues:
    return Queues(
        retries=waiting_in(sqs, parts.setting("START_RETRY_QUEUE_URL")),
        given_up=waiting_in(sqs, parts.setting("START_RETRY_DEAD_LETTER_QUEUE_URL")),
    )


send_morning_mail = SendMorningMail(
    schedules=parts.schedules,
    table=parts.table,
    count_queues=count_queues,
    topics=parts.topics,
    wording=parts.wording,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes any event; sends the mail about the day before now, and answers with its figures."""
    night = send_morning_mail.send(now())
    figures = {outcome.value: len(night.of(outcome)) for outcome in Outcome}
    logger.info("sent the morning mail", figures=figures)
    return figures
