"""Mistakes planted in the product's code. Each must be found, or the exploration proves nothing."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from unittest import mock

from tests.explore.archive import Archiving
from tests.explore.delivery import Delivering
from tests.explore.engine import Explorer, Model, Result
from tests.explore.runs import Runs
from tests.fakes import ANNOUNCED
from webadmit_exports.archive import archive_file
from webadmit_exports.archive.archive_file import ArchiveFile, ArchiveOutcome
from webadmit_exports.archive.bucket import AlreadyThere, ArchiveBucket
from webadmit_exports.archive.download_limits import NotArchived
from webadmit_exports.archive.stored_file import StoredFile
from webadmit_exports.aws import table
from webadmit_exports.aws.clients import aws_errors
from webadmit_exports.aws.outgoing_bucket import Folder
from webadmit_exports.delivery import deliver_file
from webadmit_exports.delivery.columns import Columns
from webadmit_exports.delivery.deliver_file import DeliverFile
from webadmit_exports.delivery.names import partial_name
from webadmit_exports.delivery.progress import PATIENCE, Delivery, Phase
from webadmit_exports.delivery.telling import Hitch, Telling
from webadmit_exports.domain import lifecycle, second_chance
from webadmit_exports.domain.announcement import Announcement, event_id
from webadmit_exports.domain.delivered import Contents
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.second_chance import SecondChance
from webadmit_exports.domain.status import has_file
from webadmit_exports.domain.transition import Transition
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.file_messages import file_message
from webadmit_exports.messages.problems import Problem
from webadmit_exports.runs import start_one
from webadmit_exports.runs.poll import Poll
from webadmit_exports.runs.reconcile import ReconcileRuns
from webadmit_exports.runs.start import StartRuns
from webadmit_exports.runs.tracker import RunTracker

# How often each thing may happen in the scenarios in which the mistakes are looked for.
_ONE_OF_EACH = {"start 0": 1, "callback": 1, "sweep": 1, "end": 1}
_SECOND_CHANCE = {"start 0": 1, "end": 2, "sweep": 1, "second": 1, "tick": 1}
_TWO_SCHEDULED_TIMES = {"start 0": 1, "start 1": 1, "end": 2, "reuse": 1, "tick": 1}


@dataclass(frozen=True)
class Bug:
    """`instead` takes the place of `owner.name`; `budget` and `ticks`: the scenario that finds it."""

    what: str
    owner: Any
    name: str
    instead: Any
    budget: dict[str, int]
    ticks: tuple[int, ...] = (3,)
    model: Callable[[dict[str, int]], Model] = Runs

    def look(self) -> Result:
        """Explores the scenario with the mistake in the code."""
        with mock.patch.object(self.owner, self.name, self.instead):
            explorer = Explorer(self.model(self.budget), self.ticks)
            return explorer.explore(most_states=1_000_000, most_seconds=120, is_traced=True)


def _write(self: Any, record: ExportFile, **condition: Any) -> ExportFile:
    record = replace(record, version=uuid.uuid4().hex)
    with aws_errors("DynamoDB"):
        self._client.put_item(TableName=self._name, Item=table.to_item(record), **condition)
    return record


def _store_without_condition(self: Any, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
    return _write(self, record)


def _store_that_knows_no_own_write(self: Any, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
    stored = _STORE(self, record, replacing=replacing)
    answer = self._client._replay.answers[self._client._replay.position][0]
    if getattr(answer, "own", None):
        raise table.WriteConflict(stored)
    return stored


def _mark_first(self: Any, announcement: Announcement, record: ExportFile) -> None:
    self._finish(record, lambda current: lifecycle.mark_announced(current, announcement, self._now(), self._settings))
    self._topics.publish(file_message(announcement, self._writer))


def _publish_and_mark_anyway(self: Any, announcement: Announcement, record: ExportFile) -> None:
    with suppress(AwsUnavailable):
        self._topics.publish(file_message(announcement, self._writer))
    self._finish(record, lambda current: lifecycle.mark_announced(current, announcement, self._now(), self._settings))


def _claim_late_again(record: ExportFile, now: Any, settings: Any) -> Transition | None:
    return _CLAIM_IF_LATE(replace(record, overdue_at=None), now, settings)


def _claim_without_lease(record: ExportFile, event_type: Any, now: Any) -> Transition:
    claim = _CLAIM(record, event_type, now)
    return replace(claim, record=replace(claim.record, due_at=now - timedelta(seconds=1)))


def _claim_that_expires(record: ExportFile, event_type: Any, now: Any) -> Transition:
    return _CLAIM(replace(record, expires_at=now + timedelta(days=90)), event_type, now)


def _release_any(record: ExportFile, unannounced: Announcement, now: Any, settings: Any) -> Transition | None:
    if not lifecycle._is_pending(record, unannounced, settings):
        return None
    return Transition(record=replace(record, due_at=now, updated_at=now))


def _move_anywhere(record: ExportFile, update: Any, now: Any) -> ExportFile:
    return lifecycle._finish_or_wait(replace(record, status=update.status), update, now)


def _pending_whatever_the_event_id(record: ExportFile, announcement: Announcement, settings: Any) -> bool:
    return bool(record.finished_at) and not record.notified_at


def _give_up_what_the_list_lacks(self: Poll, file: ExportFile) -> None:
    self._give_up(file, self.now(), "not in the list")


def _new_event_id(self: Announcement) -> str:
    return event_id(self.event_type, self.export_file.export_file_id, self.export_file.due_at)


class _Unconditional:
    """A client of S3 that also stores over an object that is there."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **arguments: Any) -> None:
        self._client.put_object(**{name: value for name, value in arguments.items() if name != "IfNoneMatch"})


