"""What the key reaches, held against what is scheduled: what is gone, and what a new cycle brings."""

from collections.abc import Sequence

import pytest

from tests.fakes import WRITER, identity
from webadmit_exports.domain.identities import Identity, ListedExport, Listing, followed
from webadmit_exports.domain.ids import join_entries
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.operations.key_access import KeyAccess
from webadmit_exports.operations.setup_problem import SetupProblem

CHANGED = 'deploy webadmit-exports with "Exports=\'…\'" ("Deploy again" in docs/runbook.md)'


def listed(number: int, name: str = "", kind: str = "") -> ListedExport:
    return ListedExport(id=number, name=name, format=kind)


def reach(*identities: Identity, **exports: Sequence[ListedExport]) -> Listing:
    """`i1=[...]`: the exports of identity 1."""
    by_id = {int(name.removeprefix("i")): list(ones) for name, ones in exports.items()}
    by_number = {one.id: one for one in identities}
    return Listing(identities=by_number, followed=followed(identities, 2), exports=by_id)


def access(what: Listing, wanted: str) -> KeyAccess:
    return KeyAccess(what, parse_entries(wanted))


def problems(what: Listing, wanted: str) -> list[SetupProblem]:
    return list(access(what, wanted).problems(WRITER.commands))


# ── What is gone ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_scheduled_and_there_is_no_problem() -> None:
    assert problems(reach(identity(1), i1=[listed(10), listed(11)]), "1:10,1:11") == []


def test_an_identity_that_the_key_does_not_reach_is_told_once_with_all_its_exports() -> None:
    (problem,) = problems(reach(identity(1), i1=[listed(10)]), "2:20,1:10,2:21")

    assert problem.what == "The API key has no access to identity 2, which is scheduled (2:20,2:21)."
    assert problem.fix.startswith("have the owner of the key granted access in WebAdMIT, or take these out of")


def test_exports_that_an_identity_does_not_have_are_told_together() -> None:
    (problem,) = problems(reach(identity(1), i1=[listed(10)]), "1:10,1:11,1:12")

    assert problem.what == "Identity 1 has no such export: 1:11,1:12."
    assert problem.fix.endswith(f"in its place: {CHANGED}")


def test_an_export_of_another_identity_is_not_taken_for_it() -> None:
    found = problems(reach(identity(1), identity(2), i1=[listed(10)], i2=[listed(20)]), "1:20")

    assert [problem.what for problem in found] == ["Identity 1 has no such export: 1:20."]


def test_an_identity_whose_list_is_empty_has_no_such_export() -> None:
    assert len(problems(reach(identity(1), i1=[]), "1:10")) == 1


def test_an_identity_that_was_not_listed_is_not_said_to_lack_an_export() -> None:
    assert problems(reach(identity(1)), "1:10") == []


def test_each_identity_has_its_own_problem() -> None:
    found = problems(reach(identity(2), i2=[]), "1:10,2:20")

    assert ["identity 1," in found[0].what, "Identity 2 " in found[1].what] == [True, True]
    assert len(found) == 2


def test_where_nothing_is_scheduled_there_is_no_problem() -> None:
    assert problems(reach(identity(1, "2026"), identity(2, "2027"), i1=[listed(1)]), "") == []


# ── New cycles ──────────────────────────────────────────────────────────────────────────────────────────────────────

OLD, NEW = identity(1, "2025 - 2026"), identity(2, "2026 - 2027")


def test_a_new_cycle_is_told_with_the_pairs_of_the_same_names() -> None:
    exports = {"i1": [listed(10, "Nightly"), listed(11, "Weekly")], "i2": [listed(20, "Weekly"), listed(21, "Nightly")]}

    (problem,) = problems(reach(OLD, NEW, **exports), "1:10,1:11")

    assert problem.what == (
        "The cycle 2026 - 2027 has begun: identity 2 stands beside identity 1 of 2025 - 2026 (NursingCAS, School of"
        " Nursing, University of Examples)."
    )
    assert problem.fix == (
        "put the names of the exports into Exports in the place of 1:10,1:11: names need no change for a new cycle. Or"
        " put their pairs there (the exports of the same names there are 2:21,2:20). Then"
        f" {CHANGED}"
    )


def test_only_the_exports_that_are_scheduled_are_looked_for_in_the_new_cycle() -> None:
    exports = {"i1": [listed(10, "Nightly"), listed(11, "Weekly")], "i2": [listed(20, "Weekly"), listed(21, "Nightly")]}

    (problem,) = problems(reach(OLD, NEW, **exports), "1:10")

    assert "(the exports of the same names there are 2:21)" in problem.fix


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([listed(10, "Nightly")], [listed(20, "Weekly")]),
        ([listed(10, "Nightly")], []),
        ([listed(10, "")], [listed(20, "")]),
    ],
)
def test_a_new_cycle_without_an_export_of_that_name_is_told_all_the_same(
    old: list[ListedExport], new: list[ListedExport]
) -> None:
    (problem,) = problems(reach(OLD, NEW, i1=old, i2=new), "1:10")

    assert problem.what.startswith("The cycle 2026 - 2027 has begun: identity 2")
    assert "(no export there has the same name)" in problem.fix


