"""A person, or EventBridge Scheduler once a day → the setup is checked."""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.check import READ_SECONDS, SIDE_BY_SIDE, CheckSetup, Mailbox, SetupHasProblems
from webadmit_exports.probe import Probe
from webadmit_exports.subscriptions import Subscriptions
from webadmit_exports.telemetry import instrumented
from webadmit_exports.webadmit import WebAdmit
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
check_setup = CheckSetup(
    webadmit=WebAdmit(parts.setting("WEBADMIT_BASE_URL"), connections=SIDE_BY_SIDE, read_seconds=READ_SECONDS),
    api_key=parts.api_key,
    signing_keys=parts.signing_keys,
    schedules=parts.schedules,
    subscriptions=Subscriptions(parts.sns),
    probe=Probe(),
    callback_url=parts.setting("CALLBACK_URL"),
    mailboxes=[
        Mailbox(
            parameter="NotificationEmail",
            address=parts.optional("NOTIFICATION_EMAIL"),
            topic_arn=parts.setting("READY_TOPIC_ARN"),
        ),
        Mailbox(
            parameter="AlertEmail", address=parts.optional("ALERT_EMAIL"), topic_arn=parts.setting("ALERTS_TOPIC_ARN")
        ),
    ],
    alerts_arn=parts.setting("ALERTS_TOPIC_ARN"),
    commands=parts.wording.commands,
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes any event; prints the report, and answers with it, the problems and the pairs that can be scheduled.

    With `{"raise_problems": true}`, as the schedule sends it, it fails if there is a problem, so that an alarm tells.
    """
    findings = check_setup.run(lambda: context.get_remaining_time_in_millis() / 1000)
    report = findings.report()
    sys.stdout.write("\n".join(report) + "\n")
    if findings.problems and event.get("raise_problems") is True:
        raise SetupHasProblems(" ".join(str(problem) for problem in findings.problems))
    return {
        "ok": not findings.problems,
        "problems": [str(problem) for problem in findings.problems],
        "ids": [str(pair) for pair in findings.pairs],
        "report": report,
    }