def _put_anyway(self: Any, *arguments: Any, **more: Any) -> StoredFile:
    self._client = _Unconditional(self._client)
    return _PUT(self, *arguments, **more)


def _put_and_note(self: Any, *arguments: Any, **more: Any) -> StoredFile:
    stored = _PUT(self, *arguments, **more)
    self.mark(stored, "receipt")
    return stored


def _note_delivery_too(self: Any, stored: StoredFile, tag: str) -> StoredFile:
    return replace(_MARK(self, stored.marked("delivery"), tag), tags={tag: "sent"})


def _start_before_the_receipt(self: Any, announced: Any, stored: StoredFile) -> None:
    if not stored.has_receipt:
        _START(self, announced, stored)


def _one_partial(name: str, sending: str) -> str:
    return partial_name(name, "1")


def _final_at_once(name: str, sending: str) -> str:
    return name


def _arrived_in_any_case(self: Any, delivery: Delivery) -> Delivery:
    result: Delivery = self._ask_for_list(delivery)
    return result


def _arrived_once_over(self: Any, delivery: Delivery) -> Delivery:
    if self.connector.sending(delivery.transfer_id).is_over:
        return _arrived_in_any_case(self, delivery)
    return delivery


def _told_once_over(self: Any, delivery: Delivery) -> Delivery:
    if not self.connector.sending(delivery.transfer_id).has_arrived:
        return delivery
    self.connector.rename(delivery.partial_path, delivery.path)
    result: Delivery = self._tell(delivery, Folder(files={}, is_cut_off=False))
    return result


def _told_unseen(self: Any, delivery: Delivery, folder: Folder) -> Delivery:
    if delivery.partial not in folder.files:
        result: Delivery = self._tell(delivery, folder)
        return result
    return _AFTER_LOOK(self, delivery, folder)


def _sent_until_seen(self: Any, delivery: Delivery, folder: Folder) -> Delivery:
    return _AFTER_LOOK(self, replace(delivery, must_be_seen=True), folder)


def _cleared_and_renamed(self: Any, delivery: Delivery) -> Delivery:
    self.connector.remove(delivery.path)
    return _RENAME(self, delivery)


def _refused_and_gone_is_taken(self: Any, delivery: Delivery) -> Delivery:
    try:
        return _RENAME(self, delivery)
    except Hitch as hitch:
        raise Hitch(delivery, hitch.problem, hitch.detail, hitch.then) from None


def _nobody_has_brought_it(self: Any, delivery: Delivery) -> bool:
    return False


