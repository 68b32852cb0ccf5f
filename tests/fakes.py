"""Fakes for our own ports, and the values that unit tests have in common."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from tests.schemas import check_message
from webadmit_exports.archive.announced_file import AnnouncedFile, ReadyMessage
from webadmit_exports.archive.bucket import AlreadyThere
from webadmit_exports.archive.stored_file import FileFacts, StoredFile
from webadmit_exports.aws.table import WriteConflict, from_item, to_item
from webadmit_exports.domain.export_file import ExportFile, Labels, StatusUpdate, UpdateSource
from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.lifecycle import LifecycleSettings
from webadmit_exports.domain.name_pattern import Matches, NamePattern
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.message import Message, MessageWriter
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.webadmit.api_key import ApiKey

NIGHT = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
EXPORT = Export(user_identity_id=37442, export_id=86446)
API_KEY = ApiKey("0123456789abcdef0123456789abcdef")
SIGNING_KEY = b"a signing key of thirty-two bytes"
LABELS = Labels(export_name="Nursing applicants", cycle="2026 - 2027", organization="School of Nursing")
FILE_ID = 74780
SETTINGS = LifecycleSettings(
    overdue_after=timedelta(hours=4), keep_records=timedelta(days=90), alert_on_empty_list=True
)
WRITER = MessageWriter(
    stack_name="webadmit-exports",
    region="us-east-1",
    timezone="America/New_York",
    overdue_minutes=240,
    api_key_secret="arn:aws:secretsmanager:us-east-1:123456789012:secret:WebAdmitApiKey",
)


READY_FILE = ExportFile(
    export=EXPORT,
    export_file_id=FILE_ID,
    status="Available",
    first_scheduled_for=NIGHT,
    scheduled_for=NIGHT,
    started_at=NIGHT,
    updated_at=NIGHT + timedelta(minutes=4),
    finished_at=NIGHT + timedelta(minutes=4, seconds=10),
    labels=LABELS,
)
ANNOUNCED = AnnouncedFile.by_record(READY_FILE)
READY_MESSAGE = ReadyMessage(export=EXPORT, export_file_id=FILE_ID, finished_at=ANNOUNCED.finished_at)


def after(**duration: float) -> datetime:
    """A moment of the night: so long after the schedule."""
    return NIGHT + timedelta(**duration)


def update(
    source: UpdateSource, status: str, as_of: datetime, scheduled_for: datetime | None = NIGHT, **more: Any
) -> StatusUpdate:
    values: dict[str, Any] = {"export": EXPORT, "export_file_id": FILE_ID, **more}
    if source is UpdateSource.POLL:
        scheduled_for = None
    return StatusUpdate(source=source, status=status, as_of=as_of, scheduled_for=scheduled_for, **values)


def stand_in(fake: object) -> Any:
    """A fake where the real thing is expected: they share what is called, and no base class."""
    return fake


@dataclass(slots=True)
class Clock:
    """A time that tests set."""

    time: datetime = NIGHT

    def now(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return self.time.timestamp()

    def set(self, **duration: float) -> datetime:
        self.time = after(**duration)
        return self.time

    def go_on(self, **duration: float) -> datetime:
        self.time += timedelta(**duration)
        return self.time


@dataclass
class FakeTable:
    """ExportFilesTable in memory. `failing`: the calls that fail the next time, before anything happens."""

    records: dict[tuple[int, int], ExportFile] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    _version: int = 0

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            self.failing.remove(name)
            raise AwsUnavailable("DynamoDB answered ThrottlingException")

    def read(self, export_id: int, export_file_id: int) -> ExportFile | None:
        self._called("read")
        return self.records.get((export_id, export_file_id))

    def newest(self, export_id: int, since: datetime) -> list[ExportFile]:
        self._called("newest")
        runs = [record for (one, _), record in list(self.records.items()) if one == export_id]
        return sorted((run for run in runs if run.scheduled_for >= since), key=lambda run: -run.export_file_id)

    def unfinished(self, now: datetime) -> Iterator[ExportFile]:
        self._called("unfinished")
        due = [record for record in list(self.records.values()) if record.due_at and record.due_at <= now]
        yield from sorted(due, key=lambda record: record.due_at or now)

    def store(self, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
        self._called("store")
        key = (record.export.export_id, record.export_file_id)
        current = self.records.get(key)
        if (current.version if current else None) != (replacing.version if replacing else None):
            raise WriteConflict(current)
        return self._keep(record)

    def _keep(self, record: ExportFile) -> ExportFile:
        self._version += 1
        kept = from_item(to_item(replace(record, version=str(self._version))))  # no finer than DynamoDB keeps it
        self.records[record.export.export_id, record.export_file_id] = kept
        return kept

    @property
    def only(self) -> ExportFile:
        """The one record."""
        (record,) = self.records.values()
        return record


@dataclass
class FakeKeys:
    """Both keys; `error` and `signing_error` are what comes in their place."""

    error: Exception | None = None
    signing_error: Exception | None = None

    def read(self) -> ApiKey:
        if self.error:
            raise self.error
        return API_KEY

    def current(self) -> bytes:
        if self.signing_error:
            raise self.signing_error
        return SIGNING_KEY


class FakeLabels:
    """Knows what one export is called."""

    def remember(self, listing: object) -> None:
        pass

    def look_up(self, key: object, exports: object) -> None:
        pass

    def of(self, export: Export) -> Labels:
        return LABELS if export == EXPORT else Labels()


@dataclass
class FakeNameMatches:
    """NameMatches in memory. `failing`: no call works."""

    kept: dict[tuple[str, datetime], Matches] = field(default_factory=dict)
    failing: bool = False

    def add(self, name: NamePattern, scheduled_for: datetime, found: Matches) -> bool:
        self._called()
        if name.user_identity_id and (name.text, scheduled_for) not in self.kept:
            return bool(found.exports)
        before = self.kept.get((name.text, scheduled_for), Matches(exports={}, identities={}))
        listed = {number for one in (before, found) for number in one.identities if number not in one.unlisted}
        identities = {**before.identities, **found.identities}
        kept = Matches(
            exports={**before.exports, **found.exports},
            identities=identities,
            unlisted=frozenset(number for number in identities if number not in listed),
        )
        self.kept[name.text, scheduled_for] = kept
        return bool(kept.exports or kept.unlisted)

    def before(self, name: NamePattern, moment: datetime) -> Iterator[tuple[datetime, Matches]]:
        self._called()
        times = [(time, found) for (text, time), found in self.kept.items() if text == name.text and time < moment]
        yield from sorted(times, key=lambda one: one[0], reverse=True)

    def _called(self) -> None:
        if self.failing:
            raise AwsUnavailable("DynamoDB answered ThrottlingException")


@dataclass
class FakeLists:
    """What WebAdMIT lists: identities, and the exports of each. `errors`: what comes instead, one after another.

    `asked`: for what, `identities` or an identity's id. `before`: what happens before an answer.
    """

    known: list[Identity] = field(default_factory=list)
    listed: dict[int, list[ListedExport]] = field(default_factory=dict)
    errors: dict[str | int, list[Exception]] = field(default_factory=dict)
    asked: list[str | int] = field(default_factory=list)
    before: Callable[[], object] = lambda: None
    longest_call_seconds: float = 20.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def drop_connections(self) -> None:
        pass

    def add(self, identity: Identity, *names: str) -> None:
        """An identity with exports of these names; their ids are a hundred times the identity's, and more."""
        self.known.append(identity)
        exports = [ListedExport(id=identity.id * 100 + n, name=name, format="CSV") for n, name in enumerate(names)]
        self.listed[identity.id] = exports

    def identities(self, key: ApiKey) -> list[Identity]:
        self._asked("identities")
        return list(self.known)

    def exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        self._asked(user_identity_id)
        return list(self.listed[user_identity_id])

    def _asked(self, what: str | int) -> None:
        assert self.longest_call_seconds > 0
        with self.lock:
            self.asked.append(what)
            self.before()
            if self.errors.get(what):
                raise self.errors[what].pop(0)


