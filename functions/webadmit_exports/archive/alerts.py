"""Tells people that a file is not archived: once for a cause, not once for each file, and when it is given up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webadmit_exports.archive.announced_file import AnnouncedFile
from webadmit_exports.archive.download_limits import NotArchived
from webadmit_exports.archive.messages import ArchiveAlert, ArchiveMessages
from webadmit_exports.aws.topics import Topics
from webadmit_exports.messages.problem_kinds import Retry
from webadmit_exports.messages.problems import Problem

RETRY_EVERY = timedelta(minutes=16)  # the visibility timeout of ArchiveQueue in template.yaml
_ALERT_AT = 4  # at which delivery of a file people are told what may pass by itself: after the better part of an hour
_ALERT_COOLDOWN = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAlerts:
    """`attempts`: how often SQS brings a message. What was told is kept in memory."""

    topics: Topics
    messages: ArchiveMessages
    attempts: int
    now: Callable[[], datetime]
    _alerted_at: dict[tuple[Problem, str], datetime] = field(default_factory=dict)

    def tell(self, announced: AnnouncedFile, why: NotArchived, receives: int) -> None:
        """Publishes an alert where it is time for one, at the `receives`-th delivery; raises AwsUnavailable."""
        is_last = why.problem.is_final or receives >= self.attempts
        now = self.now()
        if not is_last:
            alert_at = 1 if why.problem.retry is Retry.HELPS_ONCE_REPAIRED else _ALERT_AT
            alerted_at = self._alerted_at.get((why.problem, why.detail))
            if receives < alert_at or (alerted_at and now - alerted_at < _ALERT_COOLDOWN):
                return
        alert = ArchiveAlert(
            announced=announced,
            problem=why.problem,
            detail=why.detail,
            size=why.size,
            rate=why.rate,
            retry_until=None if is_last else now + (self.attempts - receives) * RETRY_EVERY,
        )
        self.topics.publish(self.messages.alert(alert))
        if not is_last:
            self._alerted_at[why.problem, why.detail] = now
