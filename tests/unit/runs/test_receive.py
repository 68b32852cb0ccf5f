"""The order in which a callback is checked; what comes of it is shown over real HTTP in tests/integration."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.fakes import EXPORT, FILE_ID, NIGHT, OLD_SIGNING_KEY, Clock, FakeKeys, after
from tests.unit.world import World
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile
from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.runs.receive import NotFound


def called_world(**clock: float) -> World:
    """A minute after the schedule."""
    return World(clock=Clock(after(**(clock or {"minutes": 1}))))


def test_a_good_callback_needs_one_read_two_writes_and_no_look_at_the_keys() -> None:
    world = called_world()
    world.answer()

    world.receive()

    assert world.table.calls == ["read", "store", "store"]
    assert world.topics.event_types == ["export_file.ready"]
    assert (world.keys.looks, world.slept) == (0, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": b"another key"},
        {"scheduled_for": NIGHT - timedelta(days=8)},
        {"scheduled_for": NIGHT + timedelta(days=1)},
        {"signature": "0" * 64},
        {"signature": ""},
        {"export_id": 5, "signature": "0" * 64},
    ],
)
def test_what_is_not_proven_is_not_found_before_the_table_is_touched(wrong: dict[str, Any]) -> None:
    world = called_world()

    with pytest.raises(NotFound):
        world.receive(**wrong)

    assert world.table.calls == []


def test_a_signature_of_the_previous_key_is_found_by_a_look_at_the_keys() -> None:
    world = called_world()
    world.answer()

    world.receive(key=OLD_SIGNING_KEY)

    assert world.keys.looks == 1
    assert world.topics.event_types == ["export_file.ready"]


@pytest.mark.parametrize(
    "wrong", [{"export_id": 86447}, {"file_id": 0}, {"status": ""}, {"status": "x" * 65}, {"status": "%00"}]
)
def test_a_form_that_cannot_be_used_is_refused_before_the_table_is_touched(wrong: dict[str, Any]) -> None:
    world = called_world()

    with pytest.raises(InvalidInput):
        world.receive(**wrong)

    assert world.table.calls == []


@pytest.mark.parametrize("known", [[], [FILE_ID]])
def test_a_file_that_no_start_was_answered_with_is_looked_for_for_two_seconds_and_refused(known: list[int]) -> None:
    world = called_world()
    for file_id in known:
        world.answer(export_file_id=file_id)
    before = dict(world.table.records)

    with pytest.raises(NotFound):
        world.receive(file_id=FILE_ID + 1)

    assert world.table.records == before
    assert world.topics.messages == []
    assert sum(world.slept) == pytest.approx(2)


def test_an_address_that_was_refused_less_than_a_minute_ago_is_looked_up_once_without_waiting() -> None:
    world = called_world()
    world.answer()
    received = world.receiver()
    for number in range(1, 40):
        with pytest.raises(NotFound):
            world.receive(received, file_id=FILE_ID + number)

    assert sum(world.slept) == pytest.approx(2)  # the first
    assert world.table.calls.count("read") == 5 + 38
    world.receive(received)  # the true one is taken at once
    assert world.topics.event_types == ["export_file.ready"]


@pytest.mark.parametrize(("seconds", "waits"), [(59, False), (60, True)])
def test_a_minute_after_its_last_refusal_an_address_is_waited_for_again(seconds: int, *, waits: bool) -> None:
    world = called_world()
    received = world.receiver()
    for _ in range(2):
        with pytest.raises(NotFound):
            world.receive(received)
        world.slept.clear()
        world.clock.go_on(seconds=30)
    world.clock.go_on(seconds=seconds - 30)

    with pytest.raises(NotFound):
        world.receive(received)

    assert bool(world.slept) == waits


def test_the_addresses_of_other_runs_are_waited_for_all_the_same() -> None:
    world = called_world(hours=1)
    received = world.receiver()
    for scheduled_for in (NIGHT, after(minutes=30)):
        world.slept.clear()
        with pytest.raises(NotFound):
            world.receive(received, scheduled_for=scheduled_for)
        assert sum(world.slept) == pytest.approx(2)


def test_a_callback_that_overtakes_the_answer_to_its_start_waits_for_the_record() -> None:
    world = called_world()

    def answered() -> None:
        if len(world.slept) == 3:
            world.answer()

    world.while_it_sleeps = answered

    world.receive()

    assert len(world.slept) == 3
    assert world.topics.event_types == ["export_file.ready"]
    assert world.table.only.finished_at == after(minutes=1)  # when it came


@pytest.mark.parametrize("other", [after(hours=-1), after(hours=1), after(days=-6)])
@pytest.mark.parametrize("status", ["Initializing", "Failed"])
def test_an_address_says_nothing_about_the_run_of_another_scheduled_time(other: datetime, status: str) -> None:
    world = called_world(hours=2)
    world.answer(status, scheduled_for=other)
    before, told = dict(world.table.records), list(world.topics.messages)

    with pytest.raises(NotFound):
        world.receive(scheduled_for=NIGHT)

    assert world.table.records == before
    assert world.topics.messages == told


def test_a_record_that_moves_on_to_another_scheduled_time_meanwhile_is_left_alone() -> None:
    """Between the read and the write, WebAdMIT gives the id to the run of a later start."""
    world = called_world(hours=2)
    world.answer()
    read = world.table.read

    def begin_again(export_id: int, export_file_id: int) -> ExportFile | None:
        record = read(export_id, export_file_id)
        assert record
        later = replace(
            record,
            first_scheduled_for=after(hours=1),
            scheduled_for=after(hours=1),
            answered=frozenset({AnsweredStart(EXPORT.user_identity_id, after(hours=1))}),
            reused=True,
        )
        world.table.store(later, replacing=record)
        return record

    world.table.read = begin_again  # type: ignore[method-assign]

    world.receive()

    assert world.table.only.status == "Initializing"
    assert world.topics.messages == []


@pytest.mark.parametrize("call", ["read", "store"])
def test_a_table_that_does_not_answer_has_webadmit_try_again(call: str) -> None:
    world = called_world()
    world.answer()
    world.table.failing.append(call)

    with pytest.raises(AwsUnavailable):
        world.receive()
    world.receive()

    assert world.topics.event_types == ["export_file.ready"]


def test_without_keys_nothing_is_taken() -> None:
    world = World(keys=FakeKeys(signing_error=AwsUnavailable("Secrets Manager answered InternalServiceError")))

    with pytest.raises(AwsUnavailable):
        world.receive()

    assert world.table.calls == []
