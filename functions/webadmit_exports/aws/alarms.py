"""The CloudWatch alarms of this stack.

An alarm speaks when it begins to ring, and never again: somebody whose address was not confirmed then hears nothing.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from webadmit_exports.aws.clients import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class RingingAlarm:
    """An alarm that rings, by its name in template.yaml, and since when."""

    name: str
    since: datetime


class Alarms:
    """Reads the alarms of a stack. CloudFormation calls them `STACK-NAME_IN_THE_TEMPLATE-RANDOM`."""

    def __init__(self, client: "CloudWatchClient", stack_name: str) -> None:
        self._client = client
        self._prefix = f"{stack_name}-"

    def ringing(self) -> list[RingingAlarm]:
        """Those that ring now, the longest first; raises AwsUnavailable if CloudWatch does not answer."""
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=self._prefix, AlarmTypes=["MetricAlarm"]
        )
        with aws_errors("CloudWatch"):
            found = [alarm for page in pages for alarm in page["MetricAlarms"] if alarm["StateValue"] == "ALARM"]
        ringing = []
        for alarm in found:
            # A stack whose name is longer may begin alike; no name in a template has a hyphen.
            if match := re.fullmatch("([A-Za-z0-9]+)-[A-Za-z0-9]+", alarm["AlarmName"].removeprefix(self._prefix)):
                since = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
                ringing.append(RingingAlarm(name=match[1], since=since))
        return sorted(ringing, key=lambda alarm: alarm.since)
