"""Listing many identities: none keeps the others from it, and what would not help is not asked for."""

import threading
from collections.abc import Callable

import pytest

from tests.fakes import API_KEY, FakeWebAdmit, identity, stand_in
from webadmit_exports.domain.identities import Listing
from webadmit_exports.errors import (
    AccessRefused,
    ApiKeyRefused,
    RateLimited,
    RequestRefused,
    Unavailable,
    WebAdmitError,
)
from webadmit_exports.webadmit.listing import SIDE_BY_SIDE, Lister

DOWN = Unavailable("/", "HTTP 503")


def some(count: int) -> FakeWebAdmit:
    lists = FakeWebAdmit()
    for number in range(1, count + 1):
        lists.add(identity(number), f"Export of {number}")
    return lists


def read(lists: FakeWebAdmit, time_left: Callable[[], float] = lambda: 60.0) -> Listing:
    return lister(lists).list_chosen(API_KEY, lambda listing: list(listing.identities), time_left)


def lister(lists: FakeWebAdmit) -> Lister:
    return Lister(webadmit=stand_in(lists), followed_cycles=2)


def test_three_hundred_identities_take_three_hundred_and_one_calls() -> None:
    lists = some(300)

    found = read(lists)

    assert sorted(found.exports) == list(range(1, 301))
    assert found.exports[7][0].name == "Export of 7"
    assert len(lists.asked) == 301


def test_only_what_is_chosen_is_listed_and_every_identity_is_known() -> None:
    lists = some(3)

    found = lister(lists).list_chosen(API_KEY, lambda listing: list(listing.identities)[2:], lambda: 60.0)

    assert list(found.exports) == [3]
    assert list(found.identities) == [1, 2, 3]
    assert found.unlisted == {}


def test_lists_are_read_side_by_side() -> None:
    lists, together = some(SIDE_BY_SIDE), threading.Barrier(SIDE_BY_SIDE, timeout=20)
    lists.while_listing = together.wait  # comes through only where all wait there

    assert len(read(lists).exports) == SIDE_BY_SIDE


@pytest.mark.parametrize("error", [AccessRefused("/", "HTTP 403"), RequestRefused("/", "HTTP 404", status=404)])
def test_an_identity_that_is_refused_keeps_no_other_from_being_listed(error: WebAdmitError) -> None:
    lists = some(10)
    lists.errors["exports 4"] = [error]

    found = read(lists)

    assert found.unlisted == {4: error}
    assert len(found.exports) == 9
    assert lists.asked.count("exports 4") == 1


@pytest.mark.parametrize("what", ["identities", "exports 2"])
def test_no_usable_answer_is_asked_for_once_more(what: str) -> None:
    lists = some(3)
    lists.errors[what] = [DOWN]

    assert len(read(lists).exports) == 3
    assert lists.asked.count(what) == 2


def test_a_list_without_a_usable_answer_twice_is_given_up() -> None:
    lists = some(3)
    lists.errors["exports 2"] = [DOWN, DOWN, DOWN]

    found = read(lists)

    assert found.unlisted == {2: DOWN}
    assert lists.asked.count("exports 2") == 2


@pytest.mark.parametrize("error", [ApiKeyRefused("/", "HTTP 401"), RateLimited("/", "HTTP 429", retry_after=None)])
def test_once_the_key_is_refused_or_the_limit_used_up_nothing_more_is_asked_for(error: WebAdmitError) -> None:
    lists = some(100)
    for number in range(1, 101):
        lists.errors[f"exports {number}"] = [error]

    found = read(lists)

    assert set(found.unlisted.values()) == {error}
    assert len(found.unlisted) == 100
    assert len(lists.asked) <= 1 + SIDE_BY_SIDE


@pytest.mark.parametrize("errors", [[ApiKeyRefused("/", "HTTP 401")], [DOWN, DOWN]])
def test_where_identities_cannot_be_read_there_is_nothing(errors: list[Exception]) -> None:
    lists = some(1)
    lists.errors["identities"] = list(errors)

    with pytest.raises(WebAdmitError):
        read(lists)


def test_what_there_is_no_time_for_is_not_asked_for() -> None:
    lists = some(30)
    lists.longest_call_seconds = 20
    left = [60.0]
    lists.before = lambda _: left.__setitem__(0, left[0] - 5)

    found = read(lists, lambda: left[0])

    assert 0 < len(found.exports) < 30
    assert set(found.unlisted.values()) == {None}
    assert len(found.exports) + len(found.unlisted) == 30


def test_without_time_there_is_no_second_attempt() -> None:
    lists = some(1)
    lists.errors["identities"] = [DOWN]

    with pytest.raises(Unavailable):
        read(lists, lambda: 5.0)

    assert lists.asked == ["identities"]
