"""A bad night with many exports at once, in the sandbox: everything goes wrong for some of them, by chance.

10 % of the callbacks never come, 20 % come twice, in any order, 5 % before their start is answered; 1 % are forged; 2 %
of the starts lose their answer; 5 % of all calls to AWS fail, are throttled or lose their answer.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.sandbox.lambda_runtime import Answer, AwsCall
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import FINISHED, Export, Fault, Run

from .figures import EVENT_TYPES, Figures, FinishedRun, compare
from .strikes import fail, is_settled, lose_answer, make_due, throttle

_IN_ONE_START = 100
_OF_AN_IDENTITY = 50
_STATUSES = ["Available"] * 17 + ["Success With Errors", "Failed", "Empty List"]
_NO_LIMIT = 10**9  # of the rate limit: this night is about failures, not about waiting


def bad_night(*, exports: int, seed: int = 1) -> Figures:
    """Starts that many exports, lets chance strike, repairs everything, and counts what came of it."""
    with Sandbox() as sandbox:
        return _Night(sandbox, random.Random(seed)).run(exports)


@dataclass
class _Night:
    sandbox: Sandbox
    chance: random.Random

    def run(self, count: int) -> Figures:
        sandbox = self.sandbox
        topics = [sandbox.subscribe(f"{topic}TopicArn") for topic in ("Ready", "Alerts")]
        sandbox.webadmit.rate_limit = _NO_LIMIT
        exports = [self._add_export(number) for number in range(count)]
        self._let_aws_fail(share=0.05)
        self._start(exports)
        sandbox.deliver_retries()
        refused = self._call_back()
        self._sweep()
        self._let_aws_fail(share=0)
        self._repair()
        messages = [one["Message"] for url in topics for one in sandbox.received(url)]
        heard = {one["export_file_id"] for one in messages if one["event_type"] in EVENT_TYPES.values()}
        counted = [run for export in exports for run in self._runs_that_count(export, heard)]
        finished = [FinishedRun(run.export.id, run.id, run.status) for run in counted]
        not_started = sum(not self._runs_of(export) for export in exports)
        announced_twice = len([run for run in counted if run.id in heard]) - len({run.export.id for run in counted})
        figures = compare(finished, messages, cases=count)
        return figures + Figures(lost=not_started, wrong=max(0, announced_twice) + self._left() + refused)

    # ── What happens ────────────────────────────────────────────────────────────────────────────────────────────────

    def _add_export(self, number: int) -> Export:
        early = self.chance.random() < 0.05
        identity, export_id = 1000 + number // _OF_AN_IDENTITY, number + 1
        export = self.sandbox.webadmit.add_export(
            identity, export_id, status=self.chance.choice(_STATUSES), early=early
        )
        if not early and self.chance.random() < 0.02:
            fault = Fault(spoil="lost", method="POST", path=f"/exports/{export_id}/export_files$")
            self.sandbox.webadmit.faults.append(fault)
        return export

    def _let_aws_fail(self, *, share: float) -> None:
        deeds = (fail, throttle, lose_answer)

        def strike(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
            return self.chance.choice(deeds)(call, forward) if self.chance.random() < share else forward()

        for function in self.sandbox.functions.values():
            function.interceptor = strike if share else None

    def _start(self, exports: Sequence[Export]) -> None:
        moment = datetime.now(UTC).replace(microsecond=0).isoformat()
        for first in range(0, len(exports), _IN_ONE_START):
            pairs = [f"{export.user_identity_id}:{export.id}" for export in exports[first : first + _IN_ONE_START]]
            event = {"exports": ",".join(pairs), "scheduled_for": moment}
            self.sandbox.invoke_asynchronously(self.sandbox.functions["StartRunsFunction"], event)

    def _call_back(self) -> int:
        """All runs end, and their callbacks come as they like; the number of forged ones that were taken."""
        webadmit, chance = self.sandbox.webadmit, self.chance
        ended = [run for run in webadmit.runs.values() if run.status not in FINISHED]
        for run in ended:
            run.status = run.export.behaviour.status
        sent = [run for run in ended if chance.random() >= 0.1]
        sent += chance.sample(sent, len(sent) // 5)
        known = {record["export_file_id"] for record in self.sandbox.records()}
        forged = [run for run in ended if run.id in known]
        forged = chance.sample(forged, max(2, len(forged) // 100))
        work: list[Callable[[], int]] = [*(_real(self.sandbox, run) for run in sent)]
        work += [_forged(self.sandbox, run, number) for number, run in enumerate(forged)]
        chance.shuffle(work)
        with ThreadPoolExecutor(max_workers=8) as senders:
            return sum(senders.map(lambda send: send(), work))

    def _sweep(self) -> None:
        for _ in range(2):
            make_due(self.sandbox)
            self.sandbox.sweep()

    def _repair(self) -> None:
        """Nothing fails any more, and time passes: nobody has to do anything."""
        sandbox = self.sandbox
        sandbox.deliver_retries()
        sandbox.deliver_retries()
        for _ in range(20):
            for run in sandbox.webadmit.runs.values():
                if run.status not in FINISHED:
                    run.status = run.export.behaviour.status
            make_due(sandbox)
            sandbox.sweep()
            if not self._left():
                break
            sandbox.deliver_retries()

    # ── What came of it ─────────────────────────────────────────────────────────────────────────────────────────────

    def _left(self) -> int:
        return sum(not is_settled(record) for record in self.sandbox.records())

    def _runs_of(self, export: Export) -> list[Run]:
        return [run for run in self.sandbox.webadmit.runs.values() if run.export is export]

    def _runs_that_count(self, export: Export, heard: Iterable[int]) -> list[Run]:
        """The newest, and those before it that were announced; a first run that failed is not.

        A run whose start was not answered, and that had ended before the next try, is a known limit: nobody knows of
        it, and the run of the next try takes its place.
        """
        runs = sorted(self._runs_of(export), key=lambda run: run.id)
        return [run for run in runs if run is runs[-1] or run.id in set(heard)]


def _real(sandbox: Sandbox, run: Run) -> Callable[[], int]:
    def send() -> int:
        sandbox.webadmit.send_callback(run)
        return 0

    return send


def _forged(sandbox: Sandbox, run: Run, number: int) -> Callable[[], int]:
    """A wrong signature, or a file that is not that run's; sending it tells whether it was taken."""
    assert run.callback_url
    url, file_id = run.callback_url, run.id
    if number % 2:
        url = url[:-1] + ("0" if url[-1] != "0" else "1")
    else:
        file_id += 10**6
    form = f"export_file[id]={file_id}&export_file[export_id]={run.export.id}&export_file[status]=Available"

    def send() -> int:
        return int(200 <= sandbox.webadmit.post_form(url, form).status < 300)

    return send
