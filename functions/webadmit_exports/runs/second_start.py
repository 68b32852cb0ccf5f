"""The second start of a run that failed: whether it goes ahead, and what becomes of the failure; see
`domain.second_chance`.
"""

from collections.abc import Sequence
from datetime import datetime

from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain import second_chance
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.second_chance import SecondChance
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.problems import Problem
from webadmit_exports.messages.text import sentence
from webadmit_exports.runs.requested_start import StartResult
from webadmit_exports.runs.throttle import NotStarted
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import logger


def failed_run(
    chance: SecondChance, newest: Sequence[ExportFile], tracker: RunTracker, now: datetime
) -> ExportFile | None:
    """The failed run that a second start is for; None if that start must not go ahead.

    `newest`: the runs that serve its scheduled time, or a later one. Raises NotStarted where a newer run took its
    place, AwsUnavailable.
    """
    failed = second_chance.to_start_again(newest, chance, now)
    if failed is None:
        return None
    if second_chance.second_run(newest, failed):  # its start died before the failed run gave way
        tracker.give_way(failed)
        return None
    if newer := second_chance.newer_run(newest, failed):
        raise NotStarted(Problem.NEWER_RUN, f"it has the file {newer.export_file_id}")
    return failed


def give_up(result: StartResult, table: ExportFilesTable, tracker: RunTracker, now: datetime) -> bool:
    """Has the failure told whose second start did not come about; False where AWS did not answer."""
    requested = result.requested
    assert requested.second_chance, "only a second start has a failure to tell"
    assert result.problem, "else it came about"
    try:
        newest = table.newest(requested.export.export_id, requested.scheduled_for)
        if failed := second_chance.to_start_again(newest, requested.second_chance, now):
            why = " ".join(sentence(text) for text in (result.problem.sentence, result.detail) if text)
            tracker.without_second_run(failed, why)
    except AwsUnavailable as error:
        logger.warning("a second start could not be given up yet", **requested.ids, reason=str(error))
        return False
    return True
