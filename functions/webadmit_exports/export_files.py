"""The one way in: whoever learns something about an export file applies it here.

Reads the record, lets `progress` decide what it becomes, stores that on condition that nobody stored anything
meanwhile, begins again if somebody did; and announces, if that write made an announcement due.
"""

from collections.abc import Callable
from datetime import datetime

from .errors import AnnouncementDelayed, AwsUnavailable
from .messages import Wording
from .model import ExportFile, News, is_known
from .progress import (
    Announcement,
    EventType,
    Rules,
    Step,
    advance,
    give_back,
    mark_announced,
    put_by,
    take_over,
    told_before,
    unheard,
)
from .table import ExportFilesTable, Overtaken
from .telemetry import count, logger, measure_seconds
from .topics import Topics

# Each round that is lost means that somebody else's write went forward, and records go forward only a few times.
_ROUNDS = 20

Decide = Callable[[ExportFile | None], Step | None]
Finish = Callable[[ExportFile, Announcement, datetime, Rules], ExportFile]


class ExportFiles:
    """Records and announcements of export files.

    Every method raises AwsUnavailable if nothing could be stored, and AnnouncementDelayed if it is stored, but what is
    to be announced could not be; then it stays due.
    """

    def __init__(
        self,
        table: ExportFilesTable,
        topics: Topics,
        wording: Wording,
        rules: Rules,
        now: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._topics = topics
        self._wording = wording
        self._rules = rules
        self._now = now

    def apply(self, news: News, known: ExportFile | None) -> bool:
        """Applies news; True if it changed the record. `known` is the record as far as the caller knows it.

        A caller that knows too little, or something old, only costs one more round: the condition of the write tells.
        """
        if not is_known(news.status):
            logger.warning("WebAdMIT used a status that is not documented", **news.ids, status=news.status)
        return self._change(known, lambda record: advance(record, news, self._now(), self._rules))

    def announce(self, known: ExportFile) -> bool:
        """Announces a finished file if it is due and nobody else does; True if it was announced now."""

        def decide(record: ExportFile | None) -> Step | None:
            return take_over(record, self._now(), self._rules) if record else None

        return self._change(known, decide)

    def announce_again(self, known: ExportFile) -> bool:
        """Sends what was announced about a finished file once more, under the same event id; False if nothing was."""
        announcement = told_before(known, self._rules)
        if announcement is None:
            return False
        self._topics.publish(self._wording.announcement(announcement, repeated=True))
        logger.info("announced again", **known.ids, event_type=announcement.event_type, event_id=announcement.event_id)
        return True

    def unheard(self, known: ExportFile, *, ask_later: bool) -> bool:
        """WebAdMIT gave no answer about an open run: reports it if it is late; `ask_later` moves its next check."""

        def decide(record: ExportFile | None) -> Step | None:
            return unheard(record, self._now(), self._rules, ask_later=ask_later) if record else None

        return self._change(known, decide)

    def put_by(self, known: ExportFile) -> bool:
        """Asks about an open run later, and reports it as late no more; True if it was open."""

        def decide(record: ExportFile | None) -> Step | None:
            return put_by(record, self._now()) if record else None

        return self._change(known, decide)

    def _change(self, known: ExportFile | None, decide: Decide) -> bool:
        stored = self._store(known, decide)
        if stored is not None and stored.claimed:
            self._publish(stored.claimed, stored.record)
        return stored is not None

    def _store(self, known: ExportFile | None, decide: Decide) -> Step | None:
        for _ in range(_ROUNDS):
            step = decide(known)
            if step is None:
                return None
            try:
                record = self._table.store(step.record, replacing=known)
            except Overtaken as overtaken:
                known = overtaken.current
            else:
                return Step(record=record, claimed=step.claimed)
        raise AwsUnavailable("the record was written by others again and again")

    def _publish(self, announcement: Announcement, record: ExportFile) -> None:
        try:
            self._topics.publish(self._wording.announcement(announcement))
        except AwsUnavailable as error:
            self._finish(record, give_back, announcement)
            raise AnnouncementDelayed(str(error)) from error
        self._measure(announcement)
        logger.info("announced", **record.ids, event_type=announcement.event_type, event_id=announcement.event_id)
        self._finish(record, mark_announced, announcement)

    def _measure(self, announcement: Announcement) -> None:
        if announcement.event_type is EventType.READY:
            waited = self._now() - announcement.export_file.scheduled_for
            measure_seconds("TimeToAnnouncement", max(0.0, waited.total_seconds()))
        elif announcement.event_type is EventType.OVERDUE:
            count("RunsOverdue")

    def _finish(self, record: ExportFile, change: Finish, announcement: Announcement) -> None:
        """Marks the announcement, or gives the lease on it back."""

        def decide(current: ExportFile | None) -> Step | None:
            if current is None:
                return None
            changed = change(current, announcement, self._now(), self._rules)
            return None if changed is current else Step(record=changed)

        try:
            self._store(record, decide)
        except AwsUnavailable as error:  # the lease will run out, and somebody will take the announcement over
            raise AnnouncementDelayed(str(error)) from error
