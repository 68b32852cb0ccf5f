"""Files on their way into the archive: what was announced, where its object goes, what is known of it then. Pure."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from .errors import InvalidInput
from .facts import CsvFacts
from .model import Export, Names, parse_id, parse_status, parse_time, utc_seconds
from .progress import EventType

_NAME_LENGTH = 100  # of a file in a key, its ending included
_ENDING_LENGTH = 10
_RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedFile:
    """An `export_file.ready` message, as ReadyTopic has it (README, "The messages")."""

    event_id: str
    export: Export
    export_file_id: int
    status: str
    scheduled_for: datetime
    finished_at: datetime
    names: Names
    is_repeated: bool = False

    @property
    def ids(self) -> dict[str, Any]:
        """The ids by their names, for messages and log lines."""
        return {**self.export.ids, "export_file_id": self.export_file_id}

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


def parse_announcement(text: str) -> AnnouncedFile | None:
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


def safe_name(text: str) -> str:
    """A file's name for every system: ASCII letters, digits and `._-`, at most 100, no path, no dot in front."""
    text = re.split(r"[/\\]", text)[-1]
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()  # ü becomes u
    text = re.sub(r"[^A-Za-z0-9._-]+", "_", text)
    text = re.sub(r"\.{2,}", ".", text).lstrip("._-").rstrip("._-")
    stem, dot, ending = text.rpartition(".")
    if dot and stem and len(ending) <= _ENDING_LENGTH:
        return f"{stem[: _NAME_LENGTH - len(ending) - 1]}.{ending}"
    return text[:_NAME_LENGTH] or "file"


def ascii_text(text: str, length: int = 200) -> str:
    """The text as an HTTP header can have it."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:length].strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a file at its end; its object has it as tags. All but `sha256` only for a CSV.

    `previous_rows` and `header_changed` compare it with the file of that export before it. The first has none.
    """

    sha256: str
    charset: str | None = None
    rows: int | None = None
    header_sha256: str | None = None
    previous_rows: int | None = None
    header_changed: bool | None = None

    @classmethod
    def of(cls, sha256: str, csv: CsvFacts | None, previous: "Facts | None") -> Self:
        """The facts of a file that was preceded by another one."""
        if csv is None or csv.header_sha256 is None:
            return cls(sha256=sha256, charset=csv.charset if csv else None)
        return cls(
            sha256=sha256,
            charset=csv.charset,
            rows=csv.rows,
            header_sha256=csv.header_sha256,
            previous_rows=previous.rows if previous else None,
            header_changed=previous is not None and previous.header_sha256 != csv.header_sha256,
        )

    @property
    def known(self) -> dict[str, str | int]:
        """By their names, for a receipt."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}

    def tags(self, *, has_receipt: bool) -> dict[str, str]:
        """The tags of the object; S3 takes ten."""
        tags = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.known.items()
        }
        return {**tags, _RECEIPT: "sent"} if has_receipt else tags


def parse_tags(tags: Mapping[str, str]) -> tuple[Facts | None, bool]:
    """What `Facts.tags` wrote: the facts, None where the object is not done; and whether its receipt was sent."""

    def number(name: str) -> int | None:
        text = tags.get(name, "")
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None

    if "sha256" not in tags:
        return None, False
    facts = Facts(
        sha256=tags["sha256"],
        charset=tags.get("charset"),
        rows=number("rows"),
        header_sha256=tags.get("header_sha256"),
        previous_rows=number("previous_rows"),
        header_changed={"true": True, "false": False}.get(tags.get("header_changed", "")),
    )
    return facts, _RECEIPT in tags


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An object of the archive. `facts`: None while it is not done. `etag` and `stored_at` are S3's."""

    key: str
    version_id: str
    etag: str
    size: int
    content_type: str
    stored_at: datetime
    facts: Facts | None = None
    has_receipt: bool = False
