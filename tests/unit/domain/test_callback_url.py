import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import EXPORT, NIGHT
from webadmit_exports.domain.callback_form import CallbackForm, parse_form
from webadmit_exports.domain.callback_url import CallbackUrl, is_signed, parse_path
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import InvalidInput

KEY = b"a signing key"
ADDRESS = CallbackUrl(export=EXPORT, scheduled_for=NIGHT)
FORM = "application/x-www-form-urlencoded"
GOOD = "export_file[id]=99752&export_file[export_id]=123316&export_file[status]=Available"


def segments(address: CallbackUrl = ADDRESS, key: bytes = KEY) -> dict[str, str]:
    *_, identity, export, occurrence, signature = address.signed("https://host", key).split("/")
    return {"user_identity_id": identity, "export_id": export, "occurrence": occurrence, "signature": signature}


def is_proven(parts: dict[str, str], *keys: bytes) -> bool:
    parsed = parse_path(parts)
    return parsed is not None and is_signed(*parsed, keys)


# ── Addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_has_the_documented_form_and_proves_itself() -> None:
    url = ADDRESS.signed("https://abc.execute-api.us-east-1.amazonaws.com", KEY)

    assert url.startswith("https://abc.execute-api.us-east-1.amazonaws.com/callbacks/37442/86446/20261123T033000Z/")
    assert is_proven(segments(), KEY)
    parsed = parse_path(segments())
    assert parsed
    assert parsed[0] == ADDRESS


def test_each_known_key_proves_an_address_and_no_other_does() -> None:
    assert is_proven(segments(key=b"old"), b"new", b"old")
    assert not is_proven(segments(key=b"older"), b"new", b"old")
    assert not is_proven(segments())


@pytest.mark.parametrize("position", range(64))
def test_a_signature_that_is_wrong_in_one_bit_proves_nothing(position: int) -> None:
    good = segments()["signature"]
    flipped = format(int(good[position], 16) ^ 1, "x")

    assert not is_proven({**segments(), "signature": good[:position] + flipped + good[position + 1 :]}, KEY)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("user_identity_id", "37443"),
        ("export_id", "86447"),
        ("occurrence", "20261124T033000Z"),
        ("user_identity_id", "037442"),
        ("user_identity_id", "٣٧٤٤٢"),
        ("export_id", "86446\n"),
        ("occurrence", "20261323T033000Z"),
        ("occurrence", "2026-11-23T03:30:00Z"),
        ("occurrence", ""),
        ("signature", ""),
        ("signature", segments()["signature"][:-1]),
        ("signature", segments()["signature"].upper()),
        ("signature", segments()["signature"] + "\n"),
        ("signature", "é" * 64),
    ],
)
def test_an_address_of_which_a_part_was_changed_proves_nothing(part: str, value: str) -> None:
    assert not is_proven({**segments(), part: value}, KEY)


def test_a_part_that_is_missing_proves_nothing() -> None:
    for part in segments():
        assert not is_proven({name: value for name, value in segments().items() if name != part}, KEY)


def test_the_signature_of_another_export_proves_nothing() -> None:
    other = CallbackUrl(export=Export(user_identity_id=3744, export_id=286446), scheduled_for=NIGHT)

    assert not is_proven({**segments(), "signature": segments(other)["signature"]}, KEY)


@pytest.mark.parametrize(
    ("age", "alive"),
    [
        (timedelta(days=7), True),
        (timedelta(days=7, seconds=1), False),
        (timedelta(0), True),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, seconds=-1), False),
    ],
)
def test_an_address_is_alive_for_seven_days(age: timedelta, alive: bool) -> None:
    assert ADDRESS.is_alive(NIGHT + age) is alive


@given(
    st.builds(Export, user_identity_id=st.integers(1, 10**18 - 1), export_id=st.integers(1, 10**18 - 1)),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - zone given apart
)
def test_every_address_is_read_as_it_was_written(export: Export, moment: datetime) -> None:
    address = CallbackUrl(export=export, scheduled_for=moment.replace(microsecond=0))

    parsed = parse_path(segments(address))

    assert parsed
    assert parsed[0] == address


# ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(body: str | None, *, is_base64: bool = False, content_type: str | None = FORM) -> CallbackForm:
    return parse_form(body, is_base64=is_base64, content_type=content_type)


