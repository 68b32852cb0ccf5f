"""EventBridge Scheduler, once a day → a mail that says whether the night has worked."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.aws import clients
from webadmit_exports.aws.alarms import Alarms
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.delivery_machine import DeliveryMachine
from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.aws.queue_lengths import WatchedQueues
from webadmit_exports.aws.schedules import Schedules
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.operations.morning_mail import SendMorningMail, WatchedDeliveries
from webadmit_exports.operations.name_history import READ_SECONDS, CurrentMatches
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented, logger, seconds_left
from webadmit_exports.webadmit.client import WebAdmit
from webadmit_exports.webadmit.listing import SIDE_BY_SIDE, Lister


def now() -> datetime:
    return datetime.now(UTC)


shared = SharedServices(os.environ, now)
machine_arn = shared.optional("DELIVERY_MACHINE_ARN")
send_morning_mail = SendMorningMail(
    schedules=Schedules(
        clients.scheduler(),
        shared.setting("SCHEDULE_GROUP"),
        exports=shared.setting("EXPORTS_SCHEDULE"),
        frequent_exports=shared.setting("FREQUENT_EXPORTS_SCHEDULE"),
        state=shared.setting("SCHEDULE_STATE"),
    ),
    table=shared.table,
    name_matches=NameMatches(shared.dynamodb, shared.setting("NAME_MATCHES_TABLE")),
    current_matches=CurrentMatches(
        lister=Lister(
            webadmit=WebAdmit(
                shared.setting("WEBADMIT_BASE_URL"),
                version=shared.setting("VERSION"),
                connections=SIDE_BY_SIDE,
                read_seconds=READ_SECONDS,
            ),
            followed_cycles=int(shared.number("FOLLOWED_CYCLES")),
        ),
        api_key=shared.api_key,
    ),
    queues=WatchedQueues(
        clients.sqs(),
        retries=shared.setting("START_RETRY_QUEUE_URL"),
        given_up=shared.setting("START_RETRY_DEAD_LETTER_QUEUE_URL"),
        not_archived=shared.optional("ARCHIVE_QUEUE_URL"),
        archive_given_up=shared.optional("ARCHIVE_DEAD_LETTER_QUEUE_URL"),
    ),
    alarms=Alarms(clients.cloudwatch(), shared.setting("STACK_NAME")),
    deliveries=WatchedDeliveries(
        table=DeliveriesTable(shared.dynamodb, shared.setting("DELIVERIES_TABLE")),
        machine=DeliveryMachine(clients.step_functions(), machine_arn),
    )
    if machine_arn
    else None,
    topics=shared.topics,
    writer=shared.writer,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes any event; sends the mail about the last day, and returns its figures."""
    report = send_morning_mail.send(now(), seconds_left(context))
    figures = {outcome.value: len(report.of(outcome)) for outcome in RunOutcome}
    logger.info("sent the morning mail", figures=figures)
    return figures
