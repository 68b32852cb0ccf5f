"""What a delivery knows of its file: the receipt of the archive (docs/handing-over.md, "What a receipt says"). Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webadmit_exports.archive.csv_facts import is_csv
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.times import parse_time
from webadmit_exports.messages.message import Body

_NO_HEADER = hashlib.sha256(b"").hexdigest()
_OF_ONE_MESSAGE = {"version", "event_id", "event_type", "repeated"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """The body of an `export_file.archived` message."""

    body: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        return str(self.body["event_id"])

    @property
    def export(self) -> Export:
        return Export(user_identity_id=self.body["user_identity_id"], export_id=self.body["export_id"])

    @property
    def export_file_id(self) -> int:
        return int(self.body["export_file_id"])

    @property
    def run(self) -> tuple[int, int, datetime]:
        """Which run its file is of: the export's id, the file's, and when it finished."""
        return self.export.export_id, self.export_file_id, self.finished_at

    @property
    def ids(self) -> dict[str, Any]:
        """For log lines."""
        return {**self.export.ids, "export_file_id": self.export_file_id}

    @property
    def finished_at(self) -> datetime:
        return parse_time(self.body["finished_at"])

    @property
    def labels(self) -> Labels:
        return Labels.among(self.body)

    @property
    def rows(self) -> int | None:
        return self.body.get("rows")

    @property
    def object(self) -> tuple[str, str, str]:
        """Bucket, key and version in the archive."""
        return self.body["bucket"], self.body["key"], self.body["version_id"]

    @property
    def says_csv(self) -> bool:
        """Whether it calls itself a CSV."""
        return is_csv(self.body["content_type"].partition(";")[0].strip(), self.body["key"])

    @property
    def is_csv(self) -> bool:
        """Whether it could be read as one."""
        return "header_sha256" in self.body

    @property
    def has_header(self) -> bool:
        """Whether there is a first line at all."""
        return self.is_csv and self.body["header_sha256"] != _NO_HEADER

    @property
    def fields(self) -> Body:
        """What the messages about its delivery repeat."""
        return {name: value for name, value in self.body.items() if name not in _OF_ONE_MESSAGE}
