"""Starts the exports of an occurrence: for the schedule, and for the start queue what could not start before."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from .callbacks import CallbackAddress
from .errors import (
    AccessRefused,
    AnnouncementDelayed,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    RateLimited,
    RequestRefused,
    SigningKeyUnusable,
    Unavailable,
)
from .export_files import ExportFiles
from .gate import Gate, NotStarted
from .keys import ApiKey, SigningKeys, WebAdmitApiKey
from .messages import Cause, StartAlert, Wording
from .model import Export, ExportFile, News, Source, utc_seconds
from .names import NameBook
from .occurrence import Occurrence
from .start_queue import Delivery, StartQueue
from .table import ExportFilesTable
from .telemetry import count, logger
from .topics import Topics
from .webadmit import LONGEST_CALL_SECONDS, Run, WebAdmit

SIDE_BY_SIDE = 16
_ATTEMPTS = 3  # in one invocation; the start queue goes on from there
# Kept back for what follows the last request: its answer, its record, the start queue and the alerts.
_RESERVE_SECONDS = LONGEST_CALL_SECONDS + 30


class Outcome(Enum):
    """The outcome for one export."""

    STARTED = "started"  # or joined: WebAdMIT does not tell
    ALREADY_STARTED = "already_started"  # for this occurrence or a later one
    DEFERRED = "deferred"  # the start queue brings it back
    FAILED = "failed"  # trying again would not help


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An export that is to run for an occurrence."""

    export: Export
    scheduled_for: datetime

    @property
    def fields(self) -> dict[str, Any]:
        """For log lines."""
        return {**self.export.ids, "scheduled_for": utc_seconds(self.scheduled_for)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of it, and if it did not start: why, in our words and in WebAdMIT's."""

    wanted: Wanted
    outcome: Outcome
    cause: Cause | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Means:
    """What all starts of one invocation share."""

    api_key: ApiKey
    signing_key: bytes
    gate: Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRuns:
    """The use case. `now` is the time, `clock` counts seconds, `sleep` spends them."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    signing_keys: SigningKeys
    callback_url: str
    table: ExportFilesTable
    export_files: ExportFiles
    start_queue: StartQueue
    topics: Topics
    wording: Wording
    names: NameBook
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def for_occurrence(self, occurrence: Occurrence, time_left: Callable[[], float]) -> list[Result]:
        """Starts the exports; those that cannot start yet go to the start queue, and a person is told.

        `time_left`: the seconds that the invocation still has. Raises AwsUnavailable if the start queue or the alerts
        cannot be reached; repeating the whole call is safe.
        """
        scheduled_for = occurrence.scheduled_for
        wanted = [Wanted(export=export, scheduled_for=scheduled_for) for export in occurrence.exports]
        results = self._start_all(wanted, time_left, attempts=_ATTEMPTS)
        deferred = [result for result in results if result.outcome is Outcome.DEFERRED]
        self.start_queue.put([result.wanted.export for result in deferred], scheduled_for)
        self._alert(deferred, self.now() + self.start_queue.span)
        self._alert([result for result in results if result.outcome is Outcome.FAILED], None)
        return results

    def from_queue(self, deliveries: Sequence[Delivery], time_left: Callable[[], float]) -> list[str]:
        """Starts what the start queue brings; returns the ids of the messages that shall come again.

        A start that failed as a whole is made up for as the schedule would have made it, so that what it cannot start
        goes back as a message for each export, and a person is told. Then WebAdMIT is asked once for each single
        export; nobody is told before its last try. Raises AwsUnavailable if the queue or the alerts cannot be reached:
        then all messages shall come again.
        """
        again = []
        for delivery in (one for one in deliveries if one.is_whole):
            if time_left() < _RESERVE_SECONDS and not delivery.is_last:
                again.append(delivery.message_id)
            else:
                self.for_occurrence(delivery.occurrence, time_left)
        return again + self._singles([one for one in deliveries if not one.is_whole], time_left)

    def _singles(self, deliveries: Sequence[Delivery], time_left: Callable[[], float]) -> list[str]:
        wanted = [
            Wanted(export=export, scheduled_for=delivery.occurrence.scheduled_for)
            for delivery in deliveries
            for export in delivery.occurrence.exports
        ]
        results = list(zip(deliveries, self._start_all(wanted, time_left, attempts=1), strict=True))
        lost = [
            result
            for delivery, result in results
            if result.outcome is Outcome.FAILED or (result.outcome is Outcome.DEFERRED and delivery.is_last)
        ]
        self._alert(lost, None)
        return [delivery.message_id for delivery, result in results if result.outcome is Outcome.DEFERRED]

    def _start_all(self, wanted: Sequence[Wanted], time_left: Callable[[], float], *, attempts: int) -> list[Result]:
        if not wanted:
            return []
        gate = Gate(
            time_left=lambda: time_left() - _RESERVE_SECONDS, clock=self.clock, sleep=self.sleep, waits=attempts > 1
        )
        keys = self._read_keys(gate)
        self.webadmit.drop_connections()

        if not gate.is_closed:
            # Now, beside the first requests: their records wait for the names, and so would the next requests.
            self.names.look_up(keys[0], [one.export for one in wanted])
        means = _Means(*keys, gate)

        def start(one: Wanted) -> Result:
            return self._start_isolated(one, means, attempts)

        with ThreadPoolExecutor(max_workers=min(SIDE_BY_SIDE, len(wanted))) as workers:
            results = list(workers.map(start, wanted))
        if gate.lowest_remaining is not None:
            count("RateLimitRemaining", gate.lowest_remaining)
        return results

    def _read_keys(self, gate: Gate) -> tuple[ApiKey, bytes]:
        """Both keys; without them the gate is closed, and the exports are deferred like any others."""
        try:
            return self.api_key.read(), self.signing_keys.current()
        except ApiKeyUnusable as error:
            logger.error("no run can be started", reason=str(error))
            gate.close(Cause.API_KEY_MISSING)
        except SigningKeyUnusable as error:
            logger.error("no run can be started", reason=str(error))
            gate.close(Cause.SIGNING_KEY_UNUSABLE)
        except AwsUnavailable as error:
            logger.error("no run can be started", reason=str(error))
            gate.close(Cause.AWS_UNAVAILABLE, str(error))
        return ApiKey(""), b""

    def _start_isolated(self, wanted: Wanted, means: _Means, attempts: int) -> Result:
        fields = wanted.fields
        try:
            started = self._start(wanted, means, attempts)
        except NotStarted as why:
            count("RunsRefused")
            logger.warning("not started", **fields, cause=why.cause.name, words=why.words, gives_up=why.gives_up)
            outcome = Outcome.FAILED if why.gives_up else Outcome.DEFERRED
            return Result(wanted=wanted, outcome=outcome, cause=why.cause, words=why.words)
        except Exception:  # noqa: BLE001 - the edge: an error with one export must not keep the others from starting
            logger.exception("not started because of an error in the code", **fields)
            return Result(wanted=wanted, outcome=Outcome.DEFERRED, cause=Cause.UNEXPECTED)
        return Result(wanted=wanted, outcome=Outcome.STARTED if started else Outcome.ALREADY_STARTED)

    def _start(self, wanted: Wanted, means: _Means, attempts: int) -> bool:
        """True if the run was started or joined now, False if it had been before; raises NotStarted."""
        gate, unanswered = means.gate, 0
        while True:
            gate.pass_through(wanted.export.user_identity_id)
            try:
                return self._ask_once(wanted, means)
            except RateLimited as error:
                gate.pause(error.retry_after)
            except Unavailable as error:
                unanswered += 1
                logger.info("no usable answer", **wanted.fields, attempt=unanswered, reason=str(error))
                if unanswered == attempts:
                    raise NotStarted(Cause.UNAVAILABLE, error.words or error.what) from None
                self.sleep(random.uniform(0.5, 1) * 2**unanswered)  # jitter, so that the workers do not come in step
            except AwsUnavailable as error:
                raise NotStarted(Cause.AWS_UNAVAILABLE, str(error)) from error
            except ApiKeyRefused as error:
                gate.close(Cause.API_KEY_REFUSED, error.words)
            except AccessRefused as error:
                gate.close_identity(wanted.export.user_identity_id, error.words)
            except RequestRefused as error:
                cause = Cause.NOT_FOUND if error.status == 404 else Cause.REJECTED
                raise NotStarted(cause, error.words or error.what, gives_up=True) from None

    def _ask_once(self, wanted: Wanted, means: _Means) -> bool:
        newest = self.table.newest(wanted.export.export_id, wanted.scheduled_for)
        if any(file.export == wanted.export for file in newest):
            return False  # a run was started for this occurrence already, or for a later one
        as_of = self.now()
        address = CallbackAddress(export=wanted.export, scheduled_for=wanted.scheduled_for)
        url = address.url(self.callback_url, means.signing_key)
        run, rate_limit = self.webadmit.start_run(means.api_key, wanted.export, url)
        means.gate.learn(rate_limit)
        self._record(wanted, run, as_of, newest)
        return True

    def _record(self, wanted: Wanted, run: Run, as_of: datetime, newest: Iterable[ExportFile]) -> None:
        news = News(
            source=Source.START,
            as_of=as_of,
            export=wanted.export,
            export_file_id=run.export_file_id,
            status=run.status,
            scheduled_for=wanted.scheduled_for,
            href=run.href,
            names=self.names.of(wanted.export),
        )
        known = next((file for file in newest if file.export_file_id == run.export_file_id), None)
        try:
            self.export_files.apply(news, known)
        except AnnouncementDelayed as error:  # the run is recorded, and the reconciler announces it
            logger.warning("announcement delayed", **wanted.fields, reason=str(error))
        logger.info("started", **wanted.fields, export_file_id=run.export_file_id, status=run.status)

    def _alert(self, results: Sequence[Result], retry_until: datetime | None) -> None:
        """One alert for each cause (and occurrence), never one for each export."""
        words: dict[tuple[Cause, datetime], dict[Export, str]] = {}
        for result in results:
            if result.cause:
                group = words.setdefault((result.cause, result.wanted.scheduled_for), {})
                group[result.wanted.export] = result.words
        for (cause, scheduled_for), said in words.items():
            alert = StartAlert(cause=cause, scheduled_for=scheduled_for, words=said, retry_until=retry_until)
            self.topics.publish(self.wording.start_alert(alert))
