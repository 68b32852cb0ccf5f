"""Starts the run of one export, once for each scheduled time, and records it."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.errors import AnnouncementDelayed, RateLimited, Unavailable, WebAdmitExportsError
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.runs.label_cache import LabelCache
from webadmit_exports.runs.throttle import NotStarted, Throttle
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import count, logger
from webadmit_exports.webadmit.answers import Run
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit


class StartOutcome(Enum):
    """The outcome for one export."""

    STARTED = "started"  # or joined: WebAdMIT does not tell
    ALREADY_STARTED = "already_started"  # for this scheduled time or a later one
    DEFERRED = "deferred"  # the start queue brings it back
    FAILED = "failed"  # trying again would not help


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedStart:
    """An entry of a list that is to run for a scheduled time: an export, or a name until it has been looked up.

    `is_by_name`: a name stood for the export. `others`: the same export under the other identities that list it.
    """

    entry: Entry
    scheduled_for: datetime
    is_by_name: bool = False
    others: tuple[Export, ...] = ()

    @property
    def export(self) -> Export:
        assert isinstance(self.entry, Export), "a name is looked up before it is started"
        return self.entry

    @property
    def name(self) -> NamePattern:
        assert isinstance(self.entry, NamePattern), "an export is not looked up"
        return self.entry

    @property
    def ids(self) -> dict[str, Any]:
        """For log lines."""
        ids = self.entry.ids if isinstance(self.entry, Export) else {"entry": str(self.entry)}
        return {**ids, "scheduled_for": utc_seconds(self.scheduled_for)}

    def of(self, entry: Entry) -> "RequestedStart":
        """The start of another entry for the same scheduled time."""
        return RequestedStart(entry=entry, scheduled_for=self.scheduled_for)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartResult:
    """The outcome, and where the export did not start: the problem, and what is known beyond it."""

    requested: RequestedStart
    outcome: StartOutcome
    problem: Problem | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOne:
    """Starts one export after another. `attempts`: how often WebAdMIT is asked where it gives no usable answer."""

    webadmit: WebAdmit
    api_key: ApiKey
    signing_key: bytes
    callback_url: str
    table: ExportFilesTable
    tracker: RunTracker
    labels: LabelCache
    throttle: Throttle
    attempts: int
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def start(self, requested: RequestedStart) -> StartResult:
        """Starts the export unless that was done before. Raises nothing: no export keeps the others from starting.

        Where its identity is refused, the next identity that lists it takes its place.
        """
        for export in (requested.export, *requested.others):
            result = self._start_under(replace(requested, entry=export, others=()))
            if result.problem is not Problem.ACCESS_REFUSED:
                return result
        return replace(result, requested=requested)

    def _start_under(self, requested: RequestedStart) -> StartResult:
        try:
            outcome = StartOutcome.STARTED if self._start(requested) else StartOutcome.ALREADY_STARTED
        except NotStarted as why:
            count("RunsRefused")
            logger.warning("not started", **requested.ids, problem=why.problem.name, detail=why.detail)
            outcome = StartOutcome.FAILED if why.problem.is_final else StartOutcome.DEFERRED
            return StartResult(requested=requested, outcome=outcome, problem=why.problem, detail=why.detail)
        except Exception:  # noqa: BLE001 - the edge: see above
            logger.exception("not started because of an error in the code", **requested.ids)
            return StartResult(requested=requested, outcome=StartOutcome.DEFERRED, problem=Problem.UNEXPECTED)
        return StartResult(requested=requested, outcome=outcome)

    def _start(self, requested: RequestedStart) -> bool:
        """True if the run was started or joined now, False if it had been before; raises NotStarted."""
        user_identity_id, unanswered = requested.export.user_identity_id, 0
        while True:
            self.throttle.acquire(user_identity_id)
            try:
                return self._ask_once(requested)
            except RateLimited as error:
                self.throttle.refuse(requested.export, error.retry_after)
            except WebAdmitExportsError as error:
                unanswered += 1
                if not isinstance(error, Unavailable) or unanswered == self.attempts:
                    problem = problem_of(error)
                    self.throttle.close(problem, error.detail, user_identity_id)
                    raise NotStarted(problem, error.detail) from None
                logger.info(
                    "WebAdMIT gave no usable answer; it is asked again",
                    **requested.ids,
                    attempt=unanswered,
                    reason=str(error),
                )
                self.sleep(random.uniform(0.5, 1) * 2**unanswered)  # jitter, so that the workers do not come in step

    def _ask_once(self, requested: RequestedStart) -> bool:
        newest = self.table.newest(requested.export.export_id, requested.scheduled_for)
        if any(requested.is_by_name or file.is_of(requested.export) for file in newest):
            return False  # a run was started for this scheduled time already, or for a later one
        as_of = self.now()
        callback_url = CallbackUrl(export=requested.export, scheduled_for=requested.scheduled_for)
        signed_url = callback_url.signed(self.callback_url, self.signing_key)
        run, rate_limit = self.webadmit.start_run(self.api_key, requested.export, signed_url)
        self.throttle.note_limit(rate_limit)
        self._record(requested, run, as_of, newest)
        return True

    def _record(self, requested: RequestedStart, run: Run, as_of: datetime, newest: Iterable[ExportFile]) -> None:
        update = StatusUpdate(
            source=UpdateSource.START,
            as_of=as_of,
            export=requested.export,
            export_file_id=run.export_file_id,
            status=run.status,
            scheduled_for=requested.scheduled_for,
            href=run.href,
            labels=self.labels.of(requested.export),
        )
        known = next((file for file in newest if file.export_file_id == run.export_file_id), None)
        try:
            self.tracker.apply(update, known)
        except AnnouncementDelayed as error:  # the run is recorded, and the reconciler announces it
            logger.warning("announcement delayed", **requested.ids, reason=str(error))
        logger.info("started", **requested.ids, export_file_id=run.export_file_id, status=run.status)
