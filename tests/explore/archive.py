"""One announced file: deliveries of ArchiveQueue to the product's archive, over one bucket."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from botocore.exceptions import BotoCoreError, ClientError

from tests.explore.engine import Call, Effect, Event, Process, Raised, Replay, RunAlone
from tests.explore.ports import (
    DONE,
    EXCUSED,
    HELD,
    LEASE,
    MIDNIGHT,
    OwnVersion,
    expect,
    no_answer_from_aws,
    no_answer_from_sns,
    quiet,
)
from tests.fakes import ANNOUNCED, FILE_ID, READY_FILE, READY_MESSAGE, WRITER, FakeKeys, stand_in
from webadmit_exports.archive import bucket
from webadmit_exports.archive.alerts import ArchiveAlerts
from webadmit_exports.archive.archive_file import ArchiveFile, ArchiveOutcome
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.errors import AwsUnavailable, DownloadFailed
from webadmit_exports.messages.message import Message
from webadmit_exports.webadmit.answers import DownloadUrl
from webadmit_exports.webadmit.answers import Run as SeenRun

_ATTEMPTS = 45
_CONTENT = b"id,name\r\n1,a\r\n"


@dataclass(frozen=True, slots=True)
class Object:
    """The object in the bucket: what its put said, and when it was there."""

    metadata: tuple[tuple[str, str], ...]
    stored_at: int
    has_receipt: bool = False
    is_being_delivered: bool = False

    @property
    def tags(self) -> dict[str, str]:
        tags = {"receipt": "sent"} if self.has_receipt else {}
        return {**tags, "delivery": "started"} if self.is_being_delivered else tags


@dataclass(frozen=True, slots=True)
class Archive:
    """What the deliveries share.

    `deliveries`: 1 once its delivery was started. `receipts`: how often the receipt was heard; `stands`: how the last
    one does (see `ports`); `is_queued`: the message comes again until a delivery of it has ended well.
    """

    stored: Object | None = None
    receipts: int = 0
    stands: str = DONE
    was_late: bool = False
    is_queued: bool = True
    deliveries: int = 0


# ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Put:
    """A put that was done; `is_lost`: its answer was."""

    at: int
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """A receipt that SNS took, as the `times`-th."""

    times: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that S3 refused, by its error code."""

    code: str


def _cut_off() -> BaseException:
    return DownloadFailed("the file was cut off")


# ── The ports of the product ────────────────────────────────────────────────────────────────────────────────────────


class S3:
    """boto3's client, as ArchiveBucket uses it."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        expect(arguments["Prefix"] == ANNOUNCED.key_prefix)
        found = self._replay.ask("looks for the object")
        return {"Contents": [{"Key": ANNOUNCED.key("a.csv")}]} if found else {}

    def get_paginator(self, _: str) -> "S3":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return []  # no file was archived before

    def head_object(self, **_: Any) -> dict[str, Any]:
        found, mark = self._replay.ask("asks about the object")
        self._found = found
        if found is None:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return {
            "Metadata": {**dict(found.metadata), "upload": mark},
            "VersionId": "1",
            "ETag": "1",
            "ContentLength": len(_CONTENT),
            "ContentType": "text/csv",
            "LastModified": MIDNIGHT + timedelta(minutes=found.stored_at),
            "TagCount": len(found.tags),
        }

    def get_object_tagging(self, **_: Any) -> dict[str, Any]:
        return {"TagSet": [{"Key": name, "Value": value} for name, value in self._found.tags.items()]}

    def put_object(self, **arguments: Any) -> None:
        metadata = {name: text for name, text in arguments["Metadata"].items() if name != "upload"}
        condition = arguments.get("IfNoneMatch") or arguments.get("IfMatch") or ""
        answer = self._replay.ask("stores the object", tuple(sorted(metadata.items())), condition)
        if isinstance(answer, Refused):
            raise ClientError({"Error": {"Code": answer.code}}, "PutObject")
        if answer.is_lost:
            raise BotoCoreError

    def put_object_tagging(self, **arguments: Any) -> None:
        tags = {tag["Key"] for tag in arguments["Tagging"]["TagSet"]}
        self._replay.ask("notes the delivery" if "delivery" in tags else "notes the receipt", tuple(sorted(tags)))


@dataclass
class Download:
    """A file that comes in at once."""

    content: bytes
    size: int = len(_CONTENT)
    file_name: str = "a.csv"
    media_type: str = "text/csv"
    content_type: str = "text/csv"
    charset: str = ""
    encoding: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        yield self.content


class StoragePort:
    """WebAdMIT's storage, and WebAdMIT, which gives out its URLs."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def drop_connections(self) -> None:
        pass

    def file(self, *_: object) -> tuple[SeenRun, DownloadUrl]:
        return SeenRun(export_file_id=FILE_ID, status="Available"), DownloadUrl("https://x.example/a.csv")

    @contextmanager
    def open(self, *_: object) -> Iterator[Download]:
        yield Download(self._replay.ask("fetches the file"))


