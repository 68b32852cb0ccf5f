"""How many calls to WebAdMIT a sweep may make, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass

from webadmit_exports.webadmit.answers import RateLimit
from webadmit_exports.webadmit.client import LONGEST_CALL_SECONDS

SWEEPS_AN_HOUR = 12  # as ReconcileRunsFunction is scheduled in template.yaml
_SHARE = 1 / 8  # of the rate limit, which belongs to a key that others may use
_LEFT_TO_OTHERS = 1 / 4  # of the rate limit: when less remains, nothing more is asked
_RESERVE_SECONDS = LONGEST_CALL_SECONDS + 10  # for the call, and for what follows its answer


class BudgetSpent(Exception):
    """The share of the rate limit, or the time, is used up; what is left stays due."""


@dataclass(slots=True, kw_only=True)
class CallBudget:
    """`time_left`: the seconds of the invocation. The share is known once the first answer has told the rate limit."""

    time_left: Callable[[], float]
    calls: int = 0
    allowed: int | None = None
    remaining: int | None = None

    @property
    def has_time(self) -> bool:
        """Whether there is time for one more file."""
        return self.time_left() >= _RESERVE_SECONDS

    def check_time(self) -> None:
        """Raises BudgetSpent if there is no time for one more file."""
        if not self.has_time:
            raise BudgetSpent

    def take(self) -> None:
        """Counts a call that is about to be made; raises BudgetSpent if it may not be."""
        self.check_time()
        if self.allowed is not None and self.calls >= self.allowed:
            raise BudgetSpent
        self.calls += 1

    def note_limit(self, rate_limit: RateLimit) -> None:
        """Takes note of what an answer says of the limit."""
        self.remaining = rate_limit.remaining
        if rate_limit.limit is None:
            return
        self.allowed = max(1, int(rate_limit.limit * _SHARE / SWEEPS_AN_HOUR))
        if rate_limit.remaining is not None and rate_limit.remaining < rate_limit.limit * _LEFT_TO_OTHERS:
            self.allowed = 0
