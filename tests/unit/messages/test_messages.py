import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.approval import assert_approved
from tests.fakes import EXPORT, FILE_ID, LABELS, NIGHT, SETTINGS, WRITER, after
from tests.schemas import check_message
from webadmit_exports import errors
from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.lifecycle import claim_due
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.domain.status import RunOutcome, Status, is_finished, outcome_of
from webadmit_exports.messages.file_messages import file_message
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.messages.start_messages import (
    RefusedIdentity,
    StartAlert,
    refused_identity_message,
    start_message,
)

FILE = ExportFile(
    export=EXPORT,
    export_file_id=FILE_ID,
    status="Available",
    href="/api/v1/exports/86466/export_files/74780",
    first_scheduled_for=NIGHT,
    scheduled_for=NIGHT,
    started_at=after(seconds=1, microseconds=5),
    updated_at=after(minutes=4),
    finished_at=after(minutes=4, seconds=10, microseconds=9),
)
OTHER = Export(user_identity_id=37442, export_id=86447)


def announcement(event_type: EventType = EventType.READY, file: ExportFile = FILE) -> Announcement:
    return Announcement(event_type=event_type, export_file=file)


def alert(problem: Problem = Problem.NOT_FOUND, *, retried: bool = False, **detail: str) -> StartAlert:
    said: dict[Entry, str] = {EXPORT: detail.get("one", ""), OTHER: detail.get("other", "")}
    until = NIGHT + timedelta(hours=12) if retried else None
    names = {EXPORT: "Nursing applicants"}
    return StartAlert(problem=problem, scheduled_for=NIGHT, details=said, retry_until=until, export_names=names)


def by_name(problem: Problem, detail: str) -> StartAlert:
    name = NamePattern(text="Slate nightly")
    return StartAlert(problem=problem, scheduled_for=NIGHT, details={name: detail}, retry_until=None)


def test_names_and_exports_that_did_not_start_are_told_apart() -> None:
    name = NamePattern(text="Slate nightly*")
    one = replace(alert(Problem.UNAVAILABLE, retried=True), details={name.within(2): "", EXPORT: "", name: ""})

    message = start_message(one, WRITER)

    assert message.body["exports"] == "Slate nightly*@2,37442:86446,Slate nightly*"
    assert "1 export and 2 names not started yet" in message.subject
    assert '  37442:86446 "Nursing applicants"\n\n' in message.mail
    assert '  "Slate nightly*" in identity 2\n  "Slate nightly*"\n' in message.mail


def test_one_export_that_did_not_start_is_called_by_its_name() -> None:
    one = replace(alert(retried=True), details={EXPORT: ""})
    long = replace(one, export_names={EXPORT: "Nursing applicants of the second round"}, problem=Problem.OUT_OF_TIME)
    without_room = replace(WRITER, stack_name="webadmit-exports-of-the-graduate-school")

    assert 'export 86446 "Nursing applicants" not started yet: ' in start_message(one, WRITER).subject
    assert 'export 86446 "Nursing applicants of..." not started yet: ' in start_message(long, WRITER).subject
    assert start_message(long, without_room).subject.endswith("export 86446 not started yet: time ran out")
    assert '  37442:86446 "Nursing applicants of the second round"\n' in start_message(long, WRITER).mail


def test_a_ready_file_is_announced_as_the_contract_says() -> None:
    message = file_message(announcement(), WRITER)

    event_id = message.body["event_id"]
    assert message.body == {
        "version": "1",
        "event_id": event_id,
        "event_type": "export_file.ready",
        "user_identity_id": 37442,
        "export_id": 86446,
        "export_file_id": 74780,
        "status": "Available",
        "href": "/api/v1/exports/86446/export_files/74780",
        "scheduled_for": "2026-11-23T03:30:00Z",
        "finished_at": "2026-11-23T03:34:10Z",
    }
    assert message.attributes == {
        "export": "37442:86446",
        "event_type": "export_file.ready",
        "status": "Available",
        "user_identity_id": 37442,
        "export_id": 86446,
    }


