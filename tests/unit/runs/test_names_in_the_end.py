"""After faults of every kind, each export that a name stands for starts once, under its first time."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import NIGHT, identity
from tests.unit.world import World
from webadmit_exports.aws.start_queue import Delivery
from webadmit_exports.domain.identities import followed
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.domain.start_request import StartRequest, parse_entries
from webadmit_exports.errors import (
    AccessRefused,
    ApiKeyRefused,
    AwsUnavailable,
    RateLimited,
    RequestRefused,
    Unavailable,
)

ENTRIES = ("Slate*", "slate nightly", "Banner", "*load", "Zebra", "1:100", "2:201")
LABELS = ("Slate nightly", "Slate weekly", "Banner", "Other load")
LIST_ERRORS = (
    Unavailable("/", "HTTP 503"),
    AccessRefused("/", "HTTP 403"),
    RequestRefused("/", "HTTP 404", status=404),
    RateLimited("/", "HTTP 429", retry_after=1),
    ApiKeyRefused("/", "HTTP 401"),
)
START_ERRORS = (Unavailable("/", "HTTP 503"), AccessRefused("/", "HTTP 403"), ApiKeyRefused("/", "HTTP 401"))
ROUNDS = 40  # of the queue; no fault lasts as long

identities = st.lists(
    st.tuples(
        st.sampled_from(["2023 - 2024", "2024 - 2025", "2025 - 2026", "2026 - 2027", ""]),
        st.sampled_from(["School of Nursing", "School of Pharmacy"]),
        st.lists(st.sampled_from(LABELS), max_size=4),
    ),
    min_size=1,
    max_size=5,
)


def faults(errors: tuple[Exception, ...]) -> st.SearchStrategy[list[Exception]]:
    return st.lists(st.sampled_from(errors), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=4, unique=True),
    identities,
    st.data(),
    st.integers(1, 10),
)
def test_what_a_name_stands_for_starts_once_in_the_end(
    listed: list[str], reached: list[tuple[str, str, list[str]]], data: st.DataObject, batch: int
) -> None:
    world = World()
    for number, (cycle, school, names) in enumerate(reached, start=1):
        world.webadmit.add(identity(number, cycle, school), *names)
    entries = parse_entries(",".join(listed))
    wanted = expected(world, entries)
    world.webadmit.errors["identities"] = data.draw(faults(LIST_ERRORS), label="identities")
    for number in world.webadmit.listed:
        world.webadmit.errors[f"exports {number}"] = data.draw(faults(LIST_ERRORS), label=f"list of {number}")
    for export in sorted(wanted, key=str):
        world.webadmit.answers[export] = list(data.draw(faults(START_ERRORS), label=f"start of {export}"))
    world.topics.failing = data.draw(st.integers(0, 2), label="SNS fails so often")

    play(world, entries, batch)

    started = Counter(record.export for record in world.table.records.values())
    assert started == Counter(wanted)
    assert all(record.first_scheduled_for == record.scheduled_for == NIGHT for record in world.table.records.values())
    no_match = {name for name in entries if isinstance(name, NamePattern) and not exports_of(world, name)}
    told = [str(message.body["exports"]) for message in world.topics.messages if "failed" in message.event_type]
    assert {entry.partition("@")[0] for one in told for entry in one.split(",")} == {str(name) for name in no_match}


def exports_of(world: World, name: NamePattern) -> set[Export]:
    return {
        Export(user_identity_id=one.id, export_id=listed.id)
        for one in followed(world.webadmit.known, 2)
        for listed in world.webadmit.listed[one.id]
        if name.matches(listed.name)
    }


def expected(world: World, entries: tuple[Entry, ...]) -> set[Export]:
    pairs = {entry for entry in entries if isinstance(entry, Export)}
    return pairs.union(*(exports_of(world, entry) for entry in entries if isinstance(entry, NamePattern)))


def play(world: World, entries: tuple[Entry, ...], batch: int) -> None:
    """The start, repeated as Lambda does, then the queue until it is empty."""
    request = StartRequest(entries=entries, scheduled_for=NIGHT)
    runs = world.start_runs()
    for _ in range(3):
        try:
            runs.start(request, world.time_left())
            break
        except AwsUnavailable:
            continue
    queue = world.start_queue.requests
    for _ in range(ROUNDS):
        due, queue[:] = list(queue), []
        while due:
            taken, due = due[:batch], due[batch:]
            deliveries = [
                Delivery(message_id=str(number), request=request, is_last=False, is_failed_invocation=False)
                for number, request in enumerate(taken)
            ]
            try:
                again = runs.retry(deliveries, world.time_left())
            except AwsUnavailable:
                again = [one.message_id for one in deliveries]
            queue += [taken[int(message_id)] for message_id in again]
        assert len(queue) <= 200, "messages multiply"
        if not queue:
            return
    raise AssertionError(f"the queue still has {queue}")
