"""Watches a download: whether the file is too large, or too slow for the time that is left."""

from collections.abc import Callable
from dataclasses import dataclass, field

from webadmit_exports.messages.problems import Problem

_MEASURED_SECONDS = 3.0  # of a download, before its rate counts


class NotArchived(Exception):
    """The file is not archived now; see ArchiveAlert for the parts."""

    def __init__(
        self, problem: Problem, detail: str = "", *, size: int | None = None, rate: float | None = None
    ) -> None:
        super().__init__(problem.headline)
        self.problem = problem
        self.detail = detail
        self.size = size
        self.rate = rate


@dataclass(slots=True, kw_only=True)
class DownloadLimits:
    """Looks at a download while it passes; `largest` in bytes, `time_left` and `whole_time` in seconds.

    `whole_time` is what a fresh invocation would have.
    """

    size: int | None
    largest: int
    time_left: Callable[[], float]
    whole_time: float
    clock: Callable[[], float]
    received: int = 0
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        if self.size is not None and self.size > self.largest:
            raise NotArchived(Problem.TOO_LARGE, size=self.size)

    @property
    def rate(self) -> float:
        """Bytes a second, so far."""
        return self.received / max(self.clock() - self._began, 0.001)

    def take(self, chunk: bytes) -> None:
        """Raises NotArchived where the file is too large, or will not come within the time."""
        self.received += len(chunk)
        if self.received > self.largest:
            raise NotArchived(Problem.TOO_LARGE, size=self.received)
        if self.clock() - self._began < _MEASURED_SECONDS:
            return
        size, rate = self.size or self.received, self.rate
        if (size - self.received) / rate <= self.time_left():
            return
        if self.size is not None and size / rate <= self.whole_time:
            raise NotArchived(Problem.STORAGE_UNAVAILABLE, "no time was left for another try")
        raise NotArchived(Problem.TOO_SLOW, size=size, rate=rate)
