"""A person, or EventBridge Scheduler once a day → the setup is checked."""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.aws import clients
from webadmit_exports.aws.connector import Connector
from webadmit_exports.aws.outgoing_bucket import OutgoingBucket
from webadmit_exports.aws.schedules import Schedules
from webadmit_exports.aws.subscriptions import Subscriptions
from webadmit_exports.operations.callback_probe import Probe
from webadmit_exports.operations.check_delivery import CheckDelivery
from webadmit_exports.operations.check_setup import CheckSetup, Mailbox, SetupHasProblems
from webadmit_exports.operations.key_access import READ_SECONDS
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented, seconds_left
from webadmit_exports.webadmit.client import WebAdmit
from webadmit_exports.webadmit.listing import SIDE_BY_SIDE, Lister


def now() -> datetime:
    return datetime.now(UTC)


shared = SharedServices(os.environ, now)
ready, alerts = shared.setting("READY_TOPIC_ARN"), shared.setting("ALERTS_TOPIC_ARN")
connector_id = shared.optional("SFTP_CONNECTOR_ID")
check_setup = CheckSetup(
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
    signing_keys=shared.signing_keys,
    schedules=Schedules(
        clients.scheduler(),
        shared.setting("SCHEDULE_GROUP"),
        exports=shared.setting("EXPORTS_SCHEDULE"),
        frequent_exports=shared.setting("FREQUENT_EXPORTS_SCHEDULE"),
        state=shared.setting("SCHEDULE_STATE"),
    ),
    subscriptions=Subscriptions(clients.sns()),
    probe=Probe(),
    callback_url=shared.setting("CALLBACK_URL"),
    mailboxes=[
        Mailbox("NotificationEmail", shared.optional("NOTIFICATION_EMAIL"), ready),
        Mailbox("AlertEmail", shared.optional("ALERT_EMAIL"), alerts),
    ],
    alerts_arn=alerts,
    ready_arn=ready,
    archive_queue_arn=shared.optional("ARCHIVE_QUEUE_ARN"),
    delivery=CheckDelivery(
        connector=Connector(clients.transfer(), clients.transfer_once(), connector_id),
        outgoing=OutgoingBucket(clients.s3(), shared.setting("OUTGOING_BUCKET")),
        secrets=shared.secrets,
        secret=shared.setting("SFTP_CREDENTIALS_ARN"),
        folder=shared.setting("SFTP_FOLDER"),
        commands=shared.writer.commands,
    )
    if connector_id
    else None,
    commands=shared.writer.commands,
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes any event; prints the report, and returns it with the problems and the pairs that can be scheduled.

    With `{"raise_problems": true}`, as the schedule sends it, it fails if there is a problem, so that an alarm tells.
    """
    findings = check_setup.run(seconds_left(context))
    problems, report = [str(problem) for problem in findings.problems], findings.report()
    sys.stdout.write("\n".join(report) + "\n")
    if problems and event.get("raise_problems") is True:
        raise SetupHasProblems(" ".join(problems))
    pairs = [str(pair) for pair in findings.pairs]
    return {"ok": not problems, "problems": problems, "pairs": pairs, "report": report}
