"""Fakes for our own ports, and the values that unit tests have in common."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any, TypeVar

from tests.schemas import check_message
from webadmit_exports.archive.announced_file import AnnouncedFile, ReadyMessage
from webadmit_exports.archive.bucket import AlreadyThere
from webadmit_exports.archive.stored_file import FileFacts, StoredFile
from webadmit_exports.aws.alarms import RingingAlarm
from webadmit_exports.aws.connector import Sending
from webadmit_exports.aws.outgoing_bucket import Folder, NoLongerArchived
from webadmit_exports.aws.queue_lengths import QueueLengths
from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.aws.subscriptions import Subscribers
from webadmit_exports.aws.table import WriteConflict, from_item, to_item
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.name_pattern import Entry, Matches, NamePattern
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.domain.transition import LifecycleSettings
from webadmit_exports.errors import AwsUnavailable, DownloadFailed, RequestRefused
from webadmit_exports.messages.message import Message, MessageWriter
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.webadmit.answers import DownloadUrl, RateLimit, Run
from webadmit_exports.webadmit.api_key import ApiKey

T = TypeVar("T")
NIGHT = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
EXPORT = Export(user_identity_id=37442, export_id=86446)
API_KEY = ApiKey("0123456789abcdef0123456789abcdef")
SIGNING_KEY, OLD_SIGNING_KEY = b"a signing key of thirty-two bytes", b"the signing key that was before"
CALLBACKS = "https://callbacks.example"
EMPTY_QUEUES = QueueLengths(retries=0, given_up=0)
LIMIT = RateLimit(limit=5000, remaining=4000)
READY_ARN, ALERTS_ARN = (f"arn:aws:sns:us-east-1:123456789012:{name}" for name in ("Ready", "Alerts"))
LABELS = Labels(export_name="Nursing applicants", cycle="2026 - 2027", organization="School of Nursing")
FILE_ID = 74780
SETTINGS = LifecycleSettings(
    overdue_after=timedelta(hours=4), keep_records=timedelta(days=90), alert_on_empty_list=True, start_failed_again=True
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


def file(
    status: str = "Available",
    scheduled_for: datetime = NIGHT,
    *,
    export: Export = EXPORT,
    file_id: int = FILE_ID,
    **more: Any,
) -> ExportFile:
    """The record of a run, which is finished where `finished_at` is given."""
    at = dict.fromkeys(("first_scheduled_for", "started_at", "updated_at"), scheduled_for)
    values: dict[str, Any] = {**at, "scheduled_for": scheduled_for, **more}
    return ExportFile(export=export, export_file_id=file_id, status=status, **values)


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
    """Both keys; `error` and `signing_error` come in their place. A look at Secrets Manager finds the old one, too."""

    error: Exception | None = None
    signing_error: Exception | None = None
    reads: int = 0
    looks: int = 0

    def read(self) -> ApiKey:
        self.reads += 1
        if self.error:
            raise self.error
        return API_KEY

    def current(self) -> bytes:
        if self.signing_error:
            raise self.signing_error
        return SIGNING_KEY

    def known(self) -> list[bytes]:
        return [self.current()]

    def refreshed(self, now: datetime) -> list[bytes]:
        self.looks += 1
        return [SIGNING_KEY, OLD_SIGNING_KEY]


class FakeLabels:
    """Knows what one export is called."""

    def remember(self, listing: object) -> None:
        pass

    def look_up(self, key: object, exports: object) -> None:
        pass

    def of(self, export: Export) -> Labels:
        return LABELS if export == EXPORT else Labels()


@dataclass
class FakeStartQueue:
    """StartRetryQueue in memory. `failing`: it takes nothing."""

    requests: list[StartRequest] = field(default_factory=list)
    span: timedelta = timedelta(hours=12)
    failing: bool = False

    def put(self, requests: list[StartRequest]) -> None:
        if self.failing and requests:
            raise AwsUnavailable("SQS answered ServiceUnavailable")
        self.requests += requests

    @property
    def deferred(self) -> list[tuple[Entry, datetime]]:
        return [(request.entries[0], request.scheduled_for) for request in self.requests]


@dataclass
class FakeSchedules:
    """The schedules of the stack; `error` is what comes in their place."""

    schedules: list[Schedule] = field(default_factory=list)
    error: Exception | None = None

    def read(self) -> list[Schedule]:
        if self.error:
            raise self.error
        return self.schedules


@dataclass
class FakeQueues:
    """How many messages wait, and which alarms ring; each may have an error in its place."""

    lengths: QueueLengths | Exception = EMPTY_QUEUES
    alarms: list[RingingAlarm] | Exception = field(default_factory=list)

    def count(self) -> QueueLengths:
        return _or_raise(self.lengths)

    def ringing(self) -> list[RingingAlarm]:
        return _or_raise(self.alarms)


@dataclass
class FakeSubscriptions:
    """Who is subscribed, by topic; `queues`, to ReadyTopic."""

    confirmed: dict[str, set[str]] = field(default_factory=dict)
    pending: dict[str, set[str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    queues: set[str] = field(default_factory=set)
    errors: dict[str, Exception] = field(default_factory=dict)

    def of(self, topic_arn: str) -> Subscribers:
        if topic_arn in self.errors:
            raise self.errors[topic_arn]
        confirmed = frozenset(self.confirmed.get(topic_arn, ()))
        return Subscribers(
            confirmed_mails=confirmed,
            pending_mails=frozenset(self.pending.get(topic_arn, ())),
            has_any=bool(confirmed) or topic_arn in self.others,
            queues=frozenset(self.queues) if topic_arn == READY_ARN else frozenset(),
        )


@dataclass
class FakeProbe:
    """The callback API: answers with `status`, and remembers where it was asked."""

    status: int | None = 400
    urls: list[str] = field(default_factory=list)

    def post_empty_form(self, url: str) -> int | None:
        self.urls.append(url)
        return self.status


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
class FakeWebAdmit:
    """WebAdMIT in memory: identities, the exports that each lists, and runs by export and file, each of an identity.

    What is read has a name: `identities`, `exports 37442` and `runs 37442` (of an identity), `run 74780` and
    `file 74780`. `asked` has these names, and `started` the exports, in their order. `errors`: by name what comes
    instead, for ever, or one after another. `answers`: what starts of an export are answered with, one after another
    (a run, a run and a limit, an error, or what makes one of them); else with a new run. `before`: what happens before
    an answer, one after another; it gets the name (`start 37442:86446` of a start). `while_listing`: what happens side
    by side before the answers for identities.
    """

    known: list[Identity] = field(default_factory=list)
    listed: dict[int, list[ListedExport]] = field(default_factory=dict)
    runs: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    unlisted: set[int] = field(default_factory=set)  # files that no list of runs has
    urls: list[str] = field(default_factory=lambda: ["https://x.example/a.csv"])  # of files, the last for ever
    answers: dict[Export, list[Any]] = field(default_factory=dict)
    errors: dict[str, Exception | list[Exception]] = field(default_factory=dict)
    limit: RateLimit = LIMIT
    asked: list[str] = field(default_factory=list)
    started: list[Export] = field(default_factory=list)
    dropped_before: list[int] = field(default_factory=list)  # connections, before so many reads and starts
    before: Callable[[str], object] = lambda _: None
    while_listing: Callable[[], object] = lambda: None
    longest_call_seconds: float = 20.0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def drop_connections(self) -> None:
        self.dropped_before.append(len(self.asked) + len(self.started))

    def add(self, identity: Identity, *names: str) -> None:
        """An identity with exports of these names; their ids are a hundred times the identity's, and more."""
        self.known.append(identity)
        exports = [ListedExport(id=identity.id * 100 + n, name=name, format="CSV") for n, name in enumerate(names)]
        self.listed[identity.id] = exports

    def identities(self, key: ApiKey) -> list[Identity]:
        self._ask(key, "identities")
        return list(self.known)

    def exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        self.while_listing()
        self._ask(key, f"exports {user_identity_id}")
        return list(self.listed[user_identity_id])

    def recent_runs(self, key: ApiKey, user_identity_id: int) -> tuple[list[Run], RateLimit]:
        self._ask(key, f"runs {user_identity_id}")
        listed = [
            replace(run(file_id, status), export_id=export_id)
            for (export_id, file_id), (of, status) in self.runs.items()
            if of == user_identity_id and file_id not in self.unlisted
        ]
        return listed, self.limit

    def run(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, RateLimit]:
        self._ask(key, f"run {export_file_id}")
        return self._known_run(export_id, export_file_id), self.limit

    def file(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, DownloadUrl | None]:
        self._ask(key, f"file {export_file_id}")
        url = self.urls.pop(0) if len(self.urls) > 1 else self.urls[0]
        return self._known_run(export_id, export_file_id), DownloadUrl(url) if url else None

    def _known_run(self, export_id: int, export_file_id: int) -> Run:
        if (export_id, export_file_id) not in self.runs:
            raise RequestRefused("/", "answered 404", "Export file not found.", status=404)
        return replace(run(export_file_id, self.runs[export_id, export_file_id][1]), export_id=export_id)

    def start_run(self, key: ApiKey, export: Export, callback_url: str) -> tuple[Run, RateLimit]:
        assert key == API_KEY
        assert callback_url.startswith(f"{CALLBACKS}/callbacks/{export.user_identity_id}/")
        with self._lock:
            self.started.append(export)
            self.before(f"start {export}")
            answer = self.answers[export].pop(0) if self.answers.get(export) else None
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (answer or run(export.export_id + 1000), self.limit)

    def _ask(self, key: ApiKey, what: str) -> None:
        assert key == API_KEY
        assert self.longest_call_seconds > 0
        with self._lock:
            self.asked.append(what)
            self.before(what)
            error = self.errors.get(what)
            if isinstance(error, list):
                error = error.pop(0) if error else None
            if error:
                raise error


