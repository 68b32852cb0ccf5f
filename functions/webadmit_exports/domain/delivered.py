"""What is known of files that were delivered, or not. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

_NAME_LENGTH = 60  # of an export, on the server

# How a delivery may end; DeliveryMachine in template.yaml knows these words too.
DELIVERED, HELD, GIVEN_UP = "delivered", "held back", "given up"


def name_on_server(export_name: str) -> str:
    """What the files of an export begin with: letters, digits and single underscores. Names may coincide there."""
    ascii_name = unicodedata.normalize("NFKD", export_name).encode("ascii", "ignore").decode()  # ü becomes u
    return re.sub(r"[^A-Za-z0-9]+", "_", ascii_name)[:_NAME_LENGTH].strip("_") or "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is compared of a file: the names of its columns and its records, None where they are not known."""

    columns: tuple[str, ...] | None
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The file that one is compared with; None where there was none.

    `name_of_others_since`: where the file is its program's first under that name, when another program had its first.
    """

    contents: Contents | None = None
    name_of_others_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a file: `what` is how its delivery ended, `by` the execution that it was."""

    what: str
    at: datetime
    by: str
