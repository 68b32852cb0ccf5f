import pytest
from hypothesis import given
from hypothesis import strategies as st

from webadmit_exports.domain.ids import parse_id
from webadmit_exports.domain.status import Progress, Status, is_known, parse_status, progress_of
from webadmit_exports.errors import InvalidInput


@pytest.mark.parametrize("text", ["1", "86446", "9" * 18])
def test_an_id_is_read(text: str) -> None:
    assert parse_id(text, "id") == int(text)


@pytest.mark.parametrize(
    "text", ["", "0", "01", "-1", "+9", "9_9", " 9 ", "9\n", "٩٩٧٥٢", "1e3", "9" * 19, "9" * 40, "0x9", "9.0", "９"]
)
def test_what_is_no_id_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="export_file_id must be a whole number"):
        parse_id(text, "export_file_id")


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_known_in_every_spelling(status: Status) -> None:
    spellings = [
        status,
        status.upper(),
        status.lower(),
        status.replace(" ", "_").lower(),
        status.replace(" ", ""),
        f" {status}\t",
    ]

    assert [parse_status(spelling) for spelling in spellings] == [status] * len(spellings)
    assert is_known(status)


def test_an_unknown_status_is_kept_as_it_came_and_counts_as_in_progress() -> None:
    status = parse_status("Zipping Files")

    assert status == "Zipping Files"
    assert not is_known(status)
    assert progress_of(status) is Progress.IN_PROGRESS


@pytest.mark.parametrize("text", ["", "   ", "x" * 65, "Avail\x00able", "Available\u202e", "\n"])
def test_an_unusable_status_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 64 printable characters"):
        parse_status(text)


@given(st.text(max_size=80))
def test_any_text_is_either_refused_or_read_the_same_again(text: str) -> None:
    try:
        status = parse_status(text)
    except InvalidInput:
        return

    assert parse_status(status) == status
    assert isinstance(progress_of(status), Progress)


def test_statuses_are_in_the_order_of_progress() -> None:
    order = ["Initializing", "Queued", "In Progress", "Failed", "Available"]

    assert sorted(order, key=progress_of) == order
    assert progress_of("Empty List") == progress_of("Failed")
    assert progress_of("Success With Errors") == progress_of("Available")
