"""Whether an update is about the run in a record: WebAdMIT may give the id of one run to a later one. Pure."""

from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.second_chance import waits_for_second_run
from webadmit_exports.domain.status import progress_of


def is_a_new_run(record: ExportFile, update: StatusUpdate) -> bool:
    """WebAdMIT may give a new run, with any status, the id of one that had finished before the start was sent.

    A run that finished after that is the one that was started: its callback has overtaken the answer. A second
    start needs no such comparison: the queue holds it back until long after the first run has failed.
    """
    if update.failed and update.failed.export_file_id == record.export_file_id and waits_for_second_run(record):
        return True
    return record.finished_at is not None and record.finished_at < update.as_of


def is_about(record: ExportFile, update: StatusUpdate) -> bool:
    """Whether the update may change that record: a callback URL that leaked speaks for its own run alone."""
    if update.source is not UpdateSource.CALLBACK:
        return True
    return update.scheduled_for is not None and record.serves(update.export, update.scheduled_for)


def may_be_about_an_earlier_run(record: ExportFile, update: StatusUpdate) -> bool:
    """An id can serve run after run; an answer that was long on its way may tell of the one before."""
    if update.source is not UpdateSource.POLL or progress_of(update.status) <= progress_of(record.status):
        return False
    return update.as_of < (record.started_at if record.finished_at else record.updated_at)
