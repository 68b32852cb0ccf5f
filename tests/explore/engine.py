"""Explores all states of a few processes that run the product's own code over shared state.

A process is run anew from the answers that it has had so far, up to its next call: that call is the next atomic step.
The answers are its whole state, because the code between two calls only depends on them and on the clock. At each
step a process moves, dies, or its call fails; or the world does something; or time passes. A state is what is shared,
the clock, what may still happen, and the answers of each process; states are visited breadth first, so that the first
way to a violation is a shortest one.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tests.explore.continuation import continuation

Shared = Any  # what a model shares between its processes: immutable and hashable


@dataclass(frozen=True, slots=True)
class Call:
    """What a process is about to do."""

    name: str
    arguments: tuple[Hashable, ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """An answer that is an error; `make` makes it, since an exception that is raised twice keeps both tracebacks."""

    make: Callable[[], BaseException]


@dataclass(frozen=True, slots=True)
class Process:
    """`answers`: each with the time at which the process went on; the first is that of its beginning."""

    kind: str
    about: Hashable
    answers: tuple[tuple[Hashable, int], ...]

    def __str__(self) -> str:
        return f"{self.kind}{f' ({self.about})' if self.about else ''}"


@dataclass(frozen=True, slots=True)
class Effect:
    """One way in which a call ends.

    `costs`: the budget that it takes; `outdates`: what others have read of that is old; `violation`: what must not have
    happened, in words.
    """

    label: str
    answer: Hashable
    shared: Shared
    costs: str = ""
    outdates: Hashable = None
    violation: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the world does; `begins`: a process, by its kind and what it is about."""

    label: str
    shared: Shared
    costs: str = ""
    begins: tuple[str, Hashable] | None = None


class Pending(BaseException):
    """The process has come to a call that is not answered yet."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.name)
        self.call = call


@dataclass(slots=True)
class Replay:
    """Answers the calls of a process as they were answered before; at the first new one raises Pending."""

    answers: tuple[tuple[Hashable, int], ...]
    to_time: Callable[[int], Any]
    position: int = 0
    has_read_clock: bool = False

    def ask(self, name: str, *arguments: Hashable) -> Any:
        self.position += 1
        if self.position == len(self.answers):
            raise Pending(Call(name, arguments))
        self.has_read_clock = False
        answer = self.answers[self.position][0]
        if isinstance(answer, Raised):
            raise answer.make()
        return answer

    def now(self) -> Any:
        self.has_read_clock = True
        return self.to_time(self.answers[self.position][1])


# Runs a process of that kind, about that, to its end without any fault: what is shared then, and what was wrong.
RunAlone = Callable[[str, Hashable, Shared, int], tuple[Shared, str]]


class Model(Protocol):
    """What is explored."""

    @property
    def budget(self) -> dict[str, int]:
        """How often each of the kinds may happen; what is not named does not."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What may happen."""

    def as_explored(self) -> AbstractContextManager[None]:
        """Within it the product's code runs as the model needs it."""

    def begin(self) -> Shared:
        """What is shared at the beginning."""

    def run(self, process: Process, replay: Replay) -> Hashable:
        """Runs the use case to its end, and returns what came of it."""

    def time(self, clock: int, shared: Shared) -> int:
        """The time that a process reads now, as `to_time` takes it."""

    def to_time(self, number: int) -> Any:
        """The time that the product's code gets."""

    def events(self, shared: Shared, clock: int) -> Iterable[Event]:
        """What the world may do now."""

    def effects(self, call: Call, process: Process, shared: Shared, clock: int) -> Iterable[Effect]:
        """How the call may end: first as it should."""

    def remembers(self, process: Process) -> Hashable:
        """What the model looks up in the answers of a process."""

    def outdated(self, answer: Hashable, what: Hashable) -> Hashable:
        """An answer as a process has it after somebody else has written that."""

    def ended(self, process: Process, outcome: Hashable, shared: Shared) -> Shared:
        """What is shared after a process has ended."""

    def died(self, process: Process, shared: Shared) -> Shared:
        """What is shared after a process has died."""

    def when_idle(self, shared: Shared, clock: int) -> str:
        """What is wrong while no process lives; empty if nothing is."""

    def after_recovery(self, shared: Shared, clock: int, run_alone: "RunAlone") -> str:
        """What is wrong if all processes die now, and nothing else goes wrong; empty if nothing is."""


