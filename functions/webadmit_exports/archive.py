"""Archives an announced file: asks for it, streams it into the bucket, and says so."""

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from .archive_messages import ArchiveAlert, ArchiveWording, Trouble
from .archived import AnnouncedFile, Facts, StoredFile, ascii_text
from .bucket import AlreadyThere, ArchiveBucket
from .errors import (
    AccessRefused,
    AddressRefused,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    DownloadFailed,
    HostRefused,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from .facts import csv_facts, is_csv, passing
from .keys import ApiKey, WebAdmitApiKey
from .model import Progress, progress_of, utc_seconds
from .progress import LEASE
from .storage import Download, Storage
from .table import ExportFilesTable
from .telemetry import logger
from .topics import Topics
from .webadmit import WebAdmit

_ATTEMPTS = 3  # in one invocation; the queue goes on from there
# Kept back for what follows the last byte: S3 may take minutes to put a large object together.
RESERVE_SECONDS = 120.0
_MEASURED_SECONDS = 3.0  # of a download, before its rate counts
RETRY_EVERY = timedelta(minutes=16)  # the visibility timeout of ArchiveQueue in template.yaml
_TOLD_AT = 4  # at which delivery of a file people are told what may pass by itself: after the better part of an hour
_TOLD_AGAIN_AFTER = timedelta(hours=12)


class Outcome(Enum):
    """What became of a file."""

    ARCHIVED = "archived"
    ARCHIVED_BEFORE = "archived_before"
    PUT_OFF = "put_off"  # shall come again
    GIVEN_UP = "given_up"


class NotArchived(Exception):
    """The file is not archived now; see ArchiveAlert for the parts."""

    def __init__(
        self, trouble: Trouble, words: str = "", *, size: int | None = None, rate: float | None = None
    ) -> None:
        super().__init__(trouble.headline)
        self.trouble = trouble
        self.words = words
        self.size = size
        self.rate = rate


class _SomebodyIsAtIt(Exception):
    """The same file is being archived at this very moment."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at a download while it passes; `largest` in bytes, `time_left` and `whole_time` in seconds.

    `whole_time` is what a fresh invocation would have.
    """

    size: int | None
    largest: int
    time_left: Callable[[], float]
    whole_time: float
    clock: Callable[[], float]
    received: int = 0
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        if self.size is not None and self.size > self.largest:
            raise NotArchived(Trouble.TOO_LARGE, size=self.size)

    @property
    def rate(self) -> float:
        """Bytes a second, so far."""
        return self.received / max(self.clock() - self._began, 0.001)

    def take(self, chunk: bytes) -> None:
        """Raises NotArchived where the file is too large, or will not come within the time."""
        self.received += len(chunk)
        if self.received > self.largest:
            raise NotArchived(Trouble.TOO_LARGE, size=self.received)
        if self.clock() - self._began < _MEASURED_SECONDS:
            return
        size, rate = self.size or self.received, self.rate
        if (size - self.received) / rate <= self.time_left():
            return
        if self.size is not None and size / rate <= self.whole_time:
            raise NotArchived(Trouble.STORAGE_UNAVAILABLE, "no time was left for another try")
        raise NotArchived(Trouble.TOO_SLOW, size=size, rate=rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """The use case. `attempts`: how often SQS brings a message; `largest` in bytes; `clock` counts seconds."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    storage: Storage
    bucket: ArchiveBucket
    table: ExportFilesTable
    topics: Topics
    wording: ArchiveWording
    attempts: int
    largest: int
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _told: dict[tuple[Trouble, str], datetime] = field(default_factory=dict)

    def archive(self, announced: AnnouncedFile, receives: int, time_left: Callable[[], float]) -> Outcome:
        """Archives a file at its `receives`-th delivery (from 1), unless it is there; people are told where it fails.

        Raises AwsUnavailable if they cannot be told; then it shall come again.
        """
        try:
            return self._archive(announced, time_left)
        except NotArchived as why:
            logger.warning(
                "not archived", **announced.ids, trouble=why.trouble.name, words=why.words, receives=receives
            )
            self._alert(announced, why, receives)
            return Outcome.GIVEN_UP if why.trouble.gives_up else Outcome.PUT_OFF
        except (_SomebodyIsAtIt, AlreadyThere):
            logger.info("left to the other who archives it", **announced.ids)
            return Outcome.PUT_OFF

    def _archive(self, announced: AnnouncedFile, time_left: Callable[[], float]) -> Outcome:
        try:
            stored = self.bucket.find(announced.key_prefix)
            if stored and stored.has_receipt:
                if announced.is_repeated:
                    self.topics.publish(self.wording.receipt(announced, stored, repeated=True))
                return Outcome.ARCHIVED_BEFORE
            if stored and self.now() - stored.stored_at < LEASE:
                raise _SomebodyIsAtIt
            if stored is None or stored.facts is None:
                stored = self._fetch(announced, stored, time_left)
            self.topics.publish(self.wording.receipt(announced, stored))
            self.bucket.tag(stored, has_receipt=True)
        except AwsUnavailable as error:
            raise NotArchived(Trouble.AWS_UNAVAILABLE, str(error)) from error
        return Outcome.ARCHIVED

    def _fetch(
        self, announced: AnnouncedFile, unfinished: StoredFile | None, time_left: Callable[[], float]
    ) -> StoredFile:
        """The file as an object with its facts. A download that fails is begun anew, with a fresh URL."""
        self._check_recorded(announced)
        self.webadmit.drop_connections()
        whole_time = time_left() - RESERVE_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                key = self._read_key()
                return self._fetch_once(announced, unfinished, key, lambda: time_left() - RESERVE_SECONDS, whole_time)
            except (Unavailable, RateLimited) as error:
                why = NotArchived(Trouble.WEBADMIT_UNAVAILABLE, error.words or error.what)
            except DownloadFailed as error:
                why = NotArchived(Trouble.STORAGE_UNAVAILABLE, str(error))
            logger.info("not fetched", **announced.ids, attempt=attempt, trouble=why.trouble.name, words=why.words)
            if attempt == _ATTEMPTS or time_left() < RESERVE_SECONDS:
                raise why
            self.sleep(random.uniform(0.25, 0.5) * 2**attempt)  # mostly a URL that had expired: no reason to wait long

    def _check_recorded(self, announced: AnnouncedFile) -> None:
        """Fetches only what this stack has recorded as finished with a file: others may publish to ReadyTopic too.

        WebAdMIT gives ids to new runs again; then it has the file of the newest run only.
        """
        record = self.table.read(announced.export.export_id, announced.export_file_id)
        if record is None or record.export != announced.export:
            raise NotArchived(Trouble.NOT_RECORDED)
        finished_at = utc_seconds(record.finished_at) if record.finished_at else None
        if finished_at != utc_seconds(announced.finished_at):
            raise NotArchived(Trouble.SUPERSEDED if record.reused else Trouble.NOT_RECORDED)
        if progress_of(record.status) is not Progress.FINISHED_WITH_FILE:
            raise NotArchived(Trouble.NOT_RECORDED)

    def _read_key(self) -> ApiKey:
        try:
            return self.api_key.read()
        except ApiKeyUnusable:
            raise NotArchived(Trouble.API_KEY_MISSING) from None

    def _fetch_once(
        self,
        announced: AnnouncedFile,
        unfinished: StoredFile | None,
        key: ApiKey,
        time_left: Callable[[], float],
        whole_time: float,
    ) -> StoredFile:
        try:
            run, url = self.webadmit.file(key, announced.export.export_id, announced.export_file_id)
            if url is None:
                if progress_of(run.status) is Progress.FINISHED_WITH_FILE:
                    raise DownloadFailed("WebAdMIT gave no download URL")
                raise NotArchived(Trouble.NO_FILE, run.status)
            with self.storage.open(url, time_left()) as download:
                watch = Watch(
                    size=download.size,
                    largest=self.largest,
                    time_left=time_left,
                    whole_time=whole_time,
                    clock=self.clock,
                )
                stored = self._store(announced, download, unfinished, watch)
        except ApiKeyRefused as error:
            raise NotArchived(Trouble.API_KEY_REFUSED, error.words) from None
        except AccessRefused as error:
            raise NotArchived(Trouble.ACCESS_REFUSED, error.words) from None
        except RequestRefused as error:
            raise NotArchived(Trouble.GONE, error.words or error.what) from None
        except HostRefused as error:
            raise NotArchived(Trouble.HOST_REFUSED, str(error)) from None
        except AddressRefused as error:
            raise NotArchived(Trouble.ADDRESS_REFUSED, str(error)) from None
        logger.info("stored", **announced.ids, bytes=stored.size, bytes_per_second=round(watch.rate))
        return stored

    def _store(
        self, announced: AnnouncedFile, download: Download, unfinished: StoredFile | None, watch: Watch
    ) -> StoredFile:
        digest = hashlib.sha256()
        metadata = {**announced.metadata, "content-type": download.media_type, "declared-charset": download.charset}
        key = unfinished.key if unfinished else announced.key(download.file_name)
        with self.bucket.upload(
            key,
            metadata={name: ascii_text(text) for name, text in metadata.items() if text},
            content_type=download.content_type,
            content_encoding=download.encoding,
            replacing=unfinished,
        ) as upload:
            chunks = passing(download.chunks(), watch.take, digest.update, upload.write)
            counted = None
            if is_csv(download.media_type, download.file_name) and not download.encoding:
                counted = csv_facts(chunks)
            for _ in chunks:
                pass
            facts = Facts.of(digest.hexdigest(), counted, self.bucket.before(key))
            stored = replace(upload.complete(), facts=facts)
        self.bucket.tag(stored, has_receipt=False)
        return stored

    def _alert(self, announced: AnnouncedFile, why: NotArchived, receives: int) -> None:
        """People are told when it is given up; before that once about a cause, not once about a file."""
        is_last = why.trouble.gives_up or receives >= self.attempts
        now = self.now()
        if not is_last:
            told_at = 1 if why.trouble.needs_a_person else _TOLD_AT
            told = self._told.get((why.trouble, why.words))
            if receives < told_at or (told and now - told < _TOLD_AGAIN_AFTER):
                return
        retry_until = None if is_last else now + (self.attempts - receives) * RETRY_EVERY
        alert = ArchiveAlert(
            announced=announced,
            trouble=why.trouble,
            words=why.words,
            size=why.size,
            rate=why.rate,
            retry_until=retry_until,
        )
        self.topics.publish(self.wording.alert(alert))
        if not is_last:
            self._told[why.trouble, why.words] = now