def test_a_new_cycle_is_told_though_nothing_could_be_listed() -> None:
    (problem,) = problems(reach(OLD, NEW), "1:10")

    assert "(no export there has the same name)" in problem.fix


def test_of_several_new_cycles_the_newest_is_told() -> None:
    (problem,) = problems(reach(identity(3, "2028"), OLD, identity(4, "2029"), NEW), "1:10")

    assert problem.what.startswith("The cycle 2029 has begun: identity 4")


@pytest.mark.parametrize("wanted", ["1:10,2:99", "2:20,1:10"])
def test_a_new_cycle_of_which_something_is_scheduled_already_is_not_told(wanted: str) -> None:
    assert problems(reach(OLD, NEW, i1=[listed(10)], i2=[listed(20), listed(99)]), wanted) == []


def test_a_cycle_between_that_is_scheduled_does_not_hide_the_newest() -> None:
    oldest, newest = identity(3, "2024 - 2025"), identity(4, "2027 - 2028")

    found = problems(reach(oldest, OLD, newest), "3:30,1:10")

    assert [problem.what.partition(" stands")[0] for problem in found] == [
        "The cycle 2027 - 2028 has begun: identity 4"
    ]
    assert "in the place of 1:10: " in found[0].fix


@pytest.mark.parametrize(
    "other",
    [
        identity(2, "2026 - 2027", organization="School of Pharmacy"),
        Identity(
            id=2, association="PharmCAS", organization=NEW.organization, institution=NEW.institution, cycle=NEW.cycle
        ),
        Identity(id=2, association=NEW.association, organization=NEW.organization, institution="", cycle=NEW.cycle),
    ],
)
def test_a_new_cycle_of_another_program_is_not_told(other: Identity) -> None:
    assert problems(reach(OLD, other), "1:10") == []


@pytest.mark.parametrize(
    ("scheduled", "other"),
    [
        ("2026 - 2027", "2025 - 2026"),
        ("2026 - 2027", "2026 - 2027"),
        ("2026 - 2027", ""),
        ("2026 - 2027", "Fall"),
        ("", "2026 - 2027"),
        ("Fall", "2026 - 2027"),
        ("", ""),
    ],
)
def test_a_cycle_that_is_not_known_to_be_newer_is_not_told(scheduled: str, other: str) -> None:
    assert problems(reach(identity(1, scheduled), identity(2, other)), "1:10") == []


def test_a_program_without_a_name_is_called_so() -> None:
    nameless = [
        Identity(id=number, association="", organization="", institution="", cycle=cycle)
        for number, cycle in ((1, "2025"), (2, "2026"))
    ]

    (problem,) = problems(reach(*nameless), "1:10")

    assert problem.what.endswith("of 2025 (without a name).")


@pytest.mark.parametrize(
    ("cycle", "year"),
    [("2026 - 2027", 2026), ("2026-2027", 2026), ("Fall 2026", 2026), ("Cycle 26", 0), ("", 0), ("MD 2027 2028", 2027)],
)
def test_cycles_are_ordered_by_their_first_year(cycle: str, year: int) -> None:
    assert identity(1, cycle).year == year


# ── What people see ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_that_the_key_reaches_is_listed_with_what_is_scheduled_marked() -> None:
    there = reach(
        identity(1),
        Identity(id=2, association="", organization="", institution="", cycle=""),
        i1=[listed(10, "Nightly", "CSV"), listed(11, "Weekly"), listed(12, "", "PDF")],
        i2=[listed(10)],
    )

    assert access(there, "1:10,1:12,3:30").lines() == [
        "Identities and exports that the key reaches (identity:export):",
        "  1  NursingCAS, School of Nursing, University of Examples, 2026 - 2027",
        "    1:10  Nightly (CSV)  scheduled",
        "    1:11  Weekly",
        "    1:12  without a name (PDF)  scheduled",
        "  2  without a name",
        "    2:10  without a name",
    ]


def test_an_identity_that_was_not_listed_is_told_apart_from_one_without_exports() -> None:
    lines = access(reach(identity(1, "2026"), identity(2, "2026"), i1=[]), "").lines()

    assert [line for line in lines if line.startswith("    ")] == ["    (not listed: there was no time left)"]
    assert lines[-1] == "    (not listed: there was no time left)"
    assert lines[-2].startswith("  2  ")


def test_pairs_are_written_as_the_parameter_takes_them() -> None:
    there = reach(identity(1), identity(2), i1=[listed(10), listed(11)], i2=[listed(10)])

    assert join_entries(access(there, "").pairs()) == "1:10,1:11,2:10"


def test_a_problem_says_what_is_wrong_and_then_what_to_do() -> None:
    assert str(SetupProblem(what="The key is gone.", fix="store it")) == "The key is gone. What to do: store it"
