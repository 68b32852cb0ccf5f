"""How mails put what they say, and what strangers said."""

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NIGHT
from webadmit_exports.archive.ready_message import parse_ready_message
from webadmit_exports.archive.stored_file import ascii_text, safe_name
from webadmit_exports.domain.callback_form import parse_form
from webadmit_exports.domain.start_request import parse_entries, parse_queued
from webadmit_exports.domain.status import parse_status
from webadmit_exports.errors import InvalidInput
from webadmit_exports.messages import text as texts
from webadmit_exports.messages.text import printable, quoted, sentence
from webadmit_exports.webadmit.api_key import clean_api_key


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        ("Export '86446' not found.", "“Export '86446' not found.”"),
        ("see https://example.org/x?key=1 for more", "“see … for more”"),
        ("see //evil.example/phish now", "“see … now”"),
        ("go to evil.com/phish now", "“go to … now”"),
        ("go to EVIL.COM now", "“go to … now”"),
        ("go to münchen.de now", "“go to … now”"),
        ("ask jane.doe@example.edu now", "“ask … now”"),
        ("at webadmit-production.s3.amazonaws.com/x?Signature=abc end", "“at … end”"),
        (f"key {'f' * 32} is bad", "“key … is bad”"),
        ("token abcdefghijklmnopqrstuvwxyz_0 is bad", "“token … is bad”"),
        ("run `sudo rm -rf /` or $(reboot) | sh; <b>", "“run sudo rm -rf / or (reboot) sh b”"),
        ("end” of “it", "“end of it”"),
        ("version 1.0 of 3.5, e.g. this", "“version 1.0 of 3.5, e.g. this”"),
        ("two\r\nlines\x00 and\tmore", "“two lines and more”"),
        ("x " * 200, "“" + "x " * 99 + "x…”"),
        ("", ""),
        ("\x00", ""),
    ],
)
def test_what_strangers_said_is_a_quotation_that_cannot_be_clicked_or_pasted(said: str, repeated: str) -> None:
    assert quoted(said) == repeated


@given(st.text())
def test_a_quotation_is_short_and_one_line_whatever_was_said(said: str) -> None:
    repeated = quoted(said)

    assert len(repeated) <= 202
    assert repeated.isprintable()
    assert not set("`$|;<>\\") & set(repeated)
    assert "//" not in repeated


def test_an_address_that_is_cut_in_two_is_not_repeated_in_part() -> None:
    said = "see " + "x" * 20 + " " * 960 + "https://evil.example/phish"

    assert len(said) > 1000
    assert "evil" not in quoted(said)


def test_what_is_cleaned_is_cut_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that looks again at each sign costs the square of what it looks at."""
    seen: list[int] = []

    class Counting:
        def sub(self, new: str, text: str) -> str:
            seen.append(len(text))
            return text

    monkeypatch.setattr(texts, "_ADDRESS_OR_KEY", Counting())

    quoted("-" * 80_000)
    quoted("- " * 40_000)

    assert max(seen) <= 1000


def ignoring(read: Callable[[str], object]) -> Callable[[str], object]:
    def call(text: str) -> object:
        try:
            return read(text)
        except (InvalidInput, ValueError) as error:
            return error
        except Exception as error:  # noqa: BLE001 - errors of ours that are no InvalidInput
            return error

    return call


@pytest.mark.parametrize(
    "read",
    [
        quoted,
        printable,
        sentence,
        safe_name,
        ascii_text,
        ignoring(parse_status),
        ignoring(parse_entries),
        ignoring(clean_api_key),
        ignoring(parse_ready_message),
        ignoring(lambda text: parse_queued(text, {}, NIGHT)),
        ignoring(lambda text: parse_queued(json.dumps({"Payload": text}), {"SCHEDULED_TIME": text}, NIGHT)),
        ignoring(lambda text: parse_form(text, is_base64=False, content_type=text)),
    ],
)
@pytest.mark.parametrize("sign", ["-", "a.", "a@", "/", ":", ",", " ", "[", "é", "0", "%"])
def test_reading_twice_as_much_costs_at_most_little_more_than_twice(read: Callable[[str], object], sign: str) -> None:
    """Quadratic work would cost four times as much; the smallest of several measurements is compared."""
    small, large = sign * 20_000, sign * 40_000

    for _ in range(5):  # another process may come between
        costs = []
        for text in (small, large):
            began = time.process_time()
            for _ in range(3):
                read(text)
            costs.append(time.process_time() - began)
        if costs[1] < 3.2 * costs[0] + 0.002:
            return
    pytest.fail(f"{costs[0]:.4f} s became {costs[1]:.4f} s")
