import pytest

from webadmit_exports.errors import InvalidInput
from webadmit_exports.shared_services import SharedServices


def parts(**environment: str) -> SharedServices:
    return SharedServices(environment, lambda: pytest.fail("nothing asks for the time"))


@pytest.mark.parametrize("environment", [{}, {"CALLBACK_URL": ""}])
def test_a_setting_that_is_missing_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"CALLBACK_URL is not set; template\.yaml sets it"):
        parts(**environment).setting("CALLBACK_URL")


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "ten", "1.5.1", "٣", " 7", "1e3", "nan"])
def test_a_number_that_is_none_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="KEEP_RECORDS_DAYS is"):
        parts(KEEP_RECORDS_DAYS=text).number("KEEP_RECORDS_DAYS")


def test_settings_are_read_as_they_are() -> None:
    some = parts(CALLBACK_URL="https://x", KEEP_RECORDS_DAYS="90", OVERDUE_AFTER_MINUTES="90.5")

    assert (some.setting("CALLBACK_URL"), some.number("KEEP_RECORDS_DAYS")) == ("https://x", 90)
    assert some.number("OVERDUE_AFTER_MINUTES") == 90.5