@pytest.mark.parametrize("status", [status for status in Status if is_finished(status)])
def test_every_status_that_ends_a_run_is_announced_in_words_and_as_a_schema_says(status: Status) -> None:
    """So that a new one cannot be forgotten: not its `event_type`, its texts, its schema or its place in the mail."""
    due = replace(FILE, status=status, due_at=NIGHT)

    claimed = claim_due(due, after(hours=1), SETTINGS)

    assert claimed
    assert claimed.claimed
    message = file_message(claimed.claimed, WRITER)
    check_message(message.body)
    assert f"Export {EXPORT.export_id}" in message.mail or f"export {EXPORT.export_id}" in message.mail
    assert isinstance(outcome_of(status), RunOutcome)


def test_the_event_id_is_the_same_for_one_file_run_and_outcome() -> None:
    later = replace(FILE, version="x", updated_at=after(hours=1), scheduled_for=after(hours=1), due_at=after(hours=2))
    others = [
        replace(FILE, export_file_id=FILE_ID + 1),
        replace(FILE, export=OTHER),
        replace(FILE, finished_at=after(days=1)),
    ]

    assert announcement(file=later).event_id == announcement().event_id
    ids = {announcement(file=file).event_id for file in [FILE, *others]}
    assert len({*ids, announcement(EventType.FAILED).event_id, announcement(EventType.OVERDUE).event_id}) == 6


def test_a_late_run_is_announced_with_its_start_instead_of_its_end() -> None:
    file = replace(FILE, status="In Progress", finished_at=None)

    body = file_message(announcement(EventType.OVERDUE, file), WRITER).body

    assert body["started_at"] == "2026-11-23T03:30:01Z"
    assert "finished_at" not in body


def test_the_reason_is_told_where_there_is_one() -> None:
    file = replace(FILE, status="Failed", reason="WebAdMIT no longer knows this file (404)")

    message = file_message(announcement(EventType.FAILED, file), WRITER)

    assert message.body["reason"] == "WebAdMIT no longer knows this file (404)"
    assert "Reason:    WebAdMIT no longer knows this file (404)" in message.mail


def test_the_mail_about_a_ready_file_says_all_that_a_person_needs() -> None:
    message = file_message(announcement(), WRITER)

    assert message.subject == "webadmit-exports: export 86446 is ready, file 74780 (Available)"
    assert_approved("file ready", message.mail)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "../../etc/passwd", ""])
def test_where_the_time_zone_is_not_known_mails_are_in_utc(timezone: str) -> None:
    mail = file_message(announcement(), replace(WRITER, timezone=timezone)).mail

    assert "Scheduled: Mon 2026-11-23 03:30 UTC" in mail


def test_exports_that_will_be_tried_again_are_told_as_the_contract_says() -> None:
    message = start_message(alert(Problem.API_KEY_REFUSED, retried=True), WRITER)

    event_id = message.body["event_id"]
    assert message.body == {
        "version": "1",
        "event_id": event_id,
        "event_type": "start.delayed",
        "exports": "37442:86446,37442:86447",
        "scheduled_for": "2026-11-23T03:30:00Z",
        "reason": "WebAdMIT refused the API key (401).",
        "advice": message.body["advice"],
        "retry_until": "2026-11-23T15:30:00Z",
    }
    assert message.attributes == {"event_type": "start.delayed"}
    assert "aws secretsmanager put-secret-value --region us-east-1 --secret-id arn:aws" in str(message.body["advice"])
    assert message.subject == "webadmit-exports: 2 exports not started yet: API key refused (401)"


def test_exports_that_are_given_up_are_told_with_webadmits_words() -> None:
    not_found = "User identity '37442' not found."

    message = start_message(alert(one=not_found, other=not_found), WRITER)

    assert message.event_type is EventType.START_FAILED
    assert "retry_until" not in message.body
    assert message.body["reason"] == (
        "WebAdMIT does not know the identity or the export (404)."
        " 37442:86446, 37442:86447: User identity '37442' not found."
    )
    assert "A new admissions cycle brings new identity ids every year" in message.mail
    assert "There is no further try for this time; the next scheduled time is a new one." in message.mail


