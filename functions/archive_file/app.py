"""ReadyTopic, through ArchiveQueue → an announced file is archived."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.archive import ArchiveFile, Outcome
from webadmit_exports.archive_messages import ArchiveWording
from webadmit_exports.archived import parse_announcement
from webadmit_exports.bucket import ArchiveBucket
from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.storage import Hosts, Storage
from webadmit_exports.telemetry import instrumented, logger
from webadmit_exports.webadmit import WebAdmit, is_loopback
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
hosts = parts.setting("ARCHIVE_DOWNLOAD_HOSTS")
bucket = ArchiveBucket(parts.s3, parts.setting("ARCHIVE_BUCKET"))
archive_file = ArchiveFile(
    webadmit=WebAdmit(parts.setting("WEBADMIT_BASE_URL")),
    api_key=parts.api_key,
    storage=Storage(
        Hosts(
            allowed=frozenset(hosts.lower().split(",")),
            loopback=is_loopback(urlsplit(parts.setting("WEBADMIT_BASE_URL")).hostname or ""),
        )
    ),
    bucket=bucket,
    table=parts.table,
    topics=parts.topics,
    wording=ArchiveWording(wording=parts.wording, bucket=bucket.name, download_hosts=hosts),
    attempts=int(parts.number("ARCHIVE_ATTEMPTS")),
    largest=int(parts.number("ARCHIVE_MAX_MEGABYTES") * 1024 * 1024),
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an SQS event, and answers with the messages that shall come again (partial batch answer)."""

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    again = [record["messageId"] for record in event["Records"] if not _is_done(record, time_left)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _is_done(record: dict[str, Any], time_left: Callable[[], float]) -> bool:
    try:
        announced = parse_announcement(record["body"])
        if announced is None:
            logger.warning("a message that announces no file was dropped")
            return True
        receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        return archive_file.archive(announced, receives, time_left) is not Outcome.PUT_OFF
    except InvalidInput as error:
        logger.error("an announcement cannot be used", reason=str(error))
    except AwsUnavailable as error:
        logger.error("people could not be told that a file is not archived", reason=str(error))
    return False
