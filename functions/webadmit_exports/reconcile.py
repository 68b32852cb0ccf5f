"""Finishes what callbacks left open: announces finished files that are due, asks WebAdMIT about open runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from .errors import AccessRefused, AwsUnavailable, RateLimited, RequestRefused, Unavailable
from .export_files import ExportFiles
from .keys import ApiKey, WebAdmitApiKey
from .model import ExportFile, News, Progress, Source, Status, progress_of
from .table import ExportFilesTable
from .telemetry import count, logger
from .webadmit import CONNECT_SECONDS, READ_SECONDS, Run, WebAdmit

_RESERVE_SECONDS = CONNECT_SECONDS + READ_SECONDS + 10
_NOT_KNOWN = "WebAdMIT no longer knows this file (404)"


class SweepIncomplete(Exception):
    """Something that was due could not be dealt with; it stays due for the next sweep."""


@dataclass(slots=True)
class Sweep:
    """The figures of one sweep; `failed` counts what stays due because something did not answer."""

    announced: int = 0
    asked: int = 0
    found: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRuns:
    """The use case."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    table: ExportFilesTable
    export_files: ExportFiles
    now: Callable[[], datetime]

    def sweep(self, time_left: Callable[[], float]) -> Sweep:
        """Deals with what is due, as far as the time goes. `time_left`: the seconds that the invocation still has.

        Raises SweepIncomplete at its end if something failed, ApiKeyUnusable or ApiKeyRefused if there are open runs
        to ask about and the key does not serve.
        """
        sweep = Sweep()
        due = list(self.table.unfinished(self.now()))
        self._announce([file for file in due if file.finished_at], sweep, time_left)
        self._ask([file for file in due if not file.finished_at], sweep, time_left)
        if sweep.failed:
            raise SweepIncomplete(f"{sweep.failed} of {len(due)} due files could not be dealt with; see the log")
        return sweep

    def _announce(self, finished: Iterable[ExportFile], sweep: Sweep, time_left: Callable[[], float]) -> None:
        for file in finished:
            if time_left() < _RESERVE_SECONDS:
                return
            try:
                sweep.announced += self.export_files.announce(file)
            except AwsUnavailable as error:
                sweep.failed += 1
                logger.error("not announced yet", **file.ids, reason=str(error))

    def _ask(self, files: Iterable[ExportFile], sweep: Sweep, time_left: Callable[[], float]) -> None:
        by_identity: dict[int, list[ExportFile]] = {}
        for file in files:
            by_identity.setdefault(file.export.user_identity_id, []).append(file)
        if not by_identity:
            return
        key = self.api_key.read()
        self.webadmit.drop_connections()
        for user_identity_id, open_files in by_identity.items():
            if time_left() < _RESERVE_SECONDS:
                return
            self._ask_about(key, user_identity_id, open_files, sweep, time_left)

    def _ask_about(
        self,
        key: ApiKey,
        user_identity_id: int,
        files: list[ExportFile],
        sweep: Sweep,
        time_left: Callable[[], float],
    ) -> None:
        as_of = self.now()
        try:
            listed = {(run.export_id, run.export_file_id): run for run in self._recent_runs(key, user_identity_id)}
        except (Unavailable, RateLimited) as error:
            sweep.failed += len(files)
            logger.error("WebAdMIT could not be asked", user_identity_id=user_identity_id, reason=str(error))
            return
        for file in files:
            if time_left() < _RESERVE_SECONDS:
                return
            try:
                run = listed.get((file.export.export_id, file.export_file_id))
                self._apply(_news(file, run, as_of) if run else self._ask_about_one(key, file), file, sweep)
            except (AwsUnavailable, Unavailable, RateLimited, RequestRefused, AccessRefused) as error:
                sweep.failed += 1
                logger.error("not settled yet", **file.ids, reason=str(error))

    def _recent_runs(self, key: ApiKey, user_identity_id: int) -> list[Run]:
        try:
            runs, _ = self.webadmit.recent_runs(key, user_identity_id)
        except (RequestRefused, AccessRefused) as error:
            # The single files are asked for by their exports; whether they can be seen is not said by this.
            logger.warning("no list of runs", user_identity_id=user_identity_id, reason=str(error))
            return []
        return runs

    def _ask_about_one(self, key: ApiKey, file: ExportFile) -> News:
        """Missing in the list proves nothing: how far back it goes is not documented."""
        as_of = self.now()
        try:
            run, _ = self.webadmit.run(key, file.export.export_id, file.export_file_id)
        except RequestRefused as error:
            if error.status != 404:
                raise
            return _news(file, None, as_of)
        return _news(file, run, as_of)

    def _apply(self, news: News, file: ExportFile, sweep: Sweep) -> None:
        sweep.asked += 1
        self.export_files.apply(news, file)
        if progress_of(news.status) >= Progress.FINISHED_WITHOUT_FILE:
            sweep.found += 1
            count("RunsFoundByReconciler")
            logger.info("found finished without a callback", **file.ids, status=news.status)


def _news(file: ExportFile, run: Run | None, as_of: datetime) -> News:
    """What an answer says about the file; None for the answer that WebAdMIT does not know it."""
    return News(
        source=Source.POLL,
        as_of=as_of,
        export=file.export,
        export_file_id=file.export_file_id,
        status=run.status if run else Status.FAILED,
        href=run.href if run else None,
        reason=None if run else _NOT_KNOWN,
    )
