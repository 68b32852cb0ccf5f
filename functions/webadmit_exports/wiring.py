"""Puts the use case of each function together; `app.py` does so while it is imported.

Each function imports only what it uses: `requests` alone would slow the start of the one that takes callbacks.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from webadmit_exports.aws import clients
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.services import Services

if TYPE_CHECKING:
    from webadmit_exports.archive.archive_file import ArchiveFile
    from webadmit_exports.aws.name_matches import NameMatches
    from webadmit_exports.aws.schedules import Schedules
    from webadmit_exports.operations.check_setup import CheckSetup
    from webadmit_exports.operations.morning_mail import SendMorningMail
    from webadmit_exports.runs.reannounce import Reannounce
    from webadmit_exports.runs.receive import ReceiveCallback
    from webadmit_exports.runs.reconcile import ReconcileRuns
    from webadmit_exports.runs.start import StartRuns
    from webadmit_exports.webadmit.client import WebAdmit


def _webadmit(services: Services, **options: Any) -> "WebAdmit":
    from webadmit_exports.webadmit.client import WebAdmit

    return WebAdmit(services.setting("WEBADMIT_BASE_URL"), version=services.setting("VERSION"), **options)


def _name_matches(services: Services) -> "NameMatches":
    from webadmit_exports.aws.name_matches import NameMatches

    return NameMatches(services.dynamodb, services.setting("NAME_MATCHES_TABLE"))


def _schedules(services: Services) -> "Schedules":
    from webadmit_exports.aws.schedules import Schedules

    names = {
        "Exports": services.setting("EXPORTS_SCHEDULE"),
        "FrequentExports": services.setting("FREQUENT_EXPORTS_SCHEDULE"),
    }
    state = services.setting("SCHEDULE_STATE")
    return Schedules(clients.scheduler(), services.setting("SCHEDULE_GROUP"), names, state=state)


def start_runs(services: Services) -> "StartRuns":
    from webadmit_exports.aws.start_queue import StartQueue
    from webadmit_exports.runs import export_names, resolve_names
    from webadmit_exports.runs.start import SIDE_BY_SIDE, StartRuns
    from webadmit_exports.webadmit import listing

    attempts = int(services.number("START_RETRY_ATTEMPTS"))
    quick = _webadmit(services, connections=export_names.SIDE_BY_SIDE, read_seconds=export_names.READ_SECONDS)
    names = export_names.ExportNames(quick, services.now)
    resolver = resolve_names.ResolveNames(
        webadmit=_webadmit(services, connections=listing.SIDE_BY_SIDE, read_seconds=resolve_names.READ_SECONDS),
        matches=_name_matches(services),
        names=names,
        followed_cycles=services.followed_cycles,
    )
    return StartRuns(
        webadmit=_webadmit(services, connections=SIDE_BY_SIDE),
        api_key=services.api_key,
        signing_keys=services.signing_keys,
        callback_url=services.setting("CALLBACK_URL"),
        table=services.table,
        tracker=services.tracker,
        start_queue=StartQueue(clients.sqs(), services.setting("START_RETRY_QUEUE_URL"), attempts=attempts),
        topics=services.topics,
        writer=services.writer,
        names=names,
        resolve_names=resolver,
        now=services.now,
    )


def receive_callback(services: Services) -> "ReceiveCallback":
    from webadmit_exports.runs.receive import ReceiveCallback

    if services.is_in_lambda:  # while a process starts, nobody waits for it yet
        with suppress(AwsUnavailable):  # the first callback finds it out again, and says so
            services.signing_keys.known()
    return ReceiveCallback(
        signing_keys=services.signing_keys, table=services.table, tracker=services.tracker, now=services.now
    )


def reconcile_runs(services: Services) -> "ReconcileRuns":
    from webadmit_exports.runs.reconcile import ReconcileRuns

    return ReconcileRuns(
        webadmit=_webadmit(services),
        api_key=services.api_key,
        table=services.table,
        tracker=services.tracker,
        topics=services.topics,
        writer=services.writer,
        now=services.now,
    )


def reannounce(services: Services) -> "Reannounce":
    from webadmit_exports.runs.reannounce import Reannounce

    return Reannounce(table=services.table, tracker=services.tracker)


def archive_file(services: Services) -> "ArchiveFile":
    from webadmit_exports.archive.alerts import ArchiveAlerts
    from webadmit_exports.archive.archive_file import ArchiveFile
    from webadmit_exports.archive.bucket import ArchiveBucket
    from webadmit_exports.archive.download import Hosts, Storage
    from webadmit_exports.archive.messages import ArchiveMessages

    hosts = services.setting("ARCHIVE_DOWNLOAD_HOSTS")
    bucket = ArchiveBucket(clients.s3(), services.setting("ARCHIVE_BUCKET"))
    messages = ArchiveMessages(writer=services.writer, bucket=bucket.name, download_hosts=hosts)
    attempts = int(services.number("ARCHIVE_ATTEMPTS"))
    return ArchiveFile(
        webadmit=_webadmit(services),
        api_key=services.api_key,
        storage=Storage(Hosts.parse(hosts, services.setting("WEBADMIT_BASE_URL"))),
        bucket=bucket,
        table=services.table,
        topics=services.topics,
        messages=messages,
        alerts=ArchiveAlerts(topics=services.topics, messages=messages, attempts=attempts, now=services.now),
        largest=int(services.number("ARCHIVE_MAX_MEGABYTES") * 1024 * 1024),
        now=services.now,
    )


def check_setup(services: Services) -> "CheckSetup":
    from webadmit_exports.aws.subscriptions import Subscriptions
    from webadmit_exports.operations.callback_probe import Probe
    from webadmit_exports.operations.check_setup import CheckSetup, Mailbox
    from webadmit_exports.operations.key_access import READ_SECONDS
    from webadmit_exports.webadmit.listing import SIDE_BY_SIDE

    ready, alerts = services.setting("READY_TOPIC_ARN"), services.setting("ALERTS_TOPIC_ARN")
    return CheckSetup(
        webadmit=_webadmit(services, connections=SIDE_BY_SIDE, read_seconds=READ_SECONDS),
        api_key=services.api_key,
        signing_keys=services.signing_keys,
        schedules=_schedules(services),
        subscriptions=Subscriptions(clients.sns()),
        probe=Probe(),
        callback_url=services.setting("CALLBACK_URL"),
        mailboxes=[
            Mailbox("NotificationEmail", services.optional("NOTIFICATION_EMAIL"), ready),
            Mailbox("AlertEmail", services.optional("ALERT_EMAIL"), alerts),
        ],
        alerts_arn=alerts,
        ready_arn=ready,
        archive_queue_arn=services.optional("ARCHIVE_QUEUE_ARN"),
        commands=services.writer.commands,
        followed_cycles=services.followed_cycles,
        now=services.now,
    )


def send_morning_mail(services: Services) -> "SendMorningMail":
    from webadmit_exports.aws.alarms import Alarms
    from webadmit_exports.aws.start_queue import waiting_in
    from webadmit_exports.operations.daily_report import Queues
    from webadmit_exports.operations.morning_mail import SendMorningMail
    from webadmit_exports.operations.name_history import READ_SECONDS, LookUp
    from webadmit_exports.webadmit.listing import SIDE_BY_SIDE

    sqs = clients.sqs()
    starts = services.setting("START_RETRY_QUEUE_URL"), services.setting("START_RETRY_DEAD_LETTER_QUEUE_URL")
    archive = services.optional("ARCHIVE_QUEUE_URL"), services.optional("ARCHIVE_DEAD_LETTER_QUEUE_URL")

    def count_queues() -> Queues:
        retries, given_up = (waiting_in(sqs, queue) for queue in starts)
        not_archived, archive_given_up = (waiting_in(sqs, queue) if queue else 0 for queue in archive)
        return Queues(retries=retries, given_up=given_up, not_archived=not_archived, archive_given_up=archive_given_up)

    return SendMorningMail(
        schedules=_schedules(services),
        table=services.table,
        name_matches=_name_matches(services),
        look_up=LookUp(
            webadmit=_webadmit(services, connections=SIDE_BY_SIDE, read_seconds=READ_SECONDS),
            api_key=services.api_key,
            followed_cycles=services.followed_cycles,
        ),
        count_queues=count_queues,
        alarms=Alarms(clients.cloudwatch(), services.setting("STACK_NAME")),
        topics=services.topics,
        writer=services.writer,
    )
