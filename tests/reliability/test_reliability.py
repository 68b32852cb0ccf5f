"""The small forms of what `make reliability` does in memory; and that each of them finds what it is there to find."""

from dataclasses import replace
from datetime import datetime

import pytest

from tests.reliability import fuzz, machine, races
from tests.reliability.figures import Figures, FinishedRun, compare
from webadmit_exports.domain import callback_url, lifecycle
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate
from webadmit_exports.messages.message import Message

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


def test_the_same_news_64_times_at_once_is_announced_once() -> None:
    assert races.duplicates(rounds=10) == Figures(cases=10)


def test_without_conditional_writes_the_same_news_is_announced_again_and_again() -> None:
    assert races.duplicates(rounds=3, keeps_conditions=False).wrong > 0


def test_nights_of_events_in_any_order() -> None:
    assert machine.run_nights(examples=100) == Figures(cases=100)


def test_a_run_nobody_could_know_of_is_not_missed_though_its_id_is_known() -> None:
    export = machine.EXPORTS[0]
    night = machine.Night()
    night.the_schedule_fires(export, "answered", reuse=False, fate=None)
    night.a_run_ends(export, "Failed")
    night.the_sweep_goes_by(30, fate=None)

    night.the_schedule_fires(export, "early callback", reuse=True, fate=(3, False))

    assert [run.file_id for run in night.webadmit.runs] == [1000, 1000, 1002]
    night.teardown()


def test_an_end_that_nobody_has_told_is_not_missed_where_its_id_has_been_taken_over() -> None:
    export = machine.EXPORTS[0]
    night = machine.Night()
    night.the_schedule_fires(export, "answered", reuse=False, fate=None)
    night.a_run_ends(export, "Failed")
    night.a_callback_comes(0, 0, fate=(3, True))  # stored, and dies before it tells

    night.the_schedule_fires(export, "early callback", reuse=True, fate=None)

    assert [run.file_id for run in night.webadmit.runs] == [1000, 1000]
    night.teardown()
    assert night.topics.event_types == ["export_file.ready"]


class NightThatLoses(machine.Night):
    """A service that loses announcements."""

    def __init__(self) -> None:
        super().__init__()
        self.topics.messages = _Nothing()


class _Nothing(list[Message]):
    def append(self, message: Message) -> None:
        pass


def test_a_night_on_which_announcements_are_lost_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.run_nights(examples=100, night=NightThatLoses, shrinks=False).wrong
    assert "was lost" in capsys.readouterr().err


def always_moves(record: ExportFile, update: StatusUpdate, now: datetime) -> ExportFile:
    return lifecycle._finish_or_wait(replace(record, status=update.status), update, now)


@pytest.mark.parametrize(
    ("owner", "rule", "broken"),
    [
        (lifecycle, "_move", always_moves),
        (lifecycle, "_is_a_new_run", lambda record, update: False),
        (lifecycle, "_is_pending", lambda record, announcement, settings: False),
        (ExportFile, "serves", lambda record, export, occurrence: True),
    ],
)
def test_a_broken_rule_is_found(
    owner: object, rule: str, broken: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(owner, rule, broken)

    assert machine.run_nights(examples=2_000, shrinks=False).wrong
    assert "a night went wrong" in capsys.readouterr().err


def test_made_up_forms_and_addresses_are_refused() -> None:
    assert fuzz.bodies(2_000, seed=2) == Figures(cases=2_000)
    assert fuzz.addresses(2_000, seed=2) == Figures(cases=2_000)


def test_an_address_that_is_taken_without_its_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_url.hmac, "compare_digest", lambda *_: True)

    assert fuzz.addresses(2_000).wrong
