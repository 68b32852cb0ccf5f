"""The one way in, with fakes for the table and the topics: every order, every repetition, every failure."""

import itertools
from dataclasses import dataclass, field, replace

import pytest

from tests.fakes import FILE_ID, SETTINGS, Clock, FakeTable, FakeTopics, after, tracker, update
from webadmit_exports.aws.table import WriteConflict
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.lifecycle import LEASE
from webadmit_exports.errors import AnnouncementDelayed, AwsUnavailable
from webadmit_exports.messages.message import Message
from webadmit_exports.runs.tracker import RunTracker

START, CALLBACK, POLL = UpdateSource.START, UpdateSource.CALLBACK, UpdateSource.POLL

# What can be learned about one run that finishes a minute after it was started.
STARTED = update(START, "In Progress", after(seconds=1), href="/api/v1/exports/86446/export_files/74780")
STARTED_AGAIN = update(START, "In Progress", after(seconds=9))
RUNNING = update(CALLBACK, "In Progress", after(seconds=30))
READY = update(CALLBACK, "Available", after(minutes=1))
POLLED = update(POLL, "Available", after(minutes=1))


@dataclass
class TopicsThatTakeTheTableAlong(FakeTopics):
    """Right after the first message, taken or not, the next write to the table fails."""

    table: FakeTable = field(default_factory=FakeTable)
    tried: int = 0

    def publish(self, message: Message) -> None:
        self.tried += 1
        if self.tried == 1:
            self.table.failing.append("store")
        super().publish(message)


def started(table: FakeTable, topics: FakeTopics, clock: Clock) -> RunTracker:
    """A run in progress has been recorded."""
    files = tracker(table, topics, clock)
    files.apply(STARTED, None)
    table.calls.clear()
    return files


@pytest.mark.parametrize("order", list(itertools.permutations([STARTED, STARTED_AGAIN, RUNNING, READY, POLLED])))
def test_a_run_is_announced_once_in_whatever_order_its_news_comes(order: tuple[StatusUpdate, ...]) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = tracker(table, topics, clock)

    # What comes before the answer to the start is lost; then WebAdMIT is asked.
    for item in (*order, update(POLL, "Available", after(minutes=3))):
        files.apply(item, table.read(86446, FILE_ID))
        clock.go_on(seconds=1)

    assert topics.event_types == ["export_file.ready"]
    assert table.only.status == "Available"
    assert table.only.due_at is None
    assert table.only.notified_at is not None


@pytest.mark.parametrize("repeats", [2, 500])
def test_a_repeated_callback_is_announced_once(repeats: int) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = started(table, topics, clock)

    changed = [bool(files.apply(READY, table.read(86446, FILE_ID))) for _ in range(repeats)]

    assert changed == [True] + [False] * (repeats - 1)
    assert len(topics.messages) == 1


def test_what_the_caller_knew_may_be_out_of_date() -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock()
    files = tracker(table, topics, clock)
    files.apply(STARTED, None)
    old = table.only
    clock.set(minutes=1)
    files.apply(RUNNING, old)
    files.apply(update(CALLBACK, "Failed", after(minutes=1)), old)

    files.apply(READY, replace(old, version="unheard of"))

    assert (table.only.status, topics.event_types) == ("Available", ["export_file.ready"])


@pytest.mark.parametrize("source", [START, CALLBACK, POLL])
@pytest.mark.parametrize(
    ("status", "event_type"), [("Failed", "export_file.failed"), ("Empty List", "export_file.empty")]
)
def test_what_has_no_file_is_told_by_the_sweep_alone_and_once(
    source: UpdateSource, status: str, event_type: str
) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = started(table, topics, clock)
    ended = update(source, status, after(minutes=2))

    for _ in range(3):
        files.apply(ended, table.only)
    assert topics.messages == []

    assert [files.announce(table.only) for _ in range(3)] == [True, False, False]
    assert topics.event_types == [event_type]


def test_a_failed_publish_gives_the_lease_back_and_the_next_one_announces() -> None:
    table, topics, clock = FakeTable(), FakeTopics(failing=1), Clock(after(minutes=2))
    files = started(table, topics, clock)

    with pytest.raises(AnnouncementDelayed, match="SNS answered Throttled"):
        files.apply(READY, table.only)
    assert table.only.due_at == clock.now()
    files.apply(READY, table.only)

    assert topics.event_types == ["export_file.ready"]
    assert table.only.notified_at is not None


def test_a_publish_and_a_lease_that_both_fail_leave_the_file_due_when_the_lease_is_over() -> None:
    table, clock = FakeTable(), Clock(after(minutes=2))
    topics = TopicsThatTakeTheTableAlong(table=table, failing=1)
    files = started(table, topics, clock)

    with pytest.raises(AnnouncementDelayed):
        files.apply(READY, table.only)

    assert not files.announce(table.only)
    clock.go_on(seconds=LEASE.total_seconds())
    assert files.announce(table.only)
    assert topics.event_types == ["export_file.ready"]


def test_a_crash_after_publishing_repeats_the_announcement_under_the_same_event_id() -> None:
    table, clock = FakeTable(), Clock(after(minutes=2))
    topics = TopicsThatTakeTheTableAlong(table=table)
    files = started(table, topics, clock)

    with pytest.raises(AnnouncementDelayed):
        files.apply(READY, table.only)
    clock.go_on(seconds=LEASE.total_seconds())
    files.announce(table.only)

    assert len(topics.messages) == 2
    assert len(set(topics.event_ids)) == 1


@dataclass
class TableThatIsAlwaysOvertaken(FakeTable):
    """Before each write somebody else writes."""

    def store(self, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
        self._called("store")
        raise WriteConflict(replace(record, status="Queued", finished_at=None, version=str(len(self.calls))))


def test_who_is_overtaken_again_and_again_gives_up() -> None:
    table, topics = TableThatIsAlwaysOvertaken(), FakeTopics()

    with pytest.raises(AwsUnavailable, match="again and again"):
        tracker(table, topics, Clock(after(minutes=2))).apply(update(START, "Available", after(seconds=1)), None)

    assert topics.messages == []
    assert len(table.calls) < 100


def test_what_cannot_be_stored_is_not_announced() -> None:
    table, topics = FakeTable(), FakeTopics()
    files = started(table, topics, Clock(after(minutes=2)))
    table.failing.append("store")

    with pytest.raises(AwsUnavailable):
        files.apply(READY, table.only)

    assert table.only.status == "In Progress"
    assert topics.messages == []


@pytest.mark.parametrize("item", [POLLED, READY, RUNNING])
def test_what_is_not_the_answer_to_a_start_makes_no_record(item: StatusUpdate) -> None:
    table, topics = FakeTable(), FakeTopics()

    assert not tracker(table, topics, Clock()).apply(item, None)

    assert table.calls == []


def test_an_empty_list_is_quiet_where_that_is_chosen() -> None:
    table, topics = FakeTable(), FakeTopics()
    files = tracker(table, topics, Clock(after(minutes=2)), replace(SETTINGS, alert_on_empty_list=False))

    files.apply(update(START, "Empty List", after(minutes=1)), None)

    assert topics.messages == []
    assert table.only.due_at is None


@pytest.mark.parametrize("status", ["Zipping", "Something Else Altogether"])
def test_an_unknown_status_is_followed_like_one_in_progress(status: str) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = tracker(table, topics, clock)

    files.apply(update(START, "Queued", after(seconds=1)), None)
    files.apply(update(CALLBACK, status, after(seconds=9)), table.only)
    assert table.only.status == status
    files.apply(READY, table.only)

    assert topics.event_types == ["export_file.ready"]
