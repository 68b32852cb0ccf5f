"""Labels are worth a short wait and no more: faults, slow answers and old knowledge."""

import threading
from collections.abc import Iterator

import pytest

from tests.fakes import API_KEY, EXPORT, LABELS, identity, stand_in
from tests.unit.world import World
from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.errors import AccessRefused, ApiKeyRefused, RateLimited, RequestRefused, Unavailable
from webadmit_exports.runs.label_cache import LabelCache

OTHER = Export(user_identity_id=2, export_id=20)


def labels_world(timeout: float = 60.0) -> World:
    """Two identities with exports, one of which has no names. `timeout`: of a look-up."""
    world = World()
    pharmacy = Identity(id=2, association="", organization="School of Pharmacy", institution="", cycle="")
    world.webadmit.known = [identity(37442), pharmacy]
    world.webadmit.listed = {
        37442: [
            ListedExport(id=86447, name="Weekly", format="PDF"),
            ListedExport(id=86446, name=LABELS.export_name, format="CSV"),
        ],
        2: [ListedExport(id=20, name="", format="CSV")],
    }
    world.labels = LabelCache(stand_in(world.webadmit), world.clock.now, timeout)
    return world


def look_up(world: World, *exports: Export) -> None:
    world.labels.look_up(API_KEY, exports)


def times_asked(world: World) -> int:
    return world.webadmit.asked.count("identities")


def test_names_are_found_with_cycle_and_organization() -> None:
    world = labels_world()

    look_up(world, EXPORT)

    assert world.labels.of(EXPORT) == LABELS


def test_what_webadmit_has_no_names_for_is_left_empty() -> None:
    world = labels_world()

    look_up(world, EXPORT, OTHER)

    assert world.labels.of(OTHER) == Labels(organization="School of Pharmacy")
    assert world.labels.of(Export(user_identity_id=37442, export_id=99999)) == Labels()
    assert world.labels.of(Export(user_identity_id=2, export_id=EXPORT.export_id)) == Labels()


def test_only_the_identities_of_the_exports_are_asked_about() -> None:
    world = labels_world()

    look_up(world, EXPORT, Export(user_identity_id=37442, export_id=86447))

    assert world.webadmit.dropped_before == [0]
    assert sorted(world.webadmit.asked) == ["exports 37442", "identities"]


def test_before_anything_was_looked_up_there_are_no_names() -> None:
    assert labels_world().labels.of(EXPORT) == Labels()


# ── How often ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_are_asked_for_once_in_half_a_day() -> None:
    world = labels_world()

    for _ in range(5):
        look_up(world, EXPORT)
        assert world.labels.of(EXPORT) == LABELS
        world.clock.go_on(hours=2)

    assert times_asked(world) == 1


def test_after_half_a_day_names_are_asked_for_again() -> None:
    world = labels_world()
    look_up(world, EXPORT)
    world.webadmit.listed[37442] = [ListedExport(id=86446, name="Nursing, renamed", format="CSV")]

    world.clock.go_on(hours=12, seconds=-1)
    look_up(world, EXPORT)
    assert world.labels.of(EXPORT) == LABELS

    world.clock.go_on(seconds=1)
    look_up(world, EXPORT)
    assert world.labels.of(EXPORT).export_name == "Nursing, renamed"
    assert times_asked(world) == 2


def test_other_identities_are_asked_about_at_once() -> None:
    world = labels_world()
    look_up(world, EXPORT)

    look_up(world, EXPORT, OTHER)

    assert world.labels.of(OTHER).organization == "School of Pharmacy"
    assert world.labels.of(EXPORT) == LABELS
    assert times_asked(world) == 2


def test_fewer_identities_than_before_are_not_asked_about() -> None:
    world = labels_world()
    look_up(world, EXPORT, OTHER)

    look_up(world, OTHER)
    look_up(world)

    assert world.labels.of(OTHER).organization == "School of Pharmacy"
    assert times_asked(world) == 1


def test_names_stay_known_when_others_are_asked_about() -> None:
    world = labels_world()
    look_up(world, EXPORT)

    look_up(world, OTHER)

    assert world.labels.of(EXPORT) == LABELS


# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("call", ["identities", "exports 37442"])
@pytest.mark.parametrize(
    "error",
    [
        Unavailable("/", "answered 503"),
        ApiKeyRefused("/", "answered 401"),
        AccessRefused("/", "answered 403"),
        RequestRefused("/", "answered 404", status=404),
        RateLimited("/", "answered 429", retry_after=None),
        KeyError("an error in the code"),
    ],
)
def test_where_names_cannot_be_had_they_are_empty_and_asked_for_again_ten_minutes_later(
    call: str, error: Exception
) -> None:
    world = labels_world()
    world.webadmit.errors[call] = error

    look_up(world, EXPORT)
    assert world.labels.of(EXPORT) == Labels()

    world.webadmit.errors.clear()
    look_up(world, EXPORT)  # the next of the same list: not asked for each export that starts
    assert world.labels.of(EXPORT) == Labels()
    world.clock.go_on(minutes=10)
    look_up(world, EXPORT)
    assert world.labels.of(EXPORT) == LABELS


def test_names_that_are_known_stay_known_when_webadmit_is_down() -> None:
    world = labels_world()
    look_up(world, EXPORT)
    world.webadmit.errors["identities"] = Unavailable("/", "answered 503")

    world.clock.go_on(hours=13)
    look_up(world, EXPORT)

    assert world.labels.of(EXPORT) == LABELS
    assert times_asked(world) == 2


# ── Slow answers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def slow_world() -> Iterator[World]:
    """A WebAdMIT that lists nothing before the end of the test, and nobody waits for it."""
    event, world = threading.Event(), labels_world(timeout=0.0)
    world.webadmit.before = lambda _: event.wait(60)
    yield world
    event.set()


def test_an_answer_that_comes_too_late_is_not_waited_for_and_asked_for_again_after_ten_minutes(
    slow_world: World,
) -> None:
    look_up(slow_world, EXPORT)  # comes back, though WebAdMIT has not answered
    assert slow_world.labels.of(EXPORT) == Labels()

    slow_world.clock.go_on(minutes=10)
    look_up(slow_world, EXPORT)

    assert len(slow_world.webadmit.dropped_before) == 2
