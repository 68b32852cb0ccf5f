"""Processes that die and AWS calls that fail, at each single call of each function, one after another.

A case: one export; the function does its work; at its n-th call something strikes, once. Then AWS does what it does
(Lambda repeats an event, SQS brings a message again; a callback is not repeated), the run ends without a callback, and
the sweep goes by.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sandbox.lambda_runtime import Answer, AwsCall, Drop, Kill, LambdaFunction
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import FINISHED, Export, Request

from .figures import Figures, FinishedRun, compare, tell

IDENTITY = 37442
_SERVER_ERROR = Answer(500, {"Content-Type": "application/x-amz-json-1.0"}, b'{"__type": "InternalServerError"}')
_THROTTLED = Answer(400, {"Content-Type": "application/x-amz-json-1.0"}, b'{"__type": "ThrottlingException"}')
_SNS_ERROR = b"<ErrorResponse><Error><Type>Receiver</Type><Code>%s</Code></Error></ErrorResponse>"


def make_due(sandbox: Sandbox) -> None:
    """What is to be done later is due now; but for failures whose second start is still to come."""
    for record in sandbox.records():
        if "due_at" in record and ("again_at" not in record or "no_second_run" in record):
            sandbox.change_record(record, due_at=record["started_at"])


@dataclass
class Stage:
    """One sandbox, and one export at a time."""

    sandbox: Sandbox
    ready: str = ""
    alerts: str = ""
    export: Export = field(init=False)
    scheduled_for: datetime = field(init=False)
    is_by_name: bool = False
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.ready, self.alerts = (self.sandbox.subscribe(f"{topic}TopicArn") for topic in ("Ready", "Alerts"))

    def begin(self, **behaviour: Any) -> None:
        """A new export; nothing of the last one is left."""
        sandbox = self.sandbox
        self.is_by_name = False
        sandbox.empty_tables()
        sandbox.webadmit.forget_everything()
        sandbox.webadmit.api_key = sandbox.api_key
        own = [sandbox.resources[name] for name in ("StartRetryQueue", "StartRetryDeadLetterQueue")]
        for url in (self.ready, self.alerts, *own):
            sandbox.client("sqs").purge_queue(QueueUrl=url)
        self.export = sandbox.webadmit.add_export(IDENTITY, next(self._ids), **{"callbacks": 0, **behaviour})
        self.scheduled_for = datetime.now(UTC).replace(microsecond=0)

    @property
    def event(self) -> dict[str, str]:
        entry = f"*{self.export.id}" if self.is_by_name else f"{IDENTITY}:{self.export.id}"
        return {"exports": entry, "scheduled_for": self.scheduled_for.isoformat()}

    def function(self, name: str) -> LambdaFunction:
        return self.sandbox.functions[name]

    def start(self) -> None:
        self.sandbox.invoke_asynchronously(self.function("StartRunsFunction"), self.event)

    def end_run(self, status: str = "Available") -> None:
        """The run ends, and its callback gets lost."""
        for run in self.sandbox.webadmit.runs.values():
            if run.status not in FINISHED:
                run.status = status

    def call_back(self) -> None:
        """WebAdMIT calls back once, whatever the answer."""
        self.sandbox.webadmit.send_callback(self.sandbox.webadmit.run_of(self.export.id))

    def age(self, **duration: float) -> None:
        """Time passes for the records."""
        moments = ("started_at", "finished_at", "due_at")
        for record in self.sandbox.records():
            aged = {
                name: datetime.fromisoformat(record[name]) - timedelta(**duration) for name in moments if name in record
            }
            self.sandbox.change_record(
                record, **{name: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name, moment in aged.items()}
            )

    def settle(self, *, may_run_twice: bool) -> Figures:
        """Everything is repaired, time passes, and what came of it is held against what should have."""
        sandbox = self.sandbox
        sandbox.webadmit.api_key = sandbox.api_key
        sandbox.deliver_retries()
        sandbox.deliver_retries()
        for _ in range(3):
            self.end_run()
            make_due(sandbox)
            sandbox.sweep()
            sandbox.deliver_retries()
        replaced = {record.get("after_failure") for record in sandbox.records()}
        runs = sorted((run for run in sandbox.webadmit.runs.values() if run.id not in replaced), key=lambda run: run.id)
        if may_run_twice:
            runs = runs[-1:]  # a known limit: an answer was lost, and the run had ended before the next try
        finished = [FinishedRun(run.export.id, run.id, run.status) for run in runs]
        messages = [one["Message"] for url in (self.ready, self.alerts) for one in sandbox.received(url)]
        left = [record for record in sandbox.records() if not is_settled(record)]
        figures = compare(finished, messages, cases=1)
        started_twice, not_started = max(0, len(runs) - 1), int(not runs)
        return figures + Figures(lost=not_started, wrong=started_twice + len(left))


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes the stage, `act` has the function do its work once.

    `may_run_twice`: the run ends at once, so that an export whose answer is lost may be started again.
    """

    name: str
    function: str
    prepare: Callable[[Stage], None]
    act: Callable[[Stage], object]
    may_run_twice: bool = False


