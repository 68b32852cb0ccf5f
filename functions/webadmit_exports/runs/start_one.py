"""Starts the run of one export, once for each scheduled time, and records it."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.errors import AnnouncementDelayed, RateLimited, Unavailable, WebAdmitExportsError
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.runs.label_cache import LabelCache
from webadmit_exports.runs.requested_start import RequestedStart, StartOutcome, StartResult
from webadmit_exports.runs.second_start import failed_run
from webadmit_exports.runs.throttle import NotStarted, Throttle
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import count, logger
from webadmit_exports.webadmit.answers import Run
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit


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
        newest, failed = self.table.newest(requested.export.export_id, requested.scheduled_for), None
        if requested.second_chance:
            failed = failed_run(requested.second_chance, newest, self.tracker, self.now())
            if failed is None:
                return False  # its second run was started already, or the failure was told
        elif any(requested.is_by_name or file.is_of(requested.export) for file in newest):
            return False  # a run was started for this scheduled time already, or for a later one
        as_of = self.now()
        callback_url = CallbackUrl(export=requested.export, scheduled_for=requested.scheduled_for)
        signed_url = callback_url.signed(self.callback_url, self.signing_key)
        run, rate_limit = self.webadmit.start_run(self.api_key, requested.export, signed_url)
        self.throttle.note_limit(rate_limit)
        self._record(requested, run, as_of, newest, failed)
        return True

    def _record(
        self,
        requested: RequestedStart,
        run: Run,
        as_of: datetime,
        newest: Iterable[ExportFile],
        failed: ExportFile | None,
    ) -> None:
        update = StatusUpdate(
            source=UpdateSource.START,
            as_of=as_of,
            export=requested.export,
            export_file_id=run.export_file_id,
            status=run.status,
            scheduled_for=requested.scheduled_for,
            href=run.href,
            labels=self.labels.of(requested.export),
            start_failed_again=requested.start_failed_again,
            failed=failed,
        )
        known = next((file for file in newest if file.export_file_id == run.export_file_id), None)
        record = None
        try:
            record = self.tracker.apply(update, known)
        except AnnouncementDelayed as error:  # the run is recorded, and the reconciler announces it
            logger.warning("announcement delayed", **requested.ids, reason=str(error))
        if failed and failed.export_file_id != run.export_file_id:
            self.tracker.give_way(failed)
        answered = (record.answered if record else None) or frozenset[AnsweredStart]()
        logger.info(
            "started",
            **requested.ids,
            export_file_id=run.export_file_id,
            status=run.status,
            first_contact="start",
            is_joined=len(answered) > 1 if record else known is not None,
            joined_identities=len({one.user_identity_id for one in answered}),
        )