def test_what_is_given_up_can_be_started_by_hand_with_the_line_in_the_mail() -> None:
    message = start_message(alert(Problem.UNAVAILABLE), WRITER)

    line = re.search(r"`(\{.*\})`", message.mail)
    assert line
    assert json.loads(line[1]) == {"exports": "37442:86446,37442:86447", "scheduled_for": "2026-11-23T03:30:00Z"}
    assert "--stack-name webadmit-exports --region us-east-1 --event-file start.json" in message.mail


def test_a_run_that_was_given_up_is_nowhere_said_to_have_failed_in_webadmit() -> None:
    file = replace(FILE, status="Failed", reason="WebAdMIT no longer knows this file (404)")

    message = file_message(announcement(EventType.FAILED, file), WRITER)

    assert message.subject.endswith(": outcome unknown, file 74780")
    assert "we do not know whether it produced a file" in message.mail
    assert "Status:    unknown\n" in message.mail
    assert "start it from this stack" in message.mail
    assert "fail" not in message.mail.lower()
    assert "by hand" not in message.mail


def test_a_repeated_start_alert_has_the_same_event_id_and_another_has_not() -> None:
    alerts = [
        alert(),
        alert(),
        alert(Problem.REJECTED),
        alert(retried=True),
        replace(alert(), scheduled_for=after(days=1)),
        replace(alert(), details={OTHER: ""}),
    ]

    ids = [start_message(one, WRITER).body["event_id"] for one in alerts]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


def test_a_refused_identity_is_told_of_once_for_its_runs() -> None:
    refused = RefusedIdentity(user_identity_id=37442, files=[FILE], detail="")
    later = replace(refused, files=[replace(FILE, started_at=after(days=1))])
    other = replace(refused, user_identity_id=37443)

    first, again, *others = (refused_identity_message(one, WRITER) for one in (refused, refused, later, other))

    assert first.attributes == {"event_type": "identity.refused", "user_identity_id": 37442}
    assert first.body["event_id"] == again.body["event_id"]
    assert len({one.body["event_id"] for one in (first, *others)}) == 3


def test_a_status_that_webadmit_does_not_document_is_a_quotation() -> None:
    message = file_message(announcement(EventType.OVERDUE, replace(FILE, status="click https://x.example now")), WRITER)

    assert "Status:    “click … now”" in message.mail
    assert message.body["status"] == "click https://x.example now"


def test_a_status_cannot_have_anything_filled_in() -> None:
    message = file_message(announcement(EventType.OVERDUE, replace(FILE, status="{export}", labels=LABELS)), WRITER)

    assert message.subject.endswith('export 86446 "Nursing applicants" is late, file 74780 is still ?{export}?')


def test_only_where_the_ids_may_be_wrong_a_start_by_hand_says_so() -> None:
    assert " (with the right ids) as start.json" in start_message(alert(), WRITER).mail
    assert "with the right ids" not in start_message(alert(Problem.REJECTED), WRITER).mail


def test_a_mail_about_hundreds_of_exports_shows_some_and_counts_the_rest() -> None:
    detail: dict[Entry, str] = {Export(user_identity_id=1, export_id=number): "" for number in range(1, 301)}
    many = StartAlert(problem=Problem.UNAVAILABLE, scheduled_for=NIGHT, details=detail, retry_until=None)

    message = start_message(many, WRITER)

    assert "300 exports scheduled for" in message.mail
    assert "and 260 more" in message.mail
    assert str(message.body["exports"]).count(",") == 299


