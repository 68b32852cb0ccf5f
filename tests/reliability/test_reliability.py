"""The small forms of what `make reliability` does in memory; and that each of them finds what it is there to find."""

import hmac

import pytest

from tests.reliability import fuzz
from tests.reliability.figures import Figures, FinishedRun, compare

RUN = FinishedRun(export_id=86446, export_file_id=74780, status="Available")
MESSAGE = {"event_type": "export_file.ready", "event_id": "a", "export_id": 86446, "export_file_id": 74780}


@pytest.mark.parametrize(
    ("messages", "figures"),
    [
        ([MESSAGE], Figures(cases=1)),
        ([], Figures(cases=1, lost=1)),
        ([MESSAGE, MESSAGE], Figures(cases=1, repeated=1)),
        ([MESSAGE, {**MESSAGE, "event_id": "b"}], Figures(cases=1, wrong=1)),
        ([MESSAGE, {**MESSAGE, "export_file_id": 1}], Figures(cases=1, stray=1)),
        ([{**MESSAGE, "event_type": "export_file.failed"}], Figures(cases=1, lost=1, stray=1)),
        ([MESSAGE, {**MESSAGE, "event_type": "export_file.overdue"}], Figures(cases=1)),
    ],
)
def test_what_was_heard_is_held_against_what_happened(messages: list[dict[str, object]], figures: Figures) -> None:
    assert compare([RUN], messages, cases=1) == figures


def test_no_cases_prove_nothing() -> None:
    assert not Figures().are_good


def test_made_up_forms_and_addresses_are_refused() -> None:
    assert fuzz.bodies(2_000, seed=2) == Figures(cases=2_000)
    assert fuzz.addresses(2_000, seed=2) == Figures(cases=2_000)


def test_an_address_that_is_taken_without_its_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: True)

    assert fuzz.addresses(2_000).wrong