def run(file_id: int, status: str = "In Progress") -> Run:
    return Run(export_file_id=file_id, export_id=None, status=status, href=None)


def identity(number: int, cycle: str = "2026 - 2027", organization: str = "School of Nursing") -> Identity:
    return Identity(
        id=number,
        association="NursingCAS",
        organization=organization,
        institution="University of Examples",
        cycle=cycle,
    )


@dataclass
class FakeDownload:
    """A file that comes in two chunks; `fails` after the first."""

    content: bytes = b"id,name\r\n1,a\r\n2,b\r\n"
    file_name: str = "Nursing.csv"
    media_type: str = "text/csv"
    content_type: str = "text/csv;charset=iso-8859-1"
    charset: str = "iso-8859-1"
    encoding: str = ""
    size: int | None = 19
    fails: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        yield self.content[:10]
        if self.fails:
            raise DownloadFailed("the file was cut off after 10 of 19 bytes")
        yield self.content[10:]


@dataclass
class FakeStorage:
    """Where WebAdMIT's files are. `downloads`: what comes, the last for ever. `opened`: where, and how many seconds."""

    downloads: Sequence[FakeDownload | Exception] = (FakeDownload(),)
    opened: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def open(self, url: DownloadUrl, seconds: float) -> Iterator[FakeDownload]:
        download, *later = self.downloads
        self.downloads = later or self.downloads
        self.opened.append((url.value, seconds))
        yield _or_raise(download)


