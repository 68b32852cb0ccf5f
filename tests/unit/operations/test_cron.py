"""When schedules should have fired: every kind of field, the nights when clocks change, and what cannot be told."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webadmit_exports.operations.cron import occurrences

NEW_YORK = "America/New_York"


def on(day: str, expression: str, timezone: str = "UTC") -> list[str]:
    """The local hours and minutes at which it fires on that day."""
    zone = ZoneInfo(timezone)
    since = datetime.fromisoformat(day).replace(tzinfo=zone)
    found = occurrences(expression, timezone, since.astimezone(UTC), _end(since))
    assert found is not None
    return [f"{moment.astimezone(zone):%H:%M}" for moment in found]


def days(expression: str, since: str, until: str, timezone: str = "UTC") -> list[str]:
    """The local days on which it fires, the first and the last of them included."""
    zone = ZoneInfo(timezone)
    first, last = (datetime.fromisoformat(day).replace(tzinfo=zone) for day in (since, until))
    found = occurrences(expression, timezone, first.astimezone(UTC), _end(last))
    assert found is not None
    return [f"{moment.astimezone(zone):%Y-%m-%d}" for moment in found]


def _end(day: datetime) -> datetime:
    """The last minute of a local day; days of 23 and of 25 hours end at the same time of the clock."""
    return day.replace(hour=23, minute=59).astimezone(UTC)


# ── Times of day ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("cron(30 3 * * ? *)", ["03:30"]),
        ("30 3 * * ? *", ["03:30"]),
        ("cron(0 0 * * ? *)", ["00:00"]),
        ("cron(59 23 * * ? *)", ["23:59"]),
        ("cron(0 7-10 * * ? *)", ["07:00", "08:00", "09:00", "10:00"]),
        ("cron(0,30 4,16 * * ? *)", ["04:00", "04:30", "16:00", "16:30"]),
        ("cron(0 1,3-5,23 * * ? *)", ["01:00", "03:00", "04:00", "05:00", "23:00"]),
        ("cron(0/15 6 * * ? *)", ["06:00", "06:15", "06:30", "06:45"]),
        ("cron(5/20 6 * * ? *)", ["06:05", "06:25", "06:45"]),
        ("cron(*/20 6 * * ? *)", ["06:00", "06:20", "06:40"]),
        ("cron(0 20/2 * * ? *)", ["20:00", "22:00"]),
        ("cron(0 8-14/3 * * ? *)", ["08:00", "11:00", "14:00"]),
        ("cron(0 22-1 * * ? *)", ["00:00", "01:00", "22:00", "23:00"]),
        ("cron(0 3 * * * *)", ["03:00"]),
        ("cron(0 3 ? * * *)", ["03:00"]),
    ],
)
def test_an_expression_fires_at_the_times_that_it_names(expression: str, times: list[str]) -> None:
    assert on("2026-11-23", expression) == times


def test_every_other_hour_is_twelve_times_a_day() -> None:
    assert on("2026-11-23", "cron(0 */2 * * ? *)") == [f"{hour:02}:00" for hour in range(0, 24, 2)]


def test_the_frequent_default_fires_once_an_hour_from_seven_to_nineteen() -> None:
    assert on("2026-11-23", "cron(0 7-19 * * ? *)") == [f"{hour:02}:00" for hour in range(7, 20)]


def test_every_minute_is_1440_times_a_day() -> None:
    assert len(on("2026-11-23", "cron(* * * * ? *)")) == 1440


def test_times_are_those_of_the_zone() -> None:
    summer = occurrences(
        "cron(30 3 * * ? *)", NEW_YORK, datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)
    )
    winter = occurrences(
        "cron(30 3 * * ? *)", NEW_YORK, datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    )

    assert summer == [datetime(2026, 7, 1, 7, 30, tzinfo=UTC)]
    assert winter == [datetime(2026, 12, 1, 8, 30, tzinfo=UTC)]


# ── Days ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "fires_on"),
    [
        ("? * MON-FRI *", ["23", "24", "25", "26", "27", "30"]),
        ("? * 2-6 *", ["23", "24", "25", "26", "27", "30"]),
        ("? * mon-fri *", ["23", "24", "25", "26", "27", "30"]),
        ("? * SUN *", ["22", "29"]),
        ("? * 1 *", ["22", "29"]),
        ("? * SAT,SUN *", ["21", "22", "28", "29"]),
        ("? * FRI-MON *", ["21", "22", "23", "27", "28", "29", "30"]),
        ("? * MON,WED-THU *", ["23", "25", "26", "30"]),
        ("25 * ? *", ["25"]),
        ("22-24 * ? *", ["22", "23", "24"]),
        ("1,22,30 * ? *", ["22", "30"]),
        ("1/7 * ? *", ["22", "29"]),
        ("* * ? *", [str(day) for day in range(21, 31)]),
    ],
)
def test_an_expression_fires_on_the_days_that_it_names(fields: str, fires_on: list[str]) -> None:
    found = days(f"cron(30 3 {fields})", "2026-11-21", "2026-11-30")  # a Saturday to a Monday

    assert found == [f"2026-11-{day}" for day in fires_on]


@pytest.mark.parametrize(
    ("month", "fires_in"),
    [
        ("1", ["2027-01"]),
        ("JAN", ["2027-01"]),
        ("jan,DEC", ["2026-12", "2027-01"]),
        ("NOV-JAN", ["2026-11", "2026-12", "2027-01"]),
        ("*/3", ["2026-10", "2027-01"]),
        ("OCT-NOV", ["2026-10", "2026-11"]),
    ],
)
def test_an_expression_fires_in_the_months_that_it_names(month: str, fires_in: list[str]) -> None:
    found = days(f"cron(0 3 2 {month} ? *)", "2026-10-01", "2027-01-31")

    assert found == [f"{one}-02" for one in fires_in]


@pytest.mark.parametrize(
    ("year", "fires_on"),
    [
        ("2026", ["2026-12-31"]),
        ("2027", ["2027-01-01"]),
        ("2027-2030", ["2027-01-01"]),
        ("2020/6", ["2026-12-31"]),
        ("2025", []),
        ("*", ["2026-12-31", "2027-01-01"]),
    ],
)
def test_an_expression_fires_in_the_years_that_it_names(year: str, fires_on: list[str]) -> None:
    assert days(f"cron(0 3 * * ? {year})", "2026-12-31", "2027-01-01") == fires_on


def test_a_day_that_a_month_lacks_does_not_fire() -> None:
    assert days("cron(0 3 31 * ? *)", "2026-11-01", "2026-12-31") == ["2026-12-31"]
    assert days("cron(0 3 29 2 ? *)", "2027-02-01", "2027-03-01") == []
    assert days("cron(0 3 29 2 ? *)", "2028-02-01", "2028-03-01") == ["2028-02-29"]


def test_the_day_is_that_of_the_zone() -> None:
    """Half past ten on Sunday evening in New York is Monday in UTC."""
    since, until = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)

    found = occurrences("cron(30 22 ? * SUN *)", NEW_YORK, since, until)

    assert found == [datetime(2026, 11, 23, 3, 30, tzinfo=UTC)]


# ── Nights when clocks change ───────────────────────────────────────────────────────────────────────────────────────


def test_an_hour_that_a_spring_night_lacks_does_not_fire() -> None:
    assert on("2026-03-08", "cron(30 2 * * ? *)", NEW_YORK) == []
    assert on("2026-03-07", "cron(30 2 * * ? *)", NEW_YORK) == ["02:30"]
    assert on("2026-03-09", "cron(30 2 * * ? *)", NEW_YORK) == ["02:30"]


def test_the_hours_around_the_one_that_is_missing_fire() -> None:
    assert on("2026-03-08", "cron(30 0-4 * * ? *)", NEW_YORK) == ["00:30", "01:30", "03:30", "04:30"]


def test_an_hour_that_an_autumn_night_has_twice_fires_the_first_time_only() -> None:
    since, until = datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 4, tzinfo=UTC)

    found = occurrences("cron(30 1 * * ? *)", NEW_YORK, since, until)

    assert found == [datetime(2026, 11, 1, 5, 30, tzinfo=UTC)]


def test_the_hours_around_the_one_that_comes_twice_fire_once() -> None:
    assert on("2026-11-01", "cron(30 0-3 * * ? *)", NEW_YORK) == ["00:30", "01:30", "02:30", "03:30"]


def test_where_clocks_change_by_half_an_hour_each_time_fires_once() -> None:
    """Lord Howe Island sets its clocks back from 02:00 to 01:30 on 2026-04-05."""
    assert on("2026-04-05", "cron(0/15 1-2 * * ? *)", "Australia/Lord_Howe") == [
        "01:00",
        "01:15",
        "01:30",
        "01:45",
        "02:00",
        "02:15",
        "02:30",
        "02:45",
    ]


# ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────

FIRST = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
SECOND = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
SECOND_OF_TIME = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (FIRST, SECOND, [FIRST, SECOND]),
        (FIRST, FIRST, [FIRST]),
        (FIRST + SECOND_OF_TIME, SECOND, [SECOND]),
        (FIRST + timedelta(microseconds=1), SECOND, [SECOND]),
        (FIRST, SECOND - SECOND_OF_TIME, [FIRST]),
        (FIRST - SECOND_OF_TIME, FIRST + SECOND_OF_TIME, [FIRST]),
        (FIRST - timedelta(seconds=59, microseconds=1), FIRST, [FIRST]),
        (FIRST + SECOND_OF_TIME, SECOND - SECOND_OF_TIME, []),
        (SECOND, FIRST, []),
    ],
)
def test_both_ends_are_included_and_nothing_beyond(since: datetime, until: datetime, found: list[datetime]) -> None:
    assert occurrences("cron(30 3 * * ? *)", "UTC", since, until) == found


# ── What cannot be told ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 3 L * ? *)",
        "cron(0 3 L-2 * ? *)",
        "cron(0 3 15W * ? *)",
        "cron(0 3 LW * ? *)",
        "cron(0 3 ? * 6L *)",
        "cron(0 3 ? * FRIL *)",
        "cron(0 3 ? * MON#2 *)",
        "cron(0 3 ? * 2#1 *)",
        "cron(0 3 ? * MONDAY *)",
        "cron(0 3 * JANUARY ? *)",
        "cron(0 MON * * ? *)",
        "cron(x 3 * * ? *)",
        "cron(-1 3 * * ? *)",
        "cron(0, 3 * * ? *)",
        "cron(0 3, * * ? *)",
        "cron(0 1--3 * * ? *)",
        "cron(0 1-2-3 * * ? *)",
        "cron(0 1/2/3 * * ? *)",
        "cron(0 /2 * * ? *)",
        "cron(0 3.5 * * ? *)",
        "cron(٣ 3 * * ? *)",
        "cron(00000 3 * * ? *)",
        "cron(0 3 * * ?)",
        "cron(0 3 * * ? * *)",
        "cron()",
        "",
        "rate(5 minutes)",
        "at(2026-11-23T03:30:00)",
        "every night at three",
    ],
)
def test_what_is_not_understood_is_told_apart_from_what_does_not_fire(expression: str) -> None:
    assert occurrences(expression, "UTC", FIRST, SECOND) is None


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "../../etc/passwd", "EST5EDT4"])
def test_in_a_zone_that_is_not_known_nothing_can_be_told(timezone: str) -> None:
    assert occurrences("cron(30 3 * * ? *)", timezone, FIRST, SECOND) is None


def test_what_does_not_fire_in_that_time_is_an_empty_list() -> None:
    assert occurrences("cron(0 5 1 1 ? *)", "UTC", FIRST, SECOND) == []


# ── For all of them ─────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), st.dates(date(1990, 1, 1), date(2150, 12, 31)))
def test_a_daily_time_in_utc_comes_exactly_once_a_day(hour: int, minute: int, day: date) -> None:
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)

    found = occurrences(f"cron({minute} {hour} * * ? *)", "UTC", begins, begins + timedelta(days=1, minutes=-1))

    assert found == [begins + timedelta(hours=hour, minutes=minute)]


@settings(deadline=None)
@given(st.integers(0, 1439))
def test_a_time_is_in_exactly_one_of_two_spans_that_follow_each_other(start: int) -> None:
    begins = datetime(2026, 11, 23, tzinfo=UTC)
    middle, ends = begins + timedelta(minutes=start), begins + timedelta(days=1, minutes=-1)

    early = occurrences("cron(0/7 * * * ? *)", "UTC", begins, middle - SECOND_OF_TIME)
    late = occurrences("cron(0/7 * * * ? *)", "UTC", middle, ends)

    assert early is not None
    assert late is not None
    assert early + late == occurrences("cron(0/7 * * * ? *)", "UTC", begins, ends)


@pytest.mark.parametrize(
    "expression",
    ["cron(99 3 * * ? *)", "cron(0 24 * * ? *)", "cron(0 3 32 * ? *)", "cron(5/0 3 * * ? *)", "cron(0 20-4/2 * * ? *)"],
)
def test_what_eventbridge_would_not_take_cannot_be_told(expression: str) -> None:
    day = datetime(2026, 11, 23, tzinfo=UTC)

    assert occurrences(expression, "UTC", day, day + timedelta(hours=23)) is None
