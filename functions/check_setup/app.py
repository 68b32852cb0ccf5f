"""A person, or EventBridge Scheduler once a day → the setup is checked."""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports import wiring
from webadmit_exports.operations.check_setup import SetupHasProblems
from webadmit_exports.services import Services
from webadmit_exports.telemetry import instrumented, seconds_left


def now() -> datetime:
    return datetime.now(UTC)


check_setup = wiring.check_setup(Services(os.environ, now))


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
    return {
        "ok": not problems,
        "problems": problems,
        "ids": [str(pair) for pair in findings.pairs],
        "report": report,
    }