def _noted_before_told(self: Any, delivery: Delivery, contents: Contents, added: Columns) -> Delivery:
    ended: Delivery = self._ended(delivery, Phase.DELIVERED, "")
    self.topics.publish(self.messages.delivered(delivery, added, repeated=False))
    return ended


def _told_each_time(self: Any, delivery: Delivery, contents: Contents, added: Columns) -> Delivery:
    self.topics.publish(self.messages.delivered(delivery, added, repeated=False))
    ended: Delivery = self._ended(delivery, Phase.DELIVERED, "")
    return ended


def _given_up_in_silence(self: Any, hitch: Hitch) -> Delivery:
    if self.now() - hitch.delivery.began_at >= PATIENCE:
        ended: Delivery = self._ended(hitch.delivery, Phase.GIVEN_UP, "")
        return ended
    return _HITCH(self, hitch)


def _done_anyway(self: Any, *arguments: Any) -> ArchiveOutcome:
    _ARCHIVE(self, *arguments)
    return ArchiveOutcome.ARCHIVED


def _done_where_another_is(self: Any, *arguments: Any) -> ArchiveOutcome:
    try:
        outcome: ArchiveOutcome = self._archive(ANNOUNCED, arguments[2], is_repeated=False)
    except AlreadyThere:
        return ArchiveOutcome.ALREADY_ARCHIVED
    except NotArchived:
        return ArchiveOutcome.DEFERRED
    return outcome


def _forget_what_is_not_ready(record: ExportFile, now: Any, settings: Any) -> Transition:
    settled = _SETTLE_READY(record, now, settings)
    return (
        settled
        if settled.claimed or not record.finished_at
        else replace(settled, record=replace(settled.record, due_at=None))
    )


def _claim_what_is_ready(record: ExportFile, now: Any, settings: Any) -> Transition | None:
    return _CLAIM_DUE(record, now, settings) if has_file(record.status) else None


def _mark_without_putting(self: ReconcileRuns, file: ExportFile, figures: Any) -> None:
    if self.tracker.has_second_chance(file):
        self.tracker.start_again(file, self.now())
    else:
        figures.announced += self.tracker.announce(file)


def _tell_without_looking(self: ReconcileRuns, file: ExportFile, figures: Any) -> None:
    if self.tracker.has_second_chance(file):
        _SETTLE_FILE(self, file, figures)
    else:
        figures.announced += self.tracker.announce(file)


def _start_again_whatever_was_marked(files: Any, chance: SecondChance, now: Any) -> ExportFile | None:
    failed = next((file for file in files if file.export_file_id == chance.after_failure), None)
    return failed if failed and second_chance.waits_for_second_run(failed) else None


def _chance_after_chance(record: ExportFile, now: Any, settings: Any) -> bool:
    return _HAS_SECOND_CHANCE(replace(record, after_failure=None), now, settings)


def _chance_for_the_forgotten(record: ExportFile, now: Any, settings: Any) -> bool:
    return _HAS_SECOND_CHANCE(replace(record, reason=None), now, settings)


def _in_no_place(self: ExportFile, *_: Any) -> ExportFile:
    return self


def _fails(budget: dict[str, int]) -> Runs:
    """Runs that fail."""
    return Runs(budget, ends=("Failed",))


def _are_empty(budget: dict[str, int]) -> Runs:
    """Runs without a file that are told at once."""
    return Runs(budget, ends=("Empty List",))


def _settle_though_leased(record: ExportFile, now: Any, settings: Any) -> Transition:
    return _SETTLE(replace(record, due_at=record.due_at and min(record.due_at, now)), now, settings)


def _late_though_leased(record: ExportFile, now: Any, settings: Any) -> Transition | None:
    return _CLAIM_IF_LATE(replace(record, due_at=now), now, settings)


def _late_at_once(record: ExportFile, now: Any, settings: Any) -> Transition | None:
    return _CLAIM_IF_LATE(record, now, replace(settings, overdue_after=timedelta(0)))


def _no_runs(self: Any, *_: Any) -> list[ExportFile]:
    list(_NEWEST(self, *_))
    return []


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


