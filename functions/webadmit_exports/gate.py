"""What one export's refusal means for those that have not been asked for yet. Shared by the workers of one start."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .messages import Cause
from .webadmit import RateLimit

_SHORTEST_WAIT = 1.0
_WAIT_WHEN_NOT_TOLD = 5.0
_LONGEST_WAIT_WHEN_NOT_TOLD = 60.0


class NotStarted(Exception):
    """An export is not started now; `gives_up` says that trying again would not help."""

    def __init__(self, cause: Cause, words: str = "", *, gives_up: bool = False) -> None:
        super().__init__(cause.sentence)
        self.cause = cause
        self.words = words
        self.gives_up = gives_up


@dataclass(slots=True, kw_only=True)
class Gate:
    """Lets requests through while there is time and nothing speaks against it.

    `time_left` says how many seconds may still be spent on asking; `clock` counts seconds, `sleep` spends them.
    With `waits` false a rate limit ends the asking instead of pausing it. `lowest_remaining`: what answers told of it.
    """

    time_left: Callable[[], float]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    waits: bool
    lowest_remaining: int | None = None
    _closed: tuple[Cause, str] | None = None
    _closed_identities: dict[int, str] = field(default_factory=dict)
    _opens_at: float = 0.0
    _waits_in_a_row: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self, cause: Cause, words: str = "") -> None:
        """Nothing more is asked for."""
        self._closed = (cause, words)

    @property
    def is_closed(self) -> bool:
        """Whether nothing may be asked for at all."""
        return self._closed is not None

    def close_identity(self, user_identity_id: int, words: str) -> None:
        """Nothing more is asked for under that identity."""
        self._closed_identities[user_identity_id] = words

    def pause(self, seconds: float | None) -> None:
        """Nothing is asked for `seconds`; where WebAdMIT does not say how long, for longer each time in a row."""
        with self._lock:
            if seconds is None:
                if self.clock() < self._opens_at:
                    return  # another request in flight has met the same limit
                seconds = min(_WAIT_WHEN_NOT_TOLD * 2**self._waits_in_a_row, _LONGEST_WAIT_WHEN_NOT_TOLD)
                self._waits_in_a_row += 1
            self._opens_at = max(self._opens_at, self.clock() + max(seconds, _SHORTEST_WAIT))

    def learn(self, rate_limit: RateLimit) -> None:
        """A request was answered: more may follow, unless that was the last for now."""
        remaining = rate_limit.remaining
        if remaining is not None:
            self.lowest_remaining = (
                remaining if self.lowest_remaining is None else min(self.lowest_remaining, remaining)
            )
        if remaining == 0:
            self.pause(None)
        else:
            self._waits_in_a_row = 0

    def pass_through(self, user_identity_id: int) -> None:
        """Returns when an export of that identity may be asked for; raises NotStarted where it may not."""
        while True:
            if self._closed:
                raise NotStarted(*self._closed)
            if user_identity_id in self._closed_identities:
                raise NotStarted(Cause.ACCESS_REFUSED, self._closed_identities[user_identity_id])
            pause = self._opens_at - self.clock()
            if pause > 0 and (not self.waits or pause > self.time_left()):
                raise NotStarted(Cause.RATE_LIMITED)
            if self.time_left() <= 0:
                raise NotStarted(Cause.OUT_OF_TIME)
            if pause <= 0:
                return
            self.sleep(pause)
