"""Archives an announced file: fetches it, stores it in the bucket, says so, and starts its delivery."""

import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from webadmit_exports.archive.alerts import ArchiveAlerts
from webadmit_exports.archive.announced_file import AnnouncedFile, ReadyMessage, parse_ready_message, true_of
from webadmit_exports.archive.bucket import AlreadyThere, ArchiveBucket
from webadmit_exports.archive.csv_facts import csv_facts, is_csv
from webadmit_exports.archive.download import Download, Storage
from webadmit_exports.archive.download_limits import DownloadLimits, NotArchived
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.archive.stored_file import DELIVERY, RECEIPT, FileFacts, StoredFile, ascii_text
from webadmit_exports.aws.delivery_machine import DeliveryMachine
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.foreign_text import quoted
from webadmit_exports.domain.lifecycle import LEASE
from webadmit_exports.domain.status import has_file
from webadmit_exports.errors import (
    AwsUnavailable,
    DownloadFailed,
    InvalidInput,
    RateLimited,
    Unavailable,
    WebAdmitExportsError,
)
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.telemetry import count, logger
from webadmit_exports.webadmit.api_key import WebAdmitApiKey
from webadmit_exports.webadmit.client import WebAdmit

_ATTEMPTS = 3  # in one invocation; the queue goes on from there
# Kept back for what follows the last byte: 5,000 MiB are read twice and sent to S3.
RESERVE_SECONDS = 240.0