class Table:
    """The record of the file, which is there."""

    def read(self, *_: object) -> object:
        return READY_FILE


class MachinePort:
    """DeliveryMachine: the same name starts nothing twice."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def start(self, name: str, receipt: object) -> None:
        self._replay.ask("starts the delivery", name)


class TopicsPort:
    """SNS."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def publish(self, message: Message) -> None:
        self._replay.ask("publishes", str(message.event_type), str(message.body["event_id"]))


# ── The model ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Archiving:
    """`budget`: how often each may happen: `delivery` (of the one announcement), `fault`, `crash`, `tick`."""

    budget: dict[str, int]
    kinds = ("delivery", "fault")

    @contextmanager
    def as_explored(self) -> Iterator[None]:
        with mock.patch.object(bucket, "uuid", OwnVersion), quiet():
            yield

    def begin(self) -> Archive:
        return Archive()

    def time(self, clock: int, shared: Archive) -> int:
        return clock

    def to_time(self, number: int) -> datetime:
        return MIDNIGHT + timedelta(minutes=number)

    def run(self, process: Process, replay: Replay) -> Hashable:
        topics, storage = stand_in(TopicsPort(replay)), stand_in(StoragePort(replay))
        messages = ArchiveMessages(writer=WRITER, bucket="archive", download_hosts="x.example")
        archive = ArchiveFile(
            webadmit=storage,
            api_key=stand_in(FakeKeys()),
            storage=storage,
            bucket=bucket.ArchiveBucket(stand_in(S3(replay)), "archive"),
            table=stand_in(Table()),
            topics=topics,
            messages=messages,
            alerts=ArchiveAlerts(topics=topics, messages=messages, attempts=_ATTEMPTS, now=replay.now),
            deliveries=stand_in(MachinePort(replay)),
            largest=1_000_000,
            now=replay.now,
            clock=lambda: 0.0,
            sleep=lambda _: None,
        )
        try:
            return archive.archive(READY_MESSAGE, 1, lambda: 900.0) is not ArchiveOutcome.DEFERRED
        except AwsUnavailable:
            return False

    def events(self, shared: Archive, clock: int) -> Iterator[Event]:
        yield Event("SQS delivers the announcement", shared, "delivery", ("delivery", ""))

    def effects(self, call: Call, process: Process, shared: Archive, clock: int) -> Iterator[Effect]:
        ways: dict[str, Callable[..., Iterator[Effect]]] = {
            "looks for the object": self._look,
            "asks about the object": self._look_at,
            "fetches the file": self._fetch,
            "stores the object": self._store,
            "publishes": self._publish,
            "notes the receipt": self._note,
            "starts the delivery": self._start,
            "notes the delivery": self._note,
        }
        for effect in ways[call.name](process, shared, clock, *call.arguments):
            yield replace(effect, label=f"{call.name}{effect.label}")

    def _look(self, process: Process, shared: Archive, clock: int) -> Iterator[Effect]:
        yield Effect("", shared.stored is not None, shared)
        yield Effect(", unanswered", Raised(no_answer_from_aws), shared, costs="fault")

    def _look_at(self, process: Process, shared: Archive, clock: int) -> Iterator[Effect]:
        mark = "own" if shared.stored and _put_by(process) else "other"
        yield Effect("", (shared.stored, mark), shared)
        yield Effect(", unanswered", Raised(no_answer_from_aws), shared, costs="fault")

    def _fetch(self, process: Process, shared: Archive, clock: int) -> Iterator[Effect]:
        yield Effect("", _CONTENT, shared)
        yield Effect(", which is cut off", Raised(_cut_off), shared, costs="fault")

    def _store(
        self, process: Process, shared: Archive, clock: int, metadata: tuple[tuple[str, str], ...], condition: str
    ) -> Iterator[Effect]:
        if shared.stored and condition == "*":
            yield Effect(", but it is there", Refused("PreconditionFailed"), shared)
            yield Effect(", unanswered", Raised(no_answer_from_aws), shared, costs="fault")
            return
        wrong = "an object is stored again" if shared.stored else ""
        if "sha256" not in dict(metadata):
            wrong = "an object is stored without its facts"
        stored = replace(shared, stored=Object(metadata, clock))
        yield Effect("", Put(clock), stored, violation=wrong)
        yield Effect(", unanswered", Raised(no_answer_from_aws), shared, costs="fault")
        yield Effect(", but the answer is lost", Put(clock, is_lost=True), stored, costs="fault", violation=wrong)

    def _publish(
        self, process: Process, shared: Archive, clock: int, event_type: str, event_id: str
    ) -> Iterator[Effect]:
        if event_type != "export_file.archived":
            yield Effect(f" {event_type}", Published(0), shared)
            return
        put = _put_by(process)
        seen_late = _found_after_lease(process)
        is_late = bool(put and put.at + LEASE <= clock)
        explained = is_late or shared.was_late or shared.stands == EXCUSED or seen_late
        wrong = "" if shared.stored else "a receipt is sent for what is not there"
        if shared.receipts and not explained:
            wrong = "a receipt is repeated, and nothing explains it"
        told = replace(shared, receipts=shared.receipts + 1, stands=HELD, was_late=is_late)
        refused = Raised(no_answer_from_sns)
        yield Effect(" the receipt", Published(told.receipts), told, violation=wrong)
        yield Effect(" the receipt, not taken", refused, shared, costs="fault")
        lost = replace(told, stands=EXCUSED)
        yield Effect(" the receipt, but the answer is lost", refused, lost, costs="fault", violation=wrong)

    def _start(self, process: Process, shared: Archive, clock: int, name: str) -> Iterator[Effect]:
        wrong = "" if shared.receipts else "a delivery is started before the receipt is sent"
        started = replace(shared, deliveries=1)
        yield Effect("", "started", started, violation=wrong)
        yield Effect(", unanswered", Raised(no_answer_from_sns), shared, costs="fault")
        yield Effect(", but the answer is lost", Raised(no_answer_from_sns), started, costs="fault", violation=wrong)

    def _note(self, process: Process, shared: Archive, clock: int, tags: tuple[str, ...]) -> Iterator[Effect]:
        assert shared.stored, "what is noted is there"
        stored = replace(shared.stored, has_receipt="receipt" in tags, is_being_delivered="delivery" in tags)
        noted = replace(shared, stored=stored, stands=DONE)
        failed = _left_by(process, shared)
        yield Effect("", "noted", noted)
        yield Effect(", unanswered", Raised(no_answer_from_aws), failed, costs="fault")
        yield Effect(", but the answer is lost", Raised(no_answer_from_aws), noted, costs="fault")

    def remembers(self, process: Process) -> Hashable:
        published = tuple(answer for answer, _ in process.answers if isinstance(answer, Published))
        return (_put_by(process), published[-1:], _found_after_lease(process))

    def outdated(self, answer: Hashable, what: Hashable) -> Hashable:
        return answer

    def ended(self, process: Process, outcome: Hashable, shared: Archive) -> Archive:
        return replace(shared, is_queued=False) if outcome else shared

    def died(self, process: Process, shared: Archive) -> Archive:
        return _left_by(process, shared)

    def when_idle(self, shared: Archive, clock: int) -> str:
        return ""

    def after_recovery(self, shared: Archive, clock: int, run_alone: RunAlone) -> str:
        """SQS brings the message again until a delivery ends well."""
        for again in range(1, 4):
            if not shared.is_queued:
                break
            shared, wrong = run_alone("delivery", "", shared, clock + 16 * again)
            if wrong:
                return f"{wrong}, after faults have stopped"
        if shared.stored is None:
            return "the file is never archived"
        if not (shared.receipts and shared.stored.has_receipt):
            return "the receipt is never sent"
        return "" if shared.deliveries else "the delivery is never started"


def _put_by(process: Process) -> Put | None:
    """The put that the process has done, perhaps without knowing."""
    return next((answer for answer, _ in process.answers if isinstance(answer, Put)), None)


def _found_after_lease(process: Process) -> bool:
    """Whether the process found an object that was there for longer than a process may take to its receipt."""
    return any(
        isinstance(answer, tuple)
        and isinstance(answer[0], Object)
        and not answer[0].has_receipt
        and answer[0].stored_at + LEASE <= at
        for answer, at in process.answers
    )


def _left_by(process: Process, shared: Archive) -> Archive:
    """After the process has died or failed: if the last receipt was its own, that may be repeated."""
    published = [answer for answer, _ in process.answers if isinstance(answer, Published) and answer.times]
    if published and published[-1].times == shared.receipts and shared.stands == HELD:
        return replace(shared, stands=EXCUSED)
    return shared
