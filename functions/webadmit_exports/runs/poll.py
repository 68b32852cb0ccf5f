"""Asks WebAdMIT about open runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.status import Status, has_file, is_finished
from webadmit_exports.errors import (
    AccessRefused,
    AnswerTooLong,
    AwsUnavailable,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.messages.start_messages import RefusedIdentity, refused_identity_message
from webadmit_exports.runs.call_budget import BudgetSpent, CallBudget
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import count, logger
from webadmit_exports.webadmit.answers import Run
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit

_NOT_KNOWN = "WebAdMIT no longer knows this file (404)"
_NO_NEWS = f"WebAdMIT refuses access to the identity (403), and there was no news for {LIFETIME.days} days"


@dataclass(slots=True)
class Figures:
    """What one sweep did, in numbers of files.

    `due`: when it began; `announced`; `asked`: about which WebAdMIT answered; `found`: of these, finished;
    `refused`: open, of identities that WebAdMIT refuses; `started_again`: failed, and put into the start queue once
    more; `failed`: what stays due because something did not answer.
    """

    due: int = 0
    announced: int = 0
    asked: int = 0
    found: int = 0
    refused: int = 0
    started_again: int = 0
    failed: int = 0

    def fail(self, what: str, error: Exception, *files: ExportFile) -> None:
        """Counts and logs what stays due."""
        self.failed += max(1, len(files))
        logger.error(what, **(files[0].ids if files else {}), files=len(files), reason=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The questions of one sweep. `untold`: the runs that they have found finished without a file."""

    webadmit: WebAdmit
    api_key: ApiKey
    table: ExportFilesTable
    tracker: RunTracker
    topics: Topics
    writer: MessageWriter
    now: Callable[[], datetime]
    budget: CallBudget
    figures: Figures
    untold: list[ExportFile] = field(default_factory=list)

    def ask(self, files: Sequence[ExportFile]) -> None:
        """Asks about open runs, identity by identity, as far as time and rate limit go; raises ApiKeyRefused."""
        by_identity: dict[int, list[ExportFile]] = {}
        for file in files:
            by_identity.setdefault(file.export.user_identity_id, []).append(file)
        self.webadmit.drop_connections()
        try:
            for user_identity_id, open_files in by_identity.items():
                self._ask_about(user_identity_id, open_files)
        except BudgetSpent:
            logger.info("asks no more: the share of the rate limit, or the time, is used up", calls=self.budget.calls)
        except RateLimited as error:
            logger.warning("WebAdMIT's rate limit is used up", reason=str(error))
        finally:
            if self.budget.remaining is not None:
                count("RateLimitRemaining", self.budget.remaining)

    def _ask_about(self, user_identity_id: int, files: list[ExportFile]) -> None:
        """Asks for the identity's list of runs, and alone about each file that it lacks: that proves nothing yet."""
        try:
            as_of, listed = self._list(user_identity_id)
        except Unavailable as error:
            self._no_answer(error, *files)
            return
        found = [file for file in files if (file.export.export_id, file.export_file_id) in listed]
        others = [file for file in files if file not in found]
        logger.info(
            "WebAdMIT listed an identity's runs",
            first_contact="list",
            user_identity_id=user_identity_id,
            listed=len(listed),
            open_runs=len(files),
            open_runs_listed=len(found),
            oldest_listed_hours=_hours(found, as_of),
            oldest_not_listed_hours=_hours(others, as_of),
        )
        missing = []
        for file in files:
            run = listed.get((file.export.export_id, file.export_file_id))
            if run is None:
                missing.append(file)
            else:
                self._apply(file, as_of, run)
        try:
            for file in missing:
                self._ask_about_one(file)
        except AccessRefused as error:
            self._report_refused(user_identity_id, error.detail)

    def _list(self, user_identity_id: int) -> tuple[datetime, Mapping[tuple[int | None, int], Run]]:
        self.budget.take()
        as_of = self.now()
        try:
            runs, rate_limit = self.webadmit.recent_runs(self.api_key, user_identity_id)
        except (AccessRefused, RequestRefused, AnswerTooLong) as error:
            # The files are asked for by their exports; whether those can be seen is not said by this.
            logger.warning("no list of runs; asks about each", user_identity_id=user_identity_id, reason=str(error))
            return as_of, {}
        self.budget.note_limit(rate_limit)
        return as_of, {(run.export_id, run.export_file_id): run for run in runs}

    def _ask_about_one(self, file: ExportFile) -> None:
        self.budget.take()
        as_of = self.now()
        try:
            run, rate_limit = self.webadmit.run(self.api_key, file.export.export_id, file.export_file_id)
        except Unavailable as error:
            self._no_answer(error, file)
        except RequestRefused as error:
            if error.status == 404:
                self._give_up(file, as_of, _NOT_KNOWN)
            elif as_of - file.started_at > LIFETIME:
                self._give_up(file, as_of, f"WebAdMIT does not tell about it ({error.status})")
            else:
                self._no_answer(error, file, ask_later=True)
        else:
            self.budget.note_limit(rate_limit)
            self._apply(file, as_of, run)

    def _give_up(self, file: ExportFile, as_of: datetime, reason: str) -> None:
        self._apply(file, as_of, Run(export_file_id=file.export_file_id, status=Status.FAILED), reason)

    def _apply(self, file: ExportFile, as_of: datetime, run: Run, reason: str | None = None) -> None:
        self.budget.check_time()
        self.figures.asked += 1
        update = StatusUpdate(
            source=UpdateSource.POLL,
            as_of=as_of,
            export=file.export,
            export_file_id=file.export_file_id,
            status=run.status,
            href=run.href,
            reason=reason,
        )
        try:
            record = self.tracker.apply(update, file)
        except AwsUnavailable as error:
            self.figures.fail("the answer about a run could not be stored or announced yet", error, file)
            return
        if is_finished(update.status):
            if record and not has_file(record.status):
                self.untold.append(record)
            self.figures.found += 1
            count("RunsFoundByReconciler")
            logger.info("found finished by asking", **file.ids, status=update.status)

    def _no_answer(self, error: Exception, *files: ExportFile, ask_later: bool = False) -> None:
        """WebAdMIT gave no answer about these files; those that are late are reported all the same."""
        self.figures.fail("WebAdMIT could not be asked", error, *files)
        for file in files:
            try:
                self.tracker.on_no_answer(file, ask_later=ask_later)
            except AwsUnavailable as unsettled:
                logger.error("a late run could not be reported yet", **file.ids, reason=str(unsettled))

    def _report_refused(self, user_identity_id: int, detail: str) -> None:
        """Access to an identity is refused: people are told once, and what is too old for any news is given up."""
        now = self.now()
        files: list[ExportFile] = []
        try:
            files = self._open_runs(user_identity_id, now)
            self.figures.refused += len(files)
            if new := [file for file in files if file.overdue_at is None]:
                refused = RefusedIdentity(user_identity_id=user_identity_id, files=new, detail=detail)
                self.topics.publish(refused_identity_message(refused, self.writer))
            for file in files:
                if now - file.started_at > LIFETIME:
                    self._give_up(file, now, _NO_NEWS)
                else:
                    self.tracker.defer_check(file)
        except AwsUnavailable as error:
            self.figures.fail("a refused identity could not be reported", error, *files)

    def _open_runs(self, user_identity_id: int, now: datetime) -> list[ExportFile]:
        """All of them, due or not: one report shall do for all."""
        return [
            file
            for file in self.table.unfinished(now + LIFETIME)
            if file.export.user_identity_id == user_identity_id and not file.finished_at
        ]


def _hours(files: Iterable[ExportFile], now: datetime) -> float | None:
    """How long ago the oldest of them was started."""
    ages = [(now - file.started_at).total_seconds() / 3600 for file in files]
    return round(max(ages), 1) if ages else None