def _nothing_yet(stage: Stage) -> None:
    stage.begin()


def _by_name(stage: Stage) -> None:
    stage.begin()
    stage.is_by_name = True


def _deferred_by_name(stage: Stage) -> None:
    _by_name(stage)
    _while_the_key_is_refused(stage)


def _finished_at_once(stage: Stage) -> None:
    stage.begin(seconds=0)


def _refused_key(stage: Stage) -> None:
    stage.begin()
    stage.sandbox.webadmit.api_key = "f" * 32


def _deferred(stage: Stage) -> None:
    stage.begin()
    _while_the_key_is_refused(stage)


def _while_the_key_is_refused(stage: Stage) -> None:
    stage.sandbox.webadmit.api_key = "f" * 32
    stage.start()
    stage.sandbox.webadmit.api_key = stage.sandbox.api_key


def _running(stage: Stage) -> None:
    stage.begin()
    stage.start()


def _ended(stage: Stage) -> None:
    _running(stage)
    stage.end_run()


def _call_back_early(stage: Stage) -> None:
    """The callback comes while the start's answer is on its way; Lambda repeats the start if that fails."""
    callbacks: list[threading.Thread] = []

    def call_back(request: Request) -> None:
        stage.end_run()
        callbacks.append(threading.Thread(target=stage.call_back))
        callbacks[-1].start()

    stage.sandbox.webadmit.after = call_back
    try:
        stage.start()
    finally:
        stage.sandbox.webadmit.after = lambda request: None
        for callback in callbacks:
            callback.join()


def _ended_without_a_callback(stage: Stage) -> None:
    _ended(stage)
    make_due(stage.sandbox)


def _not_announced(stage: Stage) -> None:
    _ended(stage)
    stage.call_back()
    stage.sandbox.received(stage.ready)
    (record,) = stage.sandbox.records()
    stage.sandbox.change_record(record, notified_at=None, expires_at=None, unfinished="1", due_at=record["started_at"])


def is_settled(record: dict[str, Any]) -> bool:
    """Whether it was told, or a second run has taken its place."""
    return "due_at" not in record and ("notified_at" in record or "again_at" in record)


def _failed(stage: Stage) -> None:
    _running(stage)
    stage.end_run("Failed")
    stage.call_back()


def _failed_and_queued(stage: Stage) -> None:
    _failed(stage)
    stage.sandbox.sweep()


def _late(stage: Stage) -> None:
    _running(stage)
    stage.age(hours=5)
    make_due(stage.sandbox)


SCENARIOS = [
    Scenario("start", "StartRunsFunction", _nothing_yet, Stage.start),
    Scenario("start, finished at once", "StartRunsFunction", _finished_at_once, Stage.start, may_run_twice=True),
    Scenario("start, deferred", "StartRunsFunction", _refused_key, Stage.start),
    Scenario("retry", "StartRunsFunction", _deferred, lambda stage: stage.sandbox.deliver_retries()),
    Scenario("start by name", "StartRunsFunction", _by_name, Stage.start),
    Scenario("retry by name", "StartRunsFunction", _deferred_by_name, lambda s: s.sandbox.deliver_retries()),
    Scenario("callback", "ReceiveCallbackFunction", _ended, Stage.call_back),
    Scenario("early callback", "ReceiveCallbackFunction", _nothing_yet, _call_back_early),
    Scenario("sweep, found", "ReconcileRunsFunction", _ended_without_a_callback, lambda s: s.sandbox.sweep()),
    Scenario("sweep, announced", "ReconcileRunsFunction", _not_announced, lambda s: s.sandbox.sweep()),
    Scenario("sweep, late", "ReconcileRunsFunction", _late, lambda s: s.sandbox.sweep()),
    Scenario("sweep, failed", "ReconcileRunsFunction", _failed, lambda s: s.sandbox.sweep()),
    Scenario("second start", "StartRunsFunction", _failed_and_queued, lambda s: s.sandbox.deliver_retries()),
]

