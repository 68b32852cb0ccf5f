"""What a name stands for: which names match, in which identities, and what comes near where none does."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import identity
from tests.sandbox import template
from webadmit_exports.domain.identities import Identity, ListedExport, Listing, followed
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import NamePattern, match_name, startable
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.errors import InvalidInput, Unavailable


def name(text: str) -> NamePattern:
    (entry,) = parse_entries(text)
    assert isinstance(entry, NamePattern)
    return entry


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pairs_and_names_stand_in_one_list() -> None:
    assert parse_entries("37442:86446,Slate nightly*,2026") == (
        Export(user_identity_id=37442, export_id=86446),
        NamePattern(text="Slate nightly*"),
        NamePattern(text="2026"),
    )


def test_a_name_in_one_identity_is_written_and_read() -> None:
    one = NamePattern(text="2026", user_identity_id=37442)

    assert str(one) == "2026@37442"
    assert parse_entries("2026@37442") == (one,) == (name("2026").within(37442),)


@pytest.mark.parametrize(
    ("text", "part", "why"),
    [
        ('Banner,Slate "x"', "'Slate \"x\"'", "with '\"' in it"),
        ("Slate\\x", "'Slate\\\\x'", "with '\\\\' in it"),
        ("<Slate>", "'<Slate>'", "with '<' in it"),
        ("Sl\x07ate", "'Sl\\x07ate'", "with 'U+0007' in it"),
        ("Sl\u200bate", "'Sl\\u200bate'", "with 'U+200B' in it"),
        ("Slate,,Banner", "''", "which is empty"),
        ("Slate,", "''", "which is empty"),
        ("Slate, Banner", "' Banner'", "with a blank before or after it"),
        ("Slate@x", "'Slate@x'", "with '@' in it"),
        ("@37442", "'@37442'", "which is empty"),
        ("37442:Slate", "'37442:Slate'", "with ':' in it"),
        ("x" * 201, f"'{'x' * 60}'", "with more than 200 characters"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_and_the_bad_part_named(text: str, part: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_entries(text)

    assert f'"exports" has the part {part}, {why}' in str(refused.value)


def test_deploy_time_and_handler_refuse_the_same_signs() -> None:
    pattern = re.compile(template.source()["Parameters"]["Exports"]["AllowedPattern"])

    for number in range(sys.maxunicode + 1):
        text = f"a{chr(number)}b"
        is_one = chr(number) != ","  # a comma makes two entries
        assert bool(pattern.fullmatch(text)) == (not is_one or _is_read(text)), hex(number)


@given(st.text('1:,*@ aé"\\', max_size=12))
def test_deploy_time_and_handler_refuse_the_same_lists(text: str) -> None:
    pattern = template.source()["Parameters"]["Exports"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, text)) == (_is_read(text) and "@" not in text)


def _is_read(text: str) -> bool:
    try:
        parse_entries(text)
    except InvalidInput:
        return False
    return True


# ── Matching ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "export"),
    [
        ("Slate nightly", "Slate nightly"),
        ("slate NIGHTLY", "Slate Nightly"),
        ("Slate nightly*", "Slate nightly"),
        ("Slate nightly*", "Slate nightly, new since yesterday"),
        ("*nightly", "Slate nightly"),
        ("S*n*y", "Slate nightly"),
        ("Slate* *all* verified", "Slate, [all] verified"),
        ("Étudiants", "e\u0301tudiants"),
        ("STRASSE", "Straße"),
        ("Slate  nightly", "Slate nightly"),
    ],
)
def test_a_name_matches_in_any_case_and_a_star_is_any_text(entry: str, export: str) -> None:
    assert name(entry).matches(export)


@pytest.mark.parametrize(
    ("entry", "export"),
    [
        ("Slate", "Slate nightly"),
        ("nightly", "Slate nightly"),
        ("Slate nightly*", "A Slate nightly"),
        ("Slate.nightly", "Slate nightly"),
        ("Slate (x)", "Slate x"),
        ("Étudiants", "Etudiants"),
        ("Slate", ""),
    ],
)
def test_only_whole_names_match(entry: str, export: str) -> None:
    assert not name(entry).matches(export)


@given(st.text("ab*", min_size=1, max_size=40), st.text("ab", max_size=200))
def test_matching_has_a_bounded_cost_and_means_what_a_star_means(entry: str, export: str) -> None:
    pattern = "".join(".*" if sign == "*" else sign for sign in re.sub(r"\*+", "*", entry))

    if pattern.count(".*") < 4:  # the engine of this very check is what has no bounded cost
        assert name(entry).matches(export) == bool(re.fullmatch(pattern, export))
    else:
        name(entry).matches(export * 5)


def listing(*identities: Identity, **exports: list[str]) -> Listing:
    """`i1=[...]`: the names in identity 1; their ids are 10, 11 and so on."""
    listed = {
        int(key[1:]): [ListedExport(id=int(key[1:]) * 10 + n, name=text, format="CSV") for n, text in enumerate(names)]
        for key, names in exports.items()
    }
    unlisted = {one.id: Unavailable("/", "HTTP 503") for one in identities if one.id not in listed}
    return Listing({one.id: one for one in identities}, followed(identities, 2), listed, dict(unlisted))


def test_a_name_stands_for_every_export_of_that_name_twice_in_one_identity_too() -> None:
    one, two = identity(1), identity(2, organization="School of Pharmacy")
    there = listing(one, two, i1=["Slate", "Banner", "slate"], i2=["Slate"])

    found = match_name(name("Slate"), there)

    assert {str(export): text for export, text in found.exports.items()} == {
        "1:10": "Slate",
        "1:12": "slate",
        "2:20": "Slate",
    }
    assert found.identities == {1: one, 2: two}
    assert found.unlisted == frozenset()


def test_what_could_not_be_listed_is_told_apart_from_what_has_no_match() -> None:
    one, two = identity(1), identity(2)

    found = match_name(name("Slate"), listing(one, two, i1=["Banner"]))

    assert (found.exports, found.unlisted) == ({}, frozenset({2}))


def test_a_name_in_one_identity_looks_there_only_also_where_that_is_followed_no_longer() -> None:
    one, two, new = identity(1, "2023"), identity(2, "2025"), identity(3, "2026")

    found = match_name(name("Slate").within(1), listing(one, two, new, i1=["Slate"], i2=["Slate"]))

    assert list(map(str, found.exports)) == ["1:10"]
    assert found.identities == {1: one}


def test_a_name_in_an_identity_that_the_key_has_lost_is_not_known() -> None:
    found = match_name(name("Slate").within(9), listing())

    assert (found.exports, found.identities, found.unlisted) == ({}, {9: Identity(id=9)}, frozenset({9}))


def test_the_nearest_names_are_suggested_the_nearest_first() -> None:
    one = identity(1)
    there = listing(one, i1=["Banner weekly", "Slate Nightly v2", "Slate nightly old copy", ""])

    assert match_name(name("Slate nightly"), there).near[0] == "Slate Nightly v2"
    assert match_name(name("*Slate nightli*"), there).near[0] == "Slate Nightly v2"
    assert match_name(name("Zebra"), there).near == []
    assert match_name(name("Baner*"), there).near == ["Banner weekly"]
    assert match_name(name("Banner*"), there).near == ()


def test_what_is_suggested_can_be_listed() -> None:
    one = identity(1)
    there = listing(one, i1=['Slate "nightly", [all]'])

    (near,) = match_name(name("Slate nightly"), there).near

    assert near == "Slate *nightly* *all*"
    assert name(near).matches('Slate "nightly", [all]')


@pytest.mark.parametrize(("count", "started"), [(0, 0), (1, 1), (1000, 1000), (1001, 0)])
def test_more_than_a_thousand_of_one_program_are_too_many(count: int, started: int) -> None:
    one = identity(1)
    there = listing(one, i1=["Slate"] * count)

    chosen = startable(name("Slate"), match_name(name("Slate"), there))

    assert (len(chosen.exports), sum(chosen.refused.values())) == (started, count - started)


@pytest.mark.parametrize("text", ["*", "**"])
def test_a_name_of_everything_is_not_meant(text: str) -> None:
    one = identity(1)

    assert not startable(name(text), match_name(name(text), listing(one, i1=["Slate x"]))).exports


# ── Cycles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def ids(cycles: int, *identities: Identity) -> list[int]:
    return [one.id for one in followed(identities, cycles)]


def test_the_newest_cycles_of_each_program_are_followed() -> None:
    nursing = [identity(1, "2024 - 2025"), identity(3, "2026 - 2027"), identity(2, "2025 - 2026")]
    pharmacy = [identity(4, "2020 - 2021", "School of Pharmacy"), identity(5, "2019 - 2020", "School of Pharmacy")]

    assert ids(1, *nursing, *pharmacy) == [3, 4]
    assert ids(2, *nursing, *pharmacy) == [3, 2, 4, 5]
    assert ids(9, *nursing, *pharmacy) == [1, 3, 2, 4, 5]


def test_two_identities_of_one_program_and_cycle_are_both_followed() -> None:
    assert ids(1, identity(1, "2026 - 2027"), identity(2, "2026 - 2027"), identity(3, "2025 - 2026")) == [1, 2]


@pytest.mark.parametrize("cycle", ["", "Rolling admission", "Cycle 26"])
def test_an_identity_whose_cycle_has_no_year_is_followed_and_takes_no_cycle_s_place(cycle: str) -> None:
    assert ids(1, identity(1, cycle), identity(2, "2026"), identity(3, "2025")) == [1, 2]


def test_without_identities_none_is_followed() -> None:
    assert ids(2) == []
