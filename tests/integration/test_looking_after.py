"""What an operations team uses: the check, the morning mail, announcing again, off season."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.integration.conftest import World, cron_at
from tests.sandbox.check import main as make_check
from tests.sandbox.stack import Sandbox, wait_until

IDENTITY = 37442
ADDRESS = "team@university.example"


@pytest.fixture(scope="module")
def stack(ran_at: datetime) -> Iterator[Sandbox]:
    """Three exports a night, deployed the day before."""
    parameters = {
        "Exports": f"{IDENTITY}:1,{IDENTITY}:2,{IDENTITY}:3",
        "ScheduleExpression": cron_at(ran_at),
        "ScheduleTimezone": "UTC",
        "AlertEmail": ADDRESS,
    }
    with Sandbox(parameters) as sandbox:
        sandbox.age_schedules()
        yield sandbox


@pytest.fixture
def night(stack: Sandbox) -> Iterator[Sandbox]:
    """The exports are there, nothing has run yet."""
    for number, name in enumerate(["Nursing", "Pharmacy", "Dentistry"], start=1):
        stack.webadmit.add_export(IDENTITY, number, name, callbacks=0)
    yield stack
    stack.empty_tables()
    stack.webadmit.forget_everything()
    stack.webadmit.api_key = stack.api_key
    stack.store_api_key(stack.api_key)
    for queue in ("StartRetryQueue", "StartRetryDeadLetterQueue"):
        stack.client("sqs").purge_queue(QueueUrl=stack.resources[queue])


def end(sandbox: Sandbox, export_id: int, status: str = "Available") -> None:
    run = sandbox.webadmit.run_of(export_id)
    run.status = status
    sandbox.webadmit.send_callback(run)


def check(sandbox: Sandbox) -> dict[str, Any]:
    invocation = sandbox.functions["CheckSetupFunction"].invoke({})
    assert not invocation.failed, invocation.payload
    return dict(invocation.payload)


def morning_mail(sandbox: Sandbox) -> dict[str, str]:
    invocations = sandbox.fire("SendMorningMailFunctionDaily")
    assert [one.failed for one in invocations] == [False], invocations
    return sandbox.mails()[-1]


# ── CheckSetupFunction ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_setup_in_order_is_said_to_be_so_with_the_pairs_to_paste(night: Sandbox) -> None:
    log = night.functions["CheckSetupFunction"].log
    before = len(log)

    answer = check(night)

    assert (answer["ok"], answer["problems"]) == (True, [])
    assert answer["pairs"] == [f"{IDENTITY}:1", f"{IDENTITY}:2", f"{IDENTITY}:3"]
    assert "    37442:1  Nursing (CSV)  scheduled" in answer["report"]
    wait_until(lambda: len(log) >= before + 2)  # what a process prints is read beside its answer
    assert log[before : before + 2] == ["Schedules:", answer["report"][1]]


def test_the_check_changes_nothing(night: Sandbox) -> None:
    check(night)

    assert night.records() == []
    assert night.webadmit.runs == {}
    assert night.http_api.events[-1]["rawPath"].startswith("/callbacks/1/1/")


def test_a_callback_api_that_is_broken_is_told(night: Sandbox) -> None:
    routes = dict(night.http_api.routes)
    night.http_api.routes.clear()
    try:
        (problem,) = check(night)["problems"]
    finally:
        night.http_api.routes.update(routes)

    assert problem.startswith("The callback API is not working (404; expected 400)")


@pytest.mark.parametrize(("state", "said"), [("pending", "was never confirmed"), ("gone", "is no longer subscribed")])
def test_mail_addresses_that_get_nothing_are_told_without_being_named(night: Sandbox, state: str, said: str) -> None:
    requests.post(f"{night.aws_url}/sandbox/mail-subscriptions?state={state}", timeout=10).raise_for_status()
    try:
        answer = check(night)
    finally:
        requests.post(f"{night.aws_url}/sandbox/mail-subscriptions?state=confirmed", timeout=10).raise_for_status()

    assert any(said in problem and "aws sns subscribe" in problem for problem in answer["problems"])
    assert ADDRESS not in json.dumps(answer)


def test_the_daily_check_fails_where_there_is_a_problem_and_only_there(night: Sandbox) -> None:
    assert [one.failed for one in night.fire("CheckSetupFunctionDaily")] == [False]

    night.webadmit.exports.clear()

    (invocation,) = night.fire("CheckSetupFunctionDaily")
    assert invocation.payload["errorType"] == "SetupHasProblems"


def test_make_check_exits_with_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_check("37442:86446") == 0
    assert make_check("37442:1") == 1
    assert "has no such export: 37442:1" in capsys.readouterr().out
    assert make_check("37442:") == 2


# ── The morning mail ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_night_is_one_line(night: Sandbox, ran_at: datetime) -> None:
    night.fire("StartRunsFunctionSchedule", ran_at)
    for export_id in (1, 2, 3):
        end(night, export_id)

    mail = morning_mail(night)

    assert mail["to"] == ADDRESS
    assert mail["subject"].startswith("webadmit-exports: 3 of 3 ready, the last at ")
    assert "Nothing needs to be done." in mail["text"]


def test_what_did_not_work_is_named(night: Sandbox, ran_at: datetime) -> None:
    del night.webadmit.exports[3]
    night.fire("StartRunsFunctionSchedule", ran_at)
    end(night, 1)
    end(night, 2, "Failed")

    mail = morning_mail(night)

    assert mail["subject"] == "webadmit-exports: ACTION NEEDED: 1 of 3 ready, 1 not started, 1 failed"
    assert "Not started (1):\n  37442:3, scheduled for" in mail["text"]
    assert '37442:2 "Pharmacy", file' in mail["text"]


def test_a_start_that_failed_as_a_whole_is_counted_as_one_that_is_tried_again(night: Sandbox, ran_at: datetime) -> None:
    night.fire("StartRunsFunctionSchedule", ran_at, lambda_is_down=True)

    (invocation,) = night.fire("SendMorningMailFunctionDaily")

    assert invocation.payload["not started"] == 3
    assert "Not started (3):" in night.mails()[-1]["text"]


def test_a_schedule_that_somebody_switched_off_is_told_by_check_and_mail(night: Sandbox, ran_at: datetime) -> None:
    night.fire("StartRunsFunctionSchedule", ran_at)
    for export_id in (1, 2, 3):
        end(night, export_id)
    with switched(night, "DISABLED"):
        (problem,) = check(night)["problems"]
        mail = morning_mail(night)

    assert problem.startswith("The schedule of Exports is off, switched by hand: nothing of it is started.")
    assert mail["subject"] == "webadmit-exports: ACTION NEEDED: 3 of 3 ready, the schedule of Exports is off"
    assert 'with "ScheduleState=ENABLED"' in mail["text"]
    assert check(night)["problems"] == []


@contextmanager
def switched(sandbox: Sandbox, state: str) -> Iterator[None]:
    """Somebody has switched the schedule of Exports in the console; it stays as old as it was."""
    scheduler, name = sandbox.client("scheduler"), sandbox.resources["StartRunsFunctionSchedule"]
    group = sandbox.resources["ScheduleGroup"]
    before = scheduler.get_schedule(GroupName=group, Name=name)
    wanted = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target", "GroupName", "Name")
    same = {key: before[key] for key in wanted}
    scheduler.update_schedule(**same, State=state)
    sandbox.age_schedules()
    try:
        yield
    finally:
        scheduler.update_schedule(**same, State=before["State"])
        sandbox.age_schedules()


def test_an_alarm_that_rings_is_in_the_morning_mail_until_it_is_silent(night: Sandbox) -> None:
    cloudwatch, name = night.client("cloudwatch"), "webadmit-exports-SetupProblemsAlarm-1ABC"
    cloudwatch.put_metric_alarm(
        AlarmName=name, ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Threshold=0, MetricName="x",
        Namespace="x", Period=60, Statistic="Sum",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    rings = morning_mail(night)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test")
    is_silent = morning_mail(night)

    assert "Alarms that ring (1):\n  SetupProblemsAlarm, since " in rings["text"]
    assert "1 alarm ringing" in rings["subject"]
    assert "larm" not in is_silent["text"] + is_silent["subject"]


def test_with_the_archive_s_event_source_off_the_morning_mail_tells_what_waits(world: World) -> None:
    pair = "37442:86446"  # which is scheduled
    world.sandbox.webadmit.add_export(37442, 86446)
    world.start(pair)
    world.finish(pair)
    fresh = morning_mail(world.sandbox)
    world.age(pair, hours=2)
    mail = morning_mail(world.sandbox)

    assert "not archived" not in fresh["subject"]
    assert "1 not archived" in mail["subject"]
    assert "Announced more than an hour ago, and not archived (1)" in mail["text"]


def test_no_metrics_are_written_where_there_is_no_dashboard(night: Sandbox, ran_at: datetime) -> None:
    night.fire("StartRunsFunctionSchedule", ran_at)
    end(night, 1)
    requests.post(f"{night.callback_url}/callbacks/1/1/20261123T033000Z/{'0' * 64}", timeout=10)

    logs = [line for function in night.functions.values() for line in function.log]

    assert any("callback refused" in line for line in logs)
    assert not [line for line in logs if '"_aws"' in line]


def test_the_morning_mail_knows_its_time_zone_also_on_an_image_without_zone_data() -> None:
    """The Lambda runtime does not promise it; tzdata is shipped."""
    with Sandbox({"Exports": f"{IDENTITY}:1", "AlertEmail": ADDRESS, "ScheduleTimezone": "America/Chicago"}) as sandbox:
        sandbox.functions["SendMorningMailFunction"].extra_environment["PYTHONTZPATH"] = ""

        mail = morning_mail(sandbox)

    assert "America/Chicago" in mail["text"]


# ── Again ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_of_an_export_since_a_time_are_announced_again_under_their_event_ids(world: World) -> None:
    pair = world.add_export()
    for hours in (2, 1):
        world.start(pair, scheduled_for=world.now - timedelta(hours=hours))
        world.finish(pair)
    first = world.ready()
    records = world.records()
    request = {"export_id": world.export(pair).id, "since": (world.now - timedelta(days=1)).isoformat()}

    invocation = world.sandbox.functions["ReconcileRunsFunction"].invoke({"announce_again": request})

    assert invocation.payload["announced_again"] == [record["export_file_id"] for record in records]
    assert world.ready() == [*first, *({**message, "repeated": True} for message in first)]
    assert world.records() == records


def test_a_request_that_cannot_be_used_says_what_it_should_be(world: World) -> None:
    invocation = world.sandbox.functions["ReconcileRunsFunction"].invoke({"announce_again": "74780"})

    assert invocation.failed
    assert '{"announce_again": {"export_id": 86446, "export_file_id": 74780}}' in invocation.payload["errorMessage"]


# ── Off season ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_off_season_nothing_starts_open_runs_are_followed_and_the_next_time_is_the_first_to_come_back() -> None:
    parameters = {"Exports": f"{IDENTITY}:1", "ScheduleState": "DISABLED", "AlertEmail": ADDRESS}
    with Sandbox(parameters) as sandbox:
        sandbox.webadmit.add_export(IDENTITY, 1, callbacks=0)
        before = datetime.now(UTC) - timedelta(hours=1)
        sandbox.start(f"{IDENTITY}:1", scheduled_for=before)  # as before the season ended
        assert sandbox.fire("StartRunsFunctionSchedule") == []

        sandbox.webadmit.run_of(1).status = "Available"
        (record,) = sandbox.records()
        sandbox.change_record(record, due_at=record["started_at"])
        (sweep,) = sandbox.fire("ReconcileRunsFunctionSweep")
        mail = morning_mail(sandbox)

        assert sweep.payload["found"] == 1
        assert len(sandbox.webadmit.runs) == 1
        assert mail["subject"].startswith("webadmit-exports: 1 of 1 ready")
        sandbox.empty_tables()
        assert "The schedules are off (ScheduleState is DISABLED)" in morning_mail(sandbox)["text"]
