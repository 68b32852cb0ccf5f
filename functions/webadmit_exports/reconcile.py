"""Finishes what callbacks left open: announces finished files that are due, asks WebAdMIT about open runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .callbacks import LIFETIME
from .errors import AccessRefused, AwsUnavailable, RateLimited, RequestRefused, Unavailable, WebAdmitError
from .export_files import ExportFiles
from .keys import ApiKey, WebAdmitApiKey
from .messages import RefusedIdentity, Wording
from .model import ExportFile, News, Progress, Source, Status, progress_of
from .table import ExportFilesTable
from .telemetry import count, logger
from .topics import Topics
from .webadmit import LONGEST_CALL_SECONDS, RateLimit, Run, WebAdmit

SWEEPS_AN_HOUR = 12  # as ReconcileRunsFunction is scheduled in template.yaml
_SHARE = 1 / 8  # of the rate limit, which belongs to a key that others may use
_LEFT_TO_OTHERS = 1 / 4  # of the rate limit: when less remains, nothing more is asked
_RESERVE_SECONDS = LONGEST_CALL_SECONDS + 10
_NOT_KNOWN = "WebAdMIT no longer knows this file (404)"
_NOTHING_HEARD = f"WebAdMIT refuses access to the identity (403), and nothing was heard for {LIFETIME.days} days"


class SweepIncomplete(Exception):
    """Something that was due could not be dealt with; it stays due for the next sweep."""


class _NoMoreCalls(Exception):
    """The share of the rate limit, or the time, is used up; what is left stays due."""


@dataclass(slots=True)
class Figures:
    """What one sweep did. `failed` counts what stays due because something did not answer."""

    due: int = 0
    announced: int = 0
    asked: int = 0
    found: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(slots=True)
class Allowance:
    """How many calls to WebAdMIT a sweep may make: known once the first answer has told the rate limit."""

    calls: int = 0
    allowed: int | None = None
    remaining: int | None = None

    def take(self) -> None:
        """Counts a call that is about to be made; raises _NoMoreCalls if it may not be."""
        if self.allowed is not None and self.calls >= self.allowed:
            raise _NoMoreCalls
        self.calls += 1

    def learn(self, rate_limit: RateLimit) -> None:
        """Takes note of what an answer says of the limit."""
        self.remaining = rate_limit.remaining
        if rate_limit.limit is None:
            return
        self.allowed = max(1, int(rate_limit.limit * _SHARE / SWEEPS_AN_HOUR))
        if rate_limit.remaining is not None and rate_limit.remaining < rate_limit.limit * _LEFT_TO_OTHERS:
            self.allowed = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRuns:
    """The use case."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    table: ExportFilesTable
    export_files: ExportFiles
    topics: Topics
    wording: Wording
    now: Callable[[], datetime]

    def sweep(self, time_left: Callable[[], float]) -> Figures:
        """Deals with what is due, longest due first, as far as time and rate limit go; the rest is the next sweep's.

        `time_left`: the seconds that the invocation still has. Raises SweepIncomplete at its end if something failed,
        ApiKeyUnusable or ApiKeyRefused if there are open runs to ask about and the key does not serve.
        """
        due = list(self.table.unfinished(self.now()))
        sweep = _Sweep(parts=self, time_left=time_left, figures=Figures(due=len(due)))
        sweep.announce([file for file in due if file.finished_at])
        sweep.ask([file for file in due if not file.finished_at])
        if sweep.figures.failed:
            raise SweepIncomplete(
                f"{sweep.figures.failed} of {len(due)} due files could not be dealt with; see the log"
            )
        return sweep.figures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweep:
    """One sweep; the API key is read when there is something to ask."""

    parts: ReconcileRuns
    time_left: Callable[[], float]
    figures: Figures
    allowance: Allowance = field(default_factory=Allowance)

    def announce(self, finished: Iterable[ExportFile]) -> None:
        for file in finished:
            if self.time_left() < _RESERVE_SECONDS:
                return
            try:
                self.figures.announced += self.parts.export_files.announce(file)
            except AwsUnavailable as error:
                self._failed("not announced yet", error, file)

    def ask(self, files: Sequence[ExportFile]) -> None:
        by_identity: dict[int, list[ExportFile]] = {}
        for file in files:
            by_identity.setdefault(file.export.user_identity_id, []).append(file)
        if not by_identity:
            return
        key = self.parts.api_key.read()
        self.parts.webadmit.drop_connections()
        try:
            for user_identity_id, open_files in by_identity.items():
                self._ask_about(key, user_identity_id, open_files)
        except _NoMoreCalls:
            logger.info("the share of the rate limit, or the time, is used up", calls=self.allowance.calls)
        except RateLimited as error:
            logger.warning("WebAdMIT's rate limit is used up", reason=str(error))
        finally:
            if self.allowance.remaining is not None:
                count("RateLimitRemaining", self.allowance.remaining)

    def _ask_about(self, key: ApiKey, user_identity_id: int, files: list[ExportFile]) -> None:
        """Asks for the identity's list of runs, and alone about each file that it lacks: that proves nothing yet."""
        try:
            as_of, listed = self._listed(key, user_identity_id)
        except Unavailable as error:
            self._failed("WebAdMIT could not be asked", error, *files)
            for file in files:
                self._unheard(file, ask_later=False)
            return
        missing = []
        for file in files:
            run = listed.get((file.export.export_id, file.export_file_id))
            if run is None:
                missing.append(file)
            else:
                self._apply(_news(file, run, as_of), file)
        try:
            for file in missing:
                self._ask_about_one(key, file)
        except AccessRefused as error:
            self._report(user_identity_id, error.words)

    def _listed(self, key: ApiKey, user_identity_id: int) -> tuple[datetime, Mapping[tuple[int | None, int], Run]]:
        as_of = self._about_to_call()
        try:
            runs, rate_limit = self.parts.webadmit.recent_runs(key, user_identity_id)
        except (AccessRefused, RequestRefused) as error:
            # The files are asked for by their exports; whether those can be seen is not said by this.
            logger.warning("no list of runs", user_identity_id=user_identity_id, reason=str(error))
            return as_of, {}
        self.allowance.learn(rate_limit)
        return as_of, {(run.export_id, run.export_file_id): run for run in runs}

    def _ask_about_one(self, key: ApiKey, file: ExportFile) -> None:
        as_of = self._about_to_call()
        try:
            run, rate_limit = self.parts.webadmit.run(key, file.export.export_id, file.export_file_id)
        except Unavailable as error:
            self._failed("WebAdMIT could not be asked", error, file)
            self._unheard(file, ask_later=False)
            return
        except RequestRefused as error:
            if error.status == 404:
                self._apply(_news(file, None, as_of, _NOT_KNOWN), file)
            elif as_of - file.started_at > LIFETIME:
                self._apply(_news(file, None, as_of, f"WebAdMIT does not tell about it ({error.status})"), file)
            else:
                self._failed("WebAdMIT refuses the question", error, file)
                self._unheard(file, ask_later=True)
            return
        self.allowance.learn(rate_limit)
        self._apply(_news(file, run, as_of), file)

    def _about_to_call(self) -> datetime:
        if self.time_left() < _RESERVE_SECONDS:
            raise _NoMoreCalls
        self.allowance.take()
        return self.parts.now()

    def _apply(self, news: News, file: ExportFile) -> None:
        if self.time_left() < _RESERVE_SECONDS:
            raise _NoMoreCalls
        self.figures.asked += 1
        try:
            self.parts.export_files.apply(news, file)
        except AwsUnavailable as error:
            self._failed("not settled yet", error, file)
            return
        if progress_of(news.status) >= Progress.FINISHED_WITHOUT_FILE:
            self.figures.found += 1
            count("RunsFoundByReconciler")
            logger.info("found finished without a callback", **file.ids, status=news.status)

    def _unheard(self, file: ExportFile, *, ask_later: bool) -> None:
        """A run is late whether WebAdMIT answers or not."""
        try:
            self.parts.export_files.unheard(file, ask_later=ask_later)
        except AwsUnavailable as error:
            logger.error("not settled yet", **file.ids, reason=str(error))

    def _report(self, user_identity_id: int, words: str) -> None:
        """Access to an identity is refused: people are told once, and what is too old to be heard of is given up."""
        now = self.parts.now()
        files: list[ExportFile] = []
        try:
            files = self._open_runs(user_identity_id, now)
            self.figures.refused += len(files)
            if new := [file for file in files if file.overdue_at is None]:
                refused = RefusedIdentity(user_identity_id=user_identity_id, files=new, words=words)
                self.parts.topics.publish(self.parts.wording.refused_identity(refused))
            for file in files:
                if now - file.started_at > LIFETIME:
                    self.parts.export_files.apply(_news(file, None, now, _NOTHING_HEARD), file)
                else:
                    self.parts.export_files.put_by(file)
        except AwsUnavailable as error:
            self._failed("a refused identity could not be reported", error, *files)

    def _open_runs(self, user_identity_id: int, now: datetime) -> list[ExportFile]:
        """All of them, due or not: one report shall do for all."""
        return [
            file
            for file in self.parts.table.unfinished(now + LIFETIME)
            if file.export.user_identity_id == user_identity_id and not file.finished_at
        ]

    def _failed(self, what: str, error: WebAdmitError | AwsUnavailable, *files: ExportFile) -> None:
        self.figures.failed += max(1, len(files))
        logger.error(what, **(files[0].ids if files else {}), files=len(files), reason=str(error))


def _news(file: ExportFile, run: Run | None, as_of: datetime, reason: str | None = None) -> News:
    """What an answer says about the file; without a run, why it is given up."""
    return News(
        source=Source.POLL,
        as_of=as_of,
        export=file.export,
        export_file_id=file.export_file_id,
        status=run.status if run else Status.FAILED,
        href=run.href if run else None,
        reason=reason,
    )
