"""What is announced about an export file, and the event id that stays the same however often it is sent."""

import uuid
from dataclasses import dataclass
from enum import StrEnum

from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.domain.times import utc_microseconds

_EVENT_IDS = uuid.UUID("6f1f3a52-51d5-4bd6-9f34-0c7f6a0f2f4e")


class EventType(StrEnum):
    """The `event_type` of a message: the public contract."""

    READY = "export_file.ready"
    FAILED = "export_file.failed"
    EMPTY = "export_file.empty"
    OVERDUE = "export_file.overdue"
    IDENTITY_REFUSED = "identity.refused"
    START_DELAYED = "start.delayed"
    START_FAILED = "start.failed"
    REPORT_DAILY = "report.daily"
    ARCHIVED = "export_file.archived"
    ARCHIVE_FAILED = "archive.failed"
    DELIVERED = "export_file.delivered"
    DELIVERY_HELD = "delivery.held"
    DELIVERY_FAILED = "delivery.failed"


# What is announced of a run that has ended, by its outcome.
EVENT_TYPES = {
    RunOutcome.READY: EventType.READY,
    RunOutcome.EMPTY: EventType.EMPTY,
    RunOutcome.FAILED: EventType.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What subscribers are to be told about one export file."""

    event_type: EventType
    export_file: ExportFile

    @property
    def event_id(self) -> str:
        """The same for one file, run and outcome: it depends on what is stored, not on when it is sent."""
        file = self.export_file
        moment = file.started_at if self.event_type is EventType.OVERDUE else file.finished_at
        assert moment is not None, "only a finished file is announced as ready, failed or empty"
        return event_id(self.event_type, file.export.export_id, file.export_file_id, utc_microseconds(moment))


def event_id(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid.uuid5(_EVENT_IDS, "/".join(str(part) for part in parts)))
