"""Every status update, from a start, a callback or a poll, is applied here.

Reads the record, lets `domain.lifecycle` decide what it becomes, stores that on condition that nobody stored anything
meanwhile, begins again if somebody did; and announces, if that write made an announcement due.
"""

from collections.abc import Callable
from datetime import datetime

from webadmit_exports.aws.table import ExportFilesTable, WriteConflict
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain import lifecycle, second_chance
from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate
from webadmit_exports.domain.status import is_known
from webadmit_exports.domain.transition import LifecycleSettings, Transition
from webadmit_exports.errors import AnnouncementDelayed, AwsUnavailable
from webadmit_exports.messages.file_messages import file_message
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.telemetry import count, logger, measure_seconds

# Each round that is lost means that somebody else's write went forward, and records go forward only a few times.
_ROUNDS = 20

Decide = Callable[[ExportFile], Transition | None]


class RunTracker:
    """Records and announcements of export files.

    Every method raises AwsUnavailable if nothing could be stored, and AnnouncementDelayed if it is stored, but what is
    to be announced could not be; then it stays due.
    """

    def __init__(
        self,
        table: ExportFilesTable,
        topics: Topics,
        writer: MessageWriter,
        settings: LifecycleSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._topics = topics
        self._writer = writer
        self._settings = settings
        self._now = now

    def apply(self, update: StatusUpdate, known: ExportFile | None) -> ExportFile | None:
        """Applies an update; returns the record if it changed it. `known`: the record as far as the caller knows it.

        A caller that knows too little, or something old, only costs one more round: the condition of the write tells.
        """
        if not is_known(update.status):
            logger.warning("WebAdMIT used a status that is not documented", **update.ids, status=update.status)
        return self._change(known, lambda record: lifecycle.apply_update(record, update, self._now(), self._settings))

    def announce(self, known: ExportFile) -> bool:
        """Announces a finished file if it is due and nobody else does; True if that changed its record.

        For the sweep alone: it is one process, so that the pace of what it publishes is the pace of all alerts.
        """
        return self._change_recorded(known, lambda record: lifecycle.claim_due(record, self._now(), self._settings))

    def has_second_chance(self, known: ExportFile) -> bool:
        """Whether the run that has ended is to be started once more before anybody is told."""
        return second_chance.has_second_chance(known, self._now(), self._settings)

    def start_again(self, known: ExportFile, again_at: datetime) -> bool:
        """Marks a failed run whose second start was put into the start queue; True if it still had that chance."""
        return self._change_recorded(
            known, lambda record: second_chance.start_again(record, again_at, self._now(), self._settings)
        )

    def give_way(self, known: ExportFile) -> bool:
        """Lays a failed run to rest whose second run is recorded; True if that changed its record."""
        return self._change_recorded(known, lambda record: second_chance.give_way(record, self._now(), self._settings))

    def without_second_run(self, known: ExportFile, why: str) -> bool:
        """Makes a failure due to be told of which is known that no second run follows; True if it waited for one."""
        return self._change_recorded(known, lambda record: second_chance.without_second_run(record, why, self._now()))

    def on_no_answer(self, known: ExportFile, *, ask_later: bool) -> bool:
        """WebAdMIT gave no answer about an open run: reports it if it is late; `ask_later` moves its next check."""
        return self._change_recorded(
            known, lambda record: lifecycle.on_no_answer(record, self._now(), self._settings, ask_later=ask_later)
        )

    def defer_check(self, known: ExportFile) -> bool:
        """Asks about an open run later, and reports it as late no more; True if it was open."""
        return self._change_recorded(known, lambda record: lifecycle.defer_check(record, self._now()))

    def reannounce(self, known: ExportFile) -> bool:
        """Sends what was announced about a finished file once more, under the same event id; False if nothing was."""
        announcement = lifecycle.past_announcement(known, self._now(), self._settings)
        if announcement is None:
            return False
        self._topics.publish(file_message(announcement, self._writer, repeated=True))
        logger.info("announced again", **known.ids, event_type=announcement.event_type, event_id=announcement.event_id)
        return True

    def _change_recorded(self, known: ExportFile, decide: Decide) -> bool:
        return self._change(known, lambda record: decide(record) if record else None) is not None

    def _change(
        self, known: ExportFile | None, decide: Callable[[ExportFile | None], Transition | None]
    ) -> ExportFile | None:
        stored = self._store(known, decide)
        if stored is None:
            return None
        if stored.claimed:
            self._publish(stored.claimed, stored.record)
        return stored.record

    def _store(
        self, known: ExportFile | None, decide: Callable[[ExportFile | None], Transition | None]
    ) -> Transition | None:
        for _ in range(_ROUNDS):
            transition = decide(known)
            if transition is None:
                return None
            try:
                record = self._table.store(transition.record, replacing=known)
            except WriteConflict as conflict:
                known = conflict.current
            else:
                return Transition(record=record, claimed=transition.claimed)
        raise AwsUnavailable("the record was written by others again and again")

    def _publish(self, announcement: Announcement, record: ExportFile) -> None:
        try:
            self._topics.publish(file_message(announcement, self._writer))
        except AwsUnavailable as error:
            self._finish(
                record, lambda current: lifecycle.release_claim(current, announcement, self._now(), self._settings)
            )
            raise AnnouncementDelayed(str(error)) from error
        if announcement.event_type is EventType.READY:
            waited = self._now() - announcement.export_file.scheduled_for
            measure_seconds("TimeToAnnouncement", max(0.0, waited.total_seconds()))
        elif announcement.event_type is EventType.OVERDUE:
            count("RunsOverdue")
        logger.info("announced", **record.ids, event_type=announcement.event_type, event_id=announcement.event_id)
        self._finish(
            record, lambda current: lifecycle.mark_announced(current, announcement, self._now(), self._settings)
        )

    def _finish(self, record: ExportFile, decide: Decide) -> None:
        """Marks the announcement, or releases the claim on it."""
        try:
            self._store(record, lambda current: decide(current) if current else None)
        except AwsUnavailable as error:  # the lease will run out, and somebody will claim the announcement
            raise AnnouncementDelayed(str(error)) from error
