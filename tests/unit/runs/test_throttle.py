"""Pauses, and whose limit it is; what a closed gate does to starts is in test_start.py."""

from collections.abc import Callable

import pytest

from tests.unit.world import World, exports
from webadmit_exports.domain.ids import Export
from webadmit_exports.runs.throttle import NotStarted, Throttle
from webadmit_exports.webadmit.answers import RateLimit

EXPORTS = exports(40)


def throttle_of(world: World) -> Throttle:
    return Throttle(time_left=world.time_left(), clock=world.clock.seconds, sleep=world.sleep, waits=True)


def test_without_a_word_from_webadmit_pauses_grow_and_end_when_it_goes_well() -> None:
    world = World(timeout=1000)
    throttle = throttle_of(world)

    for _ in range(6):
        throttle.pause(None)
        throttle.acquire()
    throttle.note_limit(RateLimit(limit=5000, remaining=4000))
    throttle.pause(None)
    throttle.acquire()

    assert world.slept == [5, 10, 20, 40, 60, 60, 5]


def test_requests_in_flight_that_meet_the_same_limit_make_one_pause() -> None:
    world = World()
    throttle = throttle_of(world)

    for _ in range(16):
        throttle.pause(None)
    throttle.acquire()

    assert world.slept == [5]


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


@pytest.mark.parametrize("retry_after", [None, 1, 10, 45])
@pytest.mark.parametrize("answered_first", [0, 1, 20])
def test_forty_exports_behind_a_limit_of_the_key_all_start(retry_after: float | None, answered_first: int) -> None:
    world, asked = World(), 0
    until = world.clock.seconds() + 45

    def is_refused(_: Export) -> float | bool | None:
        nonlocal asked
        asked += 1
        return False if asked <= answered_first or world.clock.seconds() >= until else retry_after

    assert start_all(throttle_of(world), EXPORTS, is_refused) == []


@pytest.mark.parametrize("retry_after", [None, 1, 30])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_an_export_that_is_always_refused_holds_the_others_up_three_times_at_most(
    count: int, retry_after: float | None
) -> None:
    world, refusals = World(), 0

    def is_refused(export: Export) -> float | bool | None:
        nonlocal refusals
        refusals += export == EXPORTS[0]
        return retry_after if export == EXPORTS[0] else False

    assert start_all(throttle_of(world), EXPORTS[:count], is_refused) == EXPORTS[:1]
    assert refusals == 3
    assert sum(world.slept) <= 60
