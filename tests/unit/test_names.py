"""Names are worth a short wait and no more: faults, slow answers and old knowledge."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.fakes import EXPORT, NAMES, Clock
from webadmit_exports.errors import AccessRefused, ApiKeyRefused, RateLimited, RequestRefused, Unavailable
from webadmit_exports.keys import ApiKey
from webadmit_exports.model import Export, Names
from webadmit_exports.names import NameBook
from webadmit_exports.webadmit import Identity, ListedExport

KEY = ApiKey("0123456789abcdef0123456789abcdef")
OTHER = Export(user_identity_id=2, export_id=20)
PATIENCE = 60.0  # seconds after which a test that waits for a thread fails


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
class Seconds:
    """A clock that stands still until a test moves it."""

    now: float = 1000.0

    def clock(self) -> float:
        return self.now


@dataclass
class World:
    """A book of names, and all that it touches."""

    webadmit: FakeWebAdmit = field(default_factory=FakeWebAdmit)
    clock: Clock = field(default_factory=Clock)
    seconds: Seconds = field(default_factory=Seconds)

    def __post_init__(self) -> None:
        self.book = NameBook(self.webadmit, self.clock.now, self.seconds.clock)  # type: ignore[arg-type]

    def look_up(self, *exports: Export) -> None:
        """Looks up, and is patient: what is asked for after this waits for as long as a test may take."""
        self.seconds.now = 1000.0 + PATIENCE
        self.book.look_up(KEY, exports)
        self.seconds.now = 1000.0

    @property
    def times_asked(self) -> int:
        return self.webadmit.asked.count("identities")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """WebAdMIT answers when it is set; it is set in the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def held(gate: threading.Event) -> FakeWebAdmit:
    def before() -> None:
        assert gate.wait(PATIENCE)

    return FakeWebAdmit(before)


def test_names_are_found_with_cycle_and_organization() -> None:
    world = World()

    world.look_up(EXPORT)

    assert world.book.of(EXPORT) == NAMES


def test_what_webadmit_has_no_names_for_is_left_empty() -> None:
    world = World()

    world.look_up(EXPORT, OTHER)

    assert world.book.of(OTHER) == Names(organization="School of Pharmacy")
    assert world.book.of(Export(user_identity_id=37442, export_id=99999)) == Names()
    assert world.book.of(Export(user_identity_id=2, export_id=EXPORT.export_id)) == Names()


def test_only_the_identities_of_the_exports_are_asked_about() -> None:
    world = World()

    world.look_up(EXPORT, Export(user_identity_id=37442, export_id=86447))
    world.book.of(EXPORT)

    assert world.webadmit.asked[0] == "drop"
    assert sorted(world.webadmit.asked[1:]) == ["exports 37442", "identities"]


def test_before_anything_was_looked_up_there_are_no_names_and_nobody_waits() -> None:
    assert World().book.of(EXPORT) == Names()


# ── How often ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_are_asked_for_once_in_half_a_day() -> None:
    world = World()

    for _ in range(5):
        world.look_up(EXPORT)
        assert world.book.of(EXPORT) == NAMES
        world.clock.go_on(hours=2)

    assert world.times_asked == 1


def test_after_half_a_day_names_are_asked_for_again() -> None:
    world = World()
    world.look_up(EXPORT)
    world.book.of(EXPORT)
    world.webadmit.name = "Nursing, renamed"

    world.clock.go_on(hours=12, seconds=-1)
    world.look_up(EXPORT)
    assert world.book.of(EXPORT) == NAMES

    world.clock.go_on(seconds=1)
    world.look_up(EXPORT)
    assert world.book.of(EXPORT).export_name == "Nursing, renamed"
    assert world.times_asked == 2


def test_other_identities_are_asked_about_at_once() -> None:
    world = World()
    world.look_up(EXPORT)
    world.book.of(EXPORT)

    world.look_up(EXPORT, OTHER)

    assert world.book.of(OTHER).organization == "School of Pharmacy"
    assert world.book.of(EXPORT) == NAMES
    assert world.times_asked == 2


def test_fewer_identities_than_before_are_not_asked_about() -> None:
    world = World()
    world.look_up(EXPORT, OTHER)
    world.book.of(EXPORT)

    world.look_up(OTHER)
    world.look_up()

    assert world.book.of(OTHER).organization == "School of Pharmacy"
    assert world.times_asked == 1


def test_names_stay_known_when_others_are_asked_about() -> None:
    world = World()
    world.look_up(EXPORT)
    world.book.of(EXPORT)

    world.look_up(OTHER)
    world.book.of(OTHER)

    assert world.book.of(EXPORT) == NAMES


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
    assert world.book.of(EXPORT) == Names()

    world.webadmit.errors.clear()
    world.look_up(EXPORT)  # the next of the same list: not asked for each export that starts
    assert world.book.of(EXPORT) == Names()
    world.clock.go_on(minutes=10)
    world.look_up(EXPORT)
    assert world.book.of(EXPORT) == NAMES


def test_names_that_are_known_stay_known_when_webadmit_is_down() -> None:
    world = World()
    world.look_up(EXPORT)
    world.book.of(EXPORT)
    world.webadmit.errors["identities"] = Unavailable("/", "answered 503")

    world.clock.go_on(hours=13)
    world.look_up(EXPORT)

    assert world.book.of(EXPORT) == NAMES
    assert world.times_asked == 2


# ── Slow answers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_look_up_does_not_wait_for_its_answer(gate: threading.Event) -> None:
    world = World(held(gate))

    world.look_up(EXPORT)  # comes back, though WebAdMIT has not answered

    assert "identities" not in world.webadmit.asked


def test_an_answer_that_comes_too_late_is_not_waited_for(gate: threading.Event) -> None:
    world = World(held(gate))
    world.book.look_up(KEY, [EXPORT])

    world.seconds.now += 3
    assert world.book.of(EXPORT) == Names()

    world.seconds.now += 100
    assert world.book.of(EXPORT) == Names()


def test_the_wait_is_three_seconds_from_the_look_up_on_however_many_ask(gate: threading.Event) -> None:
    world = World(held(gate))
    waits: list[float] = []
    world.book.look_up(KEY, [EXPORT])
    world.book._done = Waits(waits)  # type: ignore[assignment]

    for seconds in (0.0, 1.0, 1.5, 2.0):
        world.seconds.now = 1000.0 + seconds
        world.book.of(EXPORT)

    assert waits == [3.0, 2.0, 1.5, 1.0]


@dataclass
class Waits:
    """In the place of an event: notes how long it would have been waited for."""

    waits: list[float]

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        return False


def test_who_asks_for_a_name_in_time_gets_it_when_the_answer_comes(gate: threading.Event) -> None:
    world = World(held(gate))
    found: list[Names] = []
    world.look_up(EXPORT)
    asking = threading.Thread(target=lambda: found.append(world.book.of(EXPORT)))
    asking.start()

    gate.set()
    asking.join(PATIENCE)

    assert found == [NAMES]


def test_names_that_came_too_late_are_there_for_the_next(gate: threading.Event) -> None:
    world = World(held(gate))
    world.book.look_up(KEY, [EXPORT])
    world.seconds.now += 3
    assert world.book.of(EXPORT) == Names()

    gate.set()
    world.seconds.now -= PATIENCE

    assert world.book.of(EXPORT) == NAMES


def test_a_second_look_up_does_not_ask_while_the_first_is_under_way(gate: threading.Event) -> None:
    world = World(held(gate))

    world.look_up(EXPORT)
    world.look_up(EXPORT)
    gate.set()

    assert world.book.of(EXPORT) == NAMES
    assert world.times_asked == 1
