"""Starting, with fakes: what time, refusals and faults do to a list of exports."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes import (
    EXPORT,
    FILE_ID,
    LABELS,
    NIGHT,
    FakeKeys,
    FakeStartQueue,
    FakeTable,
    FakeTopics,
    after,
    run,
    tracker,
)
from tests.unit.world import World, delivery, exports
from webadmit_exports.domain.export_file import StatusUpdate, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.errors import (
    AccessRefused,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    RateLimited,
    RequestRefused,
    SigningKeyUnusable,
    Unavailable,
)
from webadmit_exports.webadmit.answers import RateLimit


def test_sixteen_exports_start_side_by_side_and_no_more() -> None:
    world, together = World(), threading.Barrier(16, timeout=20)
    active, most, lock = 0, 0, threading.Lock()

    def answer() -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        together.wait()  # comes through only where sixteen wait here
        with lock:
            active -= 1

    some = exports(64)
    world.webadmit.answers = {export: [answer] for export in some}

    assert world.start(*some) == {"started": some}
    assert most == 16


@pytest.mark.parametrize(("timeout", "outcome"), [(61.0, "started"), (60.0, "deferred")])
def test_a_minute_is_kept_back_for_what_follows_a_request(timeout: float, outcome: str) -> None:
    world = World(timeout=timeout)

    assert world.start(EXPORT) == {outcome: [EXPORT]}


# ── Starting once ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_export_is_started_and_recorded() -> None:
    world, requested = World(), exports(40)

    assert world.start(*requested) == {"started": requested}

    assert len(world.table.records) == 40
    assert world.topics.messages == []
    assert world.start_queue.deferred == []


def test_the_record_has_what_webadmit_told_and_what_the_export_is_called() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [replace(run(FILE_ID), href="/api/v1/x")]

    world.start(EXPORT)

    assert (world.table.only.href, world.table.only.labels) == ("/api/v1/x", LABELS)


def test_each_invocation_begins_with_new_connections() -> None:
    world = World()

    world.start(*exports(2))
    world.start(*exports(2, first=5))

    assert world.webadmit.dropped_before == [0, 2]


def test_a_schedule_that_fires_twice_starts_an_export_once() -> None:
    world = World()
    world.start(EXPORT)

    assert world.start(EXPORT) == {"already_started": [EXPORT]}
    assert world.webadmit.started == [EXPORT]


def test_an_older_scheduled_time_does_not_start_what_a_newer_one_has_started() -> None:
    world = World()
    world.start(EXPORT, scheduled_for=NIGHT)

    assert world.start(EXPORT, scheduled_for=NIGHT - timedelta(hours=1)) == {"already_started": [EXPORT]}


def test_the_same_export_of_another_identity_is_another_export() -> None:
    world, other = World(), Export(user_identity_id=1, export_id=EXPORT.export_id)
    world.start(EXPORT)
    world.webadmit.answers[other] = [run(FILE_ID + 1)]

    assert world.start(other) == {"started": [other]}


def test_a_newer_scheduled_time_joins_the_run_in_progress() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [run(FILE_ID), run(FILE_ID)]
    world.start(EXPORT)
    world.clock.set(hours=1)

    world.start(EXPORT, scheduled_for=after(hours=1))

    assert world.table.only.scheduled_for == after(hours=1)
    assert world.topics.messages == []


def test_before_a_repeated_attempt_the_table_is_looked_at() -> None:
    world = World()

    def another_invocation_records_the_run_and_our_answer_is_lost() -> None:
        files = tracker(world.table, world.topics, world.clock)
        files.apply(
            StatusUpdate(
                source=UpdateSource.START,
                as_of=world.clock.now(),
                export=EXPORT,
                export_file_id=FILE_ID,
                status="Available",
                scheduled_for=NIGHT,
            ),
            None,
        )
        raise Unavailable("/", "no answer (ReadTimeout)")

    world.webadmit.answers[EXPORT] = [another_invocation_records_the_run_and_our_answer_is_lost]

    assert world.start(EXPORT) == {"already_started": [EXPORT]}
    assert len(world.webadmit.started) == 1
    assert world.topics.event_types == ["export_file.ready"]


def test_an_answer_that_is_finished_is_announced_at_once() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [run(FILE_ID, "Available")]

    world.start(EXPORT)

    assert world.topics.event_types == ["export_file.ready"]


def test_an_announcement_that_fails_does_not_defer_the_export() -> None:
    world = World(topics=FakeTopics(failing=1))
    world.webadmit.answers[EXPORT] = [run(FILE_ID, "Available")]

    assert world.start(EXPORT) == {"started": [EXPORT]}
    assert world.table.only.due_at is not None
    assert world.start_queue.deferred == []


# ── Faults that may pass ────────────────────────────────────────────────────────────────────────────────────────────


def test_no_usable_answer_is_asked_for_again_with_growing_pauses() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [Unavailable("/", "answered 503"), Unavailable("/", "answered 500")]

    assert world.start(EXPORT) == {"started": [EXPORT]}
    assert [1 <= world.slept[0] <= 2, 2 <= world.slept[1] <= 4] == [True, True]


def test_after_three_attempts_an_export_is_deferred_and_told_once() -> None:
    world, requested = World(), exports(3)
    for export in requested:
        world.webadmit.answers[export] = [Unavailable("/", "answered 503")] * 3

    assert world.start(*requested) == {"deferred": requested}

    assert world.start_queue.deferred == [(export, NIGHT) for export in requested]
    assert world.topics.event_types == ["start.delayed"]
    assert world.topics.messages[0].body["exports"] == "37442:1,37442:2,37442:3"
    assert "37442:1, 37442:2, 37442:3: Answered 503." in str(world.topics.messages[0].body["reason"])


def test_an_error_in_the_code_defers_one_export_and_not_the_others() -> None:
    world, requested = World(), exports(40)
    world.webadmit.answers[requested[7]] = [ZeroDivisionError("unforeseen")]

    outcomes = world.start(*requested)

    assert len(outcomes["started"]) == 39
    assert world.start_queue.deferred == [(requested[7], NIGHT)]
    assert world.topics.event_types == ["start.delayed"]


@pytest.mark.parametrize("call", ["newest", "store"])
def test_a_table_that_does_not_answer_defers_the_export(call: str) -> None:
    world = World(table=FakeTable(failing=[call]))

    assert world.start(EXPORT) == {"deferred": [EXPORT]}
    assert world.topics.event_types == ["start.delayed"]


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_key_stops_the_asking_and_is_told_once() -> None:
    world, requested = World(), exports(300)
    for export in requested:
        world.webadmit.answers[export] = [ApiKeyRefused("/", "answered 401")]

    assert world.start(*requested) == {"deferred": requested}

    assert len(world.webadmit.started) <= 16
    assert len(world.start_queue.deferred) == 300
    assert world.topics.event_types == ["start.delayed"]
    assert world.topics.messages[0].body["retry_until"] == "2026-11-23T15:30:01Z"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ApiKeyUnusable("the secret has no value yet"), "no usable WebAdMIT API key is stored"),
        (AwsUnavailable("Secrets Manager answered ThrottlingException"), "an AWS service did not answer"),
    ],
)
def test_without_a_key_nothing_is_asked_and_one_alert_says_why(error: Exception, reason: str) -> None:
    world, requested = World(keys=FakeKeys(error)), exports(40)

    assert world.start(*requested) == {"deferred": requested}

    assert world.webadmit.started == []
    assert world.topics.event_types == ["start.delayed"]
    assert reason.lower() in str(world.topics.messages[0].body["reason"]).lower()


def test_without_a_proper_signing_key_nothing_is_asked_and_one_alert_says_how_to_store_one() -> None:
    world, requested = World(keys=FakeKeys(signing_error=SigningKeyUnusable("it is too short"))), exports(40)

    assert world.start(*requested) == {"deferred": requested}

    assert world.webadmit.started == []
    (message,) = world.topics.messages
    assert message.subject.endswith("40 exports not started yet: no usable signing key")
    assert '"Rotating the signing key" in docs/runbook.md' in str(message.body["advice"])


def test_an_identity_without_access_is_deferred_and_the_others_go_on() -> None:
    world = World()
    refused, others = exports(30, 1), exports(5, 2, first=100)
    for export in refused:
        world.webadmit.answers[export] = [AccessRefused("/", "answered 403", "No access.")]

    assert world.start(*refused, *others) == {"deferred": refused, "started": others}

    assert len([export for export in world.webadmit.started if export in refused]) <= 16
    assert world.topics.event_types == ["start.delayed"]


def test_one_export_of_forty_that_is_unknown_fails_with_webadmits_words() -> None:
    world, requested = World(), exports(40)
    world.webadmit.answers[requested[3]] = [RequestRefused("/", "answered 404", "Export '4' not found.", status=404)]

    outcomes = world.start(*requested)

    assert len(outcomes["started"]) == 39
    assert outcomes["failed"] == [requested[3]]
    assert world.start_queue.deferred == []
    (message,) = world.topics.messages
    assert message.event_type == "start.failed"
    assert "37442:4: Export '4' not found." in str(message.body["reason"])
    assert "new admissions cycle" in message.mail


def test_an_alert_about_very_many_exports_is_split_so_that_sns_takes_it() -> None:
    world, some = World(), exports(1000)
    detail = "x" * 190
    for export in some:
        refused = RequestRefused("/", "HTTP 404", f"“{detail}{export.export_id}”", status=404)
        world.webadmit.answers[export] = [refused]

    world.start(*some)

    told = [str(message.body["exports"]).count(",") + 1 for message in world.topics.messages]
    assert told == [400, 400, 200]
    for message in world.topics.messages:
        assert len(json.dumps({"default": json.dumps(message.body), "email": message.mail})) < 256 * 1024


def test_each_kind_of_refusal_is_told_in_one_message() -> None:
    world, requested = World(), exports(6)
    for number, status in enumerate([404, 404, 422, 400]):
        world.webadmit.answers[requested[number]] = [RequestRefused("/", f"answered {status}", status=status)]
    world.webadmit.answers[requested[4]] = [Unavailable("/", "answered 503")] * 3

    world.start(*requested)

    told = sorted((message.event_type, message.body["exports"]) for message in world.topics.messages)
    assert told == [
        ("start.delayed", "37442:5"),
        ("start.failed", "37442:1,37442:2"),
        ("start.failed", "37442:3,37442:4"),
    ]


# ── Rate limits and time ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rate_limit_is_waited_for_as_long_as_webadmit_says() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [RateLimited("/", "answered 429", retry_after=30)] * 2

    assert world.start(EXPORT) == {"started": [EXPORT]}
    assert world.slept == [30, 30]


def test_a_rate_limit_that_does_not_say_how_long_is_waited_for_longer_each_time() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [RateLimited("/", "answered 429", retry_after=None)] * 2

    assert world.start(EXPORT) == {"started": [EXPORT]}
    assert world.slept == [5, 10]


@pytest.mark.parametrize("retry_after", [None, 1, 30])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_an_export_that_is_always_refused_is_deferred_at_the_third_time_and_holds_nobody_up(
    count: int, retry_after: float | None
) -> None:
    world, requested = World(), exports(count)
    refused = requested[count // 2]
    world.webadmit.answers[refused] = [RateLimited("/", "answered 429", retry_after=retry_after)] * 99

    outcomes = world.start(*requested)

    assert outcomes["deferred"] == [refused]
    assert set(outcomes.get("started", [])) == set(requested) - {refused}
    assert world.webadmit.started.count(refused) == 3 if count == 1 else world.webadmit.started.count(refused) <= 5
    assert sum(world.slept) <= 150


def test_a_rate_limit_that_outlasts_the_invocation_goes_to_the_start_queue() -> None:
    world, requested = World(), exports(40)
    for export in requested:
        world.webadmit.answers[export] = [RateLimited("/", "answered 429", retry_after=3600)]

    assert world.start(*requested) == {"deferred": requested}
    assert world.slept == []
    assert world.topics.event_types == ["start.delayed"]


def test_a_limit_that_is_used_up_is_waited_for_before_the_next_export() -> None:
    world, (first, second) = World(), exports(2)
    used_up = (run(1), RateLimit(limit=5000, remaining=0))
    world.webadmit.answers = {first: [used_up], second: [used_up]}
    runs = world.start_runs()

    for export in (first, second):
        runs.start(StartRequest(entries=(export,), scheduled_for=NIGHT), world.time_left())
    assert world.slept == []  # each invocation asks anew

    world.webadmit.answers = {one: [used_up] for one in exports(17, 5)}
    world.start(*exports(17, 5))
    assert world.slept[0] == pytest.approx(5)


def test_when_the_time_is_up_the_rest_of_the_list_is_deferred() -> None:
    requested = exports(60)
    world = World(timeout=105)
    world.webadmit.before = lambda _: world.clock.go_on(seconds=1)

    outcomes = world.start(*requested)

    assert len(outcomes["started"]) + len(outcomes["deferred"]) == 60
    assert len(outcomes["started"]) >= 40
    assert [export for export, _ in world.start_queue.deferred] == outcomes["deferred"]
    assert "longer than one start may" in str(world.topics.messages[0].body["reason"])


# ── The start queue ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_delivery_is_asked_for_once_and_in_silence() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [Unavailable("/", "answered 503")] * 3

    assert world.retry(delivery()) == [str(EXPORT)]

    assert len(world.webadmit.started) == 1
    assert world.topics.messages == []
    assert world.slept == []
    assert world.start_queue.deferred == []


def test_the_last_try_says_that_it_was_the_last() -> None:
    world, (one, other) = World(), exports(2)
    world.webadmit.answers = {export: [Unavailable("/", "answered 503")] for export in (one, other)}

    assert world.retry(delivery(one, last=True), delivery(other)) == [str(one), str(other)]

    assert world.topics.event_types == ["start.failed"]
    assert world.topics.messages[0].body["exports"] == str(one)


def test_a_delivery_that_fails_is_told() -> None:
    world = World()
    world.webadmit.answers[EXPORT] = [RequestRefused("/", "answered 404", status=404)]

    assert world.retry(delivery()) == []
    assert world.topics.event_types == ["start.failed"]


def test_a_delivery_starts_under_its_first_scheduled_time() -> None:
    world = World()
    world.clock.set(hours=6)

    assert world.retry(delivery()) == []
    assert world.table.only.scheduled_for == NIGHT


def test_a_delivery_whose_export_has_started_meanwhile_is_done() -> None:
    world = World()
    world.start(EXPORT)

    assert world.retry(delivery()) == []
    assert world.webadmit.started == [EXPORT]


@pytest.mark.parametrize("seconds", [0, 1, 3600, None])
def test_a_rate_limit_ends_a_delivery_without_waiting(seconds: float | None) -> None:
    world, requested = World(), exports(10)
    for export in requested:
        world.webadmit.answers[export] = [RateLimited("/", "answered 429", retry_after=seconds)] * 9

    assert world.retry(*map(delivery, requested)) == [str(export) for export in requested]
    assert world.slept == []
    assert len(world.webadmit.started) <= 10


def test_an_alert_that_cannot_be_sent_fails_the_invocation() -> None:
    for world in (World(topics=FakeTopics(failing=1)), World(start_queue=FakeStartQueue(failing=True))):
        world.webadmit.answers[EXPORT] = [Unavailable("/", "answered 503")] * 3

        with pytest.raises(AwsUnavailable):
            world.start(EXPORT)


def test_an_alert_about_a_delivery_that_cannot_be_sent_fails_the_invocation() -> None:
    world = World(topics=FakeTopics(failing=1))
    world.webadmit.answers[EXPORT] = [RequestRefused("/", "answered 404", status=404)]

    with pytest.raises(AwsUnavailable):
        world.retry(delivery())


# ── Starts that failed as a whole ───────────────────────────────────────────────────────────────────────────────────


def test_a_start_that_failed_as_a_whole_is_made_up_for_as_the_schedule_would_have_made_it() -> None:
    world, requested = World(), exports(40)
    world.clock.set(hours=1)
    world.webadmit.answers[requested[3]] = [Unavailable("/", "answered 503")] * 2  # asked three times, not once

    assert world.retry(delivery(*requested, whole=True)) == []

    assert {record.scheduled_for for record in world.table.records.values()} == {NIGHT}
    assert len(world.table.records) == 40
    assert world.topics.messages == []


def test_what_has_to_wait_of_a_whole_start_is_split_and_told_once() -> None:
    world, requested = World(), exports(5)
    world.webadmit.answers = {requested[0]: [Unavailable("/", "answered 503")] * 3}
    world.webadmit.answers[requested[1]] = [Unavailable("/", "answered 503")] * 3
    world.webadmit.answers[requested[2]] = [RequestRefused("/", "answered 404", status=404)]

    assert world.retry(delivery(*requested, whole=True)) == []

    assert world.start_queue.deferred == [(requested[0], NIGHT), (requested[1], NIGHT)]
    told = [(message.event_type, message.body["exports"]) for message in world.topics.messages]
    assert told == [("start.delayed", "37442:1,37442:2"), ("start.failed", "37442:3")]


def test_a_whole_start_for_which_there_is_no_time_comes_again_as_it_is() -> None:
    world, requested = World(timeout=59), exports(3)

    assert world.retry(delivery(*requested, whole=True), delivery(EXPORT)) == ["37442:1", str(EXPORT)]

    assert (world.webadmit.started, world.start_queue.deferred, world.topics.messages) == ([], [], [])


def test_the_last_try_of_a_whole_start_is_not_left_to_the_dead_letter_queue_for_want_of_time() -> None:
    world, requested = World(timeout=59), exports(3)

    assert world.retry(delivery(*requested, whole=True, last=True)) == []

    assert [export for export, _ in world.start_queue.deferred] == requested
    assert world.topics.event_types == ["start.delayed"]


def test_a_whole_start_that_cannot_be_split_comes_again() -> None:
    world = World(start_queue=FakeStartQueue(failing=True))
    world.webadmit.answers[EXPORT] = [Unavailable("/", "answered 503")] * 3

    with pytest.raises(AwsUnavailable):
        world.retry(delivery(whole=True))
