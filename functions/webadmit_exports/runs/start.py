"""Starts exports: for the schedule, and for the start queue what could not start before."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from webadmit_exports.aws.secrets import SigningKeys
from webadmit_exports.aws.start_queue import Delivery, StartQueue
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.errors import WebAdmitExportsError
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.messages.start_messages import StartAlert, start_message
from webadmit_exports.runs.export_names import ExportNames
from webadmit_exports.runs.start_one import RequestedStart, StartOne, StartOutcome, StartResult
from webadmit_exports.runs.throttle import Throttle
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import count, logger
from webadmit_exports.webadmit.api_key import ApiKey, WebAdmitApiKey
from webadmit_exports.webadmit.client import LONGEST_CALL_SECONDS, WebAdmit

SIDE_BY_SIDE = 16
_ATTEMPTS = 3  # in one invocation; the start queue goes on from there
# Kept back for what follows the last request: its answer, its record, the start queue and the alerts.
_RESERVE_SECONDS = LONGEST_CALL_SECONDS + 30


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRuns:
    """The use case. `now` is the time, `clock` counts seconds, `sleep` spends them."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    signing_keys: SigningKeys
    callback_url: str
    table: ExportFilesTable
    tracker: RunTracker
    start_queue: StartQueue
    topics: Topics
    writer: MessageWriter
    names: ExportNames
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def start(self, request: StartRequest, time_left: Callable[[], float]) -> list[StartResult]:
        """Starts the exports; those that cannot start yet go to the start queue, and people are told.

        `time_left`: the seconds that the invocation still has. Raises AwsUnavailable if the start queue or the alerts
        cannot be reached; repeating the whole call is safe.
        """
        requested = [RequestedStart(export=export, scheduled_for=request.scheduled_for) for export in request.exports]
        results = self._start_all(requested, time_left, attempts=_ATTEMPTS)
        deferred = [result for result in results if result.outcome is StartOutcome.DEFERRED]
        self.start_queue.put([result.requested.export for result in deferred], request.scheduled_for)
        self._alert(deferred, self.now() + self.start_queue.span)
        self._alert([result for result in results if result.outcome is StartOutcome.FAILED], None)
        return results

    def retry(self, deliveries: Sequence[Delivery], time_left: Callable[[], float]) -> list[str]:
        """Starts what the start queue brings; returns the ids of the messages that shall come again.

        A start that failed as a whole is made up for as the schedule would have made it: what it cannot start goes back
        as a message for each export, and people are told. For each other message WebAdMIT is asked once, and people are
        told after its last try only. Raises AwsUnavailable if the queue or the alerts cannot be reached: then all
        messages shall come again.
        """
        again = []
        for delivery in (one for one in deliveries if one.is_whole):
            if time_left() < _RESERVE_SECONDS and not delivery.is_last:
                again.append(delivery.message_id)
            else:
                self.start(delivery.request, time_left)
        return again + self._retry_singles([one for one in deliveries if not one.is_whole], time_left)

    def _retry_singles(self, deliveries: Sequence[Delivery], time_left: Callable[[], float]) -> list[str]:
        requested = [
            RequestedStart(export=delivery.request.exports[0], scheduled_for=delivery.request.scheduled_for)
            for delivery in deliveries
        ]
        results = list(zip(deliveries, self._start_all(requested, time_left, attempts=1), strict=True))
        failed = [
            result
            for delivery, result in results
            if result.outcome is StartOutcome.FAILED or (result.outcome is StartOutcome.DEFERRED and delivery.is_last)
        ]
        self._alert(failed, None)
        return [delivery.message_id for delivery, result in results if result.outcome is StartOutcome.DEFERRED]

    def _start_all(
        self, requested: Sequence[RequestedStart], time_left: Callable[[], float], *, attempts: int
    ) -> list[StartResult]:
        if not requested:
            return []
        throttle = Throttle(
            time_left=lambda: time_left() - _RESERVE_SECONDS, clock=self.clock, sleep=self.sleep, waits=attempts > 1
        )
        api_key, signing_key = self._read_keys(throttle)
        self.webadmit.drop_connections()
        if not throttle.is_closed:
            self.names.look_up(api_key, [one.export for one in requested])
        start_one = StartOne(
            webadmit=self.webadmit,
            api_key=api_key,
            signing_key=signing_key,
            callback_url=self.callback_url,
            table=self.table,
            tracker=self.tracker,
            names=self.names,
            throttle=throttle,
            attempts=attempts,
            now=self.now,
            sleep=self.sleep,
        )
        with ThreadPoolExecutor(max_workers=min(SIDE_BY_SIDE, len(requested))) as workers:
            results = list(workers.map(start_one.start, requested))
        if throttle.lowest_remaining is not None:
            count("RateLimitRemaining", throttle.lowest_remaining)
        return results

    def _read_keys(self, throttle: Throttle) -> tuple[ApiKey, bytes]:
        """Both keys; without them the throttle is closed, and the exports are deferred like any others."""
        try:
            return self.api_key.read(), self.signing_keys.current()
        except WebAdmitExportsError as error:
            logger.error("no run can be started", reason=str(error))
            throttle.close(problem_of(error), error.detail)
        return ApiKey(""), b""

    def _alert(self, results: Sequence[StartResult], retry_until: datetime | None) -> None:
        """One alert for each problem and scheduled time, not one for each export."""
        groups: dict[tuple[Problem, datetime], dict[Export, str]] = {}
        for result in results:
            if result.problem:
                group = groups.setdefault((result.problem, result.requested.scheduled_for), {})
                group[result.requested.export] = result.detail
        for (problem, scheduled_for), details in groups.items():
            alert = StartAlert(
                problem=problem,
                scheduled_for=scheduled_for,
                details=details,
                retry_until=retry_until,
                names={export: self.names.of(export).export_name for export in details},
            )
            self.topics.publish(start_message(alert, self.writer))
