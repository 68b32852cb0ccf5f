"""One export: starts, callbacks and sweeps of the product over one table, and a WebAdMIT that does as it likes."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tests.explore.engine import Call, Effect, Event, Process, Raised, Replay, RunAlone
from tests.explore.ports import (
    CURRENT,
    DONE,
    EXCUSED,
    HELD,
    LEASE,
    MIDNIGHT,
    OLD,
    OWN,
    Conflict,
    DynamoDb,
    Published,
    QueuePort,
    Run,
    Second,
    Seen,
    Stored,
    TopicsPort,
    WebAdmitPort,
    as_explored,
    no_answer_from_aws,
    no_answer_from_sns,
    no_answer_from_webadmit,
    not_known,
    number_of,
    scheduled_for,
)
from tests.fakes import EXPORT, SETTINGS, SIGNING_KEY, WRITER, FakeKeys, FakeLabels, stand_in
from webadmit_exports.aws.start_queue import RETRY_EVERY, Delivery
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.announcement import EventType
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.second_chance import SecondChance, has_second_run, waits_for_second_run
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.domain.status import is_finished, progress_of
from webadmit_exports.errors import AwsUnavailable, WebAdmitExportsError
from webadmit_exports.runs.reannounce import Reannounce
from webadmit_exports.runs.receive import CallbackCall, NotFound, ReceiveCallback
from webadmit_exports.runs.reconcile import ReconcileRuns, SweepIncomplete
from webadmit_exports.runs.start import StartRuns
from webadmit_exports.runs.tracker import RunTracker

_PLENTY = 1e9  # seconds left
_RETRY_MINUTES = RETRY_EVERY // timedelta(minutes=1)
_OUTCOMES = {
    "Available": EventType.READY,
    "Success With Errors": EventType.READY,
    "Failed": EventType.FAILED,
    "Empty List": EventType.EMPTY,
}
# What went wrong so far: nothing; something after which nobody has to wait; something that may leave a lease behind.
_NOTHING, _HARMLESS, _ORPHANED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Heard:
    """What subscribers heard under one event id. `run`: its place in `Night.runs`; `until`: the end of its lease."""

    event_id: str
    event_type: str
    run: int
    times: int
    stands: str
    until: int
    was_late: bool = False  # its process had paused for longer than its lease

    def may_be_repeated(self, clock: int) -> bool:
        """Whether what has become of the process that published it explains that another one does too."""
        return self.stands == EXCUSED or (self.stands == HELD and self.until <= clock)


@dataclass(frozen=True, slots=True)
class Night:
    """What the processes share.

    `posts`: how many starts WebAdMIT has taken; `begun`: scheduled times whose start has begun; `owed`: kinds of
    processes, with scheduled times, that have not ended well; `queued`: what waits in the retry queue, and `again` the
    second starts there; `replaced`: the failed runs in whose place a second run was recorded; `recorded`: the file
    id, the beginning and the number of each run that a record was begun for; `answered`: the numbers of the runs
    that starts were answered with which have written it down, and ended well.
    """

    records: tuple[ExportFile, ...] = ()
    runs: tuple[Run, ...] = ()
    posts: int = 0
    again: tuple[Second, ...] = ()
    replaced: tuple[int, ...] = ()
    heard: tuple[Heard, ...] = ()
    begun: tuple[int, ...] = ()
    owed: tuple[tuple[str, int], ...] = ()
    queued: tuple[int, ...] = ()
    recorded: tuple[tuple[int, datetime, int], ...] = ()
    answered: tuple[int, ...] = ()
    went_wrong: int = _NOTHING

    def record(self, file_id: int) -> ExportFile | None:
        return next((one for one in self.records if one.export_file_id == file_id), None)

    def run_of(self, file_id: int, started_at: datetime) -> Run | None:
        """The run that a record with that beginning is about."""
        found = [number for *of, number in self.recorded if of == [file_id, started_at]]
        return self.runs[found[0]] if found else None


@dataclass(frozen=True)
class Runs:
    """`budget`: how often each of `kinds` may happen, and `crash` and `tick`. `ends`: the statuses that runs end with.

    `start 0` and `start 1` are starts for two scheduled times; `end` and `forgotten` happen to a run, `reuse` to an id.
    `second` is a second start that the queue brings, `last` the same for the last time; `itself`: WebAdMIT answers it
    with the failed run.
    """

    budget: dict[str, int]
    ends: tuple[str, ...] = ("Available",)
    kinds = (
        *("start 0", "start 1", "retry", "second", "last", "callback", "sweep", "reannouncement"),
        *("end", "forgotten", "reuse", "itself", "fault"),
    )

    def as_explored(self) -> AbstractContextManager[None]:
        return as_explored()

    def begin(self) -> Night:
        return Night()

    def time(self, clock: int, shared: Night) -> int:
        """Minutes, and how many starts WebAdMIT has taken: what comes after one of them is later than it."""
        return clock * 1000 + shared.posts

    def to_time(self, number: int) -> datetime:
        return MIDNIGHT + timedelta(minutes=number // 1000, microseconds=number % 1000)

    # ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, process: Process, replay: Replay) -> Hashable:
        records, topics = ExportFilesTable(stand_in(DynamoDb(replay)), ""), stand_in(TopicsPort(replay))
        tracker = RunTracker(records, topics, WRITER, SETTINGS, replay.now)
        everything: dict[str, Any] = {"table": records, "tracker": tracker}
        if process.kind == "callback":
            return self._take_callback(process.about, replay, everything)
        if process.kind == "reannouncement":
            with suppress(WebAdmitExportsError):
                Reannounce(**everything).announce(
                    {"export_id": EXPORT.export_id, "export_file_id": process.about}, lambda: _PLENTY
                )
            return None
        everything |= {
            "webadmit": WebAdmitPort(replay),
            "api_key": FakeKeys(),
            "topics": topics,
            "writer": WRITER,
            "now": replay.now,
            "start_queue": stand_in(QueuePort(replay)),
        }
        if process.kind == "sweep":
            with suppress(SweepIncomplete, WebAdmitExportsError):
                ReconcileRuns(**everything).sweep(lambda: _PLENTY)
            return None
        starts = StartRuns(
            **everything,
            signing_keys=stand_in(FakeKeys()),
            callback_url="",
            labels=stand_in(FakeLabels()),
            resolve_names=stand_in(None),  # exports are listed as pairs
            clock=lambda: 0.0,
            sleep=lambda _: None,
        )
        second = process.about if isinstance(process.about, Second) else None
        request = StartRequest(
            entries=(EXPORT,),
            scheduled_for=scheduled_for(second.number if second else int(str(process.about))),
            second_chance=SecondChance(after_failure=second.file_id, again_at=second.again_at) if second else None,
        )
        try:
            if process.kind in ("retry", "second", "last"):
                delivery = Delivery(
                    message_id="message",
                    request=request,
                    is_last=process.kind == "last",
                    is_failed_invocation=False,
                )
                return "stays" if starts.retry([delivery], lambda: _PLENTY) else "done"
            starts.start(request, lambda: _PLENTY)
        except AwsUnavailable:
            return "stays"
        return "done"

    def _take_callback(self, about: Any, replay: Replay, everything: dict[str, Any]) -> Hashable:
        file_id, status, number = about
        callback_url = CallbackUrl(export=EXPORT, scheduled_for=scheduled_for(number))
        *_, identity, export, occurrence, signature = callback_url.signed("", SIGNING_KEY).split("/")
        parts = {"user_identity_id": identity, "export_id": export, "occurrence": occurrence, "signature": signature}
        form = f"export_file[id]={file_id}&export_file[export_id]={EXPORT.export_id}&export_file[status]={status}"
        callbacks = ReceiveCallback(
            signing_keys=stand_in(FakeKeys()),
            now=replay.now,
            sleep=lambda _: None,
            **everything,
        )
        with suppress(NotFound, AwsUnavailable):
            callbacks.receive(CallbackCall(segments=parts, body=form))
        return None

    # ── What the world does ─────────────────────────────────────────────────────────────────────────────────────────

    def events(self, shared: Night, clock: int) -> Iterator[Event]:
        for number in (0, 1):
            if clock >= number:
                owed = _with(shared.owed, ("start", number))
                begun = replace(shared, begun=_with(shared.begun, number), owed=owed)
                yield Event(f"the start for 00:0{number} begins", begun, f"start {number}", ("start", number))
        for number in shared.queued:
            rest = _without(shared.queued, number)
            taken = replace(shared, queued=rest, owed=_with(shared.owed, ("retry", number)))
            yield Event(f"the retry queue brings the start for 00:0{number}", taken, "retry", ("retry", number))
        for second in shared.again:
            if self.to_time(clock * 1000) - second.again_at >= RETRY_EVERY:
                taken = replace(shared, again=_without(shared.again, second))
                yield Event(f"the retry queue brings {second}", taken, "second", ("second", second))
                yield Event(f"the retry queue brings {second} for the last time", taken, "last", ("last", second))
        yield Event("a sweep begins", shared, "sweep", ("sweep", ""))
        for run in shared.runs:
            if is_finished(run.status):
                newer = [number for later in shared.runs[run.number + 1 :] if later.file_id == run.file_id
                         for number in later.asked]  # fmt: skip
                for number in run.asked:
                    if number in newer:
                        continue  # a known limit: a second run with the id of the first has its address too
                    about = (run.file_id, run.status, number)
                    yield Event(f"WebAdMIT calls back: {about}", shared, "callback", ("callback", about))
        for record in shared.records:
            yield Event(
                "a person has it announced again", shared, "reannouncement", ("reannouncement", record.export_file_id)
            )
        if shared.runs and shared.runs[-1].is_open:
            last = shared.runs[-1]
            for status in self.ends:
                yield Event(f"the run ends: {status}", _with_last(shared, replace(last, status=status)), "end")
            yield Event("WebAdMIT forgets the run", _with_last(shared, replace(last, is_forgotten=True)), "forgotten")

    def effects(self, call: Call, process: Process, shared: Night, clock: int) -> Iterator[Effect]:
        ways: dict[str, Callable[..., Iterator[Effect]]] = {
            "reads the record": self._read,
            "lists the export's runs": self._list_all,
            "lists what is due": self._list_due,
            "writes the record": self._write,
            "publishes": self._publish,
            "starts a run": self._start,
            "asks for the list of runs": self._ask_for_list,
            "asks about the run": self._ask_about,
            "puts the start on the retry queue": self._queue,
            "puts the second start on the retry queue": self._queue_second,
        }
        for effect in ways[call.name](process, shared, clock, *call.arguments):
            yield replace(effect, label=f"{call.name}{effect.label}")

    def _read(self, process: Process, shared: Night, clock: int, file_id: int) -> Iterator[Effect]:
        yield from self._reading(shared, [one for one in shared.records if one.export_file_id == file_id])

    def _list_all(self, process: Process, shared: Night, clock: int) -> Iterator[Effect]:
        yield from self._reading(shared, sorted(shared.records, key=lambda one: -one.export_file_id))

    def _list_due(self, process: Process, shared: Night, clock: int, now: str) -> Iterator[Effect]:
        due = [one for one in shared.records if one.due_at and one.due_at <= datetime.fromisoformat(now)]
        yield from self._reading(shared, sorted(due, key=lambda one: (one.due_at, one.export_file_id)))

    def _reading(self, shared: Night, found: Iterable[ExportFile]) -> Iterator[Effect]:
        yield Effect("", Seen(tuple((one, CURRENT) for one in found)), shared)
        yield Effect(", unanswered", Raised(no_answer_from_aws), _wrong(shared, _HARMLESS), costs="fault")

    def _write(
        self, process: Process, shared: Night, clock: int, record: ExportFile, checks: str | None
    ) -> Iterator[Effect]:
        current = shared.record(record.export_file_id)
        holds = {
            None: current is None,
            "any": True,
            CURRENT: current is not None,
            OLD: False,
            OWN: (last := _last_write_of(process, record.export_file_id)) is not None and last.is_fresh,
        }[checks]
        held = _held_by(process, shared)
        unanswered = Raised(no_answer_from_aws)
        failed = _wrong(_standing(shared, held, EXCUSED), _ORPHANED)
        if not holds:
            yield Effect(", but somebody else has written", Conflict(current, CURRENT), shared)
            yield Effect(", unanswered", unanswered, failed, costs="fault")
            return
        written = replace(shared, records=_with_record(shared.records, record))
        if current is None or current.started_at != record.started_at:
            begun = (record.export_file_id, record.started_at, _answer_of(process))
            written = replace(written, recorded=_with(shared.recorded, begun))
        notes = held and (record.notified_at or (record.overdue_at and held.event_type == EventType.OVERDUE))
        if notes:
            written = _standing(written, held, DONE)
        repeatable = tuple((one.event_id, one.times) for one in shared.heard if one.may_be_repeated(clock))
        decided_at = process.answers[-1][1] // 1000
        stored = Stored(record.export_file_id, record.started_at, decided_at + LEASE, repeatable)
        wrong = _wrong_write(current, record, shared, process)
        if record.after_failure and (current is None or current.after_failure != record.after_failure):
            written = self._with_second_run(written, shared.record(record.after_failure), record, process, clock)
        what = _in_words(record)
        yield Effect(f": {what}", stored, written, outdates=record.export_file_id, violation=wrong)
        yield Effect(", unanswered", unanswered, failed, costs="fault")
        lost = _wrong(written if notes else _standing(written, held, EXCUSED), _ORPHANED)
        yield Effect(f": {what}, but the answer is lost", unanswered, lost, "fault", record.export_file_id, wrong)
        repeated = Conflict(record, OWN, own=stored)
        noted = _wrong(written, _HARMLESS)
        yield Effect(f": {what}, and botocore repeats it", repeated, noted, "fault", record.export_file_id, wrong)

    def _with_second_run(
        self, written: Night, failed: ExportFile | None, record: ExportFile, process: Process, clock: int
    ) -> Night:
        """A second run was recorded in the place of the failed one.

        Not where the second start was answered with the failed run itself, or has paused for a quarter of an hour; nor
        where a newer run has taken over the record of the failed one meanwhile.
        """
        run = written.run_of(failed.export_file_id, failed.started_at) if failed else None
        if failed is None or run is None or run.number == _answer_of(process):
            return written
        looked_at = next((time // 1000 for answer, time in reversed(process.answers) if isinstance(answer, Seen)), 0)
        is_in_time = failed.again_at and clock - looked_at < _RETRY_MINUTES
        if is_in_time or failed.export_file_id == record.export_file_id:
            return replace(written, replaced=_with(written.replaced, run.number))
        return written

    def _publish(self, process: Process, shared: Night, clock: int, said: tuple[Any, ...]) -> Iterator[Effect]:
        event_type, event_id, file_id, status, repeated = said
        refused = Raised(no_answer_from_sns)
        if file_id is None:  # about a start
            yield Effect(f" {event_type}", Published("", 0), shared)
            yield Effect(f" {event_type}, not taken", refused, _wrong(shared, _HARMLESS), costs="fault")
            return
        label = f" {event_type} {status} of file {file_id}"
        claim = _last_write_of(process)
        if repeated or claim is None:
            same = [run for run in shared.runs if run.file_id == file_id and _happened(run, event_type, status)]
            wrong = "" if repeated and same else f"{event_type} did not happen"
            if any(one.event_id == event_id for one in shared.heard) != any(
                (one.run, one.event_type) == (run.number, event_type) for one in shared.heard for run in same
            ):
                wrong = "an announcement that is sent again has another event id"
            yield Effect(f"{label} again", Published(event_id, 0), shared, violation=wrong)
            return
        run = shared.run_of(file_id, claim.started_at)
        wrong_teller = event_type != EventType.READY and process.kind != "sweep"
        wrong = "" if run and _happened(run, event_type, status) else f"{event_type} did not happen"
        if event_type == EventType.OVERDUE and self._age(claim.started_at, clock) < SETTINGS.overdue_after:
            wrong = "a run is reported as late that is not"
        if event_type == EventType.FAILED and _is_replaced(shared, run):
            wrong = "a failure is told that was started again"
        if wrong_teller:
            wrong = f"{event_type} is announced by a process that keeps no pace"
        number = run.number if run else -1
        before = next((one for one in shared.heard if one.event_id == event_id), None)
        if any((one.run, one.event_type) == (number, event_type) for one in shared.heard if one is not before):
            wrong = wrong or "one outcome has two event ids"
        is_late = claim.until <= clock
        if before and not (
            is_late or before.was_late or before.stands == EXCUSED or (event_id, before.times) in claim.repeatable
        ):
            wrong = wrong or "an announcement is repeated, and nothing explains it"
        times = before.times + 1 if before else 1
        heard = Heard(event_id, event_type, number, times, HELD, claim.until, is_late)
        others = tuple(one for one in shared.heard if one is not before)
        told = replace(shared, heard=tuple(sorted((*others, heard), key=lambda one: one.event_id)))
        yield Effect(label, Published(event_id, times), told, violation=wrong)
        yield Effect(f"{label}, not taken", refused, _wrong(shared, _HARMLESS), costs="fault")
        lost = _wrong(_standing(told, heard, EXCUSED), _HARMLESS)
        yield Effect(f"{label}, but the answer is lost", refused, lost, "fault", violation=wrong)

    def _start(self, process: Process, shared: Night, clock: int, number: int) -> Iterator[Effect]:
        unanswered = Raised(no_answer_from_webadmit)
        wrong = "an export is started again that was recorded as started" if _has_seen_started(process, number) else ""
        if isinstance(process.about, Second):
            wrong = _wrong_second_start(process, process.about)
        for effect in self._starting(process, shared, number, _NOTHING):
            yield replace(effect, violation=wrong)
        yield Effect(", unanswered, nothing done", unanswered, _wrong(shared, _HARMLESS), costs="fault")
        for effect in self._starting(process, shared, number, _HARMLESS):
            if not effect.costs:
                yield replace(effect, label=f"{effect.label}, but the answer is lost", answer=unanswered, costs="fault")

    def _starting(self, process: Process, shared: Night, number: int, wrong: int) -> Iterator[Effect]:
        taken = _wrong(replace(shared, posts=shared.posts + 1), wrong)
        last = shared.runs[-1] if shared.runs else None
        if last and last.is_open:
            joined = replace(last, asked=_with(last.asked, number))
            yield Effect(", joins", joined, _with_last(taken, joined))
            return
        newest = max((run.file_id for run in shared.runs), default=0)
        fresh = Run(len(shared.runs), newest + 1, asked=(number,))
        yield Effect("", fresh, replace(taken, runs=(*taken.runs, fresh)))
        second = process.about if isinstance(process.about, Second) else None
        if last and second and last.file_id == second.file_id and not last.is_forgotten:
            yield Effect(", answered with the failed run itself", last, taken, "itself")
        if last and (second or number not in last.asked) and self._is_known_to_have_ended(last, process, shared):
            reused = replace(fresh, file_id=last.file_id)
            yield Effect(", with an id that was used", reused, replace(taken, runs=(*taken.runs, reused)), "reuse")
        at_once = replace(fresh, status=self.ends[0])
        yield Effect(", which has ended at once", at_once, replace(taken, runs=(*taken.runs, at_once)), "end")

    def _is_known_to_have_ended(self, run: Run, process: Process, shared: Night) -> bool:
        """Before the start was sent: else nobody could tell a new run under that id from a join."""
        record = shared.record(run.file_id)
        sent_at = self.to_time(process.answers[-1][1])
        return record is not None and record.finished_at is not None and record.finished_at < sent_at

    def _ask_for_list(self, process: Process, shared: Night, clock: int) -> Iterator[Effect]:
        newest = {run.file_id: run for run in shared.runs if not run.is_forgotten}
        yield Effect("", tuple(newest.values()), shared)
        unanswered = Raised(no_answer_from_webadmit)
        yield Effect(", unanswered", unanswered, _wrong(shared, _HARMLESS), costs="fault")
        if newest:
            yield Effect(", which is empty", (), _wrong(shared, _HARMLESS), costs="fault")

    def _ask_about(self, process: Process, shared: Night, clock: int, file_id: int) -> Iterator[Effect]:
        newest = next((run for run in reversed(shared.runs) if run.file_id == file_id), None)
        known = newest if newest and not newest.is_forgotten else Raised(not_known)
        yield Effect("", known, shared)
        yield Effect(", unanswered", Raised(no_answer_from_webadmit), _wrong(shared, _HARMLESS), costs="fault")

    def _queue(self, process: Process, shared: Night, clock: int, number: int) -> Iterator[Effect]:
        yield from self._putting(shared, replace(shared, queued=_with(shared.queued, number)))

    def _queue_second(self, process: Process, shared: Night, clock: int, second: Second) -> Iterator[Effect]:
        record = shared.record(second.file_id)
        if record and record.again_at == second.again_at:  # of another sweep, at the very microsecond
            yield Effect("", "taken", shared)
            return
        yield from self._putting(shared, replace(shared, again=_with(shared.again, second)))

    def _putting(self, shared: Night, queued: Night) -> Iterator[Effect]:
        refused = Raised(no_answer_from_sns)
        yield Effect("", "taken", queued)
        yield Effect(", not taken", refused, _wrong(shared, _HARMLESS), costs="fault")
        yield Effect(", but the answer is lost", refused, _wrong(queued, _HARMLESS), costs="fault")

    def _age(self, started_at: datetime, clock: int) -> timedelta:
        return self.to_time(clock * 1000 + 999) - started_at

    # ── What becomes of processes ───────────────────────────────────────────────────────────────────────────────────

    def remembers(self, process: Process) -> Hashable:
        writes = {one.file_id: one for one, _ in process.answers if isinstance(one, Stored)}
        writes |= {one.own.file_id: one.own for one, _ in process.answers if isinstance(one, Conflict) and one.own}
        last_writes = {file_id: _last_write_of(process, file_id) for file_id in (0, *sorted(writes))}
        published = next(
            (one for one, _ in reversed(process.answers) if isinstance(one, Published) and one.times), None
        )
        has_seen = process.kind in ("start", "retry") and _has_seen_started(process, int(str(process.about)))
        answers = (_answer_of(process), _answer_of(process, recorded=True))
        return (tuple(last_writes.items()), published, answers, has_seen)

    def outdated(self, answer: Hashable, what: Hashable) -> Hashable:
        if isinstance(answer, Seen):
            return Seen(tuple((one, OLD if one.export_file_id == what else version) for one, version in answer.records))
        if isinstance(answer, Stored) and answer.file_id == what:
            return replace(answer, is_fresh=False)
        if isinstance(answer, Conflict) and answer.found and answer.found.export_file_id == what:
            if answer.own:
                return replace(answer, own=replace(answer.own, is_fresh=False))
            return replace(answer, version=OLD)
        return answer

    def ended(self, process: Process, outcome: Hashable, shared: Night) -> Night:
        shared = _standing(shared, _held_by(process, shared), DONE)
        if outcome == "done":
            run = _answer_of(process, recorded=True)
            answered = shared.answered if run is None else _with(shared.answered, run)
            owed = _without(shared.owed, (process.kind, process.about))
            if isinstance(process.about, Second) and not _is_marked(shared, process.about):
                shared = _wrong(shared, _HARMLESS)  # its sweep has paused for a quarter of an hour: the insurance tells
            return replace(shared, answered=answered, owed=owed)
        if outcome == "stays":
            return _back_in_the_queue(shared, process)
        return shared

    def died(self, process: Process, shared: Night) -> Night:
        shared = _wrong(_standing(shared, _held_by(process, shared), EXCUSED), _ORPHANED)
        return _back_in_the_queue(shared, process)

    # ── What must hold ──────────────────────────────────────────────────────────────────────────────────────────────

    def when_idle(self, shared: Night, clock: int) -> str:
        if shared.went_wrong == _ORPHANED:
            return ""
        now = self.to_time(clock * 1000 + 999)
        for record in shared.records:
            if waits_for_second_run(record):
                is_queued = any(
                    (one.file_id, one.again_at) == (record.export_file_id, record.again_at) for one in shared.again
                )
                if not is_queued and shared.went_wrong == _NOTHING and record.due_at and record.due_at > now:
                    return f"the second start after file {record.export_file_id} is lost"
            elif record.finished_at and not record.notified_at and record.due_at and record.due_at > now:
                return "an announcement waits for a lease that nobody holds"
        if shared.went_wrong == _NOTHING:
            for run in shared.runs:
                if _is_superseded(shared, run) and not _was_heard(shared, run) and run.number not in shared.replaced:
                    return f"the end of a run of file {run.file_id} was never announced"
        return ""

    def after_recovery(self, shared: Night, clock: int, run_alone: RunAlone) -> str:
        if not self._open(shared):
            return ""
        for number in sorted({number for _, number in shared.owed} | set(shared.queued)):
            shared, wrong = run_alone("start", number, shared, clock + 15)
            if wrong:
                return f"{wrong}, after faults have stopped"
        clock += 15
        if shared.runs and shared.runs[-1].is_open and shared.record(shared.runs[-1].file_id):
            for _ in range(2):
                clock += 300
                shared, wrong = run_alone("sweep", "", shared, clock)
                if wrong:
                    return f"{wrong}, after faults have stopped"
            record = shared.record(shared.runs[-1].file_id)
            if record and not record.finished_at and not record.overdue_at:
                return "a run that is late is never reported"
        for _ in range(8):
            clock += 130
            shared, wrong = self._sweep_alone(shared, clock, run_alone)
            if wrong:
                return f"{wrong}, after faults have stopped"
            if not (still := self._open(replace(shared, owed=(), queued=()))):
                return ""
        return still

    def _sweep_alone(self, shared: Night, clock: int, run_alone: RunAlone) -> tuple[Night, str]:
        """The last run ends, a sweep runs, and the queue brings what it put there."""
        if shared.runs and shared.runs[-1].is_open:
            shared = _with_last(shared, replace(shared.runs[-1], status=self.ends[0]))
        shared, wrong = run_alone("sweep", "", shared, clock)
        for second in shared.again:
            shared = replace(shared, again=_without(shared.again, second))
            shared, wrong_then = run_alone("second", second, shared, clock + 15)
            wrong = wrong or wrong_then
        return shared, wrong

    def _open(self, shared: Night) -> str:
        """What is still to be done; empty if nothing is."""
        if shared.owed or shared.queued or shared.again:
            return "a start is owed"
        for number in shared.begun:
            if not any(number <= number_of(record.scheduled_for) for record in shared.records):
                return f"the start for 00:0{number} is lost"
        for record in shared.records:
            if record.due_at or not (record.notified_at or has_second_run(record)):
                return f"file {record.export_file_id} is never at rest"
        for record in shared.records:
            run = shared.run_of(record.export_file_id, record.started_at)
            is_settled = _is_replaced(shared, run) or has_second_run(record)
            if run and not (is_settled or _is_superseded(shared, run) or _was_heard(shared, run)):
                return f"the end of the run of file {run.file_id} is never announced"
        for run in (shared.runs[number] for number in shared.answered):
            if not any(_was_heard(shared, one) for one in shared.runs[run.number :]):
                return f"the end of the run of file {run.file_id}, or of a newer one, is never announced"
        return ""


def _with(ones: tuple[Any, ...], one: Any) -> tuple[Any, ...]:
    return tuple(sorted({*ones, one}))


def _without(ones: tuple[Any, ...], one: Any) -> tuple[Any, ...]:
    return tuple(other for other in ones if other != one)


def _with_last(shared: Night, run: Run) -> Night:
    return replace(shared, runs=(*shared.runs[:-1], run))


def _with_record(records: tuple[ExportFile, ...], record: ExportFile) -> tuple[ExportFile, ...]:
    others = [one for one in records if one.export_file_id != record.export_file_id]
    return tuple(sorted((*others, record), key=lambda one: one.export_file_id))


def _back_in_the_queue(shared: Night, process: Process) -> Night:
    """Its message comes back, unless SQS has brought it for the last time."""
    if process.kind == "retry":
        return replace(shared, queued=_with(shared.queued, process.about))
    if process.kind == "second":
        return replace(shared, again=_with(shared.again, process.about))
    return shared


def _is_marked(shared: Night, second: Second) -> bool:
    record = shared.record(second.file_id)
    return record is not None and record.again_at is not None


def _is_replaced(shared: Night, run: Run | None) -> bool:
    """Whether a second run was recorded in the place of that one."""
    return run is not None and run.number in shared.replaced


def _wrong_second_start(process: Process, second: Second) -> str:
    """What the list that the process has read last says against its start."""
    seen = next(answer for answer, _ in reversed(process.answers) if isinstance(answer, Seen))
    records = [record for record, _ in seen.records if number_of(record.scheduled_for) >= second.number]
    failed = next((record for record in records if record.export_file_id == second.file_id), None)
    if failed is None or failed.notified_at or (failed.status, failed.again_at) != ("Failed", second.again_at):
        return "a run is started again that was told, or not marked for this start"
    if any(record.after_failure == second.file_id for record in records):
        return "a run is started a third time"
    if any(record.started_at > failed.started_at for record in records):
        return "a run is started again beside a newer one"
    return ""


def _wrong(shared: Night, how: int) -> Night:
    return replace(shared, went_wrong=max(shared.went_wrong, how))


def _answer_of(process: Process, *, recorded: bool = False) -> int | None:
    """The number of the run that a start was answered with last; with `recorded` only if it has written after that."""
    written = set()
    for answer, _ in reversed(process.answers):
        if isinstance(answer, Run):
            return answer.number if answer.file_id in written or not recorded else None
        stored = answer.own if isinstance(answer, Conflict) else answer
        written |= {stored.file_id} if isinstance(stored, Stored) else set()
    return None


def _is_by_second_start(record: ExportFile, failed: int | None) -> bool:
    """And not the record of a newer run that has taken over the id of the failed one."""
    return failed is not None and record.after_failure == failed != record.export_file_id


def _has_seen_started(process: Process, number: int) -> bool:
    """Whether the last list that the process has read has a run for that scheduled time, or a later one."""
    for answer, _ in reversed(process.answers):
        if isinstance(answer, Seen):
            return any(number <= number_of(record.scheduled_for) for record, _ in answer.records)
    return False


def _last_write_of(process: Process, file_id: int = 0) -> Stored | None:
    """The last write that was done by the process, to that record or to any."""
    for answer, _ in reversed(process.answers):
        stored = answer.own if isinstance(answer, Conflict) else answer
        if isinstance(stored, Stored) and file_id in (0, stored.file_id):
            return stored
    return None


def _held_by(process: Process, shared: Night) -> Heard | None:
    """The announcement that the process has published, and not noted yet; None if others have published it since."""
    for answer, _ in reversed(process.answers):
        if isinstance(answer, Published) and answer.times:
            for one in shared.heard:
                if (one.event_id, one.times, one.stands) == (answer.event_id, answer.times, HELD):
                    return one
            return None
    return None


def _standing(shared: Night, held: Heard | None, stands: str) -> Night:
    if held is None:
        return shared
    heard = tuple(
        replace(one, stands=stands, until=0) if one.event_id == held.event_id else one for one in shared.heard
    )
    return replace(shared, heard=heard)


def _happened(run: Run, event_type: str, status: str) -> bool:
    if event_type == EventType.OVERDUE:
        return True
    if run.is_forgotten:
        return event_type == EventType.FAILED
    return run.status == status and _OUTCOMES.get(run.status) == event_type


def _is_superseded(shared: Night, run: Run) -> bool:
    """Whether WebAdMIT has given the id of the run to a newer one, and with it the file."""
    return any(later.file_id == run.file_id for later in shared.runs[run.number + 1 :])


def _was_heard(shared: Night, run: Run) -> bool:
    return any(one.run == run.number and one.event_type != EventType.OVERDUE for one in shared.heard)


def _wrong_write(before: ExportFile | None, after: ExportFile, shared: Night, process: Process) -> str:
    if after.expires_at and (after.due_at or not (after.notified_at or has_second_run(after))):
        return "a record may expire before it is announced"
    if after.again_at and not (before and before.again_at):
        run = shared.run_of(after.export_file_id, after.started_at)
        if after.after_failure or run is None or run.is_forgotten or run.status != "Failed":
            return "a run is to be started again that may not be"
    same_time = [one for one in (*shared.records, after) if one.spans(after.first_scheduled_for)]
    second = [one.export_file_id for one in same_time if _is_by_second_start(one, after.after_failure)]
    if len(set(second)) > 1:
        return "a failure has two second runs"
    if before is None:
        return ""
    if after.started_at != before.started_at:
        runs = sum(run.file_id == after.export_file_id for run in shared.runs)
        begun = len({number for file_id, _, number in shared.recorded if file_id == after.export_file_id})
        is_itself = isinstance(process.about, Second) and after.status == before.status == "Failed"
        is_new = before.finished_at and after.reused and (runs > begun or is_itself)
        return "" if is_new else "a record is begun anew without a new run"
    if progress_of(after.status) < progress_of(before.status):
        return "a record moves backwards"
    if before.notified_at and not after.notified_at and after.status == before.status:
        return "a record forgets that it was announced"
    return ""


def _in_words(record: ExportFile) -> str:
    if record.notified_at:
        return f"{record.status}, announced"
    return f"{record.status}{f', due {record.due_at:%H:%M}' if record.due_at else ''}"


assert SETTINGS.alert_on_empty_list, "the model expects every end of a run to be announced"
