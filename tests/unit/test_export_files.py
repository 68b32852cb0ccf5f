"""The one way in, with fakes for the table and the topics: every order, every repetition, every failure."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FILE_ID, NAMES, RULES, Clock, FakeTable, FakeTopics, after, export_files, news
from webadmit_exports.errors import AnnouncementDelayed, AwsUnavailable
from webadmit_exports.messages import Message
from webadmit_exports.model import Export, ExportFile, Names, News, Progress, Source, Status, progress_of
from webadmit_exports.progress import LEASE, Rules
from webadmit_exports.table import Overtaken

START, CALLBACK, POLL = Source.START, Source.CALLBACK, Source.POLL

# What can be learned about one run that finishes a minute after it was started.
STARTED = news(START, "In Progress", after(seconds=1), href="/api/v1/exports/86446/export_files/74780")
STARTED_AGAIN = news(START, "In Progress", after(seconds=9))
RUNNING = news(CALLBACK, "In Progress", after(seconds=30))
READY = news(CALLBACK, "Available", after(minutes=1))
POLLED = news(POLL, "Available", after(minutes=1))


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


@pytest.mark.parametrize("order", list(itertools.permutations([STARTED, STARTED_AGAIN, RUNNING, READY, POLLED])))
def test_a_run_is_announced_once_in_whatever_order_its_news_comes(order: tuple[News, ...]) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = export_files(table, topics, clock)

    for item in order:
        files.apply(item, None)
        clock.go_on(seconds=1)

    assert topics.event_types == ["export_file.ready"]
    assert table.only.status == "Available"
    assert table.only.due_at is None
    assert table.only.notified_at is not None


@pytest.mark.parametrize("repeats", [2, 500])
def test_a_repeated_callback_is_announced_once(repeats: int) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = export_files(table, topics, clock)

    changed = [files.apply(READY, table.read(86446, FILE_ID)) for _ in range(repeats)]

    assert changed == [True] + [False] * (repeats - 1)
    assert len(topics.messages) == 1


def test_what_the_caller_knew_may_be_out_of_date() -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock()
    files = export_files(table, topics, clock)
    files.apply(STARTED, None)
    old = table.only
    clock.set(minutes=1)
    files.apply(RUNNING, old)
    files.apply(news(CALLBACK, "Failed", after(minutes=1)), old)

    files.apply(READY, replace(old, version="unheard of"))

    assert topics.event_types == ["export_file.failed", "export_file.ready"]


def test_a_failed_publish_gives_the_lease_back_and_the_next_one_announces() -> None:
    table, topics, clock = FakeTable(), FakeTopics(failing=1), Clock(after(minutes=2))
    files = export_files(table, topics, clock)

    with pytest.raises(AnnouncementDelayed, match="SNS answered Throttled"):
        files.apply(READY, None)
    assert table.only.due_at == clock.now()
    files.apply(READY, table.only)

    assert topics.event_types == ["export_file.ready"]
    assert table.only.notified_at is not None


def test_a_publish_and_a_lease_that_both_fail_leave_the_file_due_when_the_lease_is_over() -> None:
    table, clock = FakeTable(), Clock(after(minutes=2))
    topics = TopicsThatTakeTheTableAlong(table=table, failing=1)
    files = export_files(table, topics, clock)

    with pytest.raises(AnnouncementDelayed):
        files.apply(READY, None)

    assert not files.announce(table.only)
    clock.go_on(seconds=LEASE.total_seconds())
    assert files.announce(table.only)
    assert topics.event_types == ["export_file.ready"]


def test_a_crash_after_publishing_repeats_the_announcement_under_the_same_event_id() -> None:
    table, clock = FakeTable(), Clock(after(minutes=2))
    topics = TopicsThatTakeTheTableAlong(table=table)
    files = export_files(table, topics, clock)

    with pytest.raises(AnnouncementDelayed):
        files.apply(READY, None)
    clock.go_on(seconds=LEASE.total_seconds())
    files.announce(table.only)

    assert len(topics.messages) == 2
    assert len(set(topics.event_ids)) == 1


@dataclass
class TableThatIsAlwaysOvertaken(FakeTable):
    """Before each write somebody else writes."""

    def store(self, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
        self._called("store")
        raise Overtaken(replace(record, status="Queued", version=str(len(self.calls))))


def test_who_is_overtaken_again_and_again_gives_up() -> None:
    table, topics = TableThatIsAlwaysOvertaken(), FakeTopics()

    with pytest.raises(AwsUnavailable, match="again and again"):
        export_files(table, topics, Clock(after(minutes=2))).apply(READY, None)

    assert topics.messages == []
    assert len(table.calls) < 100


def test_what_cannot_be_stored_is_not_announced() -> None:
    table, topics = FakeTable(failing=["store"]), FakeTopics()

    with pytest.raises(AwsUnavailable):
        export_files(table, topics, Clock(after(minutes=2))).apply(READY, None)

    assert table.records == {}
    assert topics.messages == []


def test_the_poll_of_a_run_that_is_not_ours_stores_nothing() -> None:
    table, topics = FakeTable(), FakeTopics()

    assert not export_files(table, topics, Clock()).apply(POLLED, None)

    assert table.calls == []


def test_an_empty_list_is_quiet_where_that_is_chosen() -> None:
    table, topics = FakeTable(), FakeTopics()
    files = export_files(table, topics, Clock(after(minutes=2)), replace(RULES, alert_on_empty_list=False))

    files.apply(news(CALLBACK, "Empty List", after(minutes=1)), None)

    assert topics.messages == []
    assert table.only.due_at is None


@pytest.mark.parametrize("status", ["Zipping", "Something Else Altogether"])
def test_an_unknown_status_is_followed_like_one_in_progress(status: str) -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = export_files(table, topics, clock)

    files.apply(news(START, "Queued", after(seconds=1)), None)
    files.apply(news(CALLBACK, status, after(seconds=9)), table.only)
    assert table.only.status == status
    files.apply(READY, table.only)

    assert topics.event_types == ["export_file.ready"]


# ── Callbacks, whose record nobody has read ─────────────────────────────────────────────────────────────────────────

_MOMENTS = st.one_of(
    st.none(), st.sampled_from([after(seconds=30), after(minutes=2), after(minutes=3), after(hours=5)])
)
_RARELY = st.sampled_from([None, None, None, after(minutes=2), after(days=90)])
_OCCURRENCES = st.sampled_from([after(), after(), after(), after(hours=-1), after(hours=1)])
_STATUSES = st.sampled_from([*Status, "Being Thought About"])


@st.composite
def records(draw: st.DrawFn) -> ExportFile:
    """Whatever may stand in the table: also what no run has led to so far."""
    first, last = sorted([draw(_OCCURRENCES), draw(_OCCURRENCES)])
    status = draw(_STATUSES)
    has_ended = progress_of(status) >= Progress.FINISHED_WITHOUT_FILE
    finished_at = after(minutes=1) if has_ended else None
    return ExportFile(
        export=Export(user_identity_id=draw(st.sampled_from([37442, 37442, 37442, 5])), export_id=86446),
        export_file_id=FILE_ID,
        status=status,
        href=draw(st.sampled_from([None, "/api/v1/exports/86446/export_files/74780"])),
        first_scheduled_for=first,
        scheduled_for=last,
        started_at=after(seconds=1),
        updated_at=after(seconds=2),
        finished_at=finished_at,
        reason=draw(st.sampled_from([None, None, "WebAdMIT does not know it"])),
        notified_at=draw(_RARELY),
        expires_at=draw(_RARELY),
        overdue_at=draw(_MOMENTS),
        due_at=draw(_MOMENTS),
        reused=draw(st.booleans()),
        names=draw(st.sampled_from([NAMES, Names()])),
        version="0",
    )


def taken(record: ExportFile | None, item: News, rules: Rules, *, reads: bool) -> tuple[object, ...]:
    """What becomes of the record and what is announced."""
    table, topics = FakeTable(), FakeTopics()
    if record:
        table.records[86446, FILE_ID] = record
    files = export_files(table, topics, Clock(after(minutes=2)), rules)
    asked: list[bool] = []
    known = table.read(86446, FILE_ID)
    if reads:
        if known is None:
            asked.append(True)
        changed = files.apply(item, known)
    else:
        changed = files.apply_unread(item, lambda: asked.append(True))
    left = {key: replace(one, version="") for key, one in table.records.items()}
    return changed, asked, left, [message.body for message in topics.messages]


@settings(max_examples=1000)
@given(
    record=st.one_of(st.none(), records()), status=_STATUSES, occurrence=_OCCURRENCES, alert_on_empty_list=st.booleans()
)
def test_a_callback_comes_to_the_same_whether_or_not_the_record_was_read_first(
    record: ExportFile | None, status: str, occurrence: datetime, alert_on_empty_list: bool
) -> None:
    item = news(CALLBACK, status, after(minutes=2), occurrence)
    rules = replace(RULES, alert_on_empty_list=alert_on_empty_list)

    assert taken(record, item, rules, reads=False) == taken(record, item, rules, reads=True)


def test_an_open_run_is_ended_without_reading_its_record() -> None:
    table, topics, clock = FakeTable(), FakeTopics(), Clock(after(minutes=2))
    files = export_files(table, topics, clock)
    files.apply(STARTED, None)
    table.calls.clear()

    assert files.apply_unread(READY, lambda: pytest.fail("the run is known"))

    assert table.calls == ["finish", "store"]
    assert table.only.href == STARTED.href
    assert table.only.notified_at
    assert topics.event_types == ["export_file.ready"]


def test_a_rehearsal_goes_the_whole_way_and_leaves_nothing() -> None:
    table, topics = FakeTable(), FakeTopics()

    export_files(table, topics, Clock()).rehearse()

    assert table.calls == ["finish", "store"]
    assert (table.records, topics.messages) == ({}, [])
