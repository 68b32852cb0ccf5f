"""Archiving one file: what is done in which order, what is tried again, and who is told of what."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import (
    ANNOUNCED,
    EXPORT,
    FILE_ID,
    READY_FILE,
    READY_MESSAGE,
    Clock,
    FakeDownload,
    FakeMachine,
    after,
)
from tests.unit.world import ATTEMPTS, MIB, World
from webadmit_exports.archive.alerts import RETRY_EVERY
from webadmit_exports.archive.announced_file import ReadyMessage
from webadmit_exports.archive.archive_file import RESERVE_SECONDS, ArchiveOutcome
from webadmit_exports.archive.bucket import AlreadyThere
from webadmit_exports.archive.download_limits import DownloadLimits, NotArchived
from webadmit_exports.archive.stored_file import FileFacts, StoredFile
from webadmit_exports.domain.announcement import EventType, event_id
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.lifecycle import LEASE
from webadmit_exports.errors import (
    AccessRefused,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    DownloadFailed,
    HostRefused,
    RateLimited,
    RequestRefused,
    Unavailable,
    UrlRefused,
)
from webadmit_exports.messages.problem_kinds import Retry
from webadmit_exports.messages.problems import Problem

CONTENT = FakeDownload().content
FILE = f"file {FILE_ID}"
PATH = "/exports/86446/export_files/74780"


@pytest.fixture
def world() -> World:
    """A file that was announced, five minutes after the schedule."""
    return announced_world()


def announced_world() -> World:
    made = World(clock=Clock(after(minutes=5)), timeout=900)
    made.put(READY_FILE)
    made.webadmit.runs = {(EXPORT.export_id, number): (37442, "Available") for number in (FILE_ID, FILE_ID + 1)}
    return made


def asked(world: World) -> int:
    return len(world.webadmit.asked)


def alert(world: World) -> dict[str, Any]:
    (message,) = world.topics.messages
    assert message.event_type == "archive.failed"
    return dict(message.body)


# ── A file is archived ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_fetched_stored_told_of_and_marked_in_this_order(world: World) -> None:
    assert world.archive() is ArchiveOutcome.ARCHIVED

    assert world.bucket.calls == ["find", "before", "put", "mark"]
    assert world.bucket.contents == [CONTENT]
    assert world.storage.opened == [("https://x.example/a.csv", 900 - RESERVE_SECONDS)]
    (receipt,) = world.topics.messages
    assert receipt.body == {
        "version": "1",
        "event_id": receipt.body["event_id"],
        "event_type": "export_file.archived",
        **ANNOUNCED.ids,
        "status": "Available",
        "scheduled_for": "2026-11-23T03:30:00Z",
        "finished_at": "2026-11-23T03:34:10Z",
        **ANNOUNCED.labels.known,
        "bucket": "archive",
        "key": "86446/2026/11/23/033410-74780-Nursing.csv",
        "version_id": "v1",
        "bytes": len(CONTENT),
        "content_type": "text/csv;charset=iso-8859-1",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "charset": "utf-8",
        "rows": 2,
        "header_sha256": hashlib.sha256(b"id,name").hexdigest(),
        "header_changed": False,
    }


def test_the_object_has_the_ids_and_what_was_declared(world: World) -> None:
    world.archive()

    assert world.bucket.stored
    assert world.bucket.stored.content_type == "text/csv;charset=iso-8859-1"
    assert world.bucket.metadata == {
        "user-identity-id": "37442",
        "export-id": "86446",
        "export-file-id": "74780",
        "status": "Available",
        "scheduled-for": "2026-11-23T03:30:00Z",
        "finished-at": "2026-11-23T03:34:10Z",
        "event-id": ANNOUNCED.event_id,
        "content-type": "text/csv",
        "declared-charset": "iso-8859-1",
    }


def test_connections_that_may_have_died_are_dropped_before_webadmit_is_asked(world: World) -> None:
    world.archive()
    world.archive(replace(READY_MESSAGE, export_file_id=74781))

    assert world.webadmit.dropped_before == [0]  # of the second no run is recorded, so that it is not asked for


@pytest.mark.parametrize(
    "download",
    [
        FakeDownload(media_type="application/zip", file_name="a.zip"),
        FakeDownload(encoding="gzip"),  # as it came, so that its bytes are no CSV
    ],
)
def test_the_receipt_of_what_is_no_csv_has_no_counts(world: World, download: FakeDownload) -> None:
    world.storage.downloads = [download]

    world.archive()

    assert world.bucket.contents == [CONTENT]
    assert not {"charset", "rows", "header_sha256", "header_changed"} & set(world.topics.messages[0].body)


def test_it_is_compared_with_the_file_before_it(world: World) -> None:
    world.bucket.previous = FileFacts(sha256="x", rows=7, header_sha256="of other columns")

    world.archive()

    body = world.topics.messages[0].body
    assert (body["previous_rows"], body["header_changed"]) == (7, True)


# ── The same announcement again ─────────────────────────────────────────────────────────────────────────────────────


def test_the_same_announcement_twice_leaves_one_object_and_one_receipt(world: World) -> None:
    world.archive()

    assert world.archive() is ArchiveOutcome.ALREADY_ARCHIVED

    assert len(world.bucket.contents) == len(world.topics.messages) == asked(world) == 1


def test_what_a_person_had_announced_again_gets_its_receipt_again(world: World) -> None:
    world.archive()

    world.archive(replace(READY_MESSAGE, is_repeated=True))

    first, second = (message.body for message in world.topics.messages)
    assert second == {**first, "repeated": True}
    assert asked(world) == 1


def test_a_file_that_another_has_just_stored_is_left_to_him(world: World) -> None:
    world.bucket.stored = StoredFile(
        key=ANNOUNCED.key("a.csv"),
        version_id="v",
        size=1,
        content_type="x",
        stored_at=world.clock.now(),
        facts=FileFacts(sha256="x"),
    )
    world.clock.go_on(minutes=1)

    assert world.archive() is ArchiveOutcome.DEFERRED

    assert (asked(world), world.topics.messages) == (0, [])


def test_a_process_that_died_before_its_receipt_is_finished_by_the_next(world: World) -> None:
    world.topics.failing = 1
    world.archive()
    assert world.topics.messages == []
    world.clock.go_on(minutes=16)

    assert world.archive(receives=2) is ArchiveOutcome.ARCHIVED

    assert [message.event_type for message in world.topics.messages] == ["export_file.archived"]
    assert len(world.bucket.contents) == 1  # nothing was fetched again


def test_whoever_is_overtaken_leaves_it_to_the_other(world: World) -> None:
    world.bucket.failing["put"] = AlreadyThere()

    assert world.archive() is ArchiveOutcome.DEFERRED

    assert world.topics.messages == []


def test_the_lease_is_over_once_a_message_comes_again() -> None:
    assert RETRY_EVERY > LEASE


# ── What is tried again ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "first",
    [
        FakeDownload(fails=True),
        DownloadFailed("the storage answered 403"),
        DownloadFailed("the storage gave no answer (ReadTimeout)"),
    ],
)
def test_a_download_that_fails_is_begun_anew_with_a_fresh_address(world: World, first: Any) -> None:
    world.webadmit.urls = ["https://x.example/1", "https://x.example/2"]
    world.storage.downloads = [first, FakeDownload()]

    assert world.archive() is ArchiveOutcome.ARCHIVED

    assert [url[-1] for url, _ in world.storage.opened] == ["1", "2"]
    assert world.bucket.contents == [CONTENT]
    assert len(world.slept) == 1


def test_a_cut_off_download_leaves_nothing_behind(world: World) -> None:
    world.storage.downloads = [FakeDownload(fails=True)]

    assert world.archive() is ArchiveOutcome.DEFERRED

    assert asked(world) == 3
    assert world.bucket.contents == []


@pytest.mark.parametrize(
    "error",
    [
        Unavailable(PATH, "answered 503"),
        RateLimited(PATH, "answered 429", retry_after=7),
    ],
)
def test_webadmit_is_asked_a_few_times(world: World, error: Exception) -> None:
    world.webadmit.errors[FILE] = [error, error]

    assert world.archive() is ArchiveOutcome.ARCHIVED


def test_a_file_without_an_address_is_asked_for_again(world: World) -> None:
    world.webadmit.urls = ["", "https://x.example/a.csv"]

    assert world.archive() is ArchiveOutcome.ARCHIVED


def test_nothing_is_tried_again_without_time(world: World) -> None:
    world.storage.downloads, world.timeout = [DownloadFailed("the storage answered 403")], RESERVE_SECONDS - 1

    assert world.archive() is ArchiveOutcome.DEFERRED

    assert asked(world) == 1


def test_what_may_pass_by_itself_is_told_after_an_hour_and_once(world: World) -> None:
    world.storage.downloads, world.timeout = [DownloadFailed("the storage answered 403")], RESERVE_SECONDS - 1

    told = [bool(world.archive(receives=n) and world.topics.messages) for n in range(1, 10)]

    assert told == [False] * 3 + [True] * 6
    assert alert(world)["retry_until"] == "2026-11-23T14:31:00Z"  # 41 more times
    assert "the storage answered 403" in alert(world)["reason"]


def test_the_last_delivery_tells_that_it_is_given_up(world: World) -> None:
    world.storage.downloads = [DownloadFailed("the storage answered 403")]

    assert world.archive(receives=ATTEMPTS) is ArchiveOutcome.DEFERRED  # and SQS moves it to the dead-letter queue

    assert "retry_until" not in alert(world)
    assert '{"announce_again": {"export_id": 86446, "export_file_id": 74780}}' in alert(world)["advice"]


@pytest.mark.parametrize(
    ("answer", "problem", "advice"),
    [
        (ApiKeyRefused(PATH, "answered 401"), "refused the API key (401)", "put-secret-value"),
        (AccessRefused(PATH, "answered 403", "No."), "refused access to the identity (403)", "CheckSetupFunction"),
        (UrlRefused("it leads to http://x.example"), "it leads to http://x.example", "Ask Liaison about it"),
        (
            HostRefused("new-storage.example"),
            "new-storage.example",
            "ArchiveDownloadHosts=a.example,new-storage.example",
        ),
    ],
)
def test_what_a_person_can_repair_is_told_at_once_and_waits(
    world: World, answer: Exception, problem: str, advice: str
) -> None:
    if isinstance(answer, HostRefused | UrlRefused):
        world.storage.downloads = [answer]
    else:
        world.webadmit.errors[FILE] = world.webadmit.errors["file 74781"] = answer

    world.put(replace(READY_FILE, export_file_id=74781))

    assert world.archive() is ArchiveOutcome.DEFERRED
    assert (
        world.archive(replace(READY_MESSAGE, export_file_id=74781)) is ArchiveOutcome.DEFERRED
    )  # the next file: no mail

    assert problem in alert(world)["reason"]
    assert advice in alert(world)["advice"]
    assert alert(world)["retry_until"] == "2026-11-23T15:19:00Z"
    assert asked(world) == 2  # and not three times each


def test_a_missing_key_is_told_with_the_command_that_stores_it(world: World) -> None:
    world.keys.error = ApiKeyUnusable("nothing there")

    assert world.archive() is ArchiveOutcome.DEFERRED

    assert "put-secret-value" in alert(world)["advice"]
    assert asked(world) == 0


def test_half_a_day_later_the_same_is_told_again(world: World) -> None:
    world.storage.downloads = [HostRefused("new-storage.example")]
    world.put(replace(READY_FILE, export_file_id=74781))
    world.archive()
    world.clock.go_on(hours=12)

    world.archive(replace(READY_MESSAGE, export_file_id=74781))

    assert len(world.topics.messages) == 2


def test_where_people_cannot_be_told_it_comes_again(world: World) -> None:
    world.webadmit.errors[FILE], world.topics.failing = RequestRefused(PATH, "answered 404", status=404), 1

    with pytest.raises(AwsUnavailable):
        world.archive()


# ── What is given up ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_webadmit_does_not_know_is_given_up_and_told(world: World) -> None:
    world.webadmit.errors[FILE] = RequestRefused(PATH, "answered 404", "Export file '74780' not found.", status=404)

    assert world.archive() is ArchiveOutcome.FAILED

    assert "Export file '74780' not found." in alert(world)["reason"]
    assert "retry_until" not in alert(world)


@pytest.mark.parametrize("size", [MIB + 1, None])
def test_a_file_that_is_too_large_is_given_up_with_its_size(world: World, size: int | None) -> None:
    world.storage.downloads = [FakeDownload(content=b"x" * (MIB + 1), size=size)]

    assert world.archive() is ArchiveOutcome.FAILED

    assert alert(world)["bytes"] == MIB + 1
    assert "ArchiveMaxMegabytes=2" in alert(world)["advice"]
    assert world.bucket.contents == []
    assert asked(world) == 1


def test_an_announcement_whose_file_a_newer_run_has_replaced_is_given_up(world: World) -> None:
    world.put(replace(READY_FILE, finished_at=None, reused=True))

    assert world.archive() is ArchiveOutcome.FAILED

    assert "newer run" in alert(world)["reason"]
    assert asked(world) == 0


@pytest.mark.parametrize("reused", [True, False])
def test_the_announcement_of_the_newest_run_is_not(world: World, reused: bool) -> None:
    world.put(replace(READY_FILE, finished_at=ANNOUNCED.finished_at + timedelta(microseconds=123456), reused=reused))

    assert world.archive() is ArchiveOutcome.ARCHIVED


@pytest.mark.parametrize(
    "change",
    [
        {"finished_at": ANNOUNCED.finished_at + timedelta(seconds=1)},
        {"finished_at": None},
        {"status": "Failed"},
        {"status": "Empty List"},
        {"status": "In Progress"},
        {"export": Export(user_identity_id=1, export_id=EXPORT.export_id)},
        None,
    ],
)
@pytest.mark.parametrize("message", [READY_MESSAGE, replace(READY_MESSAGE, is_repeated=True)])
def test_a_made_up_announcement_is_dropped_and_not_a_word_of_it_is_told(
    world: World, change: dict[str, Any] | None, message: ReadyMessage
) -> None:
    """Whoever else may publish to ReadyTopic could have anything fetched that the API key reaches."""
    record = world.table.only
    world.table.records.clear()
    if change is not None:
        world.table.records[EXPORT.export_id, FILE_ID] = replace(record, **change)

    assert world.archive(message) is ArchiveOutcome.MADE_UP

    assert (asked(world), world.bucket.calls, world.topics.messages) == (0, [], [])


def test_what_a_message_claims_beside_its_ids_is_not_repeated(world: World) -> None:
    world.table.records[EXPORT.export_id, FILE_ID] = replace(READY_FILE, status="Success With Errors")

    world.archive()

    receipt = world.topics.messages[0].body
    assert receipt["status"] == "Success With Errors"
    assert receipt["event_id"] == event_id(EventType.ARCHIVED, ANNOUNCED.event_id)


def test_a_stored_file_whose_record_a_newer_run_has_taken_over_still_gets_its_receipt(world: World) -> None:
    world.topics.failing = 1
    world.archive()
    assert world.topics.messages == []
    newer = replace(READY_FILE, scheduled_for=after(days=1), status="In Progress", finished_at=None, reused=True)
    world.table.records[EXPORT.export_id, FILE_ID] = newer
    world.clock.go_on(minutes=16)

    assert world.archive(receives=2) is ArchiveOutcome.ARCHIVED

    receipt = world.topics.messages[0].body
    assert (receipt["status"], receipt["scheduled_for"]) == ("Available", "2026-11-23T03:30:00Z")
    assert receipt["event_id"] == event_id(EventType.ARCHIVED, ANNOUNCED.event_id)
    assert asked(world) == 1


def test_without_its_record_nothing_is_told_and_it_comes_again(world: World) -> None:
    world.table.failing.append("read")

    with pytest.raises(AwsUnavailable):
        world.archive(receives=ATTEMPTS)

    assert world.topics.messages == []


def test_a_run_that_is_under_way_again_is_waited_for(world: World) -> None:
    world.webadmit.runs[EXPORT.export_id, FILE_ID] = (37442, "In Progress")
    world.webadmit.urls = [""]

    assert world.archive() is ArchiveOutcome.DEFERRED
    assert asked(world) == 1


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Stream:
    """A download of so many bytes, one MiB at a time."""

    size: int | None = 1000 * MIB
    whole_time: float = 780.0
    left: float = 780.0
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.limits = DownloadLimits(
            size=self.size,
            largest=2000 * MIB,
            time_left=lambda: self.left,
            whole_time=self.whole_time,
            clock=self.clock.seconds,
        )

    def take(self, mib: int, *, seconds: float) -> None:
        for _ in range(mib):
            self.clock.go_on(seconds=seconds / mib)
            self.left -= seconds / mib
            self.limits.take(bytes(MIB))


def test_a_file_that_comes_fast_enough_is_taken() -> None:
    Stream().take(1000, seconds=700)


def test_a_file_that_cannot_come_in_time_is_given_up_early_with_size_and_rate() -> None:
    stream = Stream()

    with pytest.raises(NotArchived) as why:
        stream.take(10, seconds=10)

    assert (why.value.problem, why.value.size) == (Problem.TOO_SLOW, 1000 * MIB)
    assert why.value.rate == pytest.approx(MIB)
    assert stream.limits.received < 10 * MIB


def test_the_first_seconds_say_nothing_about_the_rate() -> None:
    Stream().take(1, seconds=2.9)


def test_what_a_fresh_invocation_could_do_is_left_to_it() -> None:
    stream = Stream(left=100)

    with pytest.raises(NotArchived) as why:
        stream.take(20, seconds=10)

    assert why.value.problem is Problem.STORAGE_UNAVAILABLE


def test_a_file_of_unknown_length_is_taken_until_the_time_is_over() -> None:
    stream = Stream(size=None, left=20)

    with pytest.raises(NotArchived) as why:
        stream.take(100, seconds=100)

    assert why.value.problem is Problem.TOO_SLOW
    assert 20 * MIB <= (why.value.size or 0) <= 22 * MIB


def test_a_slow_file_is_told_with_size_and_rate_and_not_tried_again(world: World) -> None:
    @dataclass
    class Slow(FakeDownload):
        def chunks(self) -> Iterator[bytes]:
            for _ in range(10):
                world.clock.go_on(seconds=4)
                yield bytes(100)

    world.storage.downloads = [Slow(size=MIB)]

    assert world.archive() is ArchiveOutcome.FAILED

    assert (alert(world)["bytes"], alert(world)["bytes_per_second"]) == (MIB, 25)
    assert "1.0 MiB" in alert(world)["reason"]
    assert "25 bytes a second" in alert(world)["reason"]
    assert world.bucket.contents == []


# ── What people read ────────────────────────────────────────────────────────────────────────────────────────────────


FILE_PROBLEMS = [
    Problem.API_KEY_MISSING,
    Problem.API_KEY_REFUSED,
    Problem.ACCESS_REFUSED,
    Problem.RATE_LIMITED,
    Problem.UNAVAILABLE,
    Problem.AWS_UNAVAILABLE,
    *list(Problem)[11:],
]


@pytest.mark.parametrize("problem", FILE_PROBLEMS)
@pytest.mark.parametrize("receives", [1, 4, ATTEMPTS])
def test_every_alert_says_what_happened_and_what_to_do(world: World, problem: Problem, receives: int) -> None:
    world.storage.downloads = [NotArchived(problem, "the words", size=7 * MIB, rate=99.5)]

    world.archive(receives=receives)

    for message in world.topics.messages:
        assert message.event_type == "archive.failed"
        assert "{" not in re.sub(r'\{"(announce_again|deliver)": \{', "", message.mail)
        assert "What to do: " in message.mail
        assert receives < ATTEMPTS or problem is Problem.SUPERSEDED or "What to do: Nothing" not in message.mail
        not_done = "not delivered" if problem is Problem.DELIVERY_NOT_STARTED else "not archived"
        assert message.subject.startswith(f"webadmit-exports: export 86446, file 74780 {not_done}")
        assert "  " not in str(message.body["reason"]) + str(message.body["advice"])
        assert json.dumps(message.body)
    told = (
        receives == ATTEMPTS or problem.is_final or receives >= (1 if problem.retry is Retry.HELPS_ONCE_REPAIRED else 4)
    )
    assert len(world.topics.messages) == told


def test_an_alert_that_comes_again_has_the_same_event_id_and_the_last_has_another(world: World) -> None:
    ids = []
    for receives in (1, 1, ATTEMPTS):
        one = announced_world()
        one.storage.downloads = [HostRefused("new.example")]
        one.archive(receives=receives)
        ids.append(alert(one)["event_id"])

    assert ids[0] == ids[1] != ids[2]


# ── The start of its delivery ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_archived_is_delivered_under_the_id_of_its_receipt(world: World) -> None:
    world.machine = FakeMachine()

    world.archive()

    (receipt,) = (message.body for message in world.topics.messages)
    assert world.machine.started == {receipt["event_id"]: receipt}
    assert world.bucket.stored
    assert world.bucket.stored.tags == {"receipt": "sent", "delivery": "started"}


def test_a_delivery_that_could_not_be_started_is_started_when_the_message_comes_again(world: World) -> None:
    world.machine = FakeMachine(failing=1)

    outcomes = [world.archive(), world.archive(receives=2), world.archive(receives=3)]

    assert outcomes == [ArchiveOutcome.DEFERRED, ArchiveOutcome.ALREADY_ARCHIVED, ArchiveOutcome.ALREADY_ARCHIVED]
    assert len(world.machine.started) == 1
    assert world.topics.event_types == ["export_file.archived"]


def test_people_are_told_of_a_delivery_that_cannot_be_started_after_an_hour(world: World) -> None:
    world.machine = FakeMachine(failing=ATTEMPTS)

    for receives in range(1, ATTEMPTS + 1):
        world.archive(receives=receives)

    told = [message for message in world.topics.messages if message.event_type == "archive.failed"]
    assert [message.subject.partition(": ")[2] for message in told] == [
        "export 86446, file 74780 not delivered yet: its delivery could not be started",
        "export 86446, file 74780 not delivered: its delivery could not be started",
    ]


def test_a_file_is_handed_over_once_also_where_deliveries_are_switched_off_and_on_again(world: World) -> None:
    world.archive()
    world.machine = FakeMachine()
    again = replace(READY_MESSAGE, is_repeated=True)

    world.archive(again)
    world.machine.started.clear()  # the machine of a stack whose deliveries were switched off and on again
    world.archive(again)

    assert not world.machine.started


def test_without_a_server_nothing_is_delivered(world: World) -> None:
    world.archive()

    assert world.bucket.stored
    assert world.bucket.stored.tags == {"receipt": "sent"}
