"""The message about a file that is ready, as the archive reads it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webadmit_exports.archive.stored_file import ascii_text, safe_name
from webadmit_exports.domain.announcement import EventType
from webadmit_exports.domain.export_file import Names
from webadmit_exports.domain.ids import Export, ExportFileId, parse_id
from webadmit_exports.domain.status import parse_status
from webadmit_exports.domain.times import parse_time, utc_seconds
from webadmit_exports.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedFile(ExportFileId):
    """An `export_file.ready` message, as ReadyTopic has it (docs/consuming.md, "The messages")."""

    event_id: str
    status: str
    scheduled_for: datetime
    finished_at: datetime
    names: Names
    is_repeated: bool = False

    @property
    def key_prefix(self) -> str:
        """What the key of its object begins with: no other run has the same, also not under the same id."""
        return f"{self.export.export_id}/{self.finished_at:%Y/%m/%d/%H%M%S}-{self.export_file_id}-"

    def key(self, file_name: str) -> str:
        """The key of its object, with WebAdMIT's name of the file made safe."""
        return self.key_prefix + safe_name(file_name)

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


def parse_ready_message(text: str) -> AnnouncedFile | None:
    """Reads a message from ReadyTopic, as SQS brings it, raw or in SNS's envelope; None where it announces no file.

    Raises InvalidInput, naming the part, where it announces a file and cannot be used.
    """
    message = _document(text)
    if message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
        message = _document(message["Message"])
    if message.get("event_type") != EventType.READY:
        return None
    event_id = message.get("event_id")
    if not isinstance(event_id, str) or not re.fullmatch(r"[0-9A-Za-z-]{1,64}", event_id):
        raise InvalidInput("event_id must be 1 to 64 letters, digits and hyphens")
    return AnnouncedFile(
        event_id=event_id,
        export=Export(
            user_identity_id=_id(message, "user_identity_id"),
            export_id=_id(message, "export_id"),
        ),
        export_file_id=_id(message, "export_file_id"),
        status=parse_status(_text(message, "status")),
        scheduled_for=_time(message, "scheduled_for"),
        finished_at=_time(message, "finished_at"),
        names=Names(**{name: _text(message, name) for name in ("export_name", "cycle", "organization")}),
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


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""


def _time(message: Mapping[str, Any], name: str) -> datetime:
    try:
        return parse_time(message.get(name))
    except InvalidInput as error:
        raise InvalidInput(f"{name} cannot be used: {error}") from None