class ArchiveOutcome(Enum):
    """The outcome for one file."""

    ARCHIVED = "archived"
    ALREADY_ARCHIVED = "already_archived"
    MADE_UP = "made_up"  # this stack has recorded no such run
    DEFERRED = "deferred"  # shall come again
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """The use case. `largest` in bytes; `clock` counts seconds. `deliveries`: None where files are not delivered."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    storage: Storage
    bucket: ArchiveBucket
    table: ExportFilesTable
    topics: Topics
    messages: ArchiveMessages
    alerts: ArchiveAlerts
    deliveries: DeliveryMachine | None
    largest: int
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def archive_all(self, records: Iterable[Mapping[str, Any]], time_left: Callable[[], float]) -> list[str]:
        """Archives what the records of an SQS event announce; returns the ids of the messages that shall come again."""
        return [record["messageId"] for record in records if not self._is_done(record, time_left)]

    def _is_done(self, record: Mapping[str, Any], time_left: Callable[[], float]) -> bool:
        try:
            message = parse_ready_message(record["body"])
            if message is None:
                logger.warning("a message that announces no file was dropped")
                return True
            receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
            return self.archive(message, receives, time_left) is not ArchiveOutcome.DEFERRED
        except InvalidInput as error:
            logger.error("an announcement cannot be used", reason=str(error))
        except AwsUnavailable as error:
            logger.error("a file is not archived, and nobody could be told; SQS brings it again", reason=str(error))
        return False

    def archive(self, message: ReadyMessage, receives: int, time_left: Callable[[], float]) -> ArchiveOutcome:
        """Archives a file at its `receives`-th delivery (from 1), unless it is there; people are told where it fails.

        Raises AwsUnavailable if the record cannot be read, or people cannot be told; then it shall come again.
        """
        record = self.table.read(message.export.export_id, message.export_file_id)
        announced = true_of(message, record)
        if announced is None:
            count("AnnouncementsMadeUp")
            logger.warning("dropped an announcement of a run that is not recorded; see who may publish to ReadyTopic")
            return ArchiveOutcome.MADE_UP
        try:
            return self._archive(announced, time_left, is_repeated=message.is_repeated)
        except NotArchived as why:
            logger.warning(
                "not archived", **announced.ids, problem=why.problem.name, detail=why.detail, receives=receives
            )
            self.alerts.tell(announced, why, receives)
            return ArchiveOutcome.FAILED if why.problem.is_final else ArchiveOutcome.DEFERRED
        except AlreadyThere:
            logger.info("another process archives this file", **announced.ids)
            return ArchiveOutcome.DEFERRED

    def _archive(
        self, announced: AnnouncedFile, time_left: Callable[[], float], *, is_repeated: bool
    ) -> ArchiveOutcome:
        try:
            stored = self.bucket.find(announced.key_prefix)
            announced = announced.as_stored(stored) if stored else announced
            if stored and stored.has_receipt:
                if is_repeated:  # programs are told again; the file is sent again only with DeliverFileFunction
                    self.topics.publish(self.messages.receipt(announced, stored, repeated=True))
                else:
                    self._start_delivery(announced, stored)
                return ArchiveOutcome.ALREADY_ARCHIVED
            if stored and self.now() - stored.stored_at < LEASE:
                raise AlreadyThere
            stored = stored or self._fetch(announced, time_left)
            self.topics.publish(self.messages.receipt(announced, stored))
            self._start_delivery(announced, self.bucket.mark(stored, RECEIPT))
        except WebAdmitExportsError as error:
            problem = problem_of(error)
            if problem in (Problem.NOT_FOUND, Problem.REJECTED):
                problem = Problem.GONE
            raise NotArchived(problem, error.detail) from None
        return ArchiveOutcome.ARCHIVED

    def _start_delivery(self, announced: AnnouncedFile, stored: StoredFile) -> None:
        """Starts it once, under the id of the receipt; what comes of it is the business of `delivery`."""
        if self.deliveries is None or stored.is_being_delivered:
            return
        receipt = self.messages.receipt(announced, stored).body
        try:
            self.deliveries.start(str(receipt["event_id"]), receipt)
        except AwsUnavailable as error:
            raise NotArchived(Problem.DELIVERY_NOT_STARTED, error.detail) from None
        with suppress(AwsUnavailable):  # it is started, and the same name starts nothing twice
            self.bucket.mark(stored, DELIVERY)

    def _fetch(self, announced: AnnouncedFile, time_left: Callable[[], float]) -> StoredFile:
        """The file as an object with its facts. A download that fails is begun anew, with a fresh URL."""
        if announced.is_superseded:
            raise NotArchived(Problem.SUPERSEDED)
        self.webadmit.drop_connections()
        whole_time = time_left() - RESERVE_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._fetch_once(announced, lambda: time_left() - RESERVE_SECONDS, whole_time)
            except (Unavailable, RateLimited, DownloadFailed) as error:
                logger.info("the file could not be fetched", **announced.ids, attempt=attempt, reason=str(error))
                if attempt == _ATTEMPTS or time_left() < RESERVE_SECONDS:
                    raise
            self.sleep(random.uniform(0.25, 0.5) * 2**attempt)  # mostly a URL that had expired: no reason to wait long

    def _fetch_once(self, announced: AnnouncedFile, time_left: Callable[[], float], whole_time: float) -> StoredFile:
        run, url = self.webadmit.file(self.api_key.read(), announced.export.export_id, announced.export_file_id)
        if url is None:
            if has_file(run.status):
                raise DownloadFailed("WebAdMIT gave no download URL")
            raise NotArchived(Problem.NO_FILE, quoted(run.status))
        with self.storage.open(url, time_left()) as download:
            limits = DownloadLimits(
                size=download.size, largest=self.largest, time_left=time_left, whole_time=whole_time, clock=self.clock
            )
            stored = self._store(announced, download, limits)
        facts = {**announced.ids, **download.facts, "charset": stored.facts.charset or "", "bytes": stored.size}
        logger.info("the file is stored", **facts, bytes_per_second=round(limits.rate))
        return stored

    def _store(self, announced: AnnouncedFile, download: Download, limits: DownloadLimits) -> StoredFile:
        metadata = {**announced.metadata, "content-type": download.media_type, "declared-charset": download.charset}
        key = announced.key(download.file_name)
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as content:  # it has no name, and Lambda encrypts that disk
            for chunk in download.chunks():
                limits.take(chunk)
                digest.update(chunk)
                content.write(chunk)
            content.seek(0)
            is_text = is_csv(download.media_type, download.file_name) and not download.encoding
            csv = csv_facts(content) if is_text else None
            content.seek(0)
            return self.bucket.put(
                key,
                content,
                FileFacts.of(digest.hexdigest(), csv, self.bucket.before(key)),
                metadata={name: ascii_text(text) for name, text in metadata.items() if text},
                content_type=download.content_type,
                content_encoding=download.encoding,
            )
