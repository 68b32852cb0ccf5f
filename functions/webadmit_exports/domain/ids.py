"""WebAdMIT's ids: whole numbers of at most 18 digits that do not begin with zero."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from webadmit_exports.errors import InvalidInput

ID_PATTERN = "[1-9][0-9]{0,17}"
_ID = re.compile(ID_PATTERN)
_PAIR = re.compile(f"({ID_PATTERN}):({ID_PATTERN})")


def parse_id(text: str, what: str) -> int:
    """The number in `text`; raises InvalidInput, naming `what`, unless it is 1 to 18 digits without a leading zero."""
    if not _ID.fullmatch(text):  # int() alone would take "+9", "9_9", " 9 " and Arabic digits
        raise InvalidInput(f"{what} must be a whole number of 1 to 18 digits without a leading zero")
    return int(text)


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


def parse_pair(text: str) -> Export | None:
    """The export in a pair such as `37442:86446`; None where the text is not one."""
    match = _PAIR.fullmatch(text)
    return Export(user_identity_id=int(match[1]), export_id=int(match[2])) if match else None


def join_entries(entries: Iterable[object]) -> str:
    """`37442:86446,Slate nightly*`, as the parameter Exports and the messages have them."""
    return ",".join(str(entry) for entry in entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFileId:
    """Which run of which export: what records, status updates and announcements have in common."""

    export: Export
    export_file_id: int

    @property
    def ids(self) -> dict[str, Any]:
        """The ids by their names, for messages and log lines."""
        return {**self.export.ids, "export_file_id": self.export_file_id}
