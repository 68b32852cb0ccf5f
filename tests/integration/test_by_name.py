"""Exports by name, through the real functions: a year without a redeploy, and what goes wrong on single nights."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.integration.conftest import cron_at
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import FINISHED, Fault

OLD, NEW, NEWEST = 37442, 51001, 64009


@pytest.fixture(scope="module")
def deployed(ran_at: datetime) -> Iterator[Sandbox]:
    """Two names, deployed the day before, and never again."""
    parameters = {
        "Exports": "slate*,Banner load",
        "ScheduleExpression": cron_at(ran_at),
        "ScheduleTimezone": "UTC",
        "AlertEmail": "team@university.example",
    }
    with Sandbox(parameters) as sandbox:
        sandbox.age_schedules()
        yield sandbox


@dataclass
class Stack:
    """The stack, and what it has announced and alerted since it was last asked."""

    sandbox: Sandbox
    ran_at: datetime
    ready: str
    alerts: str

    def start(self) -> dict[str, list[str]]:
        """The schedule fires; returns what has an outcome."""
        (invocation,) = self.sandbox.fire("StartRunsFunctionSchedule", self.ran_at)
        assert not invocation.failed, invocation.payload
        return {outcome: sorted(entries) for outcome, entries in invocation.payload.items() if entries}

    def finish(self) -> None:
        """All runs end, and WebAdMIT calls back."""
        for run in self.sandbox.webadmit.runs.values():
            if run.status not in FINISHED:
                run.status = "Available"
                callback = self.sandbox.webadmit.send_callback(run)
                assert callback
                assert callback.status // 100 == 2

    def announced(self) -> list[str]:
        messages = [one["Message"] for one in self.sandbox.received(self.ready)]
        return sorted(f"{one['user_identity_id']}:{one['export_id']}" for one in messages)

    def alerted(self) -> list[tuple[str, str]]:
        """The alerts about starts: the type, and the entries."""
        messages = [one["Message"] for one in self.sandbox.received(self.alerts)]
        return [(one["event_type"], one["exports"]) for one in messages if "exports" in one]

    def morning_mail(self) -> dict[str, str]:
        (invocation,) = self.sandbox.fire("SendMorningMailFunctionDaily")
        assert not invocation.failed, invocation.payload
        return self.sandbox.mails()[-1]

    def night(self) -> tuple[list[str], dict[str, str]]:
        """A night on which everything that starts is ready; returns the announced pairs and the morning's mail."""
        self.start()
        self.finish()
        return self.announced(), self.morning_mail()


@pytest.fixture
def stack(deployed: Sandbox, ran_at: datetime) -> Iterator[Stack]:
    """The old cycle is there, with three exports, one of which nobody has listed."""
    deployed.webadmit.add_identity(OLD, "2025 - 2026")
    for number, name in enumerate(["Slate nightly", "Slate deposits", "Banner load", "Faculty only"], start=86446):
        deployed.webadmit.add_export(OLD, number, name, callbacks=0)
    ready, alerts = (deployed.subscribe(f"{topic}TopicArn") for topic in ("Ready", "Alerts"))
    yield Stack(deployed, ran_at, ready, alerts)
    deployed.empty_tables()
    deployed.webadmit.forget_everything()
    deployed.webadmit.before = lambda request: None
    deployed.webadmit.api_key = deployed.api_key
    deployed.client("sqs").purge_queue(QueueUrl=deployed.resources["StartRetryQueue"])


def pairs(identity: int, *exports: int) -> list[str]:
    return [f"{identity}:{export}" for export in exports]


