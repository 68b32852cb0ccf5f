"""An announced file: what its message says, and what is true of it.

Others may publish to ReadyTopic too. Of a message only the ids and the time of its end are taken; every other fact of a
receipt or an alert comes from the record, or from the object where a newer run has taken the record over. Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from webadmit_exports.archive.stored_file import StoredFile, ascii_text, safe_name
from webadmit_exports.domain.announcement import Announcement, EventType, event_id
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export, ExportFileId, parse_id
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.status import has_file
from webadmit_exports.domain.times import parse_time, utc_seconds
from webadmit_exports.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun(ExportFileId):
    """A run that has finished with a file. `finished_at`, in whole seconds, tells it from others under its id."""

    finished_at: datetime

    @property
    def key_prefix(self) -> str:
        """What the key of its object begins with: no other run has the same, also not under the same id."""
        return f"{self.export.export_id}/{self.finished_at:%Y/%m/%d/%H%M%S}-{self.export_file_id}-"

    def key(self, file_name: str) -> str:
        """The key of its object, with WebAdMIT's name of the file made safe."""
        return self.key_prefix + safe_name(file_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMessage(FinishedRun):
    """What is taken of an `export_file.ready` message (docs/consuming.md, "The messages")."""

    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedFile(FinishedRun):
    """What is true of an announced file. `event_id` is that of its announcement.

    `is_superseded`: its file is gone from WebAdMIT, because a newer run has its id.
    """

    event_id: str
    status: str
    scheduled_for: datetime
    labels: Labels
    is_superseded: bool = False

    @classmethod
    def by_record(cls, record: ExportFile) -> Self:
        """As the record of a run that has finished with a file has it."""
        assert record.finished_at, "it has finished"
        return cls(
            event_id=Announcement(event_type=EventType.READY, export_file=record).event_id,
            export=record.export,
            export_file_id=record.export_file_id,
            status=record.status,
            scheduled_for=record.scheduled_for,
            finished_at=record.finished_at,
            labels=record.labels,
        )

    def as_stored(self, stored: StoredFile) -> Self:
        """The same where its object says more than the record, which a newer run has taken over."""
        if not self.is_superseded or "event-id" not in stored.metadata:
            return self
        about = stored.metadata
        return replace(
            self,
            event_id=about["event-id"],
            status=about["status"],
            scheduled_for=parse_time(about["scheduled-for"]),
        )

    @property
    def metadata(self) -> dict[str, str]:
        """What is known of it before it is fetched, for its object."""
        return {
            "user-identity-id": str(self.export.user_identity_id),
            "export-id": str(self.export.export_id),
            "export-file-id": str(self.export_file_id),
            "status": ascii_text(self.status),
            "scheduled-for": utc_seconds(self.scheduled_for),
            "finished-at": utc_seconds(self.finished_at),
            "event-id": self.event_id,
        }


def true_of(message: ReadyMessage, record: ExportFile | None) -> AnnouncedFile | None:
    """What is true of the file in a message; None where this stack has recorded no such run: it is made up."""
    if record is None or record.export != message.export:
        return None
    if record.finished_at and utc_seconds(record.finished_at) == utc_seconds(message.finished_at):
        return AnnouncedFile.by_record(record) if has_file(record.status) else None
    if not record.reused:
        return None
    return AnnouncedFile(
        event_id=event_id(EventType.READY, message.key_prefix),
        export=record.export,
        export_file_id=record.export_file_id,
        status=record.status,
        scheduled_for=record.scheduled_for,
        finished_at=message.finished_at,
        labels=record.labels,
        is_superseded=True,
    )


def parse_ready_message(text: str) -> ReadyMessage | None:
    """Reads a message from ReadyTopic, as SQS brings it, raw or in SNS's envelope; None where it announces no file.

    Raises InvalidInput, naming the part, where it announces a file and cannot be used.
    """
    message = _document(text)
    if message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
        message = _document(message["Message"])
    if message.get("event_type") != EventType.READY:
        return None
    try:
        finished_at = parse_time(message.get("finished_at"))
    except InvalidInput as error:
        raise InvalidInput(f"finished_at cannot be used: {error}") from None
    return ReadyMessage(
        export=Export(
            user_identity_id=_id(message, "user_identity_id"),
            export_id=_id(message, "export_id"),
        ),
        export_file_id=_id(message, "export_file_id"),
        finished_at=finished_at,
        is_repeated=message.get("repeated") is True,
    )


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _id(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name)
    return parse_id(str(value) if type(value) is int else "", name)