def encoded(body: str | bytes) -> str:
    return base64.b64encode(body if isinstance(body, bytes) else body.encode()).decode()


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        "export_file%5Bid%5D=99752&export_file%5Bexport_id%5D=123316&export_file%5Bstatus%5D=Available",
        "export_file%5bid%5d=99752&export_file%5bexport_id%5d=123316&export_file%5bstatus%5d=available",
        "export_file[status]=%41vailable&export_file[id]=99752&export_file[export_id]=123316&more=1",
        f"{GOOD}&export_file[id]=99752",
        f"&{GOOD}&",
    ],
)
def test_a_form_is_read_in_every_spelling(body: str) -> None:
    expected = CallbackForm(export_file_id=99752, export_id=123316, status="Available")

    assert read(body) == expected
    assert read(encoded(body), is_base64=True) == expected


@pytest.mark.parametrize("space", ["+", "%20", " "])
def test_blanks_in_a_status_are_read_in_every_spelling(space: str) -> None:
    assert read(GOOD.replace("Available", f"In{space}Progress")).status == "In Progress"


@pytest.mark.parametrize(
    "content_type",
    [FORM, f"{FORM};charset=UTF-8", "Application/X-WWW-Form-URLencoded ; charset=iso-8859-1", None, "", " "],
)
def test_a_forms_content_type_is_taken_in_every_spelling_or_missing(content_type: str | None) -> None:
    assert read(GOOD, content_type=content_type).export_file_id == 99752


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidInput, match="must be a form"):
        read(GOOD, content_type=content_type)


@pytest.mark.parametrize(
    "value", ["", "0", "-1", "+9", "%2B9", "9_9", " 9 ", "+9+", "٩٩٧٥٢", "9" * 40, "1e3", "9%0A", "9%00", "NaN"]
)
@pytest.mark.parametrize("field", ["99752", "123316"])
def test_ids_that_are_none_are_refused(field: str, value: str) -> None:
    with pytest.raises(InvalidInput, match="must be a whole number"):
        read(GOOD.replace(field, value))


@pytest.mark.parametrize("field", ["export_file[id]", "export_file[export_id]", "export_file[status]"])
def test_a_missing_field_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(GOOD.replace(field, "another"))

    assert str(refused.value) == f"the form must have the field {field}"


def test_a_field_with_two_values_is_refused_unless_both_say_the_same() -> None:
    with pytest.raises(InvalidInput, match=r"export_file\[status\]"):
        read(f"{GOOD}&export_file[status]=Failed")

    assert read(f"{GOOD}&export_file[status]=Available") == read(GOOD)


@pytest.mark.parametrize("status", ["", "+", "%00", "x" * 65])
def test_a_status_that_cannot_be_used_is_refused(status: str) -> None:
    with pytest.raises(InvalidInput, match="the status must be"):
        read(GOOD.replace("Available", status))


@pytest.mark.parametrize("body", [None, "", "&", "&&&", "{}", "export_file", '{"export_file": {"id": 1}}'])
def test_what_is_no_form_is_refused(body: str | None) -> None:
    with pytest.raises(InvalidInput):
        read(body)


@pytest.mark.parametrize("body", ["not base64", "YQ=", "YQ==YQ==", "Y Q==", "é"])
def test_invalid_base64_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput):
        read(body, is_base64=True)


@pytest.mark.parametrize("junk", [" ", "\n", "!", "-", "=", "é"])
def test_base64_with_something_in_it_that_is_none_is_refused(junk: str) -> None:
    body = encoded(GOOD)

    with pytest.raises(InvalidInput):
        read(body[:8] + junk + body[8:], is_base64=True)


def test_invalid_utf8_is_refused_however_it_is_written() -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        read(encoded(GOOD.encode() + b"&x=\xff"), is_base64=True)
    with pytest.raises(InvalidInput, match="UTF-8"):
        read(f"{GOOD}&x=%ff")


def test_a_body_is_read_up_to_four_kibibytes() -> None:
    padding = "&x=" + "y" * (4096 - len(GOOD) - 3)

    assert read(encoded(GOOD + padding), is_base64=True).export_file_id == 99752
    for body, is_base64 in [(GOOD + padding + "y", False), (encoded(GOOD + padding + "y"), True)]:
        with pytest.raises(InvalidInput, match="longer than 4096 bytes"):
            read(body, is_base64=is_base64)


def test_a_flood_of_fields_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most 50 fields"):
        read("a&" * 1000 + GOOD)


@given(st.text(max_size=300), st.booleans(), st.one_of(st.none(), st.text(max_size=20), st.just(FORM)))
def test_any_body_is_either_read_or_refused(body: str, is_base64: bool, content_type: str | None) -> None:
    try:
        form = read(body, is_base64=is_base64, content_type=content_type)
    except InvalidInput:
        return

    assert form.export_file_id > 0