@dataclass(slots=True)
class Result:
    """What an exploration found. `trace`: the shortest way to a violation, in words."""

    states: int = 0
    steps: int = 0
    seconds: float = 0.0
    is_exhausted: bool = True
    violation: str = ""
    trace: list[str] = field(default_factory=list)


class _Interned:
    """Numbers for values, so that states are short and quickly compared."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}
        self.values: list[Any] = []

    def number(self, value: Hashable) -> int:
        number = self.numbers.get(value)
        if number is None:
            number = self.numbers[value] = len(self.values)
            self.values.append(value)
        return number


@dataclass(frozen=True, slots=True)
class _Move:
    """What a step of one process leads to, apart from what it does to the others."""

    label: str
    becomes: int | None  # the process; None once it has ended
    shared: int
    costs: int | None
    outdates: Hashable
    violation: str


# A state: shared, clock and budget as numbers, and the numbers of the living processes, sorted: which of two alike
# processes is which does not matter.
State = tuple[int, ...]
_CRASH, _TICK = "crash", "tick"


class Explorer:
    """Explores one model; `ticks`: the minutes that may pass at once."""

    def __init__(self, model: Model, ticks: tuple[int, ...]) -> None:
        self._model = model
        self._ticks = ticks
        self._processes, self._shared, self._budgets = _Interned(), _Interned(), _Interned()
        self._calls: dict[int, tuple[Call | None, bool, Hashable]] = {}
        self._kinds = sorted({*model.kinds, _CRASH, _TICK})
        self._index = {name: number for number, name in enumerate(self._kinds)}
        self._spent: dict[tuple[int, int], int | None] = {}
        self._moves: dict[tuple[int, int, int], list[_Move]] = {}
        self._alike: dict[Hashable, int] = {}
        self._outdated: dict[tuple[int, Hashable], int] = {}
        self._events: dict[tuple[int, int], list[Event]] = {}
        self._ends: dict[tuple[int, int], str] = {}

    def explore(self, *, most_states: int, most_seconds: float, is_traced: bool = False) -> Result:
        """Visits every state, as far as the limits go; stops at the first violation, and finds the way to it."""
        with self._model.as_explored():
            result = self._explore(most_states, most_seconds, is_traced=is_traced)
            if result.violation and not is_traced:  # the ways are kept only where there is one to be shown
                result = self._explore(most_states, most_seconds, is_traced=True)
        return result

    def _explore(self, most_states: int, most_seconds: float, *, is_traced: bool) -> Result:
        began, result = time.monotonic(), Result()
        first = self._first()
        seen: set[State] = {first}
        came_from: dict[State, tuple[State, str]] = {}
        level = [first]
        while level:
            following: list[State] = []
            for state in level:
                for label, reached, wrong_step in self._steps(state):
                    result.steps += 1
                    if reached in seen and not wrong_step:
                        continue
                    if violation := wrong_step or self._wrong_at(reached):
                        result.states, result.seconds = len(seen), time.monotonic() - began
                        result.violation, result.trace = violation, [*_way(came_from, state), label]
                        result.is_exhausted = False
                        return result
                    seen.add(reached)
                    following.append(reached)
                    if is_traced:
                        came_from[reached] = (state, label)
                if len(seen) > most_states or time.monotonic() - began > most_seconds:
                    result.is_exhausted = False
                    following = []
                    break
            level = following
        result.states, result.seconds = len(seen), time.monotonic() - began
        return result

    def _first(self) -> State:
        budget = tuple(self._model.budget.get(name, 0) for name in self._kinds)
        self._nothing = self._shared.number(self._model.begin())  # until something has happened time does not matter
        return (self._nothing, 0, self._budgets.number(budget))

    def _steps(self, state: State) -> Iterator[tuple[str, State, str]]:
        """What can happen next: in words, the state that it leads to, and what is wrong about it."""
        shared, clock, budget = state[:3]
        alive = state[3:]
        for position, process in enumerate(alive):
            if position and process == alive[position - 1]:
                continue  # another one that is just alike has moved
            others = alive[:position] + alive[position + 1 :]
            yield from self._moving(process, (shared, clock, budget), others)
            later = self._held_up(process, self._model.time(clock, self._shared.values[shared]))
            if later != process:
                label = f"{self._processes.values[process]}: is held up, and reads the clock only now"
                yield label, (shared, clock, budget, *sorted((*others, later))), ""
        yield from self._happenings(shared, clock, budget, alive)
        if shared != self._nothing and (left := self._spend(budget, self._index[_TICK])) is not None:
            for minutes in self._ticks:
                yield f"{minutes} minutes pass", (shared, clock + minutes, left, *alive), ""

    def _moving(
        self, process: int, before: tuple[int, int, int], others: tuple[int, ...], begins: str = ""
    ) -> Iterator[tuple[str, State, str]]:
        """A process moves. One that begins does so with its first call: to begin and die is not to have begun."""
        shared, clock, budget = before
        for move in self._moves_of(process, shared, clock):
            left = budget if move.costs is None else self._spend(budget, move.costs)
            if left is None or (begins and move.costs == self._index[_CRASH]):
                continue
            rest = others
            if move.outdates is not None:
                rest = tuple(self._outdate(other, move.outdates) for other in others)
            if move.becomes is not None:
                rest = (*rest, move.becomes)
            yield begins + move.label, (move.shared, clock, left, *sorted(rest)), move.violation

    def _happenings(
        self, shared: int, clock: int, budget: int, alive: tuple[int, ...]
    ) -> Iterator[tuple[str, State, str]]:
        for event in self._events_at(shared, clock):
            left = self._spend(budget, self._index[event.costs]) if event.costs else budget
            if left is None:
                continue
            after = (self._shared.number(event.shared), clock, left)
            if not event.begins:
                yield event.label, (*after, *alive), ""
                continue
            begun = (("begun", self._model.time(clock, event.shared)),)
            process = self._number_of(Process(*event.begins, answers=begun))
            yield from self._moving(process, after, alive, f"{event.label}; ")

    def _held_up(self, number: int, now: int) -> int:
        """The process if it was held up before it read the clock; the same where it has not read the clock."""
        process: Process = self._processes.values[number]
        answer, at = process.answers[-1]
        if at == now or not self._next(number)[1]:
            return number
        return self._number_of(replace(process, answers=(*process.answers[:-1], (answer, now))))

    def _number_of(self, process: Process) -> int:
        """The number of a process that has just gone on: the same for all that will go on alike."""
        call, has_read_clock, goes_on_with = self._next(self._processes.number(process))
        answer, at = process.answers[-1]
        if not has_read_clock and at:
            timeless = replace(process, answers=(*process.answers[:-1], (answer, 0)))
            self._calls[self._processes.number(timeless)] = (call, False, goes_on_with)
            process, at = timeless, 0
        alike = (process.kind, process.about, call, at, goes_on_with, self._model.remembers(process))
        return self._alike.setdefault(alike, self._processes.number(process))

    def _next(self, number: int) -> tuple[Call | None, bool, Hashable]:
        """The next call of a process, whether it has read the clock on its way there, and what it then goes on with.

        Of a process that has ended the call is None, and the last is its outcome.
        """
        known = self._calls.get(number)
        if known is None:
            process: Process = self._processes.values[number]
            replay = Replay(process.answers, self._model.to_time)
            try:
                outcome = self._model.run(process, replay)
                known = (None, replay.has_read_clock, outcome)  # which may tell the time
            except Pending as pending:
                known = (pending.call, replay.has_read_clock, continuation(pending))
            self._calls[number] = known
        return known

    def _moves_of(self, number: int, shared: int, clock: int) -> list[_Move]:
        key = (number, shared, clock)
        moves = self._moves.get(key)
        if moves is None:
            moves = self._moves[key] = list(self._find_moves(number, shared, clock))
        return moves

    def _find_moves(self, number: int, shared: int, clock: int) -> Iterator[_Move]:
        process: Process = self._processes.values[number]
        now_shared = self._shared.values[shared]
        call, _, outcome = self._next(number)
        if call is None:  # it has made no call at all
            ended = self._shared.number(self._model.ended(process, outcome, now_shared))
            yield _Move(f"{process}: ends", None, ended, None, None, "")
            return
        died = self._shared.number(self._model.died(process, now_shared))
        yield _Move(f"{process}: dies before it {call.name}", None, died, self._index[_CRASH], None, "")
        for effect in self._model.effects(call, process, now_shared, clock):
            answers = process.answers
            if effect.outdates is not None:
                answers = tuple((self._model.outdated(answer, effect.outdates), at) for answer, at in answers)
            went_on = Process(
                process.kind, process.about, (*answers, (effect.answer, self._model.time(clock, effect.shared)))
            )
            after, becomes = effect.shared, self._number_of(went_on)
            following, _, outcome = self._next(becomes)
            costs = self._index[effect.costs] if effect.costs else None
            label = f"{process}: {effect.label}"
            if following is None:
                after = self._model.ended(went_on, outcome, after)
                label = f"{label}, and ends"
            yield _Move(
                label,
                None if following is None else becomes,
                self._shared.number(after),
                costs,
                effect.outdates,
                effect.violation,
            )

    def _outdate(self, number: int, what: Hashable) -> int:
        key = (number, what)
        known = self._outdated.get(key)
        if known is None:
            process: Process = self._processes.values[number]
            answers = tuple((self._model.outdated(answer, what), at) for answer, at in process.answers)
            known = self._outdated[key] = self._number_of(replace(process, answers=answers))
        return known

    def _events_at(self, shared: int, clock: int) -> list[Event]:
        key = (shared, clock)
        events = self._events.get(key)
        if events is None:
            events = self._events[key] = list(self._model.events(self._shared.values[shared], clock))
        return events

    def _spend(self, budget: int, index: int) -> int | None:
        """The budget after that has happened once more; None where it may not."""
        key = (budget, index)
        if key not in self._spent:
            left = list(self._budgets.values[budget])
            left[index] -= 1
            self._spent[key] = None if left[index] < 0 else self._budgets.number(tuple(left))
        return self._spent[key]

    def _wrong_at(self, state: State) -> str:
        shared, clock = state[:2]
        if len(state) == 3 and (wrong := self._model.when_idle(self._shared.values[shared], clock)):
            return wrong
        key = (shared, clock)
        if key not in self._ends:
            self._ends[key] = self._model.after_recovery(self._shared.values[shared], clock, self._run_alone)
        return self._ends[key]

    def _run_alone(self, kind: str, about: Hashable, shared: Shared, clock: int) -> tuple[Shared, str]:
        begun = Process(kind, about, answers=(("begun", self._model.time(clock, shared)),))
        process: int | None = self._number_of(begun)
        number = self._shared.number(shared)
        while process is not None:
            moves = self._moves_of(process, number, clock)
            move = moves[1] if len(moves) > 1 else moves[0]  # the first is dying, unless it makes no call at all
            if move.violation:
                return shared, move.violation
            process, number = move.becomes, move.shared
        return self._shared.values[number], ""


def _way(came_from: dict[State, tuple[State, str]], state: State) -> list[str]:
    labels: list[str] = []
    while state in came_from:
        state, label = came_from[state]
        labels.append(label)
    return labels[::-1]
