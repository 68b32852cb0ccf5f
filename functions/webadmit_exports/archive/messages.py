"""What people and programs are told about files on their way into the archive. Pure."""

from dataclasses import dataclass
from datetime import datetime

from webadmit_exports.archive.announced_file import AnnouncedFile
from webadmit_exports.archive.stored_file import StoredFile
from webadmit_exports.domain.announcement import EventType, event_id
from webadmit_exports.domain.foreign_text import shown
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.messages.message import Body, Message, MessageWriter, file_attributes
from webadmit_exports.messages.problems import Problem
from webadmit_exports.messages.text import counted, paragraphs, table

_MIB = 1024 * 1024
_LARGEST = 5000  # what ArchiveMaxMegabytes takes at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAlert:
    """A file that is not archived. `size` in bytes, `rate` in bytes a second: None where they are not known.

    `detail`: what is known beyond the problem, without addresses. `retry_until`: None where nobody will try again.
    """

    announced: AnnouncedFile
    problem: Problem
    detail: str = ""
    size: int | None = None
    rate: float | None = None
    retry_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMessages:
    """Writes the messages. `download_hosts`: those that are allowed now, as the parameter has them."""

    writer: MessageWriter
    bucket: str
    download_hosts: str = ""

    def receipt(self, announced: AnnouncedFile, stored: StoredFile, *, repeated: bool = False) -> Message:
        """The file is in the archive; `repeated` if that was said before and a person wants it once more."""
        fields: Body = {
            "bucket": self.bucket,
            "key": stored.key,
            "version_id": stored.version_id,
            "bytes": stored.size,
            "content_type": stored.content_type,
            **stored.facts.known,
        }
        if repeated:
            fields["repeated"] = True
        count = stored.facts.rows
        rows = "" if count is None else f" ({counted(count, 'record')})"
        return self._message(
            announced,
            EventType.ARCHIVED,
            event_id(EventType.ARCHIVED, announced.event_id),
            f"{'again: ' if repeated else ''}{_named(announced)} is archived{rows}",
            mail=paragraphs(
                f"The file of export {announced.export.export_id} is stored: {_amount(stored.size)}{rows}.",
                f"s3://{self.bucket}/{stored.key}",
                "Its columns are not those of the file before it." if stored.facts.header_changed else "",
                self.writer.signature(),
            ),
            fields=fields,
        )

    def alert(self, alert: ArchiveAlert) -> Message:
        """The file is not in the archive, or not yet."""
        announced, problem = alert.announced, alert.problem
        reason, advice = _reason(alert), self._advice(alert)
        fields: Body = {"reason": reason, "advice": advice}
        if alert.size is not None:
            fields["bytes"] = alert.size
        if alert.rate is not None:
            fields["bytes_per_second"] = round(alert.rate)
        next_try = "It will not be retried."
        if alert.retry_until:
            fields["retry_until"] = utc_seconds(alert.retry_until)
            next_try = (
                f"This stack tries again every 16 minutes until {self.writer.time(alert.retry_until)}. Once the cause"
                " is repaired, this file and others that wait go on by themselves. You do not get this mail for"
                " each file that waits, but one for each that is given up."
            )
        what = "delivered" if problem is Problem.DELIVERY_NOT_STARTED else "archived"
        not_archived = f"not {what} yet" if alert.retry_until else f"not {what}"
        rows = {
            "Export": f"{announced.export.export_id} (identity {announced.export.user_identity_id})",
            "Name": shown(announced.labels.export_name),
            "File": str(announced.export_file_id),
            "Scheduled": self.writer.time(announced.scheduled_for),
            "Finished": self.writer.time(announced.finished_at),
        }
        when = "later" if alert.retry_until else "never"
        return self._message(
            announced,
            EventType.ARCHIVE_FAILED,
            event_id(EventType.ARCHIVE_FAILED, announced.event_id, problem.name, when),
            f"{_named(announced)} {not_archived}: {problem.headline}",
            mail=paragraphs(
                f"The file of export {announced.export.export_id} was announced, but is {not_archived}. {reason}",
                next_try,
                f"What to do: {advice}",
                table(rows),
                self.writer.signature(),
            ),
            fields=fields,
        )

    def _message(
        self, announced: AnnouncedFile, event_type: EventType, identifier: str, subject: str, *, mail: str, fields: Body
    ) -> Message:
        about: Body = {
            **announced.ids,
            "status": announced.status,
            "scheduled_for": utc_seconds(announced.scheduled_for),
            "finished_at": utc_seconds(announced.finished_at),
            **announced.labels.known,
        }
        return self.writer.message(
            event_type,
            identifier,
            subject=subject,
            mail=mail,
            fields={**about, **fields},
            attributes=file_attributes(announced.status, announced.export, announced.labels),
        )

    def _advice(self, alert: ArchiveAlert) -> str:
        commands = self.writer.commands
        hosts = ",".join(host for host in (self.download_hosts, alert.detail) if host)
        enough = min((alert.size or 0) // _MIB + 1, _LARGEST)
        again = self._again(alert)
        advice = alert.problem.advice(
            commands,
            "ArchiveFileFunction",
            allow=commands.deploy(ArchiveDownloadHosts=hosts),
            enlarge=commands.deploy(ArchiveMaxMegabytes=str(enough)),
            again=again,
        )
        if alert.retry_until or alert.problem.is_final:
            return advice
        repair = "" if advice.startswith("Nothing") else f"{advice} "
        return f"{repair}To have it tried again, {again}"

    def _again(self, alert: ArchiveAlert) -> str:
        announced = alert.announced
        ids = {"export_id": announced.export.export_id, "export_file_id": announced.export_file_id}
        if alert.problem is Problem.DELIVERY_NOT_STARTED:  # what is announced again is not delivered again
            return self.writer.commands.with_event("DeliverFileFunction", "deliver", ids)
        return self.writer.commands.with_event("ReconcileRunsFunction", "announce_again", ids)


def _reason(alert: ArchiveAlert) -> str:
    details = [
        alert.detail,
        "" if alert.size is None else _amount(alert.size),
        "" if alert.rate is None else f"at {_amount(alert.rate)} a second",
    ]
    return alert.problem.reason(" ".join(text for text in details if text))


def _named(announced: AnnouncedFile) -> str:
    return f"export {announced.export.export_id}, file {announced.export_file_id}"


def _amount(size: float) -> str:
    """Bytes, for people."""
    return f"{size / _MIB:,.1f} MiB" if size >= _MIB / 10 else f"{size:,.0f} bytes"