_PUT, _ARCHIVE = ArchiveBucket.put, ArchiveFile.archive
_MARK, _START = ArchiveBucket.mark, ArchiveFile._start_delivery
_AFTER_LOOK, _RENAME, _HITCH = DeliverFile._after_look, DeliverFile._rename, Telling.hitch
_STORE, _NEWEST = table.ExportFilesTable.store, table.ExportFilesTable.newest
_CLAIM, _CLAIM_IF_LATE, _SETTLE = lifecycle._claim, lifecycle._claim_if_late, lifecycle._settle
_SETTLE_READY, _CLAIM_DUE = lifecycle._settle_ready, lifecycle.claim_due
_SETTLE_FILE, _HAS_SECOND_CHANCE = ReconcileRuns._settle, second_chance.has_second_chance

BUGS = [
    Bug("a claim takes no lease", lifecycle, "_claim", _claim_without_lease, {**_ONE_OF_EACH, "tick": 1}, ticks=(1,)),
    Bug("a lease is too short", lifecycle, "LEASE", timedelta(minutes=1), {**_ONE_OF_EACH, "tick": 1}, ticks=(1,)),
    Bug(
        "a claim is made although another one lasts",
        lifecycle,
        "_settle",
        _settle_though_leased,
        {**_ONE_OF_EACH, "tick": 1},
        ticks=(1,),
    ),
    Bug(
        "a late run is claimed although another claim lasts",
        lifecycle,
        "_claim_if_late",
        _late_though_leased,
        {"start 0": 1, "sweep": 2, "tick": 2, "fault": 1},
        ticks=(1, 300),
    ),
    Bug("a run is late at once", lifecycle, "_claim_if_late", _late_at_once, {**_ONE_OF_EACH, "tick": 1}, ticks=(6,)),
    Bug("a late run is never reported", lifecycle, "_claim_if_late", _always(None), {"start 0": 1}),
    Bug(
        "an export is started though it has been",
        table.ExportFilesTable,
        "newest",
        _no_runs,
        {"start 0": 2, "end": 1},
    ),
    Bug("a lease is not given back", lifecycle, "release_claim", _always(None), {**_ONE_OF_EACH, "fault": 1}),
    Bug(
        "a lease that another process has taken is given back",
        lifecycle,
        "release_claim",
        _release_any,
        {**_ONE_OF_EACH, "fault": 1, "tick": 1},
    ),
    Bug(
        "a process that keeps no pace announces a failure",
        lifecycle,
        "_settle_ready",
        _SETTLE,
        _ONE_OF_EACH,
        model=_fails,
    ),
    Bug(
        "a failure is due for nobody", lifecycle, "_settle_ready", _forget_what_is_not_ready, _ONE_OF_EACH, model=_fails
    ),
    Bug(
        "the sweep announces ready files only", lifecycle, "claim_due", _claim_what_is_ready, _ONE_OF_EACH, model=_fails
    ),
    Bug(
        "an empty run has no lease while it is announced",
        lifecycle,
        "_claim",
        _claim_without_lease,
        {**_ONE_OF_EACH, "sweep": 2, "tick": 1},
        ticks=(1,),
        model=_are_empty,
    ),
    Bug("noted before it is published", RunTracker, "_publish", _mark_first, {**_ONE_OF_EACH, "crash": 1}),
    Bug(
        "noted although publishing failed",
        RunTracker,
        "_publish",
        _publish_and_mark_anyway,
        {**_ONE_OF_EACH, "fault": 1},
    ),
    Bug(
        "the version is not checked",
        table.ExportFilesTable,
        "store",
        _store_without_condition,
        {**_ONE_OF_EACH, "callback": 2},
    ),
    Bug(
        "an own write is not recognised",
        table.ExportFilesTable,
        "store",
        _store_that_knows_no_own_write,
        {**_ONE_OF_EACH, "fault": 1},
    ),
    Bug("an id that is used again is ignored", lifecycle, "is_a_new_run", _always(False), _TWO_SCHEDULED_TIMES),
    Bug(
        "a poll about the run before is believed",
        lifecycle,
        "may_be_about_an_earlier_run",
        _always(False),
        {**_TWO_SCHEDULED_TIMES, "callback": 1, "sweep": 1},
        ticks=(6,),
    ),
    Bug(
        "a callback speaks for every run of its id",
        ExportFile,
        "serves",
        _always(True),
        {**_TWO_SCHEDULED_TIMES, "callback": 1},
    ),
    Bug(
        "the announcement of the run before is noted for the next",
        lifecycle,
        "_is_pending",
        _pending_whatever_the_event_id,
        {**_TWO_SCHEDULED_TIMES, "callback": 1, "crash": 1},
    ),
    Bug(
        "a late run is reported again",
        lifecycle,
        "_claim_if_late",
        _claim_late_again,
        {"start 0": 1, "sweep": 2, "tick": 2},
        ticks=(300,),
    ),
    Bug("a record expires before it is announced", lifecycle, "_claim", _claim_that_expires, _ONE_OF_EACH),
    Bug("a record moves backwards", lifecycle, "_move", _move_anywhere, {**_ONE_OF_EACH, "tick": 1}, ticks=(6,)),
    Bug(
        "a repeated announcement has a new event id",
        Announcement,
        "event_id",
        property(_new_event_id),
        {**_ONE_OF_EACH, "crash": 1, "tick": 1},
    ),
    Bug(
        "what the list of runs lacks has failed",
        Poll,
        "_ask_about_one",
        _give_up_what_the_list_lacks,
        {**_ONE_OF_EACH, "fault": 1, "tick": 1},
        ticks=(6,),
    ),
    Bug(
        "nobody announces what a process has left", RunTracker, "announce", _always(False), {**_ONE_OF_EACH, "crash": 1}
    ),
    Bug(
        "a start without an answer is given up",
        start_one,
        "problem_of",
        _always(Problem.REJECTED),
        {**_ONE_OF_EACH, "fault": 3},
    ),
    Bug(
        "a start that is retried is forgotten",
        StartRuns,
        "retry",
        _always([]),
        {**_ONE_OF_EACH, "fault": 3, "retry": 1},
    ),
    Bug(
        "a second start is marked and never put into the queue",
        ReconcileRuns,
        "_settle",
        _mark_without_putting,
        _SECOND_CHANCE,
        model=_fails,
    ),
    Bug(
        "a second start counts that was not the marked one",
        second_chance,
        "to_start_again",
        _start_again_whatever_was_marked,
        {**_SECOND_CHANCE, "sweep": 2, "fault": 1},
        ticks=(16,),
        model=_fails,
    ),
    Bug(
        "a second run has a second chance too",
        second_chance,
        "has_second_chance",
        _chance_after_chance,
        {**_SECOND_CHANCE, "sweep": 2},
        ticks=(16,),
        model=_fails,
    ),
    Bug(
        "a run that WebAdMIT has forgotten is started again",
        second_chance,
        "has_second_chance",
        _chance_for_the_forgotten,
        {**_SECOND_CHANCE, "end": 0, "forgotten": 1},
        ticks=(16,),
    ),
    Bug(
        "a failure is told without a look for its second run",
        ReconcileRuns,
        "_settle",
        _tell_without_looking,
        {**_SECOND_CHANCE, "sweep": 2, "crash": 1, "tick": 2},
        ticks=(16, 800),
        model=_fails,
    ),
    Bug(
        "a failed run does not give way to its second run",
        RunTracker,
        "give_way",
        _always(False),
        _SECOND_CHANCE,
        ticks=(16,),
        model=_fails,
    ),
    Bug(
        "a run is started again beside a newer one",
        second_chance,
        "newer_run",
        _always(None),
        {**_SECOND_CHANCE, "start 1": 1},
        ticks=(16,),
        model=_fails,
    ),
    Bug(
        "a second start that is given up is told nobody",
        RunTracker,
        "without_second_run",
        _always(False),
        {**_SECOND_CHANCE, "start 1": 1},
        ticks=(16,),
        model=_fails,
    ),
    Bug(
        "a run that takes over the record of a failed one forgets the failure",
        ExportFile,
        "in_the_place_of",
        _in_no_place,
        _TWO_SCHEDULED_TIMES,
        ticks=(6,),
        model=_fails,
    ),
    Bug(
        "a file is stored over the one that is there",
        ArchiveBucket,
        "put",
        _put_anyway,
        {"delivery": 2},
        model=Archiving,
    ),
    Bug(
        "a receipt is noted before it is sent",
        ArchiveBucket,
        "put",
        _put_and_note,
        {"delivery": 1, "crash": 1},
        model=Archiving,
    ),
    Bug(
        "nobody waits for the process that has stored the file",
        archive_file,
        "LEASE",
        timedelta(0),
        {"delivery": 2},
        model=Archiving,
    ),
    Bug(
        "a delivery that meets another one is taken for done",
        ArchiveFile,
        "archive",
        _done_where_another_is,
        {"delivery": 2, "crash": 1},
        model=Archiving,
    ),
    Bug(
        "a delivery that has failed is taken for done",
        ArchiveFile,
        "archive",
        _done_anyway,
        {"delivery": 1, "fault": 3},
        model=Archiving,
    ),
    Bug(
        "a delivery is noted with the receipt, before it is started",
        ArchiveBucket,
        "mark",
        _note_delivery_too,
        {"delivery": 1, "crash": 1},
        model=Archiving,
    ),
    Bug(
        "a delivery is started only with the receipt",
        ArchiveFile,
        "_start_delivery",
        _start_before_the_receipt,
        {"delivery": 1},
        model=Archiving,
    ),
    Bug(
        "all sendings have one name on the server",
        deliver_file,
        "partial_name",
        _one_partial,
        {"step": 8, "lost": 1},
        model=Delivering,
    ),
    Bug(
        "a file is sent under its final name",
        deliver_file,
        "partial_name",
        _final_at_once,
        {"step": 2},
        model=Delivering,
    ),
    Bug(
        "a file is renamed while it is sent",
        DeliverFile,
        "_watch",
        _arrived_in_any_case,
        {"step": 6},
        model=Delivering,
    ),
    Bug(
        "a sending that has failed is taken for done",
        DeliverFile,
        "_watch",
        _arrived_once_over,
        {"step": 6, "break": 1},
        model=Delivering,
    ),
    Bug(
        "a rename is believed and not looked at",
        DeliverFile,
        "_watch",
        _told_once_over,
        {"step": 6},
        model=Delivering,
    ),
    Bug(
        "a file that nobody has seen is taken for delivered",
        DeliverFile,
        "_after_look",
        _told_unseen,
        {"step": 6, "clean": 1},
        model=Delivering,
    ),
    Bug(
        "a file that was taken is sent again",
        DeliverFile,
        "_after_look",
        _sent_until_seen,
        {"step": 8, "take": 1},
        model=Delivering,
    ),
    Bug(
        "another file under the final name is removed with each rename",
        DeliverFile,
        "_rename",
        _cleared_and_renamed,
        {"step": 8, "lost": 1},
        model=Delivering,
    ),
    Bug(
        "a file that is gone long after its rename was refused is taken for delivered",
        DeliverFile,
        "_rename",
        _refused_and_gone_is_taken,
        {"step": 8, "break": 1, "clean": 1, "tick": 1},
        ticks=(6,),
        model=Delivering,
    ),
    Bug(
        "what another delivery has brought is sent again",
        Telling,
        "is_delivered",
        _nobody_has_brought_it,
        {"step": 6, "again": 1},
        model=Delivering,
    ),
    Bug(
        "a delivery is noted before it is told",
        Telling,
        "delivered",
        _noted_before_told,
        {"step": 6},
        model=Delivering,
    ),
    Bug(
        "a step that is repeated tells again",
        Telling,
        "delivered",
        _told_each_time,
        {"step": 6, "lost": 1},
        model=Delivering,
    ),
    Bug(
        "a delivery is given up in silence",
        Telling,
        "hitch",
        _given_up_in_silence,
        {"step": 3, "break": 1, "tick": 1},
        ticks=(800,),
        model=Delivering,
    ),
]
