"""An object of the archive: its name, and the facts about its file. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from webadmit_exports.archive.csv_facts import CsvFacts

_NAME_LENGTH = 100  # of a file in a key, its ending included
_ENDING_LENGTH = 10
RECEIPT, DELIVERY = "receipt", "delivery"  # the tags of an object, each noted by the one process that archives its file
_TAGS = {RECEIPT: "sent", DELIVERY: "started"}


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
class FileFacts:
    """What is known of a file; its object has it as metadata. All but `sha256` only for a CSV.

    `previous_rows` and `header_changed` compare it with that export's file before it: None and False for the first.
    """

    sha256: str
    charset: str | None = None
    rows: int | None = None
    header_sha256: str | None = None
    previous_rows: int | None = None
    header_changed: bool | None = None

    @classmethod
    def of(cls, sha256: str, csv: CsvFacts | None, previous: "FileFacts | None") -> Self:
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

    @property
    def metadata(self) -> dict[str, str]:
        """By the names that an object has them under: `header-sha256`, and so on."""
        return {
            name.replace("_", "-"): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.known.items()
        }


def parse_facts(texts: Mapping[str, str]) -> FileFacts | None:
    """What `FileFacts.metadata` wrote; None where it is not there."""

    def number(name: str) -> int | None:
        text = texts.get(name, "")
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None

    if "sha256" not in texts:
        return None
    return FileFacts(
        sha256=texts["sha256"],
        charset=texts.get("charset"),
        rows=number("rows"),
        header_sha256=texts.get("header-sha256"),
        previous_rows=number("previous-rows"),
        header_changed={"true": True, "false": False}.get(texts.get("header-changed", "")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An object of the archive. `stored_at` is S3's time; `metadata`: what was known before it was fetched."""

    key: str
    version_id: str
    size: int
    content_type: str
    stored_at: datetime
    facts: FileFacts
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_receipt(self) -> bool:
        """Whether its receipt was sent."""
        return RECEIPT in self.tags

    @property
    def is_being_delivered(self) -> bool:
        """Whether its delivery was started."""
        return DELIVERY in self.tags

    def marked(self, tag: str) -> Self:
        """The same with one tag more."""
        return replace(self, tags={**self.tags, tag: _TAGS[tag]})
