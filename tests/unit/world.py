"""All that the functions touch, in memory, and the use cases that work on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tests.fakes import (
    ALERTS_ARN,
    CALLBACKS,
    EXPORT,
    FILE_ID,
    NIGHT,
    READY_ARN,
    READY_MESSAGE,
    SETTINGS,
    SIGNING_KEY,
    WRITER,
    Clock,
    FakeBucket,
    FakeKeys,
    FakeLabels,
    FakeMachine,
    FakeNameMatches,
    FakeProbe,
    FakeQueues,
    FakeSchedules,
    FakeStartQueue,
    FakeStorage,
    FakeSubscriptions,
    FakeTable,
    FakeTopics,
    FakeWebAdmit,
    after,
    stand_in,
    tracker,
    update,
)
from webadmit_exports.archive.alerts import ArchiveAlerts
from webadmit_exports.archive.announced_file import ReadyMessage
from webadmit_exports.archive.archive_file import ArchiveFile, ArchiveOutcome
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.aws.start_queue import Delivery
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.export_file import ExportFile, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Entry
from webadmit_exports.domain.start_request import StartRequest, parse_start_request
from webadmit_exports.domain.transition import LifecycleSettings
from webadmit_exports.operations.check_delivery import CheckDelivery
from webadmit_exports.operations.check_setup import CheckSetup, Findings, Mailbox
from webadmit_exports.operations.daily_report import DailyReport
from webadmit_exports.operations.morning_mail import SendMorningMail, WatchedDeliveries
from webadmit_exports.operations.name_history import CurrentMatches
from webadmit_exports.runs.poll import Figures
from webadmit_exports.runs.reannounce import Reannounce
from webadmit_exports.runs.receive import CallbackCall, ReceiveCallback
from webadmit_exports.runs.reconcile import ReconcileRuns
from webadmit_exports.runs.resolve_names import ResolveNames
from webadmit_exports.runs.start import StartRuns
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.webadmit.listing import Lister

ATTEMPTS = 45  # of ArchiveQueue
MIB = 1024 * 1024


def exports(count: int, user_identity_id: int = 37442, first: int = 1) -> list[Export]:
    return [Export(user_identity_id=user_identity_id, export_id=number) for number in range(first, first + count)]


def delivery(*entries: Entry, last: bool = False, whole: bool = False) -> Delivery:
    """A message about these entries, named for the first."""
    entries = entries or (EXPORT,)
    request = StartRequest(entries=entries, scheduled_for=NIGHT)
    return Delivery(message_id=str(entries[0]), request=request, is_last=last, is_failed_invocation=whole)


@dataclass
class World:
    """A stack in which nothing has happened. Time passes only where something sleeps, or where a test says so.

    `timeout`: the seconds that each invocation has.
    """

    clock: Clock = field(default_factory=lambda: Clock(after(seconds=1)))
    timeout: float = 300
    webadmit: FakeWebAdmit = field(default_factory=FakeWebAdmit)
    keys: FakeKeys = field(default_factory=FakeKeys)
    table: FakeTable = field(default_factory=FakeTable)
    topics: FakeTopics = field(default_factory=FakeTopics)
    settings: LifecycleSettings = SETTINGS
    labels: Any = field(default_factory=FakeLabels)
    matches: FakeNameMatches = field(default_factory=FakeNameMatches)
    followed_cycles: int = 2
    start_queue: FakeStartQueue = field(default_factory=FakeStartQueue)
    schedules: FakeSchedules = field(default_factory=FakeSchedules)
    queues: FakeQueues = field(default_factory=FakeQueues)
    subscriptions: FakeSubscriptions = field(default_factory=FakeSubscriptions)
    probe: FakeProbe = field(default_factory=FakeProbe)
    storage: FakeStorage = field(default_factory=FakeStorage)
    machine: FakeMachine | None = None
    archive_queue: str = ""
    notification_email: str = "files@example.edu"
    alert_email: str = "alerts@example.edu"
    deliveries: WatchedDeliveries | None = None
    check_delivery: CheckDelivery | None = None
    slept: list[float] = field(default_factory=list)
    while_it_sleeps: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.bucket = FakeBucket(self.clock)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.go_on(seconds=seconds)
        self.while_it_sleeps()

    def time_left(self) -> Callable[[], float]:
        end = self.clock.now() + timedelta(seconds=self.timeout)

        def time_left() -> float:
            return (end - self.clock.now()).total_seconds()

        return time_left

    def tracker(self) -> RunTracker:
        return tracker(self.table, self.topics, self.clock, self.settings)

    def lister(self) -> Lister:
        return Lister(webadmit=stand_in(self.webadmit), followed_cycles=self.followed_cycles)

    # ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, *records: ExportFile) -> None:
        """The table has these records."""
        for record in records:
            self.table.records[record.export.export_id, record.export_file_id] = record

    def answer(self, status: str = "Initializing", *, scheduled_for: datetime = NIGHT, **more: Any) -> ExportFile:
        """A start was answered with this status when it was due, and that is recorded."""
        files = tracker(self.table, self.topics, Clock(scheduled_for + timedelta(seconds=1)), self.settings)
        files.apply(update(UpdateSource.START, status, scheduled_for, scheduled_for, **more), None)
        self.table.calls.clear()
        return self.record(more.get("export_file_id", FILE_ID))

    def open_run(
        self, file_id: int, identity: int = EXPORT.user_identity_id, status: str = "In Progress"
    ) -> ExportFile:
        """A run is on record as queued, and has this status in WebAdMIT."""
        export = Export(user_identity_id=identity, export_id=file_id % 1000 + 1)
        self.webadmit.runs[export.export_id, file_id] = (identity, status)
        return self.answer("Queued", export=export, export_file_id=file_id)

    def record(self, file_id: int) -> ExportFile:
        return next(record for record in self.table.records.values() if record.export_file_id == file_id)

    # ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start_runs(self) -> StartRuns:
        return StartRuns(
            webadmit=stand_in(self.webadmit),
            api_key=stand_in(self.keys),
            signing_keys=stand_in(self.keys),
            callback_url=CALLBACKS,
            table=stand_in(self.table),
            tracker=self.tracker(),
            start_queue=stand_in(self.start_queue),
            topics=stand_in(self.topics),
            writer=WRITER,
            labels=self.labels,
            resolve_names=ResolveNames(
                lister=self.lister(), matches=stand_in(self.matches), labels=self.labels, clock=self.clock.seconds
            ),
            now=self.clock.now,
            clock=self.clock.seconds,
            sleep=self.sleep,
        )

    def start(self, *entries: Entry, scheduled_for: datetime = NIGHT) -> dict[str, list[Entry]]:
        """The entries by what became of them."""
        return self._start(StartRequest(entries=entries, scheduled_for=scheduled_for))

    def start_event(self, event: Mapping[str, Any]) -> dict[str, list[Entry]]:
        """As the schedule or a person has it started."""
        return self._start(parse_start_request(event, self.clock.now()))

    def _start(self, request: StartRequest) -> dict[str, list[Entry]]:
        outcomes: dict[str, list[Entry]] = {}
        for result in self.start_runs().start(request, self.time_left()):
            outcomes.setdefault(result.outcome.value, []).append(result.requested.entry)
        return outcomes

    def retry(self, *deliveries: Delivery) -> list[str]:
        """The messages that shall come again."""
        return self.start_runs().retry(deliveries, self.time_left())

    def sweep(self) -> Figures:
        """Afterwards `webadmit.asked` has what this sweep asked."""
        self.webadmit.asked.clear()
        return ReconcileRuns(
            webadmit=stand_in(self.webadmit),
            api_key=stand_in(self.keys),
            table=stand_in(self.table),
            tracker=self.tracker(),
            start_queue=stand_in(self.start_queue),
            topics=stand_in(self.topics),
            writer=WRITER,
            now=self.clock.now,
        ).sweep(self.time_left())

    def receiver(self) -> ReceiveCallback:
        """A process, with its memory."""
        return ReceiveCallback(
            signing_keys=stand_in(self.keys),
            table=stand_in(self.table),
            tracker=self.tracker(),
            now=self.clock.now,
            sleep=self.sleep,
        )

    def receive(
        self,
        process: ReceiveCallback | None = None,
        *,
        key: bytes = SIGNING_KEY,
        scheduled_for: datetime = NIGHT,
        file_id: int = FILE_ID,
        export_id: int = EXPORT.export_id,
        status: str = "Available",
        **segments: str,
    ) -> None:
        """A callback that WebAdMIT sends; `segments` of its path may be another."""
        signed = CallbackUrl(export=EXPORT, scheduled_for=scheduled_for).signed("", key).split("/")[-4:]
        names = ("user_identity_id", "export_id", "occurrence", "signature")
        body = f"export_file[id]={file_id}&export_file[export_id]={export_id}&export_file[status]={status}"
        call = CallbackCall(segments={**dict(zip(names, signed, strict=True)), **segments}, body=body)
        (process or self.receiver()).receive(call)

    def announce_again(self, request: object) -> dict[str, Any]:
        return Reannounce(table=stand_in(self.table), tracker=self.tracker()).announce(request, self.time_left())

    # ── The archive ─────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def archive_file(self) -> ArchiveFile:
        """A process, with its memory."""
        messages = ArchiveMessages(writer=WRITER, bucket="archive", download_hosts="a.example")
        return ArchiveFile(
            webadmit=stand_in(self.webadmit),
            api_key=stand_in(self.keys),
            storage=stand_in(self.storage),
            bucket=stand_in(self.bucket),
            table=stand_in(self.table),
            topics=stand_in(self.topics),
            messages=messages,
            alerts=ArchiveAlerts(
                topics=stand_in(self.topics), messages=messages, attempts=ATTEMPTS, now=self.clock.now
            ),
            deliveries=stand_in(self.machine) if self.machine else None,
            largest=MIB,
            now=self.clock.now,
            clock=self.clock.seconds,
            sleep=self.sleep,
        )

    def archive(self, message: ReadyMessage = READY_MESSAGE, receives: int = 1) -> ArchiveOutcome:
        return self.archive_file.archive(message, receives, self.time_left())

    # ── Looking after it ────────────────────────────────────────────────────────────────────────────────────────────

    def send_morning_mail(self, now: datetime) -> DailyReport:
        return SendMorningMail(
            schedules=stand_in(self.schedules),
            table=stand_in(self.table),
            name_matches=stand_in(self.matches),
            current_matches=CurrentMatches(lister=self.lister(), api_key=stand_in(self.keys)),
            queues=stand_in(self.queues),
            alarms=stand_in(self.queues),
            deliveries=self.deliveries,
            topics=stand_in(self.topics),
            writer=WRITER,
        ).send(now, self.time_left())

    def check(self) -> Findings:
        return CheckSetup(
            lister=self.lister(),
            api_key=stand_in(self.keys),
            signing_keys=stand_in(self.keys),
            schedules=stand_in(self.schedules),
            subscriptions=stand_in(self.subscriptions),
            probe=stand_in(self.probe),
            ready_arn=READY_ARN,
            archive_queue_arn=self.archive_queue,
            delivery=self.check_delivery,
            callback_url=CALLBACKS,
            mailboxes=[
                Mailbox(parameter="NotificationEmail", address=self.notification_email, topic_arn=READY_ARN),
                Mailbox(parameter="AlertEmail", address=self.alert_email, topic_arn=ALERTS_ARN),
            ],
            alerts_arn=ALERTS_ARN,
            commands=WRITER.commands,
            now=self.clock.now,
        ).run(self.time_left())
