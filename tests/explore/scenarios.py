"""What is explored: in a minute for each change, in ten minutes by `make explore`."""

from dataclasses import dataclass, field

from tests.explore.engine import Explorer, Model, Result
from tests.explore.runs import Runs


@dataclass(frozen=True)
class Scenario:
    """`ticks`: the minutes that may pass at once; a lease ends after 2, WebAdMIT is asked after 5, late is after 240."""

    name: str
    model: Model
    ticks: tuple[int, ...] = (3,)
    most_seconds: float = 120
    most_states: int = 5_000_000

    def explore(self) -> Result:
        return Explorer(self.model, self.ticks).explore(most_states=self.most_states, most_seconds=self.most_seconds)
