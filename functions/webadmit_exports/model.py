"""The words of the project: exports, statuses, news about a run, and the record that is kept of it. Pure.

Times are always aware and in UTC. Ids are WebAdMIT's: whole numbers of at most 18 digits that do not begin with zero.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import InvalidInput

_ID = re.compile(r"[1-9][0-9]{0,17}")
STATUS_LENGTH = 64
_A_TIME = "it must be an ISO 8601 time with a zone, such as 2026-11-23T03:30:00Z"


def parse_id(text: str, what: str) -> int:
    """The number in `text`; raises InvalidInput, naming `what`, unless it is 1 to 18 digits without a leading zero."""
    if not _ID.fullmatch(text):  # int() alone would take "+9", "9_9", " 9 " and Arabic digits
        raise InvalidInput(f"{what} must be a whole number of 1 to 18 digits without a leading zero")
    return int(text)


def parse_time(text: object) -> datetime:
    """The time in ISO 8601 text, in UTC; raises InvalidInput, with what is expected, unless it has a zone."""
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        if moment.tzinfo is None:
            raise InvalidInput(f"it is without a zone; {_A_TIME}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the zone may lead out of the years that Python knows
        raise InvalidInput(_A_TIME) from None


def utc_seconds(moment: datetime) -> str:
    """`2026-11-23T03:30:00Z`: for schedule occurrences, which have no fractions, and for messages."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_microseconds(moment: datetime) -> str:
    """`2026-11-23T03:30:00.000000Z`: always as long, so that the texts sort as the times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_zone(name: str) -> ZoneInfo | None:
    """The time zone of that IANA name; None where it is not known here: not every runtime image has all the data."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export (template) and the identity that it runs under; written `37442:86446`."""

    user_identity_id: int
    export_id: int

    def __str__(self) -> str:
        return f"{self.user_identity_id}:{self.export_id}"

    @property
    def ids(self) -> dict[str, Any]:
        """The ids by their names, for messages and log lines."""
        return {"user_identity_id": self.user_identity_id, "export_id": self.export_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What people call an export and its identity, as WebAdMIT has it; each may be empty."""

    export_name: str = ""
    cycle: str = ""
    organization: str = ""

    @property
    def known(self) -> dict[str, str]:
        """Those that are not empty, for messages and records."""
        every = {"export_name": self.export_name, "cycle": self.cycle, "organization": self.organization}
        return {name: text for name, text in every.items() if text}


class Status(StrEnum):
    """WebAdMIT's own words, so that a status is stored as it came (API reference, page export_files_check)."""

    INITIALIZING = "Initializing"
    QUEUED = "Queued"
    IN_PROGRESS = "In Progress"
    AVAILABLE = "Available"
    SUCCESS_WITH_ERRORS = "Success With Errors"
    EMPTY_LIST = "Empty List"
    FAILED = "Failed"


class Progress(IntEnum):
    """How far a run has come. Records only ever move to a higher one."""

    INITIALIZING = 0
    QUEUED = 1
    IN_PROGRESS = 2
    FINISHED_WITHOUT_FILE = 3
    FINISHED_WITH_FILE = 4


_PROGRESS = {
    Status.INITIALIZING: Progress.INITIALIZING,
    Status.QUEUED: Progress.QUEUED,
    Status.IN_PROGRESS: Progress.IN_PROGRESS,
    Status.FAILED: Progress.FINISHED_WITHOUT_FILE,
    Status.EMPTY_LIST: Progress.FINISHED_WITHOUT_FILE,
    Status.AVAILABLE: Progress.FINISHED_WITH_FILE,
    Status.SUCCESS_WITH_ERRORS: Progress.FINISHED_WITH_FILE,
}


def _spelling(status: str) -> str:
    return re.sub(r"[ _]", "", status).casefold()


_STATUSES = {_spelling(status): status for status in Status}


def parse_status(text: str) -> str:
    """The documented spelling of a status, whatever its case, spaces and underscores; an unknown one as it came.

    Raises InvalidInput if it is blank, longer than 64 characters or not printable.
    """
    status = text.strip()
    if not status or len(status) > STATUS_LENGTH or not status.isprintable():
        raise InvalidInput(f"the status must be 1 to {STATUS_LENGTH} printable characters")
    return _STATUSES.get(_spelling(status), status)


def is_known(status: str) -> bool:
    """Whether the status is one that WebAdMIT documents."""
    return status in _PROGRESS


def progress_of(status: str) -> Progress:
    """How far a run with this status has come; one with an unknown status counts as in progress."""
    return _PROGRESS.get(status, Progress.IN_PROGRESS)  # type: ignore[call-overload,no-any-return]


class Source(Enum):
    """Who told us."""

    START = "start"  # the answer to a start request
    CALLBACK = "callback"
    POLL = "poll"  # the answer to a question of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What was learned about one export file.

    `as_of`: the news is at least as new as this: when the request that it answers was sent, or the callback came in.
    `scheduled_for`: the occurrence that the start or the callback's address belongs to; None for a poll.
    """

    source: Source
    as_of: datetime
    export: Export
    export_file_id: int
    status: str
    scheduled_for: datetime | None = None
    href: str | None = None
    reason: str | None = None
    names: Names = Names()

    @property
    def ids(self) -> dict[str, Any]:
        """The ids by their names, for log lines."""
        return {**self.export.ids, "export_file_id": self.export_file_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """The record of one export file; the attributes of the table are described in the README.

    `first_scheduled_for` and `scheduled_for` are the first and the newest occurrence that this run serves: they differ
    when a later start joined it. `reused`: another run had the same id before. `due_at` is the next check of an open
    run, or the end of the lease on an announcement; None once nothing is left to do. Every write changes `version`.
    """

    export: Export
    export_file_id: int
    status: str
    href: str | None = None
    reason: str | None = None
    first_scheduled_for: datetime
    scheduled_for: datetime
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    notified_at: datetime | None = None
    overdue_at: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    reused: bool = False
    names: Names = Names()
    version: str = ""

    @property
    def ids(self) -> dict[str, Any]:
        """The ids by their names, for messages and log lines."""
        return {**self.export.ids, "export_file_id": self.export_file_id}

    def serves(self, export: Export, occurrence: datetime) -> bool:
        """Whether this run was started, or joined, for that occurrence of the export."""
        return self.export == export and self.first_scheduled_for <= occurrence <= self.scheduled_for