def identity(number: int, cycle: str = "2026 - 2027", organization: str = "School of Nursing") -> Identity:
    return Identity(
        id=number,
        association="NursingCAS",
        organization=organization,
        institution="University of Examples",
        cycle=cycle,
    )


@dataclass
class FakeBucket:
    """ArchiveBucket with room for one object. `failing`: what goes wrong at the next call of that name."""

    clock: Clock
    stored: StoredFile | None = None
    previous: FileFacts | None = None
    failing: dict[str, Exception] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    name: str = "archive"

    def called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise self.failing.pop(name)

    def find(self, prefix: str) -> StoredFile | None:
        self.called("find")
        return self.stored if self.stored and self.stored.key.startswith(prefix) else None

    def before(self, key: str) -> FileFacts | None:
        self.called("before")
        return self.previous

    def put(
        self,
        key: str,
        content: IO[bytes],
        facts: FileFacts,
        *,
        metadata: dict[str, str],
        content_type: str,
        content_encoding: str = "",
    ) -> StoredFile:
        self.called("put")
        if self.stored:
            raise AlreadyThere
        self.metadata = metadata
        self.contents.append(content.read())
        self.stored = StoredFile(
            key=key,
            version_id=f"v{len(self.contents)}",
            size=len(self.contents[-1]),
            content_type=content_type,
            stored_at=self.clock.now(),
            facts=facts,
            metadata=metadata,
        )
        return self.stored

    def mark_receipt(self, stored: StoredFile) -> None:
        self.called("mark")
        self.stored = replace(stored, tags={**stored.tags, "receipt": "sent"})


@dataclass(slots=True)
class FakeTopics:
    """Topics in memory. `failing`: how many of the next messages are not taken."""

    messages: list[Message] = field(default_factory=list)
    failing: int = 0

    def publish(self, message: Message) -> None:
        if self.failing:
            self.failing -= 1
            raise AwsUnavailable("SNS answered Throttled")
        check_message(message.body)
        self.messages.append(message)

    @property
    def event_types(self) -> list[str]:
        return [message.event_type for message in self.messages]

    @property
    def event_ids(self) -> list[object]:
        return [message.body["event_id"] for message in self.messages]


def tracker(table: FakeTable, topics: FakeTopics, clock: Clock, settings: LifecycleSettings = SETTINGS) -> RunTracker:
    return RunTracker(stand_in(table), stand_in(topics), WRITER, settings, clock.now)
