"""What is said about files on their way into the archive."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.approval import assert_approved
from tests.fakes import ANNOUNCED, NIGHT, WRITER
from tests.schemas import check_message
from webadmit_exports.archive.messages import ArchiveAlert, ArchiveMessages
from webadmit_exports.archive.stored_file import FileFacts, StoredFile
from webadmit_exports.messages.message import Message
from webadmit_exports.messages.problems import Problem

MIB = 1024 * 1024
MESSAGES = ArchiveMessages(writer=WRITER, bucket="archive", download_hosts="webadmit-production.s3.amazonaws.com")
FACTS = FileFacts(
    sha256="0" * 64, charset="utf-8", rows=1, header_sha256="1" * 64, previous_rows=2, header_changed=False
)
STORED = StoredFile(
    key="86446/2026/11/23/033410-74780-Nursing.csv",
    version_id="v1",
    size=3 * MIB // 2,
    content_type="text/csv",
    stored_at=NIGHT,
    facts=FACTS,
)
CHANGED = replace(STORED, facts=replace(FACTS, rows=1200, header_changed=True), size=900)
NO_CSV = replace(STORED, facts=FileFacts(sha256="0" * 64))


def alert(problem: Problem, **more: Any) -> Message:
    return MESSAGES.alert(ArchiveAlert(announced=ANNOUNCED, problem=problem, **more))


MAILS = {
    "archived": MESSAGES.receipt(ANNOUNCED, STORED),
    "archived, columns changed": MESSAGES.receipt(ANNOUNCED, CHANGED),
    "archived, not a CSV": MESSAGES.receipt(ANNOUNCED, NO_CSV),
    "archived, said again": MESSAGES.receipt(ANNOUNCED, STORED, repeated=True),
    "not archived yet": alert(
        Problem.HOST_REFUSED, detail="files.example.edu", retry_until=NIGHT + timedelta(hours=12)
    ),
    "not archived, too large": alert(Problem.TOO_LARGE, size=5100 * MIB),
    "not archived, too slow": alert(Problem.TOO_SLOW, size=4000 * MIB, rate=0.3 * MIB),
    "not archived, given up": alert(Problem.ACCESS_REFUSED),
    "not archived, nothing to repair": alert(Problem.STORAGE_UNAVAILABLE, detail="the storage answered 503"),
}


@pytest.mark.parametrize("name", MAILS)
def test_every_mail_about_the_archive_is_the_approved_one(name: str) -> None:
    assert_approved(name, f"Subject: {MAILS[name].subject}\n\n{MAILS[name].mail}")


@pytest.mark.parametrize("name", MAILS)
def test_every_message_about_the_archive_is_as_its_schema_says(name: str) -> None:
    message = MAILS[name]

    check_message(message.body)
    assert message.attributes == {
        "event_type": message.event_type,
        "status": "Available",
        "export": "37442:86446",
        "user_identity_id": 37442,
        "export_id": 86446,
        **ANNOUNCED.labels.known,
    }


def test_a_message_that_is_sent_again_has_the_same_event_id_and_no_other_has() -> None:
    later = alert(Problem.ACCESS_REFUSED, retry_until=NIGHT)
    others = [alert(Problem.ACCESS_REFUSED), alert(Problem.TOO_LARGE), MAILS["archived"]]
    of_another_file = MESSAGES.receipt(replace(ANNOUNCED, event_id="another"), STORED)

    assert MAILS["archived, said again"].body["event_id"] == MAILS["archived"].body["event_id"]
    assert (
        alert(Problem.ACCESS_REFUSED, retry_until=NIGHT + timedelta(days=1)).body["event_id"] == later.body["event_id"]
    )
    assert len({one.body["event_id"] for one in [later, *others, of_another_file]}) == 5
