"""The record of one export file, and the updates that change it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self

from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.ids import Export, ExportFileId
from webadmit_exports.domain.labels import NO_LABELS, Labels
from webadmit_exports.domain.status import RunOutcome, outcome_of
from webadmit_exports.domain.times import utc_seconds

_SHORTEST_CHECK = timedelta(minutes=5)
_LONGEST_CHECK = timedelta(hours=1)


class UpdateSource(Enum):
    """Where a status update comes from."""

    START = "start"  # the answer to a start request
    CALLBACK = "callback"
    POLL = "poll"  # what WebAdMIT says when it is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate(ExportFileId):
    """What was learned about one export file.

    `as_of`: the update is at least as new as this: when the request that it answers was sent, or the callback came in.
    `scheduled_for`: the scheduled time that the start or the callback URL belongs to; None for a poll. Of starts only:
    `start_failed_again`, whether a failure is to be started once more, and `failed`, the run whose second chance it is.
    """

    source: UpdateSource
    as_of: datetime
    status: str
    scheduled_for: datetime | None = None
    href: str | None = None
    reason: str | None = None
    labels: Labels = NO_LABELS
    start_failed_again: bool = False
    failed: "ExportFile | None" = None


@dataclass(frozen=True, slots=True, order=True)
class AnsweredStart:
    """A start that WebAdMIT has answered with a run: under which identity, and for which scheduled time."""

    user_identity_id: int
    scheduled_for: datetime

    @classmethod
    def by(cls, update: StatusUpdate) -> Self:
        """The start that the update is the answer to."""
        assert update.scheduled_for is not None, "a start has a scheduled time"
        return cls(update.export.user_identity_id, update.scheduled_for)

    def __str__(self) -> str:
        """`37442 2026-11-23T03:30:00Z`, as `parse` reads it."""
        return f"{self.user_identity_id} {utc_seconds(self.scheduled_for)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError where a person has spoilt it."""
        identity, scheduled_for = text.split(" ")
        return cls(int(identity), datetime.fromisoformat(scheduled_for))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile(ExportFileId):
    """The record of one export file; docs/reference.md describes the attributes of the table.

    `first_scheduled_for` and `scheduled_for` are the first and the newest scheduled time that this run serves: they
    differ when a later start joined it. `answered`: the starts that were answered with this run, except those whose
    callback URLs are no longer honoured; None in a record from before 1.2.0. `reused`: another run had the same id
    before. `due_at` is the next check of an open run, or the end of the lease on an announcement; None once nothing is
    left to do. Every write changes `version`.

    A second chance, see `domain.second_chance`: `start_failed_again`: the start has asked for one; `again_at`: when the
    second start was put into the start queue; `no_second_run`: why none came of it; `after_failure`: the file id of the
    failed run whose place this one takes.
    """

    status: str
    href: str | None = None
    reason: str | None = None
    first_scheduled_for: datetime
    scheduled_for: datetime
    answered: frozenset[AnsweredStart] | None = None
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    notified_at: datetime | None = None
    overdue_at: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    reused: bool = False
    start_failed_again: bool = False
    again_at: datetime | None = None
    no_second_run: str | None = None
    after_failure: int | None = None
    labels: Labels = NO_LABELS
    version: str = ""

    def serves(self, export: Export, scheduled_for: datetime) -> bool:
        """Whether a start of the export for that very scheduled time was answered with this run: for callbacks."""
        if self.answered is None:
            return self.covers(export, scheduled_for)
        return AnsweredStart(export.user_identity_id, scheduled_for) in self.answered and self.is_of(export)

    def covers(self, export: Export, scheduled_for: datetime) -> bool:
        """Whether it was started for the export, and the time is not outside of those that it was started for."""
        return self.is_of(export) and self.spans(scheduled_for)

    def spans(self, scheduled_for: datetime) -> bool:
        """Whether it was started for that time, or for one before and one after it: the data is the same."""
        return self.first_scheduled_for <= scheduled_for <= self.scheduled_for

    def is_of(self, export: Export) -> bool:
        """Two identities may list the same export, and WebAdMIT joins their starts: the run is that of both."""
        if self.export.export_id != export.export_id:
            return False
        identities = {start.user_identity_id for start in self.answered or ()}
        return export.user_identity_id in {self.export.user_identity_id, *identities}

    def honoured(self, now: datetime) -> frozenset[AnsweredStart]:
        """Those of `answered` whose callback URLs are still honoured at that time."""
        return frozenset(start for start in self.answered or () if now - start.scheduled_for <= LIFETIME)

    @property
    def is_untold_failure(self) -> bool:
        """Whether it has failed, and is still to be told, or to give way to its second run."""
        is_failure = outcome_of(self.status) is RunOutcome.FAILED
        return is_failure and self.notified_at is None and self.due_at is not None

    @classmethod
    def begun(cls, update: StatusUpdate, now: datetime, *, before: Self | None) -> Self:
        """The record of a run that the answer to a start tells of for the first time; `before`: of one with its id."""
        assert update.scheduled_for is not None, "a start has a scheduled time"
        begun = cls(
            export=update.export,
            export_file_id=update.export_file_id,
            status=update.status,
            href=update.href,
            reason=update.reason,
            first_scheduled_for=update.scheduled_for,
            scheduled_for=update.scheduled_for,
            answered=frozenset({AnsweredStart.by(update)}),
            started_at=update.as_of,
            updated_at=now,
            reused=before is not None,
            start_failed_again=update.start_failed_again,
            labels=update.labels,
        )
        # A failure that nobody was told of is not lost: the run that takes over its record is its second chance.
        failed = update.failed or (before if before and before.is_untold_failure else None)
        return begun.in_the_place_of(failed, update.as_of) if failed else begun

    def in_the_place_of(self, failed: "ExportFile", now: datetime) -> Self:
        """The record of the second run: it serves all scheduled times that the failed one served."""
        return replace(
            self,
            first_scheduled_for=min(self.first_scheduled_for, failed.first_scheduled_for),
            scheduled_for=max(self.scheduled_for, failed.scheduled_for),
            answered=None if self.answered is None else self.answered | failed.honoured(now),
            after_failure=failed.export_file_id,
        )

    def joined(self, start: StatusUpdate) -> Self:
        """The record after a later start was answered with this run: it then serves that scheduled time too."""
        assert start.scheduled_for is not None, "a start has a scheduled time"
        answered = None
        if self.answered is not None:  # a run that is joined every minute must not outgrow its item
            answered = self.honoured(start.as_of) | {AnsweredStart.by(start)}
        joined = replace(
            self,
            first_scheduled_for=min(self.first_scheduled_for, start.scheduled_for),
            scheduled_for=max(self.scheduled_for, start.scheduled_for),
            answered=answered,
            start_failed_again=self.start_failed_again or start.start_failed_again,
        )
        return joined.in_the_place_of(start.failed, start.as_of) if start.failed else joined

    def due_at_once(self, now: datetime) -> Self:
        """An open run that WebAdMIT is asked about at the next sweep: it can tell what is so."""
        if self.finished_at or (self.due_at is not None and self.due_at <= now):
            return self
        return replace(self, due_at=now)

    def next_check(self, now: datetime) -> datetime:
        """When to ask about an open run again: after a twelfth of its age, at least five minutes, at most an hour."""
        return now + min(max((now - self.started_at) / 12, _SHORTEST_CHECK), _LONGEST_CHECK)
