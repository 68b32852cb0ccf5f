"""A message, and what the messages of one stack have in common. Pure.

The shapes are the public contract, which docs/consuming.md documents. No message holds the API key, a callback's
signature, a download URL or applicant data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from webadmit_exports.domain.announcement import EventType
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.times import time_zone
from webadmit_exports.messages.commands import Commands
from webadmit_exports.messages.text import named

VERSION = "1"
_SUBJECT_LENGTH = 99  # SNS takes fewer than 100 characters
_NAME_LENGTH = 24  # of an export in a subject
_STACK_NAME_LENGTH = 40  # of the subject; CloudFormation allows 128

Body = dict[str, str | int | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One SNS message. `body` goes to every protocol but email, `mail` to people."""

    event_type: EventType
    subject: str
    body: Body
    mail: str
    attributes: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWriter:
    """What the messages of one stack share. `timezone`: an IANA name, for the times in mails; else UTC.

    `overdue_minutes`: after how long an open run is late.
    """

    stack_name: str
    region: str
    timezone: str
    overdue_minutes: float
    api_key_secret: str = ""

    @property
    def commands(self) -> Commands:
        """The commands that mails tell people to run."""
        return Commands(stack_name=self.stack_name, region=self.region, api_key_secret=self.api_key_secret)

    def message(
        self,
        event_type: EventType,
        event_id: str,
        *,
        subject: str,
        mail: str,
        fields: Body,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Message:
        """A message with these fields and attributes after those that every message has."""
        return Message(
            event_type=event_type,
            subject=self.subject(subject),
            body={"version": VERSION, "event_id": event_id, "event_type": event_type, **fields},
            mail=mail,
            attributes={"event_type": event_type, **(attributes or {})},
        )

    def about_export(self, text: str, export_id: int, name: str) -> str:
        """For a subject: the text with its first `{export}` filled in, by the id, and by the name if there is room."""
        whole = text.replace("{export}", f"export {named(export_id, name, _NAME_LENGTH)}", 1)
        has_room = len(self._with_stack(whole)) <= _SUBJECT_LENGTH
        return whole if has_room else text.replace("{export}", f"export {export_id}", 1)

    def subject(self, text: str) -> str:
        """A mail's: SNS wants fewer than 100 printable ASCII characters that begin with a letter, a digit or a mark."""
        whole = self._with_stack(text)
        return "".join(c if " " <= c <= "~" else "?" for c in whole)[:_SUBJECT_LENGTH].strip()

    def _with_stack(self, text: str) -> str:
        return f"{self.stack_name[:_STACK_NAME_LENGTH]}: {text}"

    @property
    def zone_name(self) -> str:
        """The time zone that times are written in."""
        return self.timezone if time_zone(self.timezone) else "UTC"

    def time(self, moment: datetime) -> str:
        """A time for people, with its zone: `Sun 2026-11-22 22:30 America/New_York`."""
        return f"{self._local(moment):%a %Y-%m-%d %H:%M} {self.zone_name}"

    def day_and_clock(self, moment: datetime) -> str:
        """`Sun Nov 22 22:30`: where the zone is named once for many times."""
        return f"{self._local(moment):%a %b %d %H:%M}"

    def clock(self, moment: datetime) -> str:
        """`22:30`: for subjects."""
        return f"{self._local(moment):%H:%M}{'' if time_zone(self.timezone) else ' UTC'}"

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(time_zone(self.timezone) or UTC)

    def signature(self) -> str:
        """The last lines of every mail."""
        return f"--\nStack {self.stack_name} in {self.region}"


def file_attributes(status: str, export: Export, labels: Labels) -> Mapping[str, str | int]:
    """The message attributes about one file.

    `export` is a text because SNS compares numbers only up to 10⁹ (filter policies), and ids may be larger.
    """
    return {"status": status, "export": str(export), **export.ids, **labels.known}
