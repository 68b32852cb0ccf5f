"""WebAdMIT's statuses, and how far each means that a run has come."""

import re
from enum import IntEnum, StrEnum

from webadmit_exports.errors import InvalidInput

STATUS_LENGTH = 64


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


_PROGRESS: dict[str, Progress] = {
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
    """The documented spelling of a status, in any case, with any blanks or underscores; an unknown one as it came.

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
    return _PROGRESS.get(status, Progress.IN_PROGRESS)


def is_finished(status: str) -> bool:
    """Whether a run with this status has ended, with a file or without."""
    return progress_of(status) >= Progress.FINISHED_WITHOUT_FILE


def has_file(status: str) -> bool:
    """Whether a run with this status has ended with a file."""
    return progress_of(status) is Progress.FINISHED_WITH_FILE
