"""The exports of one occurrence of the schedule, as the schedule and the retry queue write them. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .callbacks import CLOCK_SKEW, LIFETIME
from .errors import InvalidInput
from .model import Export, parse_time, utc_seconds

_PAIR = re.compile(r"([1-9][0-9]{0,17}):([1-9][0-9]{0,17})")
_SHOWN = 60  # characters of bad input that an error repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What is to be started, and the time of the schedule that asks for it (UTC, whole seconds)."""

    exports: tuple[Export, ...]
    scheduled_for: datetime

    def to_json(self) -> str:
        """The same as `parse_occurrence` reads."""
        exports = ",".join(str(export) for export in self.exports)
        return json.dumps({"exports": exports, "scheduled_for": utc_seconds(self.scheduled_for)})


def parse_occurrence(event: Mapping[str, Any], now: datetime) -> Occurrence:
    """Reads `{"exports": "37442:86446,37442:86447", "scheduled_for": "2026-11-23T03:30:00Z"}`.

    Without `scheduled_for` it is now. Raises InvalidInput, naming the bad part.
    """
    scheduled_for = event.get("scheduled_for")
    return Occurrence(
        exports=parse_exports(event.get("exports")),
        scheduled_for=now.replace(microsecond=0) if scheduled_for is None else _scheduled_for(scheduled_for, now),
    )


def parse_exports(text: object) -> tuple[Export, ...]:
    """Reads pairs as the parameter `Exports` has them, each once; raises InvalidInput, naming the bad part."""
    if not isinstance(text, str):
        raise InvalidInput('"exports" must be text such as "37442:86446,37442:86447" (user_identity_id:export_id)')
    pairs = [_pair(part) for part in text.split(",")] if text else []
    return tuple(dict.fromkeys(pairs))


def _pair(part: str) -> Export:
    match = _PAIR.fullmatch(part)
    if not match:
        raise InvalidInput(
            f'"exports" has the part {part[:_SHOWN]!r}, which is not user_identity_id:export_id, such as 37442:86446'
            " (no blanks, no empty parts)"
        )
    return Export(user_identity_id=int(match[1]), export_id=int(match[2]))


def _scheduled_for(text: object, now: datetime) -> datetime:
    shown = f'"scheduled_for" is {str(text)[:_SHOWN]!r}'
    try:
        moment = parse_time(text).replace(microsecond=0)
    except InvalidInput as error:
        raise InvalidInput(f"{shown}; {error}") from None
    if moment > now + CLOCK_SKEW:
        raise InvalidInput(f"{shown}, in the future; it is {utc_seconds(now)} now")
    if moment < now - LIFETIME:
        raise InvalidInput(f"{shown}, more than {LIFETIME.days} days ago; leave it out to start a new run now")
    return moment
