from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from webadmit_exports.domain.ids import Export
from webadmit_exports.messages.problems import Problem
from webadmit_exports.runs.throttle import NotStarted, Throttle
from webadmit_exports.webadmit.answers import RateLimit

IDENTITY = 37442


@dataclass
class Seconds:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def gate_with(seconds: Seconds, *, time: float = 200, waits: bool = True) -> Throttle:
    end = seconds.now + time
    return Throttle(time_left=lambda: end - seconds.now, clock=seconds.clock, sleep=seconds.sleep, waits=waits)


def refused(throttle: Throttle, identity: int = IDENTITY) -> Problem:
    with pytest.raises(NotStarted) as why:
        throttle.acquire(identity)
    return why.value.problem


def test_an_open_gate_lets_through_at_once() -> None:
    seconds = Seconds()

    gate_with(seconds).acquire(IDENTITY)

    assert seconds.slept == []


def test_a_refused_key_closes_the_gate_for_all() -> None:
    throttle = gate_with(Seconds())

    throttle.close(Problem.API_KEY_REFUSED, "")

    assert refused(throttle) is Problem.API_KEY_REFUSED
    assert refused(throttle, 1) is Problem.API_KEY_REFUSED


def test_a_refused_identity_closes_it_for_its_own_exports_only() -> None:
    throttle = gate_with(Seconds())

    throttle.close(Problem.ACCESS_REFUSED, "no access", IDENTITY)

    assert refused(throttle) is Problem.ACCESS_REFUSED
    throttle.acquire(1)


def test_the_lowest_that_was_left_of_the_rate_limit_is_remembered() -> None:
    throttle = gate_with(Seconds())

    for remaining in (20, 10, None, 15):
        throttle.note_limit(RateLimit(remaining=remaining))

    assert throttle.lowest_remaining == 10


def test_a_pause_is_waited_for() -> None:
    seconds = Seconds()
    throttle = gate_with(seconds)

    throttle.pause(30)
    throttle.acquire(IDENTITY)

    assert seconds.slept == [30]


def test_a_pause_that_is_longer_than_the_time_left_is_not_waited_for() -> None:
    seconds = Seconds()
    throttle = gate_with(seconds, time=29)

    throttle.pause(30)

    assert refused(throttle) is Problem.RATE_LIMITED
    assert seconds.slept == []


def test_who_does_not_wait_is_refused_even_after_the_shortest_pause() -> None:
    throttle = gate_with(Seconds(), waits=False)

    throttle.pause(0)

    assert refused(throttle) is Problem.RATE_LIMITED


def test_without_a_word_from_webadmit_pauses_grow_and_end_when_it_goes_well() -> None:
    seconds = Seconds()
    throttle = gate_with(seconds, time=1000)

    for _ in range(6):
        throttle.pause(None)
        throttle.acquire(IDENTITY)
    throttle.note_limit(RateLimit(limit=5000, remaining=4000))
    throttle.pause(None)
    throttle.acquire(IDENTITY)

    assert seconds.slept == [5, 10, 20, 40, 60, 60, 5]


def test_requests_in_flight_that_meet_the_same_limit_make_one_pause() -> None:
    seconds = Seconds()
    throttle = gate_with(seconds)

    for _ in range(16):
        throttle.pause(None)
    throttle.acquire(IDENTITY)

    assert seconds.slept == [5]


def test_when_the_time_is_up_nothing_more_is_asked_for() -> None:
    assert refused(gate_with(Seconds(), time=0)) is Problem.OUT_OF_TIME


# ── One export, or the whole key? ───────────────────────────────────────────────────────────────────────────────────


def start_all(
    throttle: Throttle, exports: list[Export], is_refused: Callable[[Export], float | bool | None]
) -> list[Export]:
    """Sixteen at once, as workers do; returns those that are deferred. `is_refused`: False, or the Retry-After."""
    waiting, deferred = list(exports), []
    while waiting:
        at_once, waiting = waiting[:16], waiting[16:]
        throttle.acquire()
        for export in at_once:
            retry_after = is_refused(export)
            if retry_after is False:
                throttle.note_limit(RateLimit())
                continue
            try:
                throttle.refuse(export, retry_after)
            except NotStarted:
                deferred.append(export)
            else:
                waiting.insert(0, export)
    return deferred


EXPORTS = [Export(user_identity_id=1, export_id=number) for number in range(1, 41)]


@pytest.mark.parametrize("retry_after", [None, 1, 10, 45])
@pytest.mark.parametrize("answered_first", [0, 1, 20])
def test_forty_exports_behind_a_limit_of_the_key_all_start(retry_after: float | None, answered_first: int) -> None:
    seconds, asked = Seconds(), 0
    throttle, until = gate_with(seconds), seconds.now + 45

    def is_refused(_: Export) -> float | bool | None:
        nonlocal asked
        asked += 1
        return False if asked <= answered_first or seconds.now >= until else retry_after

    assert start_all(throttle, EXPORTS, is_refused) == []


@pytest.mark.parametrize("retry_after", [None, 1, 30])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_an_export_that_is_always_refused_holds_the_others_up_three_times_at_most(
    count: int, retry_after: float | None
) -> None:
    seconds = Seconds()
    began, refusals = seconds.now, 0

    def is_refused(export: Export) -> float | bool | None:
        nonlocal refusals
        refusals += export == EXPORTS[0]
        return retry_after if export == EXPORTS[0] else False

    assert start_all(gate_with(seconds), EXPORTS[:count], is_refused) == EXPORTS[:1]
    assert refusals == 3
    assert seconds.now - began <= 60