def test_every_mail_about_a_run_is_the_approved_one() -> None:
    open_run = replace(FILE, status="In Progress", finished_at=None, labels=LABELS)
    given_up = replace(FILE, status="Failed", reason="WebAdMIT no longer knows this file (404)")
    mails = {
        "file failed": announcement(EventType.FAILED, replace(FILE, status="Failed", labels=LABELS)),
        "file failed twice": announcement(
            EventType.FAILED, replace(FILE, status="Failed", export_file_id=74781, after_failure=74780)
        ),
        "file failed, not again": announcement(
            EventType.FAILED,
            replace(
                FILE, status="Failed", again_at=after(minutes=5), no_second_run="A newer run of the export has begun."
            ),
        ),
        "file empty": announcement(EventType.EMPTY, replace(FILE, status="Empty List")),
        "file late": announcement(EventType.OVERDUE, open_run),
        "file unknown": announcement(EventType.FAILED, given_up),
        "file ready with errors": announcement(file=replace(FILE, status="Success With Errors")),
    }
    for name, one in mails.items():
        message = file_message(one, WRITER)
        assert_approved(name, f"Subject: {message.subject}\n\n{message.mail}")


def test_every_mail_about_a_start_is_the_approved_one() -> None:
    refused = RefusedIdentity(user_identity_id=37442, files=[FILE], detail="“No access.”")
    messages = {
        "start delayed": start_message(alert(Problem.API_KEY_REFUSED, retried=True), WRITER),
        "start failed": start_message(alert(one="User identity '37442' not found."), WRITER),
        "start failed, no match": start_message(by_name(Problem.NO_MATCH, 'nearest: "Slate Nightly v2"'), WRITER),
        "start failed, too many": start_message(by_name(Problem.TOO_MANY_MATCHES, "1,234 exports"), WRITER),
        "identity refused": refused_identity_message(refused, WRITER),
    }
    for name, message in messages.items():
        assert_approved(name, f"Subject: {message.subject}\n\n{message.mail}")


@pytest.mark.parametrize("problem", list(Problem)[:13])  # those of a start
@pytest.mark.parametrize("retried", [True, False])
def test_every_cause_has_a_sentence_and_advice(problem: Problem, retried: bool) -> None:
    message = start_message(alert(problem, retried=retried), WRITER)

    assert message.subject.endswith(f": {problem.headline}")
    assert problem.sentence in message.mail
    assert "What to do: " in message.mail
    assert not re.search(r"\{\w*\}", message.mail + str(message.body["advice"]))
    assert ("start.json" in message.mail) is not retried
    assert retried or "What to do: Nothing" not in message.mail


@pytest.mark.parametrize("event_type", list(EventType)[:4])  # those of a run
def test_every_event_has_a_mail(event_type: EventType) -> None:
    message = file_message(announcement(event_type), WRITER)

    assert "86446" in message.subject
    assert "{" not in message.mail


def test_a_file_that_was_made_with_errors_comes_with_a_warning() -> None:
    mail = file_message(announcement(file=replace(FILE, status="Success With Errors")), WRITER).mail

    assert "records may be missing or incomplete" in mail
    assert "may be missing" not in file_message(announcement(), WRITER).mail


@given(st.text(min_size=1, max_size=128), st.text(max_size=64))
def test_every_subject_is_what_sns_takes(stack_name: str, status: str) -> None:
    file = replace(FILE, status=status or "x")

    subject = file_message(announcement(file=file), replace(WRITER, stack_name=stack_name)).subject

    assert 0 < len(subject) <= 99
    assert all(" " <= character <= "~" for character in subject)
    assert subject == subject.strip()


def test_a_long_stack_name_leaves_room_for_what_happened() -> None:
    subject = file_message(announcement(), replace(WRITER, stack_name="s" * 128)).subject

    assert subject.startswith("s" * 40 + ": export 86446 is ready")


def test_every_error_has_its_problem_in_the_catalogue() -> None:
    def kinds(kind: type[errors.WebAdmitExportsError]) -> Iterator[type[errors.WebAdmitExportsError]]:
        yield kind
        for one in kind.__subclasses__():
            yield from kinds(one)

    assert {kind.problem for kind in kinds(errors.WebAdmitExportsError)} <= set(Problem.__members__)
    found = [problem_of(errors.RequestRefused("/", "answered", status=status)) for status in (404, 422)]
    assert found == [Problem.NOT_FOUND, Problem.REJECTED]
    assert problem_of(errors.AnnouncementDelayed("SNS")) is Problem.AWS_UNAVAILABLE
    assert problem_of(errors.InvalidInput("x")) is Problem.UNEXPECTED
