"""How mails put what they say, and what strangers said."""

import json
import time
from collections.abc import Callable

import pytest

from tests.fakes import NIGHT
from webadmit_exports.archive.announced_file import parse_ready_message
from webadmit_exports.archive.stored_file import ascii_text, safe_name
from webadmit_exports.domain.callback_form import parse_form
from webadmit_exports.domain.foreign_text import printable, quoted
from webadmit_exports.domain.start_request import parse_entries, parse_queued
from webadmit_exports.domain.status import parse_status
from webadmit_exports.errors import InvalidInput
from webadmit_exports.messages.text import sentence
from webadmit_exports.webadmit.api_key import clean_api_key


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