# ── A year ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_year_with_a_rollover_and_a_renamed_export_needs_no_redeploy(stack: Stack) -> None:
    """A night in each of twelve months; in between, what is recorded becomes older."""
    webadmit = stack.sandbox.webadmit
    old, carried = pairs(OLD, 86446, 86447, 86448), pairs(NEW, 90001, 90002, 90003)

    def month() -> tuple[list[str], dict[str, str]]:
        stack.sandbox.age_tables(days=30)
        return stack.night()

    for _ in range(3):  # the old cycle alone
        announced, mail = month()
        assert announced == old
        assert "3 of 3 ready" in mail["subject"]
        assert "since yesterday (" not in mail["text"]

    webadmit.add_identity(NEW, "2026 - 2027")  # weeks before somebody carries the exports over
    announced, mail = month()
    assert announced == old
    assert f"New since yesterday (1):\n  identity {NEW} (SANDCAS, " in mail["text"]
    assert "2026 - 2027): no export of these names yet; carry them over in WebAdMIT" in mail["text"]
    announced, mail = month()
    assert announced == old
    assert "since yesterday (" not in mail["text"]

    webadmit.carry_over(OLD, NEW, first_id=90001)
    announced, mail = month()
    assert announced == old + carried
    assert "6 of 6 ready" in mail["subject"]
    assert f'{NEW}:90001 "Slate nightly"' in mail["text"].partition("New since yesterday (3):")[2]
    for _ in range(2):  # both cycles
        announced, mail = month()
        assert announced == old + carried
        assert "since yesterday (" not in mail["text"]

    webadmit.exports[90002].name = "Deposits for Slate"  # renamed by a person
    announced, mail = month()
    assert announced == old + pairs(NEW, 90001, 90003)
    assert "ACTION NEEDED: 5 of 5 ready, 1 no longer started" in mail["subject"]
    assert f'No longer started since yesterday (1):\n  {NEW}:90002 "Slate deposits"' in mail["text"]
    webadmit.exports[90002].name = "Slate deposits, daily"  # so that the name that is listed fits again
    announced, mail = month()
    assert announced == old + carried
    assert f'New since yesterday (1):\n  {NEW}:90002 "Slate deposits, daily"' in mail["text"]
    assert "Nothing needs to be done." in mail["text"]

    webadmit.add_identity(NEWEST, "2027 - 2028")
    webadmit.carry_over(NEW, NEWEST, first_id=99001)
    announced, mail = month()
    assert announced == carried + pairs(NEWEST, 99001, 99002, 99003)
    assert f"Replaced by the new ones (1):\n  identity {OLD} (SANDCAS, " in mail["text"]
    assert "2027 - 2028): 3 exports" in mail["text"]
    assert "6 of 6 ready" in mail["subject"]
    announced, mail = month()
    assert announced == carried + pairs(NEWEST, 99001, 99002, 99003)
    assert "since yesterday (" not in mail["text"]

    assert stack.alerted() == []


# ── Single nights ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cycle", [None, "", "Rolling admission"])
def test_an_identity_without_a_cycle_or_with_a_cycle_without_a_year_is_followed(
    stack: Stack, cycle: str | None
) -> None:
    webadmit = stack.sandbox.webadmit
    for number, one in ((1, cycle), (2, "2024 - 2025"), (3, "2026 - 2027")):
        webadmit.add_identity(number, one)
        webadmit.add_export(number, number, "Slate", callbacks=0)

    assert stack.start()["started"] == ["1:1", *pairs(OLD, 86446, 86447, 86448), "3:3"]


