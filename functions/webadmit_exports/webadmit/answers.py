"""What WebAdMIT answers."""

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from webadmit_exports.domain.foreign_text import printable, quoted, shortened
from webadmit_exports.domain.ids import parse_id
from webadmit_exports.domain.status import Status, parse_status
from webadmit_exports.errors import InvalidInput, Unavailable
from webadmit_exports.webadmit.api_key import ApiKey

_NAME_LENGTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An export file as WebAdMIT describes it. `export_id` is None where the answer does not say."""

    export_file_id: int
    export_id: int | None = None
    status: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class DownloadUrl:
    """A signed URL that lives for less than 30 seconds; does not show itself in logs or error messages."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """`X-RateLimit-Limit` and `X-RateLimit-Remaining` of an answer; None where it does not say."""

    limit: int | None = None
    remaining: int | None = None


class Answer:
    def __init__(self, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self._path = path
        self._headers = headers
        self._body = body

    @property
    def rate_limit(self) -> RateLimit:
        return RateLimit(limit=self._number("X-RateLimit-Limit"), remaining=self._number("X-RateLimit-Remaining"))

    @property
    def facts(self) -> dict[str, Any]:
        """For log lines: what is not documented of it, and nothing of what it says."""
        return {
            "http_status": self.status,
            "header_names": shortened(" ".join(sorted(name.lower() for name in self._headers)), 1000),
            "content_type": shortened(printable(self._headers.get("Content-Type", "")), 100),
            "body_bytes": len(self._body),
        }

    @property
    def is_json(self) -> bool:
        try:
            self.json()
        except Unavailable:
            return False
        return True

    def json(self) -> Any:
        try:
            return json.loads(self._body)
        except (ValueError, RecursionError):
            raise Unavailable(self._path, f"HTTP {self.status} with a body that is not JSON") from None

    def detail(self, key: ApiKey) -> str:
        """What WebAdMIT says about an error: `message`, or the lists under `errors`; empty where it says nothing."""
        try:
            document = self.json()
        except Unavailable:
            return ""
        if not isinstance(document, dict):
            return ""
        return quoted(" ".join(_texts(document.get("message") or document.get("errors"))).replace(key.value, "…"))

    def retry_after(self) -> float | None:
        """Seconds to wait: `Retry-After` as a number or a date, else `X-RateLimit-Reset` as seconds or as an epoch."""
        text = self._headers.get("Retry-After", "")
        reset = self._number("X-RateLimit-Reset")
        if re.fullmatch(r"[0-9]{1,9}", text):
            return float(text)
        if text:
            try:
                moment = email.utils.parsedate_to_datetime(text)
                return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
            except (ValueError, OverflowError):  # the zone may lead out of the years that Python knows
                return None
        if reset is not None:
            return max(0.0, reset - time.time()) if reset > 1_000_000_000 else float(reset)
        return None

    def _number(self, header: str) -> int | None:
        text = self._headers.get(header, "").strip()
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _texts(value: Any) -> Iterator[str]:
    """The texts in a document, however deep they lie, in their order."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list | dict):
            left += reversed(list(part.values()) if isinstance(part, dict) else part)


def parse_list(document: Any, name: str, path: str) -> list[Any]:
    """The list under that name."""
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise Unavailable(path, f"the answer has no list of {name}")
    return entries


def with_ids(entries: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for entry in entries:
        try:
            yield parse_id(_text(entry.get("id")), "id"), entry
        except (InvalidInput, AttributeError):
            continue


def one_line(value: Any, key: ApiKey) -> str:
    """A name that people gave to something, as one line of at most 120 characters; empty where there is none."""
    return shortened(printable(_text(value).replace(key.value, "…")), _NAME_LENGTH)


def parse_single(document: Any, path: str) -> Any:
    """What is under `export_files`: an object, or a list of one."""
    entry = document.get("export_files") if isinstance(document, dict) else None
    if isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    if not isinstance(entry, dict):
        raise Unavailable(path, "the answer has no export_files")
    return entry


def parse_run(entry: Any, path: str) -> Run:
    """Reads one export file. The id must be there; a status that cannot be used is taken for the very first one."""
    try:
        export_id = entry.get("export_id")
        href = entry.get("href")
        return Run(
            export_file_id=parse_id(_text(entry.get("id")), "id"),
            export_id=None if export_id is None else parse_id(_text(export_id), "export_id"),
            status=_status(entry.get("status")),
            href=href if isinstance(href, str) and len(href) <= 1024 and href.isprintable() else None,
        )
    except (InvalidInput, AttributeError):
        raise Unavailable(path, "the answer holds no usable export file id") from None


def _status(value: Any) -> str:
    try:
        return parse_status(_text(value))
    except InvalidInput:
        return Status.INITIALIZING


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
