"""The morning mail: its subject, what it says to people and to machines, and where it looks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.approval import assert_approved
from tests.fakes import (
    EXPORT,
    FILE_ID,
    LABELS,
    NIGHT,
    WRITER,
    FakeSchedules,
    FakeTopics,
    after,
    file,
    identity,
)
from tests.unit.world import World
from webadmit_exports.aws.alarms import RingingAlarm
from webadmit_exports.aws.queue_lengths import QueueLengths
from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.announcement import EventType
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.identities import Identity
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Matches, NamePattern
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.errors import ApiKeyUnusable, AwsUnavailable, Unavailable
from webadmit_exports.messages.message import Message
from webadmit_exports.operations.daily_report import DailyReport, ExpectedRun
from webadmit_exports.operations.expected_runs import GRACE
from webadmit_exports.operations.report_message import report_message

MORNING = after(hours=8, minutes=30)  # 12:00 UTC, 07:00 in New York
READY_AT = after(hours=4, minutes=11)  # 02:41 in New York
OTHER = Export(user_identity_id=37442, export_id=86447)
QUIET = QueueLengths(retries=0, given_up=0)
NIGHTLY = Schedule(
    name="Exports",
    entries=(EXPORT, OTHER),
    expression="cron(30 3 * * ? *)",
    timezone="UTC",
    is_on=True,
    changed_at=after(days=-30),
)
STATUSES = {
    RunOutcome.FAILED: "Failed",
    RunOutcome.LATE: "In Progress",
    RunOutcome.EMPTY: "Empty List",
    RunOutcome.RUNNING: "In Progress",
    RunOutcome.READY: "Available",
}


def lengths(retries: int = 0, given_up: int = 0, **archive: int) -> QueueLengths:
    return QueueLengths(retries=retries, given_up=given_up, **archive)


def some(outcome: RunOutcome, count: int = 1, first: int = 1, **more: Any) -> list[ExpectedRun]:
    """So many runs that ended like that, of exports with the numbers from `first`."""
    runs = []
    for number in range(first, first + count):
        export = Export(user_identity_id=37442, export_id=number)
        one = None
        if outcome in STATUSES:
            is_open = outcome in (RunOutcome.LATE, RunOutcome.RUNNING)
            finished_at = None if is_open else READY_AT - timedelta(minutes=number)
            one = file(STATUSES[outcome], export=export, file_id=1000 + number, finished_at=finished_at, **more)
        runs.append(ExpectedRun(export=export, scheduled_for=NIGHT, outcome=outcome, file=one))
    return runs


def night(
    *groups: Iterable[ExpectedRun],
    schedules: Sequence[Schedule] = (NIGHTLY,),
    older: Sequence[ExportFile] = (),
    queues: QueueLengths = QUIET,
    until: datetime = MORNING,
) -> DailyReport:
    runs = [run for group in groups for run in group]
    return DailyReport(
        since=until - timedelta(days=1), until=until, schedules=schedules, runs=runs, older=older, queues=queues
    )


def message(*groups: Iterable[ExpectedRun], **more: Any) -> Message:
    return report_message(night(*groups, **more), WRITER)


# ── Subjects ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("groups", "headline"),
    [
        ([some(RunOutcome.READY, 12, first=0)], "12 of 12 ready, the last at 02:41"),
        ([some(RunOutcome.READY, 1, first=0)], "1 of 1 ready, the last at 02:41"),
        ([some(RunOutcome.READY, 11), some(RunOutcome.FAILED)], "ACTION NEEDED: 11 of 12 ready, 1 failed"),
        (
            [some(outcome, number) for number, outcome in enumerate(RunOutcome, start=1)],
            "ACTION NEEDED: 6 of 21 ready, 1 not started, 2 failed, 3 late, 4 empty, 5 still running",
        ),
        ([some(RunOutcome.NOT_STARTED, 3)], "ACTION NEEDED: 0 of 3 ready, 3 not started"),
        ([some(RunOutcome.RUNNING, 2)], "0 of 2 ready, 2 still running"),
        ([], "no runs were scheduled since yesterday"),
        ([some(RunOutcome.EMPTY)], "0 of 1 ready, 1 empty"),
    ],
)
def test_the_subject_tells_whether_the_mail_needs_to_be_read(groups: list[list[ExpectedRun]], headline: str) -> None:
    subject = message(*groups).subject

    assert subject == f"webadmit-exports: {headline}"[:99]
    assert ("ACTION NEEDED" in subject) == ("Action needed:" in message(*groups).mail)


def test_the_longest_subject_still_says_first_that_somebody_has_to_act() -> None:
    writer = replace(WRITER, stack_name="w" * 128)
    groups = [run for outcome in RunOutcome for run in some(outcome, 300)]

    subject = report_message(night(groups), writer).subject

    assert len(subject) == 99
    assert "ACTION NEEDED: 300 of 1800 ready" in subject


@pytest.mark.parametrize(
    ("more", "headline"),
    [
        (
            {"queues": lengths(given_up=1)},
            "ACTION NEEDED: no runs were scheduled since yesterday, 1 starts",
        ),
        (
            {"queues": lengths(retries=2)},
            "no runs were scheduled since yesterday, 2 starts are tried again",
        ),
        ({"older": [file("Queued")]}, "ACTION NEEDED: no runs were scheduled since yesterday, 1 older runs are open"),
    ],
)
def test_where_nothing_ran_the_subject_tells_what_waits(more: dict[str, Any], headline: str) -> None:
    assert message(**more).subject.startswith(f"webadmit-exports: {headline}")


def test_where_the_time_zone_is_not_known_the_subject_says_that_its_time_is_utc() -> None:
    writer = replace(WRITER, timezone="Mars/Olympus")

    subject = report_message(night(some(RunOutcome.READY, first=0)), writer).subject

    assert subject == "webadmit-exports: 1 of 1 ready, the last at 07:41 UTC"


# ── The mail ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mail_of_a_good_night_is_short() -> None:
    assert_approved("morning mail, good night", message(some(RunOutcome.READY, 12, first=0)).mail)


def test_the_mail_of_a_mixed_night_says_of_each_export_what_became_of_it() -> None:
    runs = [
        some(RunOutcome.READY, 2, first=10),
        some(RunOutcome.NOT_STARTED, first=20),
        some(RunOutcome.FAILED, first=30, reason="WebAdMIT no longer knows this file (404)", labels=LABELS),
        some(RunOutcome.LATE, first=40),
        some(RunOutcome.EMPTY, first=50, labels=LABELS),
        some(RunOutcome.RUNNING, first=60),
    ]

    assert_approved("morning mail, mixed night", message(*runs).mail)


@pytest.mark.parametrize("outcome", [RunOutcome.EMPTY, RunOutcome.RUNNING])
def test_what_is_empty_or_still_runs_needs_nobody(outcome: RunOutcome) -> None:
    assert "Nothing needs to be done." in message(some(outcome)).mail


def test_one_run_is_not_called_runs() -> None:
    assert message(some(RunOutcome.FAILED)).mail.startswith("0 of 1 run since Sun")


def test_a_night_without_a_file_names_no_last_one() -> None:
    opening = message(some(RunOutcome.FAILED, 2)).mail.split("\n")[0]

    assert opening == "0 of 2 runs since Sun Nov 22 07:00 produced a file. (Times: America/New_York.)"


@pytest.mark.parametrize(
    ("schedules", "opening"),
    [
        ([NIGHTLY], "No runs were scheduled since Sun Nov 22 07:00 (America/New_York)."),
        (
            [replace(NIGHTLY, entries=(), is_on=False), NIGHTLY],
            "No runs were scheduled since Sun Nov 22 07:00 (America/New_York).",
        ),
        (
            [replace(NIGHTLY, entries=()), replace(NIGHTLY, entries=())],
            "No exports are listed yet, so nothing was to run. The list is the parameter Exports.",
        ),
        ([], "No exports are listed yet, so nothing was to run. The list is the parameter Exports."),
        (
            [replace(NIGHTLY, entries=(), is_on=False, wanted_on=False)],
            "No exports are listed yet, so nothing was to run. The list is the parameter Exports.",
        ),
        (
            [replace(NIGHTLY, is_on=False, wanted_on=False), replace(NIGHTLY, entries=(), wanted_on=False)],
            "The schedules are off (ScheduleState is DISABLED): nothing is started, and open runs are still followed.",
        ),
    ],
)
def test_where_nothing_ran_the_mail_says_why(schedules: list[Schedule], opening: str) -> None:
    mail = message(schedules=schedules).mail

    assert mail == f"{opening}\n\nNothing needs to be done.\n\n--\nStack webadmit-exports in us-east-1\n"


def test_exports_that_were_given_up_come_with_the_command_that_tries_them_again() -> None:
    mail = message(queues=lengths(given_up=3)).mail

    assert "  - Exports could not be started for twelve hours (3). See the mails about them" in mail
    assert "aws sqs start-message-move-task --source-arn" in mail
    assert "StartRetryDeadLetterQueueArn" in mail
    assert "Nothing needs to be done" not in mail


def test_what_is_tried_again_by_itself_needs_nobody() -> None:
    mail = message(some(RunOutcome.NOT_STARTED, 2), queues=lengths(retries=2)).mail

    assert "Not started (2):" in mail
    assert "Nothing needs to be done." in mail


def test_a_failed_run_needs_a_person_though_others_are_tried_again_by_themselves() -> None:
    mail = message(some(RunOutcome.NOT_STARTED, 2), some(RunOutcome.FAILED), queues=lengths(retries=2)).mail

    assert "  - Failed (1): Look at them in WebAdMIT for the reason" in mail
    assert "  - Not started" not in mail


@pytest.mark.parametrize("outcome", [one for one in RunOutcome if one is not RunOutcome.READY])
def test_of_more_than_forty_of_a_kind_the_rest_is_counted(outcome: RunOutcome) -> None:
    forty, more = message(some(outcome, 40)).mail, message(some(outcome, 43)).mail

    assert forty.count("\n  37442:") == more.count("\n  37442:") == 40
    assert " more" not in forty
    assert "  37442:40, " in more
    assert "37442:41" not in more
    assert "\n  and 3 more\n" in more
    assert f"{outcome.capitalize()} (43):\n" in more


def test_runs_that_are_open_for_more_than_a_day_are_told_with_their_start() -> None:
    older = [
        file("In Progress", scheduled_for=after(days=-2)),
        file("Queued", scheduled_for=after(days=-1, hours=-1), export=OTHER, file_id=5),
    ]

    mail = message(some(RunOutcome.READY), older=older).mail

    assert (
        "Open for more than a day (2):\n"
        "  37442:86446, file 74780, since Fri Nov 20 22:30\n"
        "  37442:86447, file 5, since Sat Nov 21 21:30\n"
    ) in mail


def test_of_hundreds_of_older_runs_forty_are_shown_and_all_are_counted() -> None:
    older = [file("Queued", scheduled_for=after(days=-2), file_id=number) for number in range(1, 301)]

    mail = message(older=older).mail

    assert "Open for more than a day (300):" in mail
    assert mail.count("\n  37442:86446, file ") == 40


# ── What machines are told ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_night_is_told_to_machines_as_the_contract_says() -> None:
    groups = [some(outcome, number) for number, outcome in enumerate(RunOutcome, start=1)]
    queues = lengths(retries=7, given_up=8)

    one = message(*groups, queues=queues, older=[file("Queued", scheduled_for=after(days=-2))] * 10)

    assert one.event_type is EventType.REPORT_DAILY
    assert one.attributes == {"event_type": "report.daily"}
    assert one.body == {
        "version": "1",
        "event_id": one.body["event_id"],
        "event_type": "report.daily",
        "since": "2026-11-22T12:00:00Z",
        "until": "2026-11-23T12:00:00Z",
        "expected": 21,
        "not_started": 1,
        "failed": 2,
        "late": 3,
        "empty": 4,
        "running": 5,
        "ready": 6,
        "needed_second_run": 0,
        "failed_twice": 0,
        "still_open": 10,
        "waiting_for_retry": 7,
        "given_up": 8,
        "names_without_exports": 0,
        "names_not_looked_up": 0,
        "new_since_yesterday": 0,
        "no_longer_started": 0,
        "schedules_switched_by_hand": 0,
        "not_archived": 0,
        "archive_given_up": 0,
        "alarms_ringing": 0,
        "last_ready_at": "2026-11-23T07:40:00Z",
    }


def test_where_no_file_is_ready_there_is_no_last_time() -> None:
    assert "last_ready_at" not in message(some(RunOutcome.FAILED)).body


def test_runs_that_needed_a_second_one_are_counted_and_those_that_failed_twice() -> None:
    one = message(
        some(RunOutcome.READY, 2, after_failure=5), some(RunOutcome.FAILED, after_failure=6), some(RunOutcome.READY)
    )

    assert (one.body["needed_second_run"], one.body["failed_twice"]) == (3, 1)
    assert "3 runs failed at first and were given a second chance; 1 failed again." in one.mail
    assert "37442:1, file 1001, scheduled for Sun Nov 22 22:30, after file 6 failed" in one.mail
    ready = message(some(RunOutcome.READY, after_failure=5))
    assert "1 run failed at first and was given a second chance." in ready.mail
    assert "Nothing needs to be done." in ready.mail
    assert "second chance" not in message(some(RunOutcome.FAILED)).mail


def test_a_second_start_in_the_queue_is_not_taken_for_one_that_is_missing() -> None:
    world = world_of(NIGHTLY)
    world.put(file("Failed", finished_at=after(minutes=4), again_at=after(minutes=5), due_at=after(hours=13)))
    for retries in (1, 2):
        world.queues.lengths = lengths(retries=retries)
        send(world)

    one, two = world.topics.messages
    assert "- Not started" in one.mail
    assert "- Not started" not in two.mail
    assert "Still running (1):" in one.mail
    assert "failed, and is started once more" in one.mail


def test_a_report_that_is_sent_twice_on_a_day_has_the_same_event_id() -> None:
    first, second = message(), message(some(RunOutcome.FAILED), until=MORNING + timedelta(hours=11))
    next_day = message(until=MORNING + timedelta(days=1))

    assert first.body["event_id"] == second.body["event_id"]
    assert first.body["event_id"] != next_day.body["event_id"]


# ── Where it looks ──────────────────────────────────────────────────────────────────────────────────────────────────


def world_of(*schedules: Schedule, **more: Any) -> World:
    return World(schedules=FakeSchedules(list(schedules)), **more)


def send(world: World, now: datetime = MORNING) -> DailyReport:
    return world.send_morning_mail(now)


def outcomes(found: DailyReport) -> list[tuple[str, RunOutcome]]:
    return [(str(run.export), run.outcome) for run in found.runs]


def test_what_the_table_and_the_queues_tell_is_sent() -> None:
    world = world_of(NIGHTLY)
    world.queues.lengths = lengths(retries=1, given_up=2)
    world.put(file(finished_at=READY_AT), file("Failed", export=OTHER, file_id=2, finished_at=READY_AT))

    found = send(world)

    assert outcomes(found) == [("37442:86446", RunOutcome.READY), ("37442:86447", RunOutcome.FAILED)]
    (sent,) = world.topics.messages
    assert sent.subject == "webadmit-exports: ACTION NEEDED: 1 of 2 ready, 1 failed"
    assert (sent.body["waiting_for_retry"], sent.body["given_up"]) == (1, 2)


def test_a_schedule_that_was_switched_off_by_hand_needs_action_with_what_repairs_it() -> None:
    world = world_of(replace(NIGHTLY, is_on=False))
    world.put(file(finished_at=READY_AT), file(export=OTHER, file_id=2, finished_at=READY_AT))

    send(world)

    (sent,) = world.topics.messages
    assert sent.subject == "webadmit-exports: ACTION NEEDED: 2 of 2 ready, the schedule of Exports is off"
    assert "The schedule of Exports is off, switched by hand: nothing of it is started." in sent.mail
    assert 'deploy webadmit-exports with "ScheduleState=DISABLED", then with "ScheduleState=ENABLED"' in sent.mail
    assert sent.body["schedules_switched_by_hand"] == 1


def test_a_schedule_that_was_switched_on_by_hand_needs_action_too() -> None:
    world = world_of(replace(NIGHTLY, wanted_on=False))

    send(world)

    assert "it goes on starting runs. ScheduleState is DISABLED." in world.topics.messages[0].mail


@pytest.mark.parametrize(("minutes", "not_archived"), [(59, 0), (61, 1)])
def test_a_file_that_is_not_archived_an_hour_after_its_announcement_needs_action(
    minutes: int, not_archived: int
) -> None:
    world = world_of(replace(NIGHTLY, entries=(EXPORT,)))
    world.queues.lengths = lengths(not_archived=1)
    announced_at = MORNING - timedelta(minutes=minutes)
    world.put(replace(file(finished_at=announced_at), updated_at=announced_at))

    send(world)

    (sent,) = world.topics.messages
    assert sent.body["not_archived"] == not_archived
    assert ("ACTION NEEDED: 1 of 1 ready, 1 not archived" in sent.subject) == bool(not_archived)
    assert ("Announced more than an hour ago, and not archived (1)" in sent.mail) == bool(not_archived)


def test_files_that_the_archive_has_given_up_need_action() -> None:
    world = world_of()
    world.queues.lengths = lengths(archive_given_up=2)

    send(world)

    (sent,) = world.topics.messages
    assert sent.subject.endswith("ACTION NEEDED: no runs were scheduled since yesterday, 2 not archived")
    assert "with the output ArchiveDeadLetterQueueArn" in sent.mail
    assert sent.body["archive_given_up"] == 2


def test_alarms_that_ring_are_listed_with_since_when() -> None:
    world = world_of()
    world.queues.alarms = [RingingAlarm(name="SetupProblemsAlarm", since=after(days=-2, hours=8))]

    send(world)

    (sent,) = world.topics.messages
    assert sent.subject.endswith("ACTION NEEDED: no runs were scheduled since yesterday, 1 alarm ringing")
    assert "Alarms that ring (1):\n  SetupProblemsAlarm, since Sat Nov 21 06:30\n" in sent.mail
    assert sent.body["alarms_ringing"] == 1


def test_alarms_that_cannot_be_read_do_not_keep_the_mail_back() -> None:
    world = world_of()
    world.queues.alarms = AwsUnavailable("CloudWatch answered AccessDenied")

    send(world)

    assert "Whether an alarm rings could not be read" in world.topics.messages[0].mail


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({"due_at": after(hours=13)}, None, RunOutcome.RUNNING),  # is about to be started once more
        ({"due_at": after(hours=1), "no_second_run": "It is gone."}, None, RunOutcome.FAILED),
        ({"notified_at": after(hours=1)}, None, RunOutcome.FAILED),
        ({"due_at": after(hours=13)}, "Available", RunOutcome.READY),  # its start died before the first one gave way
        ({}, "Available", RunOutcome.READY),
        ({}, "In Progress", RunOutcome.RUNNING),
        ({}, "Failed", RunOutcome.FAILED),
    ],
)
def test_a_run_and_its_second_one_are_one(first: dict[str, Any], second: str | None, outcome: RunOutcome) -> None:
    world = world_of(replace(NIGHTLY, entries=(EXPORT,)))
    ended = {"finished_at": after(minutes=4), "again_at": after(minutes=5)}
    world.put(file("Failed", **{**ended, **first}))
    if second:
        finished_at = None if second == "In Progress" else READY_AT
        world.put(file(second, file_id=FILE_ID + 1, after_failure=FILE_ID, finished_at=finished_at))

    report = send(world)

    assert outcomes(report) == [("37442:86446", outcome)]
    assert len(report.second_runs) == (bool(second) or outcome is RunOutcome.RUNNING)
    mail = world.topics.messages[0].mail
    assert ("not started again: It is gone." in mail) == ("no_second_run" in first)
    assert ("not started again: None came about" in mail) == ("notified_at" in first)
    assert len(report.failed_twice) == (second == "Failed")


def test_a_night_on_which_nothing_was_started_is_told() -> None:
    world = world_of(NIGHTLY)

    send(world)

    assert world.topics.messages[0].subject == "webadmit-exports: ACTION NEEDED: 0 of 2 ready, 2 not started"


def test_a_run_of_the_same_export_under_another_identity_does_not_count_for_it() -> None:
    world = world_of(replace(NIGHTLY, entries=(EXPORT,)))
    world.put(file(export=Export(user_identity_id=1, export_id=EXPORT.export_id), finished_at=READY_AT))

    assert outcomes(send(world)) == [("37442:86446", RunOutcome.NOT_STARTED)]


def test_an_export_that_is_on_both_lists_is_asked_about_once() -> None:
    frequent = replace(NIGHTLY, name="FrequentExports", expression="cron(30 4 * * ? *)")
    world = world_of(NIGHTLY, frequent)

    send(world)

    assert world.table.calls.count("newest") == 2


def test_an_open_run_of_an_export_that_is_on_no_list_any_more_is_told() -> None:
    world = world_of()
    world.put(file("In Progress", due_at=MORNING + timedelta(hours=1)))

    assert outcomes(send(world)) == [("37442:86446", RunOutcome.RUNNING)]


def test_an_open_run_of_a_scheduled_export_is_counted_once() -> None:
    world = world_of(replace(NIGHTLY, entries=(EXPORT,)))
    world.put(file("In Progress", due_at=MORNING + timedelta(hours=1)))

    assert outcomes(send(world)) == [("37442:86446", RunOutcome.RUNNING)]


def test_open_runs_of_before_yesterday_are_told_apart_from_those_of_the_night() -> None:
    world = world_of()
    due = MORNING + timedelta(hours=1)
    old = file("In Progress", scheduled_for=MORNING - GRACE - timedelta(days=1, seconds=1), file_id=1, due_at=due)
    new = file("In Progress", scheduled_for=MORNING - GRACE - timedelta(days=1), export=OTHER, file_id=2, due_at=due)
    world.put(old, new)

    found = send(world)

    assert [one.export_file_id for one in found.older] == [1]
    assert outcomes(found) == [("37442:86447", RunOutcome.RUNNING)]


def test_a_finished_run_that_waits_for_its_announcement_is_not_called_open() -> None:
    world = world_of()
    world.put(file(scheduled_for=after(days=-3), finished_at=after(days=-2), due_at=MORNING))

    found = send(world)

    assert (found.older, found.runs) == ([], [])


def test_a_finished_run_of_before_yesterday_is_not_told_again() -> None:
    world = world_of(replace(NIGHTLY, is_on=False, wanted_on=False))
    world.put(file(scheduled_for=after(days=-1), finished_at=after(days=-1, hours=1)))

    assert send(world).runs == []


def test_a_report_that_sns_does_not_take_is_a_failure_that_can_be_repeated() -> None:
    world = world_of(NIGHTLY, topics=FakeTopics(failing=1))

    with pytest.raises(AwsUnavailable, match="SNS"):
        send(world)
    assert world.topics.messages == []

    send(world)
    assert world.topics.event_types == ["report.daily"]


@pytest.mark.parametrize("fault", ["schedules", "newest", "unfinished", "queues"])
def test_nothing_is_sent_where_something_could_not_be_read(fault: str) -> None:
    world, error = world_of(NIGHTLY), AwsUnavailable("it answered ThrottlingException")
    if fault == "schedules":
        world.schedules.error = error
    elif fault == "queues":
        world.queues.lengths = error
    else:
        world.table.failing.append(fault)

    with pytest.raises(AwsUnavailable, match="ThrottlingException"):
        send(world)

    assert world.topics.messages == []


# ── Exports by name ─────────────────────────────────────────────────────────────────────────────────────────────────

SLATE = NamePattern(text="Slate nightly*")
BY_NAME = replace(NIGHTLY, entries=(SLATE,))
DOWN = Unavailable("/", "HTTP 503")


def named_world(*schedules: Schedule) -> World:
    """Identity 1 lists an export 1:100 of that name."""
    world = world_of(*(schedules or (BY_NAME,)))
    world.webadmit.add(identity(1), "Slate nightly")
    return world


def found(*pairs: str, identities: Sequence[Identity] = (identity(1),), unlisted: Sequence[int] = ()) -> Matches:
    exports = [entry for entry in parse_entries(",".join(pairs)) if isinstance(entry, Export)]
    return Matches(
        exports=dict.fromkeys(exports, "Slate nightly"),
        identities={one.id: one for one in identities},
        unlisted=frozenset(unlisted),
    )


def changes(world: World, *, days: int = 0) -> tuple[Sequence[str], Sequence[str]]:
    """What the mail of that day says joined and left."""
    found = send(world, MORNING + timedelta(days=days)).changes
    return found.joined, [*found.replaced, *found.lost]


def test_the_mail_expects_what_the_name_stood_for_when_it_was_started() -> None:
    world = named_world()
    world.matches.add(SLATE, NIGHT, found("1:100", "1:101"))
    ready = Export(user_identity_id=1, export_id=100)
    world.put(file(export=ready, finished_at=READY_AT))

    report = send(world)

    assert outcomes(report) == [("1:100", RunOutcome.READY), ("1:101", RunOutcome.NOT_STARTED)]
    assert '1:101 "Slate nightly", scheduled for Sun Nov 22 22:30' in world.topics.messages[0].mail
    assert world.webadmit.asked == []


@pytest.mark.parametrize("under", [1, 2, 9])
def test_an_export_that_two_identities_list_is_expected_once_and_runs_under_any(under: int) -> None:
    both = [identity(1), identity(2)]
    world = named_world()
    world.matches.add(SLATE, NIGHT, found("2:100", "1:100", identities=both))
    world.put(file(export=Export(user_identity_id=under, export_id=100), finished_at=READY_AT))

    assert outcomes(send(world)) == [("1:100", RunOutcome.READY)]


def test_an_export_that_is_listed_as_a_pair_too_is_expected_under_that_identity() -> None:
    pair = Export(user_identity_id=2, export_id=100)
    world = named_world(replace(BY_NAME, entries=(SLATE, pair)))
    world.matches.add(SLATE, NIGHT, found("1:100", "2:100", identities=[identity(1), identity(2)]))

    assert outcomes(send(world)) == [("2:100", RunOutcome.NOT_STARTED)]


def test_each_time_of_the_schedule_has_its_own_exports() -> None:
    world = named_world(replace(BY_NAME, expression="cron(30 2,3 * * ? *)"))
    world.matches.add(SLATE, NIGHT, found("1:100"))
    world.matches.add(SLATE, after(hours=-1), found("1:100", "1:101"))

    report = send(world)

    assert sorted((f"{run.scheduled_for:%H:%M}", str(run.export)) for run in report.runs) == [
        ("02:30", "1:100"),
        ("02:30", "1:101"),
        ("03:30", "1:100"),
    ]


@pytest.mark.parametrize("hours", [-10, 2])  # since the mail of the day before, and by hand after the schedule
def test_a_run_that_was_started_by_name_at_another_time_is_counted_too(hours: float) -> None:
    world = named_world(replace(BY_NAME, is_on=False, wanted_on=False))
    world.matches.add(SLATE, after(hours=hours), found("1:100"))
    by_hand = Export(user_identity_id=1, export_id=100)
    world.put(file(export=by_hand, scheduled_for=after(hours=hours), finished_at=READY_AT))

    assert outcomes(send(world)) == [("1:100", RunOutcome.READY)]


def test_where_nothing_was_started_it_expects_what_the_name_matches_now() -> None:
    world = named_world()

    report = send(world)

    assert outcomes(report) == [("1:100", RunOutcome.NOT_STARTED)]
    assert world.webadmit.asked == ["identities", "exports 1"]
    assert world.topics.messages[0].subject == "webadmit-exports: ACTION NEEDED: 0 of 1 ready, 1 not started"


def test_all_names_and_times_are_looked_up_in_one_go() -> None:
    hourly = replace(BY_NAME, entries=(SLATE, NamePattern(text="slate*")), expression="cron(0 * * * ? *)")
    world = named_world(hourly)

    send(world)

    assert world.webadmit.asked == ["identities", "exports 1"]


def test_where_no_identity_could_be_listed_it_expects_what_the_name_matches_now() -> None:
    world = named_world()
    world.matches.add(SLATE, NIGHT, found(unlisted=[1]))

    assert outcomes(send(world)) == [("1:100", RunOutcome.NOT_STARTED)]


@pytest.mark.parametrize("how", ["key", "webadmit", "lists"])
def test_what_nobody_knows_is_not_said_to_be_nothing(how: str) -> None:
    world = named_world()
    world.keys.error = ApiKeyUnusable("no key") if how == "key" else None
    world.webadmit.errors = {"identities": [DOWN] * 2} if how == "webadmit" else {"exports 1": [DOWN] * 2}

    report = send(world)

    assert report.runs == []
    assert [one.name for one in report.not_known] == [SLATE.within(1) if how == "lists" else SLATE]
    (message,) = world.topics.messages
    assert message.subject == "webadmit-exports: ACTION NEEDED: 1 name not looked up"
    assert f"  {report.not_known[0].name.quoted}, scheduled for Sun Nov 22 22:30" in message.mail
    assert "Names that could not be looked up" in message.mail
    assert ("because no usable WebAdMIT API key is stored (1)" in message.mail) == (how == "key")
    assert "Nothing needs to be done" not in message.mail


def test_an_identity_that_could_not_be_listed_is_named_beside_those_that_ran() -> None:
    world = named_world()
    world.matches.add(SLATE, NIGHT, found("1:100", identities=[OLD, NEW], unlisted=[2]))
    world.put(file(export=Export(user_identity_id=1, export_id=100), finished_at=READY_AT))

    send(world)
    world.queues.lengths = lengths(retries=1)
    send(world)

    given_up, waiting = world.topics.messages
    assert given_up.subject == "webadmit-exports: ACTION NEEDED: 1 of 1 ready, 1 name not looked up"
    assert waiting.subject == "webadmit-exports: 1 of 1 ready, 1 name not looked up"
    for message in (given_up, waiting):
        assert '  "Slate nightly*" in identity 2, scheduled for Sun Nov 22 22:30' in message.mail
        assert message.body["names_not_looked_up"] == 1


def test_what_waits_as_one_name_asks_for_nothing_however_many_exports_it_has() -> None:
    world = named_world()
    world.webadmit.listed[1] *= 3
    world.queues.lengths = lengths(retries=1)
    world.webadmit.listed[1] = [replace(one, id=n) for n, one in enumerate(world.webadmit.listed[1], start=1)]

    assert len(send(world).of(RunOutcome.NOT_STARTED)) == 3
    world.queues.lengths = QUIET
    send(world)

    waiting, lost = world.topics.messages
    assert waiting.subject == "webadmit-exports: 0 of 3 ready, 3 not started"
    assert lost.subject == "webadmit-exports: ACTION NEEDED: 0 of 3 ready, 3 not started"


def test_names_are_looked_up_while_there_is_time_for_the_mail() -> None:
    world = named_world()
    world.timeout, world.webadmit.longest_call_seconds = 120, 91  # 30 are for the mail

    assert [one.name for one in send(world).not_known] == [SLATE.within(1)]


def test_a_name_that_is_tried_again_asks_for_nothing() -> None:
    world = named_world()
    world.keys.error = ApiKeyUnusable("no key")
    world.queues.lengths = lengths(retries=1)

    send(world)

    assert "ACTION NEEDED" not in world.topics.messages[0].subject


def test_a_name_that_matched_nothing_needs_action() -> None:
    world = named_world()
    world.matches.add(SLATE, NIGHT, found())

    send(world)

    (message,) = world.topics.messages
    assert message.subject == "webadmit-exports: ACTION NEEDED: 1 name without exports"
    assert 'Names without exports (1):\n  "Slate nightly*", scheduled for Sun Nov 22 22:30' in message.mail
    assert "correct them in Exports or in WebAdMIT" in message.mail


def test_a_name_without_exports_is_told_beside_those_that_ran() -> None:
    world = named_world(replace(BY_NAME, entries=(SLATE, EXPORT)))
    world.matches.add(SLATE, NIGHT, found())
    world.put(file(finished_at=READY_AT))

    send(world)

    assert world.topics.messages[0].subject == "webadmit-exports: ACTION NEEDED: 1 of 1 ready, 1 name without exports"


def test_matches_that_cannot_be_read_fail_the_mail() -> None:
    world = named_world()
    world.matches.failing = True

    with pytest.raises(AwsUnavailable):
        send(world)


OLD, NEW = identity(1), identity(2, "2027 - 2028")


def test_a_cycle_that_joins_is_told_once_with_its_exports() -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-1), found("1:100"))
    world.matches.add(SLATE, NIGHT, found("1:100", "2:200", identities=[OLD, NEW]))
    world.matches.add(SLATE, after(days=1), found("1:100", "2:200", identities=[OLD, NEW]))

    assert changes(world) == ([f"identity 2 ({NEW.title}): 1 export"], [])
    assert changes(world, days=1) == ([], [])
    assert "New since yesterday (1):\n  identity 2 (NursingCAS" in world.topics.messages[0].mail
    assert "2027 - 2028): 1 export" in world.topics.messages[0].mail
    assert "New since" not in world.topics.messages[1].mail


def test_a_cycle_that_has_no_exports_yet_is_told_and_its_exports_are_when_they_come() -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-1), found("1:100"))
    world.matches.add(SLATE, NIGHT, found("1:100", identities=[OLD, NEW]))
    world.matches.add(SLATE, after(days=1), found("1:100", "2:200", identities=[OLD, NEW]))

    carry_over = "no export of these names yet; carry them over in WebAdMIT (Transfer Settings)"
    assert changes(world) == ([f"identity 2 ({NEW.title}): {carry_over}"], [])
    assert changes(world, days=1) == (['2:200 "Slate nightly"'], [])


def test_a_cycle_that_a_new_one_has_pushed_out_is_told_and_asks_for_nothing() -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-1), found("1:100"))
    world.matches.add(SLATE, NIGHT, found("2:200", identities=[NEW]))
    world.put(file(export=Export(user_identity_id=2, export_id=200), finished_at=READY_AT))

    assert changes(world) == ([f"identity 2 ({NEW.title}): 1 export"], [f"identity 1 ({OLD.title})"])
    (message,) = world.topics.messages
    assert "Replaced by the new ones (1):\n  identity 1 (NursingCAS" in message.mail
    assert "ACTION NEEDED" not in message.subject


def test_a_newest_cycle_that_is_gone_needs_a_look_though_an_older_one_takes_its_place() -> None:
    world = named_world()
    older = identity(3, "2025 - 2026")
    world.matches.add(SLATE, after(days=-1), found("1:100", "2:200", identities=[OLD, NEW]))
    world.matches.add(SLATE, NIGHT, found("1:100", "3:300", identities=[older, OLD]))

    changes = send(world).changes

    assert changes.joined == [f"identity 3 ({older.title}): 1 export"]
    assert (changes.replaced, changes.lost) == ([], [f"identity 2 ({NEW.title})"])
    assert "ACTION NEEDED" in world.topics.messages[0].subject


def test_identities_of_another_owner_of_the_key_take_the_place_of_the_old_ones() -> None:
    world = named_world()
    theirs = identity(9)
    world.matches.add(SLATE, after(days=-1), found("1:100", identities=[OLD]))
    world.matches.add(SLATE, NIGHT, found("9:100", identities=[theirs]))

    changes = send(world).changes

    assert (changes.joined, changes.replaced, changes.lost) == ([f"{theirs.named}: 1 export"], [OLD.named], [])


def test_a_key_that_reaches_nothing_since_yesterday_needs_a_look() -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-1), found("1:100"))
    world.matches.add(SLATE, NIGHT, found(identities=[]))

    assert send(world).changes.lost == [f"identity 1 ({OLD.title})"]


def test_a_cycle_that_joins_unlisted_is_said_to_be_so() -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-1), found("1:100"))
    world.matches.add(SLATE, NIGHT, found("1:100", identities=[OLD, NEW], unlisted=[2]))

    assert send(world).changes.joined == [f"{NEW.named}: its exports could not be listed yet"]


def test_a_new_cycle_of_another_program_does_not_explain_an_identity_that_is_gone() -> None:
    world = named_world()
    other = identity(3, "2027 - 2028", "School of Pharmacy")
    world.matches.add(SLATE, after(days=-1), found("1:100", identities=[OLD]))
    world.matches.add(SLATE, NIGHT, found("3:300", identities=[other]))

    changes = send(world).changes

    assert (changes.replaced, changes.lost) == ([], [f"identity 1 ({OLD.title})"])
    assert "1 no longer started" in world.topics.messages[0].subject


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (found("1:100", identities=[OLD]), [f"identity 2 ({NEW.title})"]),  # the key has lost an identity
        (found("1:100", identities=[OLD, NEW]), ['2:200 "Slate nightly"']),  # an export was renamed
    ],
)
def test_what_is_gone_without_a_new_cycle_needs_a_look(now: Matches, left: list[str]) -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-1), found("1:100", "2:200", identities=[OLD, NEW]))
    world.matches.add(SLATE, NIGHT, now)
    world.put(file(export=Export(user_identity_id=1, export_id=100), finished_at=READY_AT))

    assert changes(world) == ([], left)
    (message,) = world.topics.messages
    assert message.subject == "webadmit-exports: ACTION NEEDED: 1 of 1 ready, 1 no longer started"
    assert "No longer started (1): if exports were renamed, correct Exports" in message.mail


def test_what_could_not_be_listed_is_neither_gone_nor_new_again() -> None:
    world = named_world()
    both = found("1:100", "2:200", identities=[OLD, NEW])
    world.matches.add(SLATE, after(days=-1), both)
    world.matches.add(SLATE, NIGHT, found("1:100", identities=[OLD, NEW], unlisted=[2]))
    world.matches.add(SLATE, after(days=1), both)

    assert changes(world) == ([], [])
    assert changes(world, days=1) == ([], [])


def test_a_schedule_that_rests_is_compared_with_its_last_time() -> None:
    world = named_world()
    world.matches.add(SLATE, after(days=-20), found("1:100"))
    world.matches.add(SLATE, NIGHT, found("1:100", "2:200", identities=[OLD, NEW]))

    assert changes(world) == ([f"identity 2 ({NEW.title}): 1 export"], [])


def test_a_name_of_which_nothing_was_known_before_is_no_news() -> None:
    world = named_world()
    world.matches.add(SLATE, NIGHT, found("1:100"))

    assert changes(world) == ([], [])


def test_the_mail_about_a_new_cycle_is_the_approved_one() -> None:
    world = named_world(replace(BY_NAME, entries=(SLATE, NamePattern(text="Banner"))))
    world.matches.add(SLATE, after(days=-1), found("1:100", "2:200", "2:202", identities=[OLD, NEW]))
    newest = identity(3, "2028 - 2029")
    world.matches.add(SLATE, NIGHT, found("2:200", "3:300", identities=[NEW, newest]))
    world.matches.add(NamePattern(text="Banner"), NIGHT, found(identities=[NEW, newest]))
    for identity_id, export_id in ((2, 200), (3, 300)):
        export = Export(user_identity_id=identity_id, export_id=export_id)
        world.put(file(export=export, file_id=export_id, finished_at=READY_AT))

    send(world)

    (message,) = world.topics.messages
    assert_approved("morning mail, new cycle", f"Subject: {message.subject}\n\n{message.mail}")


days = st.lists(st.dictionaries(st.integers(1, 4), st.sets(st.integers(0, 2), max_size=3), max_size=4), min_size=2)


@settings(max_examples=50, deadline=None)
@given(days)
def test_the_mails_together_tell_what_is_followed_each_morning(nights: list[dict[int, set[int]]]) -> None:
    """Each night, the identities that are followed, and which exports each has."""
    world = named_world()
    known: set[str] = set()
    for day, night in enumerate(nights):
        pairs = [f"{number}:{number * 100 + export}" for number, exports in night.items() for export in exports]
        there = [identity(number, f"{2020 + number}") for number in night]
        world.matches.add(SLATE, after(days=day), found(*pairs, identities=there))
        report = send(world, MORNING + timedelta(days=day))
        everything = {*(one.named for one in there), *(f'{pair} "Slate nightly"' for pair in pairs)}
        if day:
            lines = report.changes.joined
            joined = {line if line[0].isdigit() else f"{line.partition('): ')[0]})" for line in lines}
            gone = {*report.changes.replaced, *report.changes.lost}
            assert not joined & known
            assert gone <= known
            known = (known | joined) - gone
            # the exports of an identity that joins or leaves are told with it
            known = {line for line in known if not line[0].isdigit() or named_of(line) in known}
            known |= {line for line in everything if line[0].isdigit() and named_of(line) in joined}
        else:
            known = everything
        assert known == everything


def named_of(line: str) -> str:
    """The identity of a pair, as mails name it."""
    return identity(int(line.partition(":")[0]), f"{2020 + int(line.partition(':')[0])}").named
