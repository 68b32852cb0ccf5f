"""One start that a request asks for, and its outcome."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.domain.second_chance import SecondChance
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.messages.problems import Problem


class StartOutcome(Enum):
    """The outcome for one export."""

    STARTED = "started"  # or joined: WebAdMIT does not tell
    ALREADY_STARTED = "already_started"  # for this scheduled time or a later one
    DEFERRED = "deferred"  # the start queue brings it back
    FAILED = "failed"  # trying again would not help


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedStart:
    """An entry of a list that is to run for a scheduled time: an export, or a name until it has been looked up.

    `is_by_name`: a name stood for the export. `others`: the same export under the other identities that list it.
    `start_failed_again` and `second_chance` are those of the request.
    """

    entry: Entry
    scheduled_for: datetime
    is_by_name: bool = False
    others: tuple[Export, ...] = ()
    start_failed_again: bool = field(default=True, compare=False)
    second_chance: SecondChance | None = None

    @classmethod
    def each_of(cls, request: StartRequest) -> "list[RequestedStart]":
        """The starts that the request asks for."""
        return [
            cls(
                entry=entry,
                scheduled_for=request.scheduled_for,
                start_failed_again=request.start_failed_again,
                second_chance=request.second_chance,
            )
            for entry in request.entries
        ]

    @property
    def request(self) -> StartRequest:
        """The request for this entry alone, as the start queue brings it back."""
        return StartRequest(
            entries=(self.entry,),
            scheduled_for=self.scheduled_for,
            start_failed_again=self.start_failed_again,
            second_chance=self.second_chance,
        )

    @property
    def export(self) -> Export:
        assert isinstance(self.entry, Export), "a name is looked up before it is started"
        return self.entry

    @property
    def name(self) -> NamePattern:
        assert isinstance(self.entry, NamePattern), "an export is not looked up"
        return self.entry

    @property
    def ids(self) -> dict[str, Any]:
        """For log lines."""
        ids = self.entry.ids if isinstance(self.entry, Export) else {"entry": str(self.entry)}
        return {**ids, "scheduled_for": utc_seconds(self.scheduled_for)}

    def of(self, entry: Entry) -> "RequestedStart":
        """The start of another entry that the same request stands for."""
        return replace(self, entry=entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartResult:
    """The outcome, and where the export did not start: the problem, and what is known beyond it."""

    requested: RequestedStart
    outcome: StartOutcome
    problem: Problem | None = None
    detail: str = ""
