"""Reads the environment and makes the services and the use cases from it. The only place that does either.

Each function imports only what it uses: `requests` alone would slow the start of the one that takes callbacks.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from webadmit_exports.aws import clients
from webadmit_exports.aws.schedules import Schedules
from webadmit_exports.aws.secrets import Secrets, SigningKeys
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.lifecycle import LifecycleSettings
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.settings import Settings
from webadmit_exports.webadmit.api_key import WebAdmitApiKey

if TYPE_CHECKING:
    from webadmit_exports.archive.archive_file import ArchiveFile
    from webadmit_exports.aws.start_queue import StartQueue
    from webadmit_exports.operations.check_setup import CheckSetup
    from webadmit_exports.operations.morning_mail import SendMorningMail
    from webadmit_exports.runs.reannounce import Reannounce
    from webadmit_exports.runs.receive import ReceiveCallback
    from webadmit_exports.runs.reconcile import ReconcileRuns
    from webadmit_exports.runs.start import StartRuns
    from webadmit_exports.webadmit.client import WebAdmit


class Services(Settings):
    """The services of one function, each made once, and its use case; `app.py` asks for it while it is imported."""

    def __init__(self, environment: Mapping[str, str], now: Callable[[], datetime]) -> None:
        super().__init__(environment)
        self.now = now

    @cached_property
    def table(self) -> ExportFilesTable:
        return ExportFilesTable(clients.dynamodb(), self.setting("EXPORT_FILES_TABLE"))

    @cached_property
    def schedules(self) -> Schedules:
        names = {
            "Exports": self.setting("EXPORTS_SCHEDULE"),
            "FrequentExports": self.setting("FREQUENT_EXPORTS_SCHEDULE"),
        }
        return Schedules(clients.scheduler(), self.setting("SCHEDULE_GROUP"), names)

    @cached_property
    def topics(self) -> Topics:
        return Topics(
            clients.sns(),
            ready_arn=self.setting("READY_TOPIC_ARN"),
            alerts_arn=self.setting("ALERTS_TOPIC_ARN"),
            archived_arn=self.optional("ARCHIVED_TOPIC_ARN"),
        )

    @cached_property
    def writer(self) -> MessageWriter:
        return MessageWriter(
            stack_name=self.setting("STACK_NAME"),
            region=self.setting("AWS_REGION"),
            timezone=self.setting("SCHEDULE_TIMEZONE"),
            api_key_secret=self.optional("WEBADMIT_API_KEY_ARN"),
        )

    @cached_property
    def tracker(self) -> RunTracker:
        settings = LifecycleSettings(
            overdue_after=timedelta(minutes=self.number("OVERDUE_AFTER_MINUTES")),
            keep_records=timedelta(days=self.number("KEEP_RECORDS_DAYS")),
            alert_on_empty_list=self.setting("ALERT_ON_EMPTY_LIST") == "true",
        )
        return RunTracker(self.table, self.topics, self.writer, settings, self.now)

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(clients.secrets_manager())

    @cached_property
    def api_key(self) -> WebAdmitApiKey:
        return WebAdmitApiKey(self.secrets, self.setting("WEBADMIT_API_KEY_ARN"))

    @cached_property
    def signing_keys(self) -> SigningKeys:
        return SigningKeys(self.secrets, self.setting("CALLBACK_SIGNING_KEY_ARN"))

    @cached_property
    def start_queue(self) -> "StartQueue":
        from webadmit_exports.aws.start_queue import StartQueue

        attempts = int(self.number("START_RETRY_ATTEMPTS"))
        return StartQueue(clients.sqs(), self.setting("START_RETRY_QUEUE_URL"), attempts=attempts)

    def _webadmit(self, **options: Any) -> "WebAdmit":
        from webadmit_exports.webadmit.client import WebAdmit

        return WebAdmit(self.setting("WEBADMIT_BASE_URL"), **options)

    def start_runs(self) -> "StartRuns":
        from webadmit_exports.runs import export_names
        from webadmit_exports.runs.start import SIDE_BY_SIDE, StartRuns

        names = self._webadmit(connections=export_names.SIDE_BY_SIDE, read_seconds=export_names.READ_SECONDS)
        return StartRuns(
            webadmit=self._webadmit(connections=SIDE_BY_SIDE),
            api_key=self.api_key,
            signing_keys=self.signing_keys,
            callback_url=self.setting("CALLBACK_URL"),
            table=self.table,
            tracker=self.tracker,
            start_queue=self.start_queue,
            topics=self.topics,
            writer=self.writer,
            names=export_names.ExportNames(names, self.now),
            now=self.now,
        )

    def receive_callback(self) -> "ReceiveCallback":
        from webadmit_exports.runs.receive import ReceiveCallback

        if self.is_in_lambda:  # while a process starts, nobody waits for it yet
            with suppress(AwsUnavailable):  # the first callback finds it out again, and says so
                self.signing_keys.known()
        return ReceiveCallback(signing_keys=self.signing_keys, table=self.table, tracker=self.tracker, now=self.now)

    def reconcile_runs(self) -> "ReconcileRuns":
        from webadmit_exports.runs.reconcile import ReconcileRuns

        return ReconcileRuns(
            webadmit=self._webadmit(),
            api_key=self.api_key,
            table=self.table,
            tracker=self.tracker,
            topics=self.topics,
            writer=self.writer,
            now=self.now,
        )

    def reannounce(self) -> "Reannounce":
        from webadmit_exports.runs.reannounce import Reannounce

        return Reannounce(table=self.table, tracker=self.tracker)

    def archive_file(self) -> "ArchiveFile":
        from webadmit_exports.archive.archive_file import ArchiveFile
        from webadmit_exports.archive.bucket import ArchiveBucket
        from webadmit_exports.archive.download import Hosts, Storage
        from webadmit_exports.archive.messages import ArchiveMessages

        hosts = self.setting("ARCHIVE_DOWNLOAD_HOSTS")
        bucket = ArchiveBucket(clients.s3(), self.setting("ARCHIVE_BUCKET"))
        return ArchiveFile(
            webadmit=self._webadmit(),
            api_key=self.api_key,
            storage=Storage(Hosts.parse(hosts, self.setting("WEBADMIT_BASE_URL"))),
            bucket=bucket,
            table=self.table,
            topics=self.topics,
            messages=ArchiveMessages(writer=self.writer, bucket=bucket.name, download_hosts=hosts),
            attempts=int(self.number("ARCHIVE_ATTEMPTS")),
            largest=int(self.number("ARCHIVE_MAX_MEGABYTES") * 1024 * 1024),
            now=self.now,
        )

    def check_setup(self) -> "CheckSetup":
        from webadmit_exports.aws.subscriptions import Subscriptions
        from webadmit_exports.operations.callback_probe import Probe
        from webadmit_exports.operations.check_setup import CheckSetup, Mailbox
        from webadmit_exports.operations.key_access import READ_SECONDS, SIDE_BY_SIDE

        ready, alerts = self.setting("READY_TOPIC_ARN"), self.setting("ALERTS_TOPIC_ARN")
        return CheckSetup(
            webadmit=self._webadmit(connections=SIDE_BY_SIDE, read_seconds=READ_SECONDS),
            api_key=self.api_key,
            signing_keys=self.signing_keys,
            schedules=self.schedules,
            subscriptions=Subscriptions(clients.sns()),
            probe=Probe(),
            callback_url=self.setting("CALLBACK_URL"),
            mailboxes=[
                Mailbox(parameter="NotificationEmail", address=self.optional("NOTIFICATION_EMAIL"), topic_arn=ready),
                Mailbox(parameter="AlertEmail", address=self.optional("ALERT_EMAIL"), topic_arn=alerts),
            ],
            alerts_arn=alerts,
            commands=self.writer.commands,
            now=self.now,
        )

    def send_morning_mail(self) -> "SendMorningMail":
        from webadmit_exports.aws.start_queue import waiting_in
        from webadmit_exports.operations.expected_runs import Queues
        from webadmit_exports.operations.morning_mail import SendMorningMail

        sqs, retries = clients.sqs(), self.setting("START_RETRY_QUEUE_URL")
        given_up = self.setting("START_RETRY_DEAD_LETTER_QUEUE_URL")

        def count_queues() -> Queues:
            return Queues(retries=waiting_in(sqs, retries), given_up=waiting_in(sqs, given_up))

        return SendMorningMail(
            schedules=self.schedules,
            table=self.table,
            count_queues=count_queues,
            topics=self.topics,
            writer=self.writer,
        )
