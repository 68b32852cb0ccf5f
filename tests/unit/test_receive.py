"""The order in which a callback is checked; what comes of it is shown over real HTTP in tests/integration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from tests.fakes import EXPORT, FILE_ID, NIGHT, Clock, FakeTable, FakeTopics, after, export_files
from webadmit_exports.callbacks import CallbackAddress
from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.receive import NotFound, ReceiveCallback

KEY, OLD_KEY = b"a signing key", b"the key before"


@dataclass
class FakeKeys:
    """The current key in memory; a look at Secrets Manager finds the one before, too."""

    looks: int = 0
    error: Exception | None = None

    def known(self) -> list[bytes]:
        if self.error:
            raise self.error
        return [KEY]

    def refreshed(self, now: datetime) -> list[bytes]:
        self.looks += 1
        return [KEY, OLD_KEY]


@dataclass
class World:
    keys: FakeKeys = field(default_factory=FakeKeys)
    table: FakeTable = field(default_factory=FakeTable)
    topics: FakeTopics = field(default_factory=FakeTopics)
    clock: Clock = field(default_factory=lambda: Clock(after(minutes=1)))

    def receive(
        self,
        *,
        key: bytes = KEY,
        scheduled_for: datetime = NIGHT,
        file_id: int = FILE_ID,
        export_id: int = EXPORT.export_id,
        status: str = "Available",
        **parts: str,
    ) -> None:
        url = CallbackAddress(export=EXPORT, scheduled_for=scheduled_for).url("", key)
        *_, identity, export, occurrence, signature = url.split("/")
        segments: Mapping[str, str] = {
            "user_identity_id": identity,
            "export_id": export,
            "occurrence": occurrence,
            "signature": signature,
            **parts,
        }
        files = export_files(self.table, self.topics, self.clock)
        body = f"export_file[id]={file_id}&export_file[export_id]={export_id}&export_file[status]={status}"
        ReceiveCallback(
            signing_keys=self.keys,  # type: ignore[arg-type]
            table=self.table,  # type: ignore[arg-type]
            export_files=files,
            now=self.clock.now,
        ).receive(segments, body, is_base64=False, content_type=None)


def test_a_good_callback_needs_two_writes_no_read_and_no_look_at_the_keys() -> None:
    world = World()
    world.receive(status="In+Progress")
    world.table.calls.clear()

    world.receive()

    assert world.table.calls == ["finish", "store"]
    assert world.topics.event_types == ["export_file.ready"]
    assert world.keys.looks == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": b"another key"},
        {"scheduled_for": NIGHT - timedelta(days=8)},
        {"scheduled_for": NIGHT + timedelta(days=1)},
        {"signature": "0" * 64},
        {"signature": ""},
        {"export_id": 5, "signature": "0" * 64},
    ],
)
def test_what_is_not_proven_is_not_found_before_the_table_is_touched(wrong: dict[str, object]) -> None:
    world = World()

    with pytest.raises(NotFound):
        world.receive(**wrong)  # type: ignore[arg-type]

    assert world.table.calls == []


def test_a_signature_of_the_previous_key_is_found_by_a_look_at_the_keys() -> None:
    world = World()

    world.receive(key=OLD_KEY)

    assert world.keys.looks == 1
    assert world.topics.event_types == ["export_file.ready"]


@pytest.mark.parametrize(
    "wrong", [{"export_id": 86447}, {"file_id": 0}, {"status": ""}, {"status": "x" * 65}, {"status": "%00"}]
)
def test_a_form_that_cannot_be_used_is_refused_before_the_table_is_touched(wrong: dict[str, object]) -> None:
    world = World()

    with pytest.raises(InvalidInput):
        world.receive(**wrong)  # type: ignore[arg-type]

    assert world.table.calls == []


def test_a_made_up_file_is_refused_where_the_occurrence_has_one() -> None:
    world = World()
    world.receive(status="Queued")

    with pytest.raises(NotFound):
        world.receive(file_id=FILE_ID + 1)

    assert len(world.table.records) == 1
    assert world.topics.messages == []


def test_another_occurrence_may_have_another_file() -> None:
    world = World()
    world.receive(status="Queued")
    world.clock.set(hours=2)

    world.receive(file_id=FILE_ID + 1, scheduled_for=after(hours=1))

    assert len(world.table.records) == 2


@pytest.mark.parametrize(
    ("call", "status"), [("finish", "Available"), ("read", "Queued"), ("newest", "Available"), ("store", "Available")]
)
def test_a_table_that_does_not_answer_has_webadmit_try_again(call: str, status: str) -> None:
    world = World(table=FakeTable(failing=[call]))

    with pytest.raises(AwsUnavailable):
        world.receive(status=status)
    world.receive()

    assert world.topics.event_types == ["export_file.ready"]


def test_without_keys_nothing_is_taken() -> None:
    world = World(keys=FakeKeys(error=AwsUnavailable("Secrets Manager answered InternalServiceError")))

    with pytest.raises(AwsUnavailable):
        world.receive()

    assert world.table.calls == []
