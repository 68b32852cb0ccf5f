"""ReadyTopic, through ArchiveQueue → announced files are archived, and handed to their deliveries."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.archive.alerts import ArchiveAlerts
from webadmit_exports.archive.archive_file import ArchiveFile
from webadmit_exports.archive.bucket import ArchiveBucket
from webadmit_exports.archive.download import Hosts, Storage
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.aws import clients
from webadmit_exports.aws.delivery_machine import DeliveryMachine
from webadmit_exports.aws.topics import Topics
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented, seconds_left
from webadmit_exports.webadmit.client import WebAdmit


def now() -> datetime:
    return datetime.now(UTC)


shared = SharedServices(os.environ, now)
base_url, download_hosts = shared.setting("WEBADMIT_BASE_URL"), shared.setting("ARCHIVE_DOWNLOAD_HOSTS")
machine_arn = shared.optional("DELIVERY_MACHINE_ARN")
bucket = ArchiveBucket(clients.s3(), shared.setting("ARCHIVE_BUCKET"))
messages = ArchiveMessages(writer=shared.writer, bucket=bucket.name, download_hosts=download_hosts)
topics = Topics(
    clients.sns(),
    ready_arn=shared.setting("READY_TOPIC_ARN"),
    alerts_arn=shared.setting("ALERTS_TOPIC_ARN"),
    archived_arn=shared.setting("ARCHIVED_TOPIC_ARN"),
)
archive_file = ArchiveFile(
    webadmit=WebAdmit(base_url, version=shared.setting("VERSION")),
    api_key=shared.api_key,
    storage=Storage(Hosts.parse(download_hosts, base_url)),
    bucket=bucket,
    table=shared.table,
    topics=topics,
    messages=messages,
    alerts=ArchiveAlerts(topics=topics, messages=messages, attempts=int(shared.number("ARCHIVE_ATTEMPTS")), now=now),
    deliveries=DeliveryMachine(clients.step_functions(), machine_arn) if machine_arn else None,
    largest=int(shared.number("ARCHIVE_MAX_MEGABYTES") * 1024 * 1024),
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an SQS event; returns the messages that shall come again (partial batch response)."""
    again = archive_file.archive_all(event["Records"], seconds_left(context))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}
