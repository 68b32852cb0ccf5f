"""When a schedule should have fired: EventBridge's cron expressions, looked at minute by minute. Pure.

Follows the reference of EventBridge Scheduler (page schedule-types): six fields, minutes to years, in the schedule's
time zone; an hour that a spring night lacks does not fire, one that an autumn night has twice fires once.
"""

import calendar
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.times import time_zone

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")  # 1 to 7
_ITEM = re.compile(r"(\*|[0-9]{1,4})(?:-([0-9]{1,4}))?(?:/([0-9]{1,4}))?")


class _NotUnderstood(ValueError):
    """The expression uses something that is not known here, such as L, W or #."""


def occurrences(expression: str, timezone: str, since: datetime, until: datetime) -> list[datetime] | None:
    """The times from `since` to `until`, both included, at which it fires; None where that cannot be told here."""
    zone = time_zone(timezone)
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    if zone is None or len(fields) != 6:
        return None
    try:
        return list(_firing(fields, zone, since, until))
    except _NotUnderstood:
        return None


def same_time_yesterday(moment: datetime, timezone: str) -> datetime:
    """The same time of the clock a day earlier, so that the days of two mornings join also where a clock is moved."""
    zone = time_zone(timezone) or UTC
    return (moment.astimezone(zone) - timedelta(days=1)).astimezone(UTC)


def times_of(schedule: Schedule, since: datetime, until: datetime) -> list[datetime] | None:
    """When it should have fired, from when it was last changed; None where that cannot be told from its expression.

    Whether it is on does not count: what somebody has switched off by hand should have fired.
    """
    if not schedule.should_be_on:
        return []
    fired = occurrences(schedule.expression, schedule.timezone, since, until)
    return None if fired is None else [moment for moment in fired if schedule.changed_at <= moment < until]


def _firing(fields: Sequence[str], zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    minutes, hours = _numbers(fields[0], 0, 59), _numbers(fields[1], 0, 23)
    days, months = _numbers(fields[2], 1, 31), _numbers(_named(fields[3], _MONTHS), 1, 12)
    weekdays, years = _numbers(_named(fields[4], _DAYS), 1, 7), _numbers(fields[5], 1970, 2199)
    moment = since.replace(second=0, microsecond=0)
    while moment <= until:
        local = moment.astimezone(zone)
        weekday = (calendar.weekday(local.year, local.month, local.day) + 1) % 7 + 1
        on_the_day = local.day in days and local.month in months and weekday in weekdays and local.year in years
        if on_the_day and local.hour in hours and local.minute in minutes and not local.fold and moment >= since:
            yield moment
        moment += timedelta(minutes=1)


def _named(field: str, names: Sequence[str]) -> str:
    for number, name in enumerate(names, start=1):
        field = re.sub(rf"\b{name}\b", str(number), field, flags=re.IGNORECASE)
    return field


def _numbers(field: str, lowest: int, highest: int) -> frozenset[int]:
    """The numbers that a field stands for."""
    if field == "?":
        return frozenset(range(lowest, highest + 1))
    chosen: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if not match:
            raise _NotUnderstood(item)
        first, last, step = match.groups()
        start = lowest if first == "*" else int(first)
        # "5/15" goes on to the end, "5" is one number
        end = int(last) if last else highest if step or first == "*" else start
        if not lowest <= start <= highest or not lowest <= end <= highest or step == "0" or (step and end < start):
            raise _NotUnderstood(item)
        if end < start:  # FRI-MON
            chosen.update(range(start, highest + 1), range(lowest, end + 1))
        else:
            chosen.update(range(start, end + 1, int(step or 1)))
    return frozenset(chosen)