def _or_raise(value: T | Exception) -> T:
    if isinstance(value, Exception):
        raise value
    return value


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

    def mark(self, stored: StoredFile, tag: str) -> StoredFile:
        self.called("mark")
        self.stored = stored.marked(tag)
        return self.stored


@dataclass(slots=True)
class FakeMachine:
    """DeliveryMachine: the receipts of what was started, by name. `failing`: how many of the next starts fail."""

    started: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    failing: int = 0
    running: int = 0
    asked: list[datetime] = field(default_factory=list)

    def start(self, name: str, receipt: Mapping[str, Any], *, released: bool = False) -> None:
        if self.failing:
            self.failing -= 1
            raise AwsUnavailable("Step Functions answered ThrottlingException")
        self.started.setdefault(name, receipt)
        if released:
            self.released.append(name)

    def count_running(self, since_before: datetime) -> int:
        self.asked.append(since_before)
        return self.running


@dataclass(slots=True)
class FakeTopics:
    """Topics in memory. `failing`: how many of the next messages are not taken. `before`: what happens before one."""

    messages: list[Message] = field(default_factory=list)
    failing: int = 0
    before: Callable[[], object] = lambda: None

    def publish(self, message: Message) -> None:
        self.before()
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


@dataclass(slots=True)
class FakeServer:
    """An SFTP server, the connector before it, and OutgoingBucket. What is asked for happens when it `works`.

    As OpenSSH does, it renames onto no file that is there. `failing`: what is raised at the next call of that name.
    """

    name: str = "outgoing"
    archived: dict[str, bytes] = field(default_factory=dict)  # by key
    files: dict[str, bytes] = field(default_factory=dict)  # by path
    is_down: bool = False
    is_full: bool = False
    never_renames: bool = False
    tells_sizes: bool = True
    most_listed: int = 10_000
    said: str = ""
    addresses_: tuple[str, ...] = ("203.0.113.10", "203.0.113.11")
    failing: dict[str, Exception] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _copies: dict[str, bytes] = field(default_factory=dict)
    _sendings: dict[str, Sending] = field(default_factory=dict)
    _listings: dict[str, Folder] = field(default_factory=dict)
    _asked: list[Callable[[], None]] = field(default_factory=list)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise self.failing.pop(name)

    def work(self) -> None:
        """Does what it was asked for, in that order."""
        asked, self._asked = self._asked, []
        for what in asked:
            what()

    # ── OutgoingBucket ──────────────────────────────────────────────────────────────────────────────────────────────

    def copy(self, archived: tuple[str, str, str], key: str) -> None:
        self._called("copy")
        if archived[1] not in self.archived:
            raise NoLongerArchived
        self._copies[key] = self.archived[archived[1]]

    def head(self, archived: tuple[str, str, str], length: int) -> bytes:
        self._called("head")
        if archived[1] not in self.archived:
            raise NoLongerArchived
        return self.archived[archived[1]][:length]

    def folder(self, key: str) -> Folder | None:
        self._called("folder")
        return self._listings.get(key)

    # ── Connector ───────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, bucket: str, key: str, folder: str) -> str:
        self._called("send")
        number = f"transfer {len(self._sendings) + 1}"
        self._sendings[number] = Sending(is_over=False)
        path, content = f"{folder}/{key.rpartition('/')[2]}", self._copies[key]

        def arrive() -> None:
            if self.is_down or self.is_full:
                if self.is_full:
                    self.files[path] = content[: len(content) // 2]
                self._sendings[number] = Sending(is_over=True, words="“no space left”" if self.is_full else "“timeout”")
                return
            self.files[path] = content
            self._sendings[number] = Sending(is_over=True, has_arrived=True)

        self._asked.append(arrive)
        return number

    def sending(self, transfer_id: str) -> Sending:
        self._called("sending")
        unknown = Sending(is_over=True, words="AWS does not know the transfer any more")
        return self._sendings.get(transfer_id, unknown)

    def rename(self, path: str, new_path: str) -> None:
        self._called("rename")

        def move() -> None:
            if path in self.files and new_path not in self.files and not self.is_down and not self.never_renames:
                self.files[new_path] = self.files.pop(path)

        self._asked.append(move)

    def remove(self, path: str) -> None:
        self._called("remove")

        def forget() -> None:
            if not self.is_down:
                self.files.pop(path, None)

        self._asked.append(forget)

    def list_folder(self, folder: str, bucket: str, prefix: str) -> str:
        self._called("list_folder")
        key = f"{prefix}/{len(self.calls)}.json"

        def write() -> None:
            if self.is_down:
                return
            here = {
                path.removeprefix(f"{folder}/"): len(content) if self.tells_sizes else None
                for path, content in sorted(self.files.items())
                if path.startswith(f"{folder}/")
            }
            listed = dict(list(here.items())[: self.most_listed])
            self._listings[key] = Folder(files=listed, is_cut_off=len(here) > self.most_listed)

        self._asked.append(write)
        return key

    def test(self) -> str:
        return self.said

    def addresses(self) -> list[str]:
        return list(self.addresses_)
