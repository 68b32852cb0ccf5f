"""A state machine that tries orders nobody thought of: a model of what WebAdMIT did against what subscribers heard.

In memory, with the real use cases: exports start, runs end, callbacks come early, late, twice, never or forged,
processes die between any two calls, sweeps go by, time passes, ids are used again.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.fakes import SETTINGS, WRITER, Clock, FakeNames, FakeTable, FakeTopics, after, tracker
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.errors import RequestRefused, Unavailable
from webadmit_exports.messages.message import Message
from webadmit_exports.runs.receive import NotFound, ReceiveCallback
from webadmit_exports.runs.reconcile import ReconcileRuns
from webadmit_exports.runs.start import StartRuns
from webadmit_exports.webadmit.answers import RateLimit, Run
from webadmit_exports.webadmit.api_key import ApiKey

from .figures import EVENT_TYPES, Figures, tell

KEY = b"a signing key"
EXPORTS = [Export(user_identity_id=1, export_id=number) for number in (10, 11, 12)]
_LIMIT = RateLimit(limit=100_000, remaining=100_000)


class Crash(BaseException):
    """The process dies."""


@dataclass
class Fate:
    """When the process dies: before or after its n-th call; never with None."""

    at: int | None = None
    before: bool = True

    def call(self, act: Callable[[], object]) -> object:
        if self.at is None:
            return act()
        self.at -= 1
        if self.at == 0 and self.before:
            raise Crash
        try:
            return act()
        finally:
            if self.at == 0:  # also where the call was answered with an error
                raise Crash


@dataclass
class ModelRun:
    """One run of WebAdMIT; `file_id` may have been that of an earlier one."""

    export: Export
    file_id: int
    callback_urls: list[str]
    status: str = "In Progress"


@dataclass
class ModelWebAdmit:
    """What WebAdMIT did. `next_start` chooses what happens to the next start."""

    fate: Fate
    runs: list[ModelRun] = field(default_factory=list)
    next_start: str = "answered"
    on_early: Callable[[ModelRun], None] = lambda run: None
    reuse_ids: bool = False
    is_known_to_have_ended: Callable[[ModelRun], bool] = lambda run: False

    def current(self, export: Export) -> ModelRun | None:
        of_export = [run for run in self.runs if run.export == export]
        return of_export[-1] if of_export else None

    def of_file(self, export_id: int, file_id: int) -> ModelRun | None:
        """The newest run with that id."""
        found = [run for run in self.runs if (run.export.export_id, run.file_id) == (export_id, file_id)]
        return found[-1] if found else None

    def drop_connections(self) -> None:
        pass

    def start_run(self, key: ApiKey, export: Export, callback_url: str) -> tuple[Run, RateLimit]:
        return self.fate.call(lambda: self._start(export, callback_url))  # type: ignore[return-value]

    def _start(self, export: Export, callback_url: str) -> tuple[Run, RateLimit]:
        run = self.current(export)
        if run is None or run.status != "In Progress":
            old = run.file_id if run and self.reuse_ids and self._may_use_again(run, callback_url) else None
            run = ModelRun(export, old or 1000 + len(self.runs), [])
            self.runs.append(run)
        run.callback_urls.append(callback_url)
        chosen, self.next_start = self.next_start, "answered"
        if chosen == "down":
            raise Unavailable("/", "answered 503")
        if chosen == "lost":
            raise Unavailable("/", "no answer (ReadTimeout)")
        answer = _seen(run)
        if chosen == "early callback":
            run.status = "Available"
            self.on_early(run)
        if chosen == "finished at once":
            run.status = "Available"
            answer = _seen(run)
        return answer, _LIMIT

    def _may_use_again(self, run: ModelRun, callback_url: str) -> bool:
        """Only an id whose run is known to have ended, else nobody could tell a new run from a join.

        Two runs of one id at one address could not be told apart either.
        """
        return self.is_known_to_have_ended(run) and callback_url not in run.callback_urls

    def recent_runs(self, key: ApiKey, user_identity_id: int) -> tuple[list[Run], RateLimit]:
        listed = {(run.export.export_id, run.file_id): _seen(run) for run in self.runs[-3:]}
        return self.fate.call(lambda: (list(listed.values()), _LIMIT))  # type: ignore[return-value]

    def run(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, RateLimit]:
        def answer() -> tuple[Run, RateLimit]:
            run = self.of_file(export_id, export_file_id)
            if run is None:
                raise RequestRefused("/", "answered 404", status=404)
            return _seen(run), _LIMIT

        return self.fate.call(answer)  # type: ignore[return-value]


def _seen(run: ModelRun) -> Run:
    return Run(export_file_id=run.file_id, export_id=run.export.export_id, status=run.status, href=None)


def _occurrence(callback_url: str) -> datetime:
    return datetime.strptime(callback_url.split("/")[-2], "%Y%m%dT%H%M%S%z")


@dataclass
class MortalTable(FakeTable):
    """Its callers may die at each call."""

    fate: Fate = field(default_factory=Fate)

    def read(self, export_id: int, export_file_id: int) -> ExportFile | None:
        return self.fate.call(lambda: FakeTable.read(self, export_id, export_file_id))  # type: ignore[return-value]

    def newest(self, export_id: int, since: datetime) -> list[ExportFile]:
        return self.fate.call(lambda: FakeTable.newest(self, export_id, since))  # type: ignore[return-value]

    def store(self, record: ExportFile, *, replacing: ExportFile | None) -> ExportFile:
        return self.fate.call(lambda: FakeTable.store(self, record, replacing=replacing))  # type: ignore[return-value]


@dataclass
class MortalTopics(FakeTopics):
    """Its callers may die at each call."""

    fate: Fate = field(default_factory=Fate)

    def publish(self, message: Message) -> None:
        self.fate.call(lambda: FakeTopics.publish(self, message))


class _Keys:
    def read(self) -> ApiKey:
        return ApiKey("0" * 32)

    def current(self) -> bytes:
        return KEY

    def known(self) -> list[bytes]:
        return [KEY]

    def refreshed(self, now: datetime) -> list[bytes]:
        return [KEY]


@dataclass
class _StartQueue:
    waiting: list[tuple[Export, datetime]] = field(default_factory=list)
    span: timedelta = timedelta(hours=12)

    def put(self, exports: list[Export], scheduled_for: datetime) -> None:
        self.waiting += [(export, scheduled_for) for export in exports]


fates = st.one_of(st.none(), st.tuples(st.integers(1, 8), st.booleans()))
exports = st.sampled_from(EXPORTS)


class Night(RuleBasedStateMachine):
    """The rules are what can happen; the invariants hold after each, and `teardown` lets everything come to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(after(minutes=1))
        self.fate = Fate()
        self.table, self.topics = MortalTable(fate=self.fate), MortalTopics(fate=self.fate)
        self.webadmit = ModelWebAdmit(self.fate, on_early=lambda run: self._deliver(run, run.callback_urls[-1]))
        self.webadmit.is_known_to_have_ended = self._is_known_to_have_ended
        self.start_queue = _StartQueue()
        self.crashes = 0
        files = tracker(self.table, self.topics, self.clock)
        keys = _Keys()
        self.starts = StartRuns(
            webadmit=self.webadmit,  # type: ignore[arg-type]
            api_key=keys,  # type: ignore[arg-type]
            signing_keys=keys,  # type: ignore[arg-type]
            callback_url="",
            table=self.table,  # type: ignore[arg-type]
            tracker=files,
            start_queue=self.start_queue,  # type: ignore[arg-type]
            topics=self.topics,  # type: ignore[arg-type]
            writer=WRITER,
            names=FakeNames(),  # type: ignore[arg-type]
            now=self.clock.now,
            clock=self.clock.seconds,
            sleep=lambda seconds: None,
        )
        self.receives = ReceiveCallback(
            signing_keys=keys,  # type: ignore[arg-type]
            table=self.table,  # type: ignore[arg-type]
            tracker=files,
            now=self.clock.now,
            sleep=lambda seconds: None,
        )
        self.sweeps = ReconcileRuns(
            webadmit=self.webadmit,  # type: ignore[arg-type]
            api_key=keys,  # type: ignore[arg-type]
            table=self.table,  # type: ignore[arg-type]
            tracker=files,
            topics=self.topics,  # type: ignore[arg-type]
            writer=WRITER,
            now=self.clock.now,
        )

    def _is_known_to_have_ended(self, run: ModelRun) -> bool:
        record = self.table.records.get((run.export.export_id, run.file_id))
        return record is not None and record.finished_at is not None

    # ── What can happen ─────────────────────────────────────────────────────────────────────────────────────────────

    def _may_die(self, act: Callable[[], object], fate: tuple[int, bool] | None) -> bool:
        """Whether the process lived through it."""
        self.fate.at, self.fate.before = fate or (None, True)
        try:
            act()
        except Crash:
            self.crashes += 1
            return False
        finally:
            self.fate.at = None
        return True

    @rule(
        export=exports,
        chosen=st.sampled_from(["answered", "answered", "lost", "down", "early callback", "finished at once"]),
        reuse=st.booleans(),
        fate=fates,
    )
    def the_schedule_fires(self, export: Export, chosen: str, reuse: bool, fate: tuple[int, bool] | None) -> None:
        self.clock.go_on(seconds=2)
        scheduled_for = self.clock.now().replace(microsecond=0)
        self.clock.go_on(seconds=1)
        self.webadmit.next_start, self.webadmit.reuse_ids = chosen, reuse
        self._start(export, scheduled_for, fate)

    def _start(self, export: Export, scheduled_for: datetime, fate: tuple[int, bool] | None) -> None:
        occurrence = StartRequest(exports=(export,), scheduled_for=scheduled_for)

        def act() -> None:
            self.starts.start(occurrence, lambda: 300)

        if not self._may_die(act, fate):
            self.clock.go_on(seconds=60)
            act()  # Lambda repeats it

    @rule()
    def the_retry_queue_delivers(self) -> None:
        waiting, self.start_queue.waiting = self.start_queue.waiting, []
        self.clock.go_on(minutes=15)
        for export, scheduled_for in waiting:
            self._start(export, scheduled_for, None)

    @rule(export=exports, status=st.sampled_from(list(EVENT_TYPES)))
    def a_run_ends(self, export: Export, status: str) -> None:
        self.clock.go_on(seconds=1)
        run = self.webadmit.current(export)
        if run and run.status == "In Progress":
            run.status = status

    @rule(number=st.integers(0, 50), url=st.integers(0, 5), fate=fates)
    def a_callback_comes(self, number: int, url: int, fate: tuple[int, bool] | None) -> None:
        """Any run's, at any address that WebAdMIT was given for it, as often as it likes."""
        self.clock.go_on(seconds=1)
        if self.webadmit.runs:
            run = self.webadmit.runs[number % len(self.webadmit.runs)]
            self._may_die(lambda: self._deliver(run, run.callback_urls[url % len(run.callback_urls)]), fate)

    def _deliver(self, run: ModelRun, url: str, file_id: int | None = None) -> None:
        *_, identity, export, occurrence, signature = url.split("/")
        parts = {"user_identity_id": identity, "export_id": export, "occurrence": occurrence, "signature": signature}
        form = (
            f"export_file[id]={file_id or run.file_id}&export_file[export_id]={run.export.export_id}"
            f"&export_file[status]={run.status}"
        )
        with contextlib.suppress(NotFound):
            self.receives.receive(parts, form, is_base64=False, content_type=None)

    @rule(
        number=st.integers(0, 50),
        other_number=st.integers(0, 50),
        kind=st.sampled_from(["file", "other run", "signature", "export"]),
    )
    def a_callback_is_forged(self, number: int, other_number: int, kind: str) -> None:
        if not self.webadmit.runs:
            return
        run = self.webadmit.runs[number % len(self.webadmit.runs)]
        url, heard, records = run.callback_urls[0], len(self.topics.messages), dict(self.table.records)
        forged = ModelRun(run.export, run.file_id, [], "Available")
        if kind == "file":
            self._deliver(forged, url, file_id=999_999)
        elif kind == "other run":
            of_export = [one for one in self.webadmit.runs if one.export == run.export]
            # WebAdMIT may have started two runs for one address: it speaks for both.
            others = {one.file_id for one in of_export} - {one.file_id for one in of_export if url in one.callback_urls}
            if others:
                self._deliver(forged, url, file_id=sorted(others)[other_number % len(others)])
        elif kind == "signature":
            self._deliver(forged, f"{url[:-64]}{'0' * 64}")
        else:
            other = EXPORTS[(EXPORTS.index(run.export) + 1) % len(EXPORTS)]
            address = CallbackUrl(export=other, scheduled_for=self.clock.now().replace(microsecond=0))
            self._deliver(forged, f"{address.signed('', KEY)[:-64]}{url[-64:]}")
        assert len(self.topics.messages) == heard, "a forged callback was announced"
        assert self.table.records == records, "a forged callback was stored"

    @rule(minutes=st.sampled_from([1, 6, 30, 300]), fate=fates)
    def the_sweep_goes_by(self, minutes: int, fate: tuple[int, bool] | None) -> None:
        self.clock.go_on(minutes=minutes)
        self._may_die(lambda: self.sweeps.sweep(lambda: 240), fate)

    # ── What must hold ──────────────────────────────────────────────────────────────────────────────────────────────

    def _heard(self) -> dict[tuple[int, int, str], Counter[object]]:
        heard: dict[tuple[int, int, str], Counter[object]] = defaultdict(Counter)
        for message in self.topics.messages:
            body = message.body
            if body["event_type"] in EVENT_TYPES.values():
                key = (int(body["export_id"]), int(body["export_file_id"]), str(body["event_type"]))
                heard[key][body["event_id"]] += 1
        return heard

    @invariant()
    def nothing_is_announced_that_did_not_happen(self) -> None:
        """No more announcements of an id, by event id, than runs that ended so under it."""
        ended = Counter(
            (run.export.export_id, run.file_id, EVENT_TYPES[run.status])
            for run in self.webadmit.runs
            if run.status in EVENT_TYPES
        )
        for key, ids in self._heard().items():
            assert len(ids) <= ended[key], f"{key} was announced {len(ids)} times and happened {ended[key]} times"

    @invariant()
    def nothing_is_repeated_unless_a_process_died(self) -> None:
        repeated = sum(count - 1 for ids in self._heard().values() for count in ids.values())
        assert repeated <= self.crashes

    def teardown(self) -> None:
        """The night is over: what waits is delivered, runs end without callbacks, sweeps go by."""
        self.webadmit.next_start = "answered"
        self.the_retry_queue_delivers()
        for run in self.webadmit.runs:
            if run.status == "In Progress":
                run.status = "Available"
        for _ in range(4):
            self.clock.go_on(hours=2)
            self.sweeps.sweep(lambda: 240)
        self._nothing_is_lost()

    def _nothing_is_lost(self) -> None:
        heard = self._heard()
        for record in self.table.records.values():
            key = (record.export.export_id, record.export_file_id)
            assert self.webadmit.of_file(*key), "a record of a run that never was"
            assert record.due_at is None, f"{key} is still due"
            assert record.notified_at is not None, f"{key} was not marked"
        for run in self.webadmit.runs:
            key = (run.export.export_id, run.file_id)
            if self._is_known(run):
                was_told = heard[*key, EVENT_TYPES[run.status]]
                assert was_told or self._was_taken_over(run), f"{key} was lost: {run.status}"
            else:
                # Its start was not answered, and it had ended before the next try.
                assert self._was_replaced(run), f"{key} is not known"

    def _is_known(self, run: ModelRun) -> bool:
        """Whether its record is about this run: not about an earlier or a later one of that id."""
        record = self.table.records.get((run.export.export_id, run.file_id))
        return record is not None and any(record.serves(run.export, _occurrence(url)) for url in run.callback_urls)

    def _was_taken_over(self, run: ModelRun) -> bool:
        """Whether a process may have died before it told of the end, and a newer run has taken the id over since."""
        return self.crashes > 0 and any(later.file_id == run.file_id for later in self._later_runs(run))

    def _was_replaced(self, run: ModelRun) -> bool:
        return bool(self._later_runs(run))

    def _later_runs(self, run: ModelRun) -> list[ModelRun]:
        """Those of the same export."""
        later = self.webadmit.runs[self.webadmit.runs.index(run) + 1 :]
        return [one for one in later if one.export == run.export]


def run_nights(*, examples: int, night: type[Night] = Night, shrinks: bool = True) -> Figures:
    """Plays that many nights; prints the way to where one goes wrong.

    With `shrinks` that is the shortest way, and the nights are others each time; without, they are always the same.
    """
    chosen = settings(
        max_examples=examples,
        stateful_step_count=30,
        phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
        deadline=None,
        database=None,
        derandomize=not shrinks,
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(night, settings=chosen)
    except AssertionError as error:
        tell("\n".join(["a night went wrong:", str(error), *getattr(error, "__notes__", [])]))
        return Figures(cases=examples, wrong=1)
    return Figures(cases=examples)


assert SETTINGS.alert_on_empty_list  # the model expects every end of a run to be told
