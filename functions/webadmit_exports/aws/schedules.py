"""The schedules as they are deployed: which exports run when, and whether they are on."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from webadmit_exports.aws.clients import aws_errors
from webadmit_exports.domain.name_pattern import Entry
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.errors import InvalidInput

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One of the two lists, `name` is its parameter. `is_on`: as it is; `wanted_on`: as ScheduleState has it.

    `changed_at`: when it was last changed, by a deployment or by hand.
    """

    name: str
    entries: tuple[Entry, ...]
    expression: str
    timezone: str
    is_on: bool
    changed_at: datetime
    wanted_on: bool = True

    @property
    def should_be_on(self) -> bool:
        """Whether it is to start anything."""
        return self.wanted_on and bool(self.entries)

    @property
    def was_switched(self) -> bool:
        """Whether somebody has switched it on or off by hand, so that it is not as it was deployed."""
        return bool(self.entries) and self.is_on != self.wanted_on


class Schedules:
    """Reads the two schedules of a group by their names; `state` is the parameter ScheduleState."""

    def __init__(
        self, client: "EventBridgeSchedulerClient", group: str, *, exports: str, frequent_exports: str, state: str
    ) -> None:
        self._client = client
        self._wanted_on = state == "ENABLED"
        self._group = group
        self._names = {"Exports": exports, "FrequentExports": frequent_exports}

    def read(self) -> list[Schedule]:
        """Both; raises AwsUnavailable if EventBridge Scheduler does not answer."""
        return [self._one(parameter, name) for parameter, name in self._names.items()]

    def _one(self, parameter: str, name: str) -> Schedule:
        with aws_errors("EventBridge Scheduler"):
            found = self._client.get_schedule(GroupName=self._group, Name=name)
        return Schedule(
            name=parameter,
            entries=_entries(found["Target"].get("Input", "")),
            expression=found["ScheduleExpression"],
            timezone=found.get("ScheduleExpressionTimezone", "UTC"),
            is_on=found["State"] == "ENABLED",
            changed_at=found["LastModificationDate"],
            wanted_on=self._wanted_on,
        )


def _entries(event: str) -> tuple[Entry, ...]:
    """Those in a schedule's input; none where a person has changed it to something else."""
    try:
        return parse_entries(json.loads(event)["exports"])
    except (InvalidInput, ValueError, KeyError, TypeError):
        return ()