# ── What strikes ────────────────────────────────────────────────────────────────────────────────────────────────────

# Gets the call and what sends it on; strikes.
Deed = Callable[[AwsCall, Callable[[], Answer]], Answer]


def _error(call: AwsCall, code: str, otherwise: Answer) -> Answer:
    if call.service == "sns":
        return Answer(otherwise.status, {"Content-Type": "text/xml"}, _SNS_ERROR % code.encode())
    return otherwise


def kill_before(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    raise Kill


def kill_after(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    forward()
    raise Kill


def throttle(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    return _error(call, "Throttled", _THROTTLED)


def fail(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    return _error(call, "InternalError", _SERVER_ERROR)


def lose_answer(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    forward()
    raise Drop


def hang(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
    time.sleep(12)  # longer than any client waits
    raise Drop


@dataclass
class Strike:
    """`deed` befalls the n-th call to AWS, and with `lasts` all later calls of that kind in the same invocation."""

    deed: Deed
    at: int
    lasts: bool = False
    seen: int = 0
    struck: AwsCall | None = None

    def __call__(self, call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        number, self.seen = self.seen, self.seen + 1
        again = self.lasts and self.struck is not None and call.action == self.struck.action
        if number == self.at or again:
            self.struck = call
            return self.deed(call, forward)
        return forward()


def strike_aws(stage: Stage, scenario: Scenario, deed: Deed, *, lasts: bool = False) -> Figures:
    """Strikes each call to AWS of a scenario, a case each."""
    figures = Figures()
    for at in itertools.count():
        scenario.prepare(stage)
        function = stage.function(scenario.function)
        function.interceptor = strike = Strike(deed, at, lasts)
        try:
            scenario.act(stage)
        finally:
            function.interceptor = None
        if strike.struck is None:  # there are no more calls
            break
        judged = stage.settle(may_run_twice=scenario.may_run_twice)
        figures += _shown(judged, f"{scenario.name}: {deed.__name__}, call {at} ({strike.struck.action})")
    return figures


def kill_at_webadmit(stage: Stage, scenario: Scenario) -> Figures:
    """Kills the process when WebAdMIT gets each of its requests, and when it has served it."""
    figures = Figures()
    for hook in ("before", "after"):
        for at in itertools.count():
            scenario.prepare(stage)
            killer = Killer(stage.function(scenario.function), at)
            setattr(stage.sandbox.webadmit, hook, killer)
            try:
                scenario.act(stage)
            finally:
                setattr(stage.sandbox.webadmit, hook, lambda request: None)
            if not killer.has_killed:  # there are no more requests
                break
            judged = stage.settle(may_run_twice=scenario.may_run_twice)
            figures += _shown(judged, f"{scenario.name}: killed {hook} WebAdMIT served request {at}")
    return figures


@dataclass
class Killer:
    """Kills a function's processes at its n-th request to WebAdMIT."""

    function: LambdaFunction
    at: int
    seen: int = 0
    has_killed: bool = False

    def __call__(self, request: Request) -> None:
        number, self.seen = self.seen, self.seen + 1
        if number == self.at:
            self.has_killed = True
            self.function.stop()


def _shown(figures: Figures, what: str) -> Figures:
    if not figures.are_good:
        tell(f"{what}: {figures}")
    return figures


def kills(*, scenarios: list[Scenario] = SCENARIOS) -> Figures:
    """Every process dies before and after each of its calls."""
    with Sandbox() as sandbox:
        stage, figures = Stage(sandbox), Figures()
        for scenario in scenarios:
            for deed in (kill_before, kill_after):
                figures += strike_aws(stage, scenario, deed)
            figures += kill_at_webadmit(stage, scenario)
        return figures


def aws_faults(
    *, deeds: tuple[Deed, ...] = (throttle, fail, lose_answer), scenarios: list[Scenario] = SCENARIOS
) -> Figures:
    """Each call to AWS fails: once, or for as long as the invocation lasts."""
    with Sandbox() as sandbox:
        stage, figures = Stage(sandbox), Figures()
        for scenario, deed in itertools.product(scenarios, deeds):
            figures += strike_aws(stage, scenario, deed, lasts=deed is fail)
        return figures
