"""That the exploration finds what goes wrong, leaves nothing out, and fails if a planted mistake is not found."""

import contextlib
import itertools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.explore import __main__, engine
from tests.explore.archive import Archiving
from tests.explore.bugs import BUGS, Bug
from tests.explore.engine import Call, Effect, Event, Explorer, Model, Process, Replay, RunAlone
from tests.explore.runs import Runs
from tests.explore.scenarios import SHORT


@dataclass(frozen=True)
class Counting:
    """Processes that each read a number and write the next one; `shared`: the number, and how many have written."""

    budget: dict[str, int]
    kinds = ("count",)

    def as_explored(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def begin(self) -> tuple[int, int]:
        return (0, 0)

    def time(self, clock: int, shared: object) -> int:
        return clock

    def to_time(self, number: int) -> int:
        return number

    def run(self, process: Process, replay: Replay) -> Hashable:
        number = replay.ask("reads")
        replay.ask("writes", number + 1)
        return None

    def events(self, shared: object, clock: int) -> Iterator[Event]:
        yield Event("one begins", shared, "count", ("count", ""))

    def effects(self, call: Call, process: Process, shared: Any, clock: int) -> Iterator[Effect]:
        if call.name == "reads":
            yield Effect("reads", shared[0], shared)
        else:
            yield Effect("writes", None, (call.arguments[0], shared[1] + 1))

    def remembers(self, process: Process) -> Hashable:
        return tuple(answer for answer, _ in process.answers)

    def outdated(self, answer: Hashable, what: Hashable) -> Hashable:
        return answer

    def ended(self, process: Process, outcome: Hashable, shared: Any) -> Any:
        return shared

    def died(self, process: Process, shared: Any) -> Any:
        return shared

    def when_idle(self, shared: Any, clock: int) -> str:
        return "" if shared[0] == shared[1] else f"{shared[1]} have counted to {shared[0]}"

    def after_recovery(self, shared: Any, clock: int, run_alone: RunAlone) -> str:
        return ""


def explored(budget: dict[str, int]) -> engine.Result:
    return Explorer(Counting(budget), (1,)).explore(most_states=1000, most_seconds=10)


@dataclass(frozen=True)
class Noting(Counting):
    """Processes that read the clock after their last call, and end with what it says."""

    def run(self, process: Process, replay: Replay) -> Hashable:
        replay.ask("reads")
        time: int = replay.now()
        return time

    def ended(self, process: Process, outcome: Hashable, shared: Any) -> Any:
        return (outcome, shared[1] + 1)

    def when_idle(self, shared: Any, clock: int) -> str:
        return "a time is noted that has not come yet" if shared[0] > clock else ""

    def after_recovery(self, shared: Any, clock: int, run_alone: RunAlone) -> str:
        """A process of its own, an hour later: what it notes is not what another one notes now."""
        after, wrong = run_alone("count", "", shared, clock + 60)
        return wrong if after[0] == clock + 60 else f"{after[0]} is noted at {clock + 60}"


def test_what_a_process_ends_with_is_of_its_own_time() -> None:
    result = Explorer(Noting({"count": 2, "tick": 1}), (1,)).explore(most_states=1000, most_seconds=10)

    assert (result.violation, result.is_exhausted) == ("", True)


def test_a_lost_update_is_found_on_a_shortest_way() -> None:
    result = explored({"count": 3})

    assert result.violation == "2 have counted to 1"
    assert result.trace == [
        "one begins; count: reads",
        "one begins; count: reads",
        "count: writes, and ends",
        "count: writes, and ends",
    ]


def test_one_process_alone_goes_through_all_of_its_states() -> None:
    result = explored({"count": 1})

    assert (result.violation, result.is_exhausted) == ("", True)
    assert result.states == 3  # nothing, read, written


def test_a_process_may_die_before_each_of_its_calls() -> None:
    result = explored({"count": 1, "crash": 1})

    assert (result.violation, result.states) == ("", 4)


def test_what_is_cut_off_is_said_to_be() -> None:
    whole = Explorer(Counting({"count": 1, "crash": 1, "tick": 9}), (1,)).explore(most_states=1000, most_seconds=10)
    part = Explorer(Counting({"count": 1, "crash": 1, "tick": 9}), (1,)).explore(most_states=9, most_seconds=10)

    assert whole.is_exhausted
    assert not part.is_exhausted
    assert part.states < whole.states


@pytest.mark.parametrize(
    ("model", "ticks"),
    [
        (Runs({"start 0": 1, "callback": 1, "sweep": 1, "end": 1, "fault": 1, "tick": 1}), (3,)),
        (Runs({"start 0": 2, "callback": 1, "end": 1, "crash": 1}), (3,)),
        (Runs({"start 0": 1, "start 1": 1, "end": 1, "reuse": 1, "tick": 1}), (6,)),
        (Runs({"start 0": 1, "retry": 1, "end": 1, "fault": 2}), (3,)),
        (Archiving({"delivery": 2, "fault": 1, "crash": 1, "tick": 1}), (1, 3)),
    ],
)
def test_processes_that_go_on_alike_are_explored_once_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch, model: Model, ticks: tuple[int, ...]
) -> None:
    merging, different = Explorer(model, ticks), itertools.count()
    merged = merging.explore(most_states=100_000, most_seconds=60)

    monkeypatch.setattr(engine, "continuation", lambda stopped: next(different))
    keeping = Explorer(model, ticks)
    kept = keeping.explore(most_states=100_000, most_seconds=60)

    assert merged.is_exhausted
    assert kept.is_exhausted
    assert merged.states < kept.states
    assert set(merging._shared.values) == set(keeping._shared.values)


def test_a_mistake_that_is_not_found_fails_the_exploration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = Bug("none at all", engine, "_TICK", "tick", {"start 0": 1})
    monkeypatch.setattr(__main__, "BUGS", [harmless, BUGS[0]])
    monkeypatch.setitem(__main__._FORMS, "short", SHORT[6:7])
    monkeypatch.setattr("sys.argv", ["explore", "short"])

    assert __main__.main() == 1
    printed = capsys.readouterr().out
    assert "NOTHING" in printed
    assert "of 2 planted mistakes 1 were found: WRONG" in " ".join(printed.split())
