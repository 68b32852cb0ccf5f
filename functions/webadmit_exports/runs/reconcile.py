"""Finishes what callbacks left open: announces finished files that are due, asks WebAdMIT about open runs.

It alone announces runs that ended without a file: see `domain.lifecycle`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from webadmit_exports.aws.start_queue import StartQueue
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain import second_chance
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.runs.call_budget import CallBudget
from webadmit_exports.runs.poll import Figures, Poll
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import logger
from webadmit_exports.webadmit.api_key import WebAdmitApiKey
from webadmit_exports.webadmit.client import WebAdmit


class SweepIncomplete(Exception):
    """Something that was due could not be dealt with; it stays due for the next sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRuns:
    """The use case."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    table: ExportFilesTable
    tracker: RunTracker
    start_queue: StartQueue
    topics: Topics
    writer: MessageWriter
    now: Callable[[], datetime]

    def sweep(self, time_left: Callable[[], float]) -> Figures:
        """Deals with what is due, longest due first, as far as time and rate limit go; the rest is the next sweep's.

        `time_left`: the seconds that the invocation still has. Raises SweepIncomplete at its end if something failed,
        ApiKeyUnusable or ApiKeyRefused if there are open runs to ask about and the key does not serve; AwsUnavailable
        if what is due, or the key, cannot be read.
        """
        due = list(self.table.unfinished(self.now()))
        figures, budget = Figures(due=len(due)), CallBudget(time_left=time_left)
        self._announce((file for file in due if file.finished_at), figures, budget)
        if open_files := [file for file in due if not file.finished_at]:
            poll = Poll(
                webadmit=self.webadmit,
                api_key=self.api_key.read(),
                table=self.table,
                tracker=self.tracker,
                topics=self.topics,
                writer=self.writer,
                now=self.now,
                budget=budget,
                figures=figures,
            )
            poll.ask(open_files)
            self._announce(poll.untold, figures, budget)
        if figures.failed:
            raise SweepIncomplete(f"{figures.failed} of {len(due)} due files could not be dealt with; see the log")
        return figures

    def _announce(self, finished: Iterable[ExportFile], figures: Figures, budget: CallBudget) -> None:
        for file in finished:
            if not budget.has_time:
                return
            try:
                self._settle(file, figures)
            except AwsUnavailable as error:
                figures.fail("not announced yet", error, file)

    def _settle(self, file: ExportFile, figures: Figures) -> None:
        """Announces a finished run; or has it started once more, if it failed and has a second chance."""
        if self.tracker.has_second_chance(file):
            again_at = self.now()
            # Put first, then mark: a death in between puts it twice, and only the start that was marked counts.
            self.start_queue.put([StartRequest.again(file, again_at)])
            figures.started_again += self.tracker.start_again(file, again_at)
            logger.info("a run has failed; it is started once more", **file.ids)
        elif second_chance.is_unsettled(file) and second_chance.second_run(
            self.table.newest(file.export.export_id, file.first_scheduled_for), file
        ):
            self.tracker.give_way(file)
        else:
            figures.announced += self.tracker.announce(file)
