"""What is counted, and how what WebAdMIT did is held against what subscribers heard."""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

EVENT_TYPES = {
    "Available": "export_file.ready",
    "Success With Errors": "export_file.ready",
    "Failed": "export_file.failed",
    "Empty List": "export_file.empty",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`lost`: finished, never announced. `repeated`: announced again under the same event id, which is allowed.

    `stray`: announced though WebAdMIT did no such thing. `wrong`: announced as two, or an export started twice for one
    time, or anything else that must not be.
    """

    cases: int = 0
    lost: int = 0
    repeated: int = 0
    stray: int = 0
    wrong: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    @property
    def are_good(self) -> bool:
        return self.cases > 0 and not (self.lost or self.stray or self.wrong)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that WebAdMIT finished."""

    export_id: int
    export_file_id: int
    status: str


def compare(runs: Iterable[FinishedRun], messages: Iterable[Mapping[str, Any]], *, cases: int) -> Figures:
    """Holds the runs against the bodies of all messages about files (reports of late runs aside)."""
    heard: dict[tuple[int, int, str], Counter[str]] = defaultdict(Counter)
    for message in messages:
        if message["event_type"] in EVENT_TYPES.values():
            key = (message["export_id"], message["export_file_id"], message["event_type"])
            heard[key][message["event_id"]] += 1
    expected = {(run.export_id, run.export_file_id, EVENT_TYPES[run.status]) for run in runs}
    return Figures(
        cases=cases,
        lost=len(expected - set(heard)),
        repeated=sum(count - 1 for ids in heard.values() for count in ids.values()),
        stray=sum(sum(ids.values()) for key, ids in heard.items() if key not in expected),
        wrong=sum(len(ids) - 1 for ids in heard.values()),
    )


def tell(line: str) -> None:
    """Says what went wrong in a case; the standard output is the table's."""
    print(f"  {line}", file=sys.stderr, flush=True)
