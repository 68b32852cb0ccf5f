"""Times are always aware and in UTC; these are their texts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from webadmit_exports.errors import InvalidInput

_A_TIME = "it must be an ISO 8601 time with a zone, such as 2026-11-23T03:30:00Z"


def parse_time(text: object) -> datetime:
    """The time in ISO 8601 text, in UTC; raises InvalidInput, with what is expected, unless it has a zone."""
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        if moment.tzinfo is None:
            raise InvalidInput(f"it is without a zone; {_A_TIME}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the zone may lead out of the years that Python knows
        raise InvalidInput(_A_TIME) from None


def utc_seconds(moment: datetime) -> str:
    """`2026-11-23T03:30:00Z`: for scheduled times, which have no fractions, and for messages."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_microseconds(moment: datetime) -> str:
    """`2026-11-23T03:30:00.000000Z`: always as long, so that the texts sort as the times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_zone(name: str) -> ZoneInfo | None:
    """The time zone of that IANA name; None where it is not known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
