"""WebAdMIT's statuses, and what each means: how far a run has come, or how it has ended. Pure."""

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


class RunOutcome(StrEnum):
    """What has become of a run that was expected; the worst comes first."""

    NOT_STARTED = "not started"
    FAILED = "failed"
    LATE = "late"
    EMPTY = "empty"
    RUNNING = "still running"
    READY = "ready"


class Progress(IntEnum):
    """How far a run has come. Records only ever move to a higher one."""

    INITIALIZING = 0
    QUEUED = 1
    IN_PROGRESS = 2
    FINISHED_WITHOUT_FILE = 3
    FINISHED_WITH_FILE = 4


# A status is in one of these two maps. What is announced, mailed and counted follows from the second.
_UNDER_WAY: dict[str, Progress] = {
    Status.INITIALIZING: Progress.INITIALIZING,
    Status.QUEUED: Progress.QUEUED,
    Status.IN_PROGRESS: Progress.IN_PROGRESS,
}
_ENDS: dict[str, RunOutcome] = {
    Status.AVAILABLE: RunOutcome.READY,
    Status.SUCCESS_WITH_ERRORS: RunOutcome.READY,
    Status.EMPTY_LIST: RunOutcome.EMPTY,
    Status.FAILED: RunOutcome.FAILED,
}
assert _UNDER_WAY.keys() | _ENDS.keys() == set(Status), "every status means something"


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
    return status in _UNDER_WAY or status in _ENDS


def outcome_of(status: str) -> RunOutcome | None:
    """How a run with this status has ended; None while it is under way, as one with an unknown status is."""
    return _ENDS.get(status)


def progress_of(status: str) -> Progress:
    """How far a run with this status has come; one with an unknown status counts as in progress."""
    if is_finished(status):
        return Progress.FINISHED_WITH_FILE if has_file(status) else Progress.FINISHED_WITHOUT_FILE
    return _UNDER_WAY.get(status, Progress.IN_PROGRESS)


def is_finished(status: str) -> bool:
    """Whether a run with this status has ended, with a file or without."""
    return outcome_of(status) is not None


def has_file(status: str) -> bool:
    """Whether a run with this status has ended with a file."""
    return outcome_of(status) is RunOutcome.READY
