import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import EXPORT, FILE_ID, NIGHT, WORDING, after
from webadmit_exports.messages import Cause, StartAlert
from webadmit_exports.model import Export, ExportFile
from webadmit_exports.progress import Announcement, EventType

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


def alert(cause: Cause = Cause.NOT_FOUND, *, retried: bool = False, **words: str) -> StartAlert:
    said = {EXPORT: words.get("one", ""), OTHER: words.get("other", "")}
    until = NIGHT + timedelta(hours=12) if retried else None
    return StartAlert(cause=cause, scheduled_for=NIGHT, words=said, retry_until=until)


def test_a_ready_file_is_announced_as_the_contract_says() -> None:
    message = WORDING.announcement(announcement())

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

    body = WORDING.announcement(announcement(EventType.OVERDUE, file)).body

    assert body["started_at"] == "2026-11-23T03:30:01Z"
    assert "finished_at" not in body


def test_the_reason_is_told_where_there_is_one() -> None:
    file = replace(FILE, status="Failed", reason="WebAdMIT no longer knows this file (404)")

    message = WORDING.announcement(announcement(EventType.FAILED, file))

    assert message.body["reason"] == "WebAdMIT no longer knows this file (404)"
    assert "Reason:    WebAdMIT no longer knows this file (404)" in message.mail


def test_the_mail_about_a_ready_file_says_all_that_a_person_needs() -> None:
    message = WORDING.announcement(announcement())

    assert message.subject == "webadmit-exports: export 86446 is ready, file 74780 (Available)"
    assert message.mail == (
        "The file of export 86446 is ready in WebAdMIT.\n"
        "\n"
        "Export:    86446 (identity 37442)\n"
        "File:      74780\n"
        "Status:    Available\n"
        "Scheduled: Sun 2026-11-22 22:30 America/New_York\n"
        "Started:   Sun 2026-11-22 22:30 America/New_York\n"
        "Finished:  Sun 2026-11-22 22:34 America/New_York\n"
        "\n"
        "People find it in WebAdMIT, among the files of that export. A program asks for its download URL, with the API"
        " key, and\nfollows that URL at once: it lives less than 30 seconds.\n"
        "  GET https://api.webadmit.org/api/v1/exports/86446/export_files/74780\n"
        "\n"
        "--\n"
        "Stack webadmit-exports in us-east-1\n"
    )


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "../../etc/passwd", ""])
def test_where_the_time_zone_is_not_known_mails_are_in_utc(timezone: str) -> None:
    mail = replace(WORDING, timezone=timezone).announcement(announcement()).mail

    assert "Scheduled: Mon 2026-11-23 03:30 UTC" in mail


def test_exports_that_will_be_tried_again_are_told_as_the_contract_says() -> None:
    message = WORDING.start_alert(alert(Cause.API_KEY_REFUSED, retried=True))

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
    words = {"one": "User identity '37442' not found.", "other": "User identity '37442' not found."}

    message = WORDING.start_alert(alert(**words))

    assert message.event_type is EventType.START_FAILED
    assert "retry_until" not in message.body
    assert message.body["reason"] == (
        "WebAdMIT does not know the identity or the export (404)."
        " 37442:86446, 37442:86447: User identity '37442' not found."
    )
    assert "A new admissions cycle brings new identity ids every year" in message.mail
    assert "Nothing starts them any more before the next scheduled time." in message.mail


def test_what_is_given_up_can_be_started_by_hand_with_the_line_in_the_mail() -> None:
    message = WORDING.start_alert(alert(Cause.UNAVAILABLE))

    line = re.search(r"`(\{.*\})`", message.mail)
    assert line
    assert json.loads(line[1]) == {"exports": "37442:86446,37442:86447", "scheduled_for": "2026-11-23T03:30:00Z"}
    assert "--stack-name webadmit-exports --region us-east-1 --event-file start.json" in message.mail


def test_a_run_that_was_given_up_is_nowhere_said_to_have_failed_in_webadmit() -> None:
    file = replace(FILE, status="Failed", reason="WebAdMIT no longer knows this file (404)")

    message = WORDING.announcement(announcement(EventType.FAILED, file))

    assert message.subject.endswith(": outcome unknown, file 74780")
    assert "we do not know whether it produced\na file" in message.mail
    assert "Status:    unknown\n" in message.mail
    assert "start it from this stack" in message.mail
    assert "fail" not in message.mail.lower()
    assert "by hand" not in message.mail


def test_a_repeated_start_alert_has_the_same_event_id_and_another_has_not() -> None:
    alerts = [
        alert(),
        alert(),
        alert(Cause.REJECTED),
        alert(retried=True),
        replace(alert(), scheduled_for=after(days=1)),
    ]

    ids = [WORDING.start_alert(one).body["event_id"] for one in alerts]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_a_mail_about_hundreds_of_exports_shows_some_and_counts_the_rest() -> None:
    words = {Export(user_identity_id=1, export_id=number): "" for number in range(1, 301)}
    many = StartAlert(cause=Cause.UNAVAILABLE, scheduled_for=NIGHT, words=words, retry_until=None)

    message = WORDING.start_alert(many)

    assert "300 exports scheduled for" in message.mail
    assert "and 260 more" in message.mail
    assert str(message.body["exports"]).count(",") == 299


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("retried", [True, False])
def test_every_cause_has_a_sentence_and_advice(cause: Cause, retried: bool) -> None:
    message = WORDING.start_alert(alert(cause, retried=retried))

    assert message.subject.endswith(f": {cause.headline}")
    assert cause.sentence in message.mail
    assert "What to do: " in message.mail
    assert not re.search(r"\{\w*\}", message.mail + str(message.body["advice"]))
    assert ("start.json" in message.mail) is not retried
    assert retried or "What to do: Nothing" not in message.mail


@pytest.mark.parametrize("event_type", list(EventType)[:4])  # those of a run
def test_every_event_has_a_mail(event_type: EventType) -> None:
    message = WORDING.announcement(announcement(event_type))

    assert "86446" in message.subject
    assert "{" not in message.mail


def test_a_file_that_was_made_with_errors_comes_with_a_warning() -> None:
    mail = WORDING.announcement(announcement(file=replace(FILE, status="Success With Errors"))).mail

    assert "records may be missing or incomplete" in mail
    assert "may be missing" not in WORDING.announcement(announcement()).mail


@given(st.text(min_size=1, max_size=128), st.text(max_size=64))
def test_every_subject_is_what_sns_takes(stack_name: str, status: str) -> None:
    file = replace(FILE, status=status or "x")

    subject = replace(WORDING, stack_name=stack_name).announcement(announcement(file=file)).subject

    assert 0 < len(subject) <= 99
    assert all(" " <= character <= "~" for character in subject)
    assert subject == subject.strip()


def test_a_long_stack_name_leaves_room_for_what_happened() -> None:
    subject = replace(WORDING, stack_name="s" * 128).announcement(announcement()).subject

    assert subject.startswith("s" * 40 + ": export 86446 is ready")
