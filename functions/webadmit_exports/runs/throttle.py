"""What one export's refusal means for those that have not been asked for yet. Shared by the workers of one start."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from webadmit_exports.domain.ids import Export
from webadmit_exports.messages.problem_kinds import Scope
from webadmit_exports.messages.problems import Problem
from webadmit_exports.webadmit.answers import RateLimit

_SHORTEST_PAUSE = 1.0
_PAUSE_WHEN_NOT_TOLD = 5.0
_LONGEST_PAUSE_WHEN_NOT_TOLD = 60.0
_MOST_REFUSALS = 3  # of one export, where they are not due to a limit of the whole key


class NotStarted(Exception):
    """An export does not start now. `detail`: what is known beyond the problem; may be empty."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(problem.sentence)
        self.problem = problem
        self.detail = detail


@dataclass(slots=True)
class _Refusals:
    """How often an export was refused while others were answered; `answers`: how many there were at the last time."""

    count: int = 0
    answers: int = -1


@dataclass(slots=True, kw_only=True)
class Throttle:
    """Lets requests through while there is time and nothing speaks against it.

    `time_left` says how many seconds may still be spent on asking; `clock` counts seconds, `sleep` spends them.
    With `waits` false a rate limit ends the asking instead of pausing it. `lowest_remaining`: the lowest
    X-RateLimit-Remaining of all answers. `closed`: why nothing may be asked for at all; None while something may.
    """

    time_left: Callable[[], float]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    waits: bool
    lowest_remaining: int | None = None
    closed: tuple[Problem, str] | None = None
    _closed_identities: dict[int | None, tuple[Problem, str]] = field(default_factory=dict)
    _opens_at: float = 0.0
    _pauses_in_a_row: int = 0
    _answers: int = 0
    _refusals: dict[Export, "_Refusals"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self, problem: Problem, detail: str, user_identity_id: int | None = None) -> None:
        """Lets nothing more through that has the same problem: all of an identity, everything, or nothing else."""
        if problem.scope is Scope.EVERYTHING or user_identity_id is None:
            self.closed = (problem, detail)
        elif problem.scope is Scope.IDENTITY:
            self._closed_identities[user_identity_id] = (problem, detail)

    def pause(self, seconds: float | None) -> None:
        """Lets nothing through for `seconds`; where WebAdMIT does not say how long, for longer each time in a row."""
        with self._lock:
            if seconds is None:
                if self.clock() < self._opens_at:
                    return  # another request in flight has met the same limit
                seconds = min(_PAUSE_WHEN_NOT_TOLD * 2**self._pauses_in_a_row, _LONGEST_PAUSE_WHEN_NOT_TOLD)
                self._pauses_in_a_row += 1
            self._opens_at = max(self._opens_at, self.clock() + max(seconds, _SHORTEST_PAUSE))

    def refuse(self, export: Export, seconds: float | None) -> None:
        """The start of an export met the rate limit (429): waits as `pause` does, for a limit of the key.

        Raises NotStarted where an export is refused three times while others are answered, or is the only one that is
        refused: then the limit is not the key's, and it must not hold the others up.
        """
        with self._lock:
            refusals = self._refusals.setdefault(export, _Refusals())
            if refusals.answers < self._answers or len(self._refusals) == 1:
                refusals.count += 1
            refusals.answers = self._answers
        if refusals.count == _MOST_REFUSALS:
            raise NotStarted(Problem.RATE_LIMITED)
        self.pause(seconds)

    def note_limit(self, rate_limit: RateLimit) -> None:
        """A request was answered: more may follow, unless that was the last for now."""
        with self._lock:
            self._answers += 1
        remaining = rate_limit.remaining
        if remaining is not None:
            lowest = self.lowest_remaining
            self.lowest_remaining = remaining if lowest is None else min(lowest, remaining)
        if remaining == 0:
            self.pause(None)
        else:
            self._pauses_in_a_row = 0

    def acquire(self, user_identity_id: int | None = None) -> None:
        """Returns when an export of that identity may be asked for; raises NotStarted where it may not."""
        while True:
            if closed := self.closed or self._closed_identities.get(user_identity_id):
                raise NotStarted(*closed)
            pause = self._opens_at - self.clock()
            if pause > 0 and (not self.waits or pause > self.time_left()):
                raise NotStarted(Problem.RATE_LIMITED)
            if self.time_left() <= 0:
                raise NotStarted(Problem.OUT_OF_TIME)
            if pause <= 0:
                return
            self.sleep(pause)
