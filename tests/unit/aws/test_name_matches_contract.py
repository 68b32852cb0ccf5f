"""What is known of names: kept alike by DynamoDB, with the template's own schema, and by the fake of the unit tests."""

import pytest

from tests.fakes import NIGHT, FakeNameMatches, after, identity
from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Matches, NamePattern

Kept = NameMatches | FakeNameMatches
NAME = NamePattern(text="Slate nightly*")


@pytest.fixture(params=["DynamoDB", "fake"])
def kept(request: pytest.FixtureRequest) -> Kept:
    return FakeNameMatches() if request.param == "fake" else request.getfixturevalue("moto_matches")


def found(*pairs: str, unlisted: tuple[int, ...] = ()) -> Matches:
    exports = [Export(user_identity_id=int(pair.split(":")[0]), export_id=int(pair.split(":")[1])) for pair in pairs]
    return Matches(
        exports={export: f"Slate nightly, {export.export_id}" for export in exports},
        identities={number: identity(number) for number in {*(e.user_identity_id for e in exports), *unlisted}},
        unlisted=frozenset(unlisted),
    )


def only(kept: Kept) -> Matches:
    ((scheduled_for, one),) = kept.before(NAME, after(seconds=1))
    assert scheduled_for == NIGHT
    return one


def test_what_was_found_comes_back(kept: Kept) -> None:
    assert kept.add(NAME, NIGHT, found("1:10", "2:20", unlisted=(3,)))

    assert only(kept) == found("1:10", "2:20", unlisted=(3,))


def test_adding_twice_changes_nothing(kept: Kept) -> None:
    kept.add(NAME, NIGHT, found("1:10", unlisted=(3,)))
    kept.add(NAME, NIGHT, found("1:10", unlisted=(3,)))

    assert only(kept) == found("1:10", unlisted=(3,))


def test_what_was_found_later_is_added_and_its_identity_is_listed_then(kept: Kept) -> None:
    kept.add(NAME, NIGHT, found("1:10", unlisted=(3, 4)))
    assert kept.add(NAME.within(3), NIGHT, found("3:30"))

    assert only(kept).exports == found("1:10", "3:30").exports
    assert only(kept).unlisted == {4}


def test_each_try_may_list_others(kept: Kept) -> None:
    kept.add(NAME, NIGHT, found(unlisted=(1, 2, 3)))
    assert kept.add(NAME, NIGHT, found("1:10", unlisted=(2, 3)))
    kept.add(NAME, NIGHT, found("2:20", unlisted=(1, 3)))

    assert only(kept) == found("1:10", "2:20", unlisted=(3,))


def test_where_nothing_matches_that_is_known(kept: Kept) -> None:
    nothing = Matches(exports={}, identities={1: identity(1, "Zoë's cycle")})

    assert not kept.add(NAME, NIGHT, nothing)

    assert only(kept) == nothing


def test_where_nothing_was_reached_that_is_known(kept: Kept) -> None:
    assert not kept.add(NAME, NIGHT, Matches(exports={}, identities={}))

    assert only(kept) == Matches(exports={}, identities={})


def test_one_identity_without_a_match_is_told_from_a_name_without_any(kept: Kept) -> None:
    nothing = Matches(exports={}, identities={3: identity(3)})
    kept.add(NAME, NIGHT, found("1:10", unlisted=(3,)))

    assert kept.add(NAME.within(3), NIGHT, nothing)

    assert only(kept).unlisted == frozenset()


def test_times_come_newest_first_and_names_are_kept_apart(kept: Kept) -> None:
    for days in range(-30, 1):
        kept.add(NAME, after(days=days), found(f"1:{100 + days}"))
    kept.add(NamePattern(text="Banner"), NIGHT, found("1:9"))

    times = [scheduled_for for scheduled_for, _ in kept.before(NAME, NIGHT)]

    assert times == [after(days=days) for days in range(-1, -31, -1)]


def test_nothing_is_known_of_a_name_that_was_never_looked_up(kept: Kept) -> None:
    assert list(kept.before(NAME, NIGHT)) == []


def test_a_thousand_exports_of_three_hundred_identities_fit(kept: Kept) -> None:
    pairs = [f"{37000 + number % 300}:{86000 + number}" for number in range(1000)]

    kept.add(NAME, NIGHT, found(*pairs))

    assert len(only(kept).exports) == 1000


def test_it_goes_by_itself_after_a_hundred_days(moto_matches: NameMatches) -> None:
    moto_matches.add(NAME, NIGHT, found("1:10"))

    (item,) = moto_matches._client.scan(TableName="matches")["Items"]

    assert int(item["expires_at"]["N"]) == after(days=100).timestamp()
