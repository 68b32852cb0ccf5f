"""Labels are worth a short wait and no more: faults, slow answers and old knowledge."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.fakes import EXPORT, LABELS, Clock, stand_in
from webadmit_exports.domain.export_file import Labels
from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import AccessRefused, ApiKeyRefused, RateLimited, RequestRefused, Unavailable
from webadmit_exports.runs.label_cache import LabelCache
from webadmit_exports.webadmit.api_key import ApiKey

KEY = ApiKey("0123456789abcdef0123456789abcdef")
OTHER = Export(user_identity_id=2, export_id=20)


def nothing() -> None:
    pass


@dataclass
class FakeWebAdmit:
    """Knows two identities with an export each. `before`: what happens before the identities are told."""

    before: Callable[[], None] = nothing
    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    name: str = "Nursing applicants"

    def drop_connections(self) -> None:
        self.asked.append("drop")

    def identities(self, key: ApiKey) -> list[Identity]:
        assert key == KEY
        self.before()
        self._asked("identities")
        return [
            Identity(
                id=37442,
                association="NursingCAS",
                organization="School of Nursing",
                institution="University of Examples",
                cycle="2026 - 2027",
            ),
            Identity(id=2, association="", organization="School of Pharmacy", institution="", cycle=""),
        ]

    def exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        assert key == KEY
        self._asked(f"exports {user_identity_id}")
        known = {
            37442: [
                ListedExport(id=86447, name="Weekly", format="PDF"),
                ListedExport(id=86446, name=self.name, format="CSV"),
            ],
            2: [ListedExport(id=20, name="", format="CSV")],
        }
        return known[user_identity_id]

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if what in self.errors:
            raise self.errors[what]


@dataclass
class World:
    """The names, and all that they touch. `timeout`: for a look-up, in seconds."""

    webadmit: FakeWebAdmit = field(default_factory=FakeWebAdmit)
    clock: Clock = field(default_factory=Clock)
    timeout: float = 60.0

    def __post_init__(self) -> None:
        self.labels = LabelCache(stand_in(self.webadmit), self.clock.now, self.timeout)

    def look_up(self, *exports: Export) -> None:
        self.labels.look_up(KEY, exports)

    @property
    def times_asked(self) -> int:
        return self.webadmit.asked.count("identities")


def test_names_are_found_with_cycle_and_organization() -> None:
    world = World()

    world.look_up(EXPORT)

    assert world.labels.of(EXPORT) == LABELS


def test_what_webadmit_has_no_names_for_is_left_empty() -> None:
    world = World()

    world.look_up(EXPORT, OTHER)

    assert world.labels.of(OTHER) == Labels(organization="School of Pharmacy")
    assert world.labels.of(Export(user_identity_id=37442, export_id=99999)) == Labels()
    assert world.labels.of(Export(user_identity_id=2, export_id=EXPORT.export_id)) == Labels()


def test_only_the_identities_of_the_exports_are_asked_about() -> None:
    world = World()

    world.look_up(EXPORT, Export(user_identity_id=37442, export_id=86447))

    assert world.webadmit.asked[0] == "drop"
    assert sorted(world.webadmit.asked[1:]) == ["exports 37442", "identities"]


def test_before_anything_was_looked_up_there_are_no_names() -> None:
    assert World().labels.of(EXPORT) == Labels()


# ── How often ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_are_asked_for_once_in_half_a_day() -> None:
    world = World()

    for _ in range(5):
        world.look_up(EXPORT)
        assert world.labels.of(EXPORT) == LABELS
        world.clock.go_on(hours=2)

    assert world.times_asked == 1


def test_after_half_a_day_names_are_asked_for_again() -> None:
    world = World()
    world.look_up(EXPORT)
    world.webadmit.name = "Nursing, renamed"

    world.clock.go_on(hours=12, seconds=-1)
    world.look_up(EXPORT)
    assert world.labels.of(EXPORT) == LABELS

    world.clock.go_on(seconds=1)
    world.look_up(EXPORT)
    assert world.labels.of(EXPORT).export_name == "Nursing, renamed"
    assert world.times_asked == 2


def test_other_identities_are_asked_about_at_once() -> None:
    world = World()
    world.look_up(EXPORT)

    world.look_up(EXPORT, OTHER)

    assert world.labels.of(OTHER).organization == "School of Pharmacy"
    assert world.labels.of(EXPORT) == LABELS
    assert world.times_asked == 2


def test_fewer_identities_than_before_are_not_asked_about() -> None:
    world = World()
    world.look_up(EXPORT, OTHER)

    world.look_up(OTHER)
    world.look_up()

    assert world.labels.of(OTHER).organization == "School of Pharmacy"
    assert world.times_asked == 1


def test_names_stay_known_when_others_are_asked_about() -> None:
    world = World()
    world.look_up(EXPORT)

    world.look_up(OTHER)

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
    world = World(FakeWebAdmit(errors={call: error}))

    world.look_up(EXPORT)
    assert world.labels.of(EXPORT) == Labels()

    world.webadmit.errors.clear()
    world.look_up(EXPORT)  # the next of the same list: not asked for each export that starts
    assert world.labels.of(EXPORT) == Labels()
    world.clock.go_on(minutes=10)
    world.look_up(EXPORT)
    assert world.labels.of(EXPORT) == LABELS


def test_names_that_are_known_stay_known_when_webadmit_is_down() -> None:
    world = World()
    world.look_up(EXPORT)
    world.webadmit.errors["identities"] = Unavailable("/", "answered 503")

    world.clock.go_on(hours=13)
    world.look_up(EXPORT)

    assert world.labels.of(EXPORT) == LABELS
    assert world.times_asked == 2


# ── Slow answers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def held() -> Iterator[FakeWebAdmit]:
    """Lists no identities before the end of the test."""
    event = threading.Event()

    def before() -> None:
        assert event.wait(60)

    yield FakeWebAdmit(before)
    event.set()


def test_an_answer_that_comes_too_late_is_not_waited_for(held: FakeWebAdmit) -> None:
    world = World(held, timeout=0.0)

    world.look_up(EXPORT)  # comes back, though WebAdMIT has not answered

    assert world.labels.of(EXPORT) == Labels()
    assert "identities" not in world.webadmit.asked


def test_what_came_too_late_is_asked_for_again_after_ten_minutes(held: FakeWebAdmit) -> None:
    world = World(held, timeout=0.0)
    world.look_up(EXPORT)

    world.clock.go_on(minutes=10)
    world.look_up(EXPORT)

    assert world.webadmit.asked.count("drop") == 2
