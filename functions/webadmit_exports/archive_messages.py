"""What people and programs are told about files on their way into the archive. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .archived import AnnouncedFile, StoredFile
from .messages import VERSION, Cause, Message, Wording, attributes
from .model import utc_seconds
from .progress import EventType, event_id
from .prose import paragraphs, sentence

_MIB = 1024 * 1024
_LARGEST = 5000  # what ArchiveMaxMegabytes takes at most


class Trouble(Enum):
    """Why a file is not in the archive: in few words for a subject, as a sentence, and what to do."""

    API_KEY_MISSING = (Cause.API_KEY_MISSING.headline, Cause.API_KEY_MISSING.sentence, "")
    API_KEY_REFUSED = (Cause.API_KEY_REFUSED.headline, Cause.API_KEY_REFUSED.sentence, "")
    ACCESS_REFUSED = ("no access to the file (403)", "WebAdMIT refused access to the file (403)", "")
    HOST_REFUSED = (
        "its download host is not allowed",
        "WebAdMIT's download URL leads to {words}, which is not among the hosts that files may be fetched from",
        (
            "If that is Liaison's storage (Liaison has moved its systems; ask if you do not know the host), allow it:"
            " {allow}."
        ),
    )
    ADDRESS_REFUSED = (
        "its download address is refused",
        "WebAdMIT's download URL is not followed: {words}",
        "Ask Liaison about it: files are fetched by https only. Meanwhile fetch the file by hand in WebAdMIT.",
    )
    NO_FILE = (
        "WebAdMIT has no file now",
        "WebAdMIT says that there is no file now ({words})",
        "Look at the export in WebAdMIT: perhaps it is running again.",
    )
    WEBADMIT_UNAVAILABLE = (
        Cause.UNAVAILABLE.headline,
        "WebAdMIT gave no usable answer: {words}",
        "Nothing, if WebAdMIT is down for maintenance.",
    )
    STORAGE_UNAVAILABLE = (
        "it could not be fetched",
        "it could not be fetched from WebAdMIT's storage: {words}",
        "Nothing, if this is rare. If it stays, fetch the file by hand in WebAdMIT, and ask Liaison.",
    )
    AWS_UNAVAILABLE = (
        Cause.AWS_UNAVAILABLE.headline,
        "{words}",
        "Nothing, if this is rare: AWS services recover by themselves. If it stays, see the errors with `{logs}`.",
    )
    GONE = (
        "unknown to WebAdMIT",
        "WebAdMIT does not give it out: {words}",
        "Look at the export in WebAdMIT; if its file is there, have it announced again: {again}",
    )
    SUPERSEDED = (
        "a newer run took its place",
        "a newer run has the same file id, so that this run's file is gone from WebAdMIT",
        "Nothing, if the newer file will do: it is archived by itself.",
    )
    NOT_RECORDED = (
        "no run of this stack",
        "no run of this stack is recorded to have finished then with that file, so it was not fetched",
        "Look who else may publish to ReadyTopic: this stack announces only what it has recorded.",
    )
    TOO_LARGE = (
        "larger than allowed",
        "it is {size}, larger than is allowed",
        (
            "If that is right and it is at most 5,000 MiB, allow more: {enlarge}. Then have it announced again: {again}"
            " A larger one has to be fetched by hand in WebAdMIT, or the export split there."
        ),
    )
    TOO_SLOW = (
        "too slow to fetch",
        "it came at {rate}, too slowly for its {size} to be fetched within the 15 minutes that a function has",
        (
            "If the storage was slow only then, have it announced again: {again} If it is always so, fetch the file by"
            " hand in WebAdMIT, or split the export there."
        ),
    )

    def __init__(self, headline: str, sentence: str, advice: str) -> None:
        self.headline = headline
        self.sentence = sentence
        self.advice = advice

    @property
    def gives_up(self) -> bool:
        """Trying again would not help."""
        return self in (
            Trouble.GONE,
            Trouble.SUPERSEDED,
            Trouble.NOT_RECORDED,
            Trouble.TOO_LARGE,
            Trouble.TOO_SLOW,
        )

    @property
    def needs_a_person(self) -> bool:
        """Trying again helps once a person has repaired something."""
        return self in (
            Trouble.API_KEY_MISSING,
            Trouble.API_KEY_REFUSED,
            Trouble.ACCESS_REFUSED,
            Trouble.HOST_REFUSED,
            Trouble.ADDRESS_REFUSED,
        )


_CAUSES = {
    Trouble.API_KEY_MISSING: Cause.API_KEY_MISSING,
    Trouble.API_KEY_REFUSED: Cause.API_KEY_REFUSED,
    Trouble.ACCESS_REFUSED: Cause.ACCESS_REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAlert:
    """A file that is not archived. `size` in bytes, `rate` in bytes a second: None where they are not known.

    `words`: what is said about it, without addresses. `retry_until`: None where nobody will try again.
    """

    announced: AnnouncedFile
    trouble: Trouble
    words: str = ""
    size: int | None = None
    rate: float | None = None
    retry_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveWording:
    """Writes the messages. `download_hosts`: those that are allowed now, as the parameter has them."""

    wording: Wording
    bucket: str
    download_hosts: str

    def receipt(self, announced: AnnouncedFile, stored: StoredFile, *, repeated: bool = False) -> Message:
        """The file is in the archive; `repeated` if that was said before and a person wants it once more."""
        assert stored.facts, "an object without facts is not done"
        body: dict[str, str | int] = {
            **_about(EventType.ARCHIVED, announced),
            "bucket": self.bucket,
            "key": stored.key,
            "version_id": stored.version_id,
            "bytes": stored.size,
            "content_type": stored.content_type,
            **stored.facts.known,
        }
        if repeated:
            body["repeated"] = True
        count = stored.facts.rows
        rows = "" if count is None else " (1 record)" if count == 1 else f" ({count} records)"
        return Message(
            event_type=EventType.ARCHIVED,
            subject=self.wording.subject(f"{'again: ' if repeated else ''}{_named(announced)} is archived{rows}"),
            body=body,
            mail=paragraphs(
                f"The file of export {announced.export.export_id} is stored: {_amount(stored.size)}{rows}.",
                f"s3://{self.bucket}/{stored.key}",
                "Its columns are not those of the file before it." if stored.facts.header_changed else "",
                self.wording.signature(),
            ),
            attributes=attributes(EventType.ARCHIVED, announced.status, announced.export, announced.names),
        )

    def alert(self, alert: ArchiveAlert) -> Message:
        """The file is not in the archive, or not yet."""
        announced, trouble = alert.announced, alert.trouble
        reason = sentence(self._fill(trouble.sentence, alert))
        advice = self._advice(alert)
        body: dict[str, str | int] = {
            **_about(EventType.ARCHIVE_FAILED, announced),
            "event_id": event_id(
                EventType.ARCHIVE_FAILED, announced.event_id, trouble.name, "later" if alert.retry_until else "never"
            ),
            "reason": reason,
            "advice": advice,
        }
        if alert.size is not None:
            body["bytes"] = alert.size
        if alert.rate is not None:
            body["bytes_per_second"] = round(alert.rate)
        if alert.retry_until:
            body["retry_until"] = utc_seconds(alert.retry_until)
            fate = (
                f"This stack tries again every 16 minutes until {self.wording.time(alert.retry_until)}. Once the cause"
                " is repaired, this file and others that wait are stored by themselves. About this cause you get one"
                " mail, perhaps two, however many files wait."
            )
        else:
            fate = "It is not tried again by itself."
        not_archived = "not archived yet" if alert.retry_until else "not archived"
        return Message(
            event_type=EventType.ARCHIVE_FAILED,
            subject=self.wording.subject(f"{_named(announced)} {not_archived}: {trouble.headline}"),
            body=body,
            mail=paragraphs(
                f"The file of export {announced.export.export_id} was announced, but is {not_archived}. {reason}",
                fate,
                f"What to do: {advice}",
                _rows(announced, self.wording),
                self.wording.signature(),
            ),
            attributes=attributes(EventType.ARCHIVE_FAILED, announced.status, announced.export, announced.names),
        )

    def _advice(self, alert: ArchiveAlert) -> str:
        cause = _CAUSES.get(alert.trouble)
        advice = self.wording.advice(cause) if cause else self._fill(alert.trouble.advice, alert)
        if alert.retry_until or alert.trouble.gives_up:
            return advice
        repair = "" if advice.startswith("Nothing") else f"{advice} "
        return f"{repair}To have it tried again, {self._again(alert.announced)}"

    def _fill(self, text: str, alert: ArchiveAlert) -> str:
        commands, size = self.wording.commands, alert.size or 0
        hosts = ",".join(one for one in (self.download_hosts, alert.words) if one)
        return text.format(
            words=alert.words or "it did not say why",
            size=_amount(size),
            rate=f"{_amount(alert.rate or 0)} a second",
            allow=commands.deploy(ArchiveDownloadHosts=hosts),
            enlarge=commands.deploy(ArchiveMaxMegabytes=str(min(size // _MIB + 1, _LARGEST))),
            logs=commands.logs("ArchiveFileFunction"),
            again=self._again(alert.announced),
        )

    def _again(self, announced: AnnouncedFile) -> str:
        ids = {"export_id": announced.export.export_id, "export_file_id": announced.export_file_id}
        return (
            f"save the line `{json.dumps({'announce_again': ids})}` as again.json and run"
            f" `{self.wording.commands.invoke('ReconcileRunsFunction', 'again.json')}`."
        )


def _about(event_type: EventType, announced: AnnouncedFile) -> dict[str, str | int]:
    """What both messages say of the file; the event id is the same for one file and run."""
    return {
        "version": VERSION,
        "event_id": event_id(event_type, announced.event_id),
        "event_type": event_type,
        **announced.ids,
        "status": announced.status,
        "scheduled_for": utc_seconds(announced.scheduled_for),
        "finished_at": utc_seconds(announced.finished_at),
        **announced.names.known,
    }


def _named(announced: AnnouncedFile) -> str:
    return f"export {announced.export.export_id}, file {announced.export_file_id}"


def _rows(announced: AnnouncedFile, wording: Wording) -> str:
    rows = {
        "Export": f"{announced.export.export_id} (identity {announced.export.user_identity_id})",
        "Name": announced.names.export_name,
        "File": str(announced.export_file_id),
        "Scheduled": wording.time(announced.scheduled_for),
        "Finished": wording.time(announced.finished_at),
    }
    return "\n".join(f"{name + ':':<11}{value}" for name, value in rows.items() if value)


def _amount(size: float) -> str:
    """Bytes, for people."""
    return f"{size / _MIB:,.1f} MiB" if size >= _MIB / 10 else f"{size:,.0f} bytes"
