import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import EXPORT, NIGHT
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.start_request import StartRequest, parse_start_request
from webadmit_exports.errors import InvalidInput

OTHER = Export(user_identity_id=37442, export_id=86447)
NOW = NIGHT + timedelta(seconds=2, microseconds=7)


def parse(**event: Any) -> StartRequest:
    return parse_start_request({"exports": "37442:86446", **event}, NOW)


def test_pairs_are_read_in_their_order() -> None:
    assert parse(exports="37442:86447,37442:86446").entries == (OTHER, EXPORT)


def test_a_pair_that_is_listed_twice_counts_once() -> None:
    assert parse(exports="37442:86446,37442:86447,37442:86446").entries == (EXPORT, OTHER)


def test_an_empty_list_holds_no_exports() -> None:
    assert parse(exports="").entries == ()


@pytest.mark.parametrize(
    ("exports", "part"),
    [
        ("37442:86446, 37442:86447", " 37442:86447"),
        ("37442:86446,", ""),
        (",37442:86446", ""),
        ("37442:86446,,37442:86447", ""),
        ("37442:abc", "37442:abc"),
        ("-1:86446", "-1:86446"),
        ("+1:86446", "+1:86446"),
        ("0:86446", "0:86446"),
        ("37442:86446:1", "37442:86446:1"),
        ("37442:٨٦٤٤٦", "37442:٨٦٤٤٦"),
        ("37442:86446\n", "37442:86446\n"),
        ("37442:" + "9" * 19, "37442:" + "9" * 19),
        ("37442:86446;37442:86447", "37442:86446;37442:86447"),
        (" ", " "),
    ],
)
def test_a_bad_part_is_refused_and_named(exports: str, part: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(exports=exports)

    assert repr(part) in str(refused.value)
    assert "such as 37442:86446" in str(refused.value)


@pytest.mark.parametrize("exports", [None, 37442, ["37442:86446"], {"37442": 86446}])
def test_exports_that_are_no_text_are_refused(exports: object) -> None:
    with pytest.raises(InvalidInput, match='"exports" must be text'):
        parse(exports=exports)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T03:30:00Z",
        "2026-11-23T03:30:00+00:00",
        "2026-11-22T22:30:00-05:00",
        "2026-11-23T03:30:00.987Z",
        "20261123T033000Z",
    ],
)
def test_a_time_with_a_zone_is_read_to_the_second(text: str) -> None:
    assert parse(scheduled_for=text).scheduled_for == NIGHT


@pytest.mark.parametrize("event", [{}, {"scheduled_for": None}])
def test_without_a_time_it_is_now(event: dict[str, Any]) -> None:
    assert parse(**event).scheduled_for == NIGHT + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tomorrow", "must be an ISO 8601 time"),
        ("", "must be an ISO 8601 time"),
        (1700000000, "must be an ISO 8601 time"),
        ("<aws.scheduler.scheduled-time>", "must be an ISO 8601 time"),
        ("0001-01-01T00:00:00+23:59", "must be an ISO 8601 time"),
        ("2026-11-23T03:30:00", "without a zone"),
        ("2026-11-23", "without a zone"),
        ("2026-11-23T03:35:04Z", "in the future"),
        ("2026-12-23T03:30:00Z", "in the future"),
        ("2026-11-16T03:30:01Z", "more than 7 days ago"),
        ("2026-10-23T03:30:00Z", "more than 7 days ago"),
    ],
)
def test_a_time_that_cannot_be_used_is_refused(text: object, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        parse(scheduled_for=text)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"scheduled_for": NIGHT.isoformat()}, True),
        ({}, False),
        ({"start_failed_again": True}, True),
        ({"scheduled_for": NIGHT.isoformat(), "start_failed_again": False}, False),
    ],
)
def test_a_failure_is_started_again_where_there_is_a_time_or_the_event_asks_for_it(
    event: dict[str, Any], *, expected: bool
) -> None:
    assert parse(**event).start_failed_again is expected


@pytest.mark.parametrize("value", ["true", 1, "", []])
def test_whether_a_failure_is_started_again_is_true_or_false(value: object) -> None:
    with pytest.raises(InvalidInput, match="it must be true or false"):
        parse(start_failed_again=value)


def test_five_minutes_of_clock_skew_and_seven_days_are_allowed() -> None:
    for moment in (NOW + timedelta(minutes=5), NOW - timedelta(days=6, hours=23, minutes=59)):
        assert parse(scheduled_for=moment.isoformat()).scheduled_for == moment.replace(microsecond=0)


ids = st.integers(1, 10**18 - 1)


@given(st.lists(st.builds(Export, user_identity_id=ids, export_id=ids), unique=True))
def test_what_is_written_is_read_the_same(exports: list[Export]) -> None:
    request = StartRequest(entries=tuple(exports), scheduled_for=datetime(2026, 11, 23, 3, 30, tzinfo=UTC))

    assert parse_start_request(json.loads(request.to_json()), NOW) == request