def test_a_name_that_was_changed_is_told_with_the_nearest(stack: Stack) -> None:
    stack.sandbox.webadmit.exports[86448].name = "Banner load v2"

    assert stack.start() == {"failed": ["Banner load"], "started": pairs(OLD, 86446, 86447)}
    assert stack.alerted() == [("start.failed", "Banner load")]
    mail = stack.sandbox.mails()[-1]
    assert mail["subject"] == 'webadmit-exports: "Banner load" not started: no export has this name'
    assert 'Nearest: "Banner load v2"' in mail["text"]
    assert "ACTION NEEDED: 0 of 2 ready, 2 still running, 1 name" in stack.morning_mail()["subject"]


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_list_that_fails_is_deferred_and_starts_later_once(stack: Stack, status: int) -> None:
    webadmit = stack.sandbox.webadmit
    webadmit.add_identity(NEW, "2026 - 2027")
    webadmit.add_export(NEW, 90001, "Slate", callbacks=0)
    fault = Fault(path=f"/{NEW}/exports$", answer=(status, {"message": "No."}), times=99)
    webadmit.faults.append(fault)

    assert stack.start() == {
        "started": pairs(OLD, 86446, 86447, 86448),
        "deferred": [f"Banner load@{NEW}", f"slate*@{NEW}"],
    }
    assert stack.alerted() == [("start.delayed", f"slate*@{NEW},Banner load@{NEW}")]
    stack.sandbox.deliver_retries()
    assert 90001 not in {run.export.id for run in webadmit.runs.values()}

    fault.times = 0
    stack.sandbox.deliver_retries()
    stack.sandbox.deliver_retries()
    stack.finish()

    assert stack.announced() == [*pairs(OLD, 86446, 86447, 86448), f"{NEW}:90001"]
    assert {record["scheduled_for"] for record in stack.sandbox.records()} == {f"{stack.ran_at:%Y-%m-%dT%H:%M:%SZ}"}
    assert stack.alerted() == []
    assert "4 of 4 ready" in stack.morning_mail()["subject"]


@pytest.mark.parametrize("trouble", ["down", "refused"])
def test_where_webadmit_is_down_or_refuses_the_key_names_start_when_it_is_back(stack: Stack, trouble: str) -> None:
    webadmit = stack.sandbox.webadmit
    if trouble == "down":
        webadmit.faults.append(Fault(path="/user_identities$", answer=(503, "<html>Maintenance</html>"), times=2))
    else:
        webadmit.api_key = "f" * 32

    assert stack.start() == {"deferred": ["Banner load", "slate*"]}
    assert [event_type for event_type, _ in stack.alerted()] == ["start.delayed"]

    webadmit.api_key = stack.sandbox.api_key
    stack.sandbox.deliver_retries()
    stack.finish()

    assert stack.announced() == pairs(OLD, 86446, 86447, 86448)
    assert "3 of 3 ready" in stack.morning_mail()["subject"]


def test_a_whole_start_that_failed_starts_by_name_later(stack: Stack) -> None:
    stack.sandbox.fire("StartRunsFunctionSchedule", stack.ran_at, lambda_is_down=True)
    assert "3 not started" in stack.morning_mail()["subject"]

    stack.sandbox.deliver_retries()
    stack.finish()

    assert stack.announced() == pairs(OLD, 86446, 86447, 86448)


def test_a_key_that_loses_one_identity_is_told_the_next_morning(stack: Stack) -> None:
    webadmit = stack.sandbox.webadmit
    webadmit.add_identity(NEW, "2026 - 2027")
    webadmit.add_export(NEW, 90001, "Slate", callbacks=0)
    stack.night()
    stack.sandbox.age_tables(days=1)
    webadmit.remove_identity(NEW)

    announced, mail = stack.night()

    assert announced == pairs(OLD, 86446, 86447, 86448)
    assert "ACTION NEEDED" in mail["subject"]
    assert f"identity {NEW} (SANDCAS, " in mail["text"].partition("No longer started since yesterday (1):")[2]


@pytest.mark.parametrize("name", ["Slate nightly", "A name with (brackets) & an é - 2026/27"])
def test_by_hand_a_name_starts_as_a_pair_does(stack: Stack, name: str) -> None:
    stack.sandbox.webadmit.exports[86446].name = name.upper()

    invocation = stack.sandbox.start(name, scheduled_for=stack.ran_at)

    assert invocation.payload["started"] == pairs(OLD, 86446)


def test_the_check_shows_what_will_run_tonight(stack: Stack) -> None:
    answer: dict[str, Any] = stack.sandbox.functions["CheckSetupFunction"].invoke({}).payload

    assert answer["ok"]
    assert "3 exports, 3 runs in the next 24 hours" in answer["report"][1]
    assert answer["report"][2:7] == [
        '    "slate*": 2 exports',
        f"      {OLD}:86446  Slate nightly",
        f"      {OLD}:86447  Slate deposits",
        '    "Banner load": 1 export',
        f"      {OLD}:86448  Banner load",
    ]
