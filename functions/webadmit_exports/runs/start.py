"""Starts exports: for the schedule, and for the start queue what could not start before."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from webadmit_exports.aws.secrets import SigningKeys
from webadmit_exports.aws.start_queue import Delivery, StartQueue
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.errors import AwsUnavailable, WebAdmitExportsError
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.messages.start_messages import StartAlert, start_message
from webadmit_exports.runs.label_cache import LabelCache
from webadmit_exports.runs.requested_start import RequestedStart, StartOutcome, StartResult
from webadmit_exports.runs.resolve_names import Resolved, ResolveNames, each_once
from webadmit_exports.runs.second_start import give_up
from webadmit_exports.runs.start_one import StartOne
from webadmit_exports.runs.throttle import Throttle
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import count, logger
from webadmit_exports.webadmit.api_key import ApiKey, WebAdmitApiKey
from webadmit_exports.webadmit.client import LONGEST_CALL_SECONDS, WebAdmit

SIDE_BY_SIDE = 16
_MOST_IN_AN_ALERT = 400  # as many as the parameter has pairs; SNS takes 256 KiB, in which each stands up to four times
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
    labels: LabelCache
    resolve_names: ResolveNames
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def start(self, request: StartRequest, time_left: Callable[[], float]) -> list[StartResult]:
        """Starts the exports; those that cannot start yet go to the start queue, and people are told.

        `time_left`: the seconds that the invocation still has. Raises AwsUnavailable if the start queue or the alerts
        cannot be reached; repeating the whole call is safe.
        """
        results = _flat(self._start_all(RequestedStart.each_of(request), time_left, attempts=_ATTEMPTS).values())
        self._alert(self._defer(results), self.now() + self.start_queue.span)
        self._alert([result for result in results if result.outcome is StartOutcome.FAILED], None)
        return results

    def retry(self, deliveries: Sequence[Delivery], time_left: Callable[[], float]) -> list[str]:
        """Starts what the start queue brings; returns the ids of the messages that shall come again.

        A start that failed as a whole is made up for as the schedule would have made it: what it cannot start goes back
        as a message for each export, and people are told. For each other message WebAdMIT is asked once, and people are
        told when it is given up, and of what a name newly defers. Raises AwsUnavailable if the queue or the alerts
        cannot be reached: then all messages shall come again.
        """
        again = []
        for delivery in (delivery for delivery in deliveries if delivery.is_failed_invocation):
            if time_left() < _RESERVE_SECONDS and not delivery.is_last:
                again.append(delivery.message_id)
            else:
                self.start(delivery.request, time_left)
        singles = [delivery for delivery in deliveries if not delivery.is_failed_invocation]
        return again + self._retry_singles(singles, time_left)

    def _retry_singles(self, deliveries: Sequence[Delivery], time_left: Callable[[], float]) -> list[str]:
        again, failed, others = [], [], []
        requested = [RequestedStart.each_of(delivery.request)[0] for delivery in deliveries]
        results_of = self._start_all(requested, time_left, attempts=1)
        for delivery, one in zip(deliveries, requested, strict=True):
            results = results_of[one]
            own = next((result for result in results if result.requested == one), None)
            if own and own.problem and one.second_chance:
                is_over = delivery.is_last or own.outcome is StartOutcome.FAILED
                if not (is_over and give_up(own, self.table, self.tracker, self.now())):
                    again.append(delivery.message_id)
                continue
            if own and own.outcome is StartOutcome.DEFERRED:
                again.append(delivery.message_id)
                if not delivery.is_last:
                    continue  # with a name comes again all that it stands for
                failed.append(own)
            failed += [result for result in results if result.outcome is StartOutcome.FAILED]
            others += results
        self._alert(failed, None)
        new = self._defer(result for result in _flat([others]) if result.requested not in results_of)
        try:
            self._alert(new, self.now() + self.start_queue.span)
        except AwsUnavailable as error:  # people know of the names that these come from; to fail would put them twice
            logger.warning("an alert was not sent", reason=str(error))
        return again

    def _defer(self, results: Iterable[StartResult]) -> list[StartResult]:
        """Puts what could not start yet on the queue, and returns it."""
        deferred = [result for result in results if result.outcome is StartOutcome.DEFERRED]
        self.start_queue.put([result.requested.request for result in deferred])
        return deferred

    def _start_all(
        self, requested: Sequence[RequestedStart], time_left: Callable[[], float], *, attempts: int
    ) -> dict[RequestedStart, list[StartResult]]:
        """The results of each; those of a name are those of the exports that it stands for."""
        if not requested:
            return {}
        throttle = Throttle(
            time_left=lambda: time_left() - _RESERVE_SECONDS, clock=self.clock, sleep=self.sleep, waits=attempts > 1
        )
        api_key, signing_key = self._read_keys(throttle)
        self.webadmit.drop_connections()
        resolved = self._resolve(api_key, requested, throttle)
        instead = each_once(resolved)
        starts = list(dict.fromkeys(instead.values()))
        if not throttle.closed:
            self.labels.look_up(api_key, [start.export for start in starts])
        start_one = StartOne(
            webadmit=self.webadmit,
            api_key=api_key,
            signing_key=signing_key,
            callback_url=self.callback_url,
            table=self.table,
            tracker=self.tracker,
            labels=self.labels,
            throttle=throttle,
            attempts=attempts,
            now=self.now,
            sleep=self.sleep,
        )
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as workers:
            results = dict(zip(starts, workers.map(start_one.start, starts), strict=True))
        if throttle.lowest_remaining is not None:
            count("RateLimitRemaining", throttle.lowest_remaining)
        return {
            request: [*found.results, *(results[instead[start]] for start in found.starts)]
            for request, found in resolved.items()
        }

    def _resolve(
        self, api_key: ApiKey, requested: Sequence[RequestedStart], throttle: Throttle
    ) -> dict[RequestedStart, Resolved]:
        """What each stands for; names are looked up only if there are any."""
        resolved = {start: Resolved(starts=[start]) for start in requested}
        names = [start for start in requested if isinstance(start.entry, NamePattern)]
        return resolved | (self.resolve_names.resolve(api_key, names, throttle) if names else {})

    def _read_keys(self, throttle: Throttle) -> tuple[ApiKey, bytes]:
        """Both keys; without them the throttle is closed, and the exports are deferred like any others."""
        try:
            return self.api_key.read(), self.signing_keys.current()
        except WebAdmitExportsError as error:
            logger.error("no run can be started", reason=str(error))
            throttle.close(problem_of(error), error.detail)
        return ApiKey(""), b""

    def _alert(self, results: Sequence[StartResult], retry_until: datetime | None) -> None:
        """One alert for each problem and scheduled time, not one for each export; a few for very many."""
        groups: dict[tuple[Problem, datetime], dict[Entry, str]] = {}
        for result in results:
            if result.problem:
                group = groups.setdefault((result.problem, result.requested.scheduled_for), {})
                group[result.requested.entry] = result.detail
        for (problem, scheduled_for), group in groups.items():
            entries = list(group)
            for first in range(0, len(entries), _MOST_IN_AN_ALERT):
                some = entries[first : first + _MOST_IN_AN_ALERT]
                names = {entry: self.labels.of(entry).export_name for entry in some if isinstance(entry, Export)}
                alert = StartAlert(
                    problem=problem,
                    scheduled_for=scheduled_for,
                    details={entry: group[entry] for entry in some},
                    retry_until=retry_until,
                    export_names=names,
                )
                self.topics.publish(start_message(alert, self.writer))


def _flat(results: Iterable[Sequence[StartResult]]) -> list[StartResult]:
    """Each start once, also where two names stand for the same export."""
    return list({result.requested: result for some in results for result in some}.values())
