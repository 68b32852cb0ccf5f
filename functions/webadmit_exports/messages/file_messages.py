"""What subscribers are told about one export file: it is ready, failed, empty or late. Pure."""

from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.foreign_text import quoted, shown
from webadmit_exports.domain.status import Status, is_known
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.messages.message import Body, Message, MessageWriter, file_attributes
from webadmit_exports.messages.text import paragraphs, table


def file_message(announcement: Announcement, writer: MessageWriter, *, repeated: bool = False) -> Message:
    """The message about one export file; `repeated` if it was sent before and a person wants it once more."""
    file, event_type = announcement.export_file, announcement.event_type
    moment = "started_at" if event_type is EventType.OVERDUE else "finished_at"
    fields: Body = {
        **file.ids,
        "status": file.status,
        "href": _href(file),
        "scheduled_for": utc_seconds(file.scheduled_for),
        moment: utc_seconds(getattr(file, moment)),
        **file.labels.known,
    }
    if file.reason:
        fields["reason"] = file.reason
    if event_type is EventType.FAILED and file.after_failure:
        fields["after_failure"] = file.after_failure
    if event_type is EventType.FAILED and file.again_at:
        fields["no_second_run"] = no_second_run(file)
    if repeated:
        fields["repeated"] = True
    headline = _headline(file, event_type)
    return writer.message(
        event_type,
        announcement.event_id,
        subject=writer.about_export(
            f"again: {headline}" if repeated else headline, file.export.export_id, file.labels.export_name
        ),
        mail=_mail(file, event_type, writer, repeated=repeated),
        fields=fields,
        attributes=file_attributes(file.status, file.export, file.labels),
    )


def _headline(file: ExportFile, event_type: EventType) -> str:
    """The text of the subject; `{export}` in it stays, for the number and the name of the export."""
    if file.reason:
        headline = _UNKNOWN_HEADLINE
    elif _has_failed_twice(file, event_type):
        headline = _FAILED_TWICE_HEADLINE
    else:
        headline = _HEADLINES[event_type]
    return headline.format(export="{export}", file=file.export_file_id, status=_status(file))


def _mail(file: ExportFile, event_type: EventType, writer: MessageWriter, *, repeated: bool) -> str:
    opening, next_step = _UNKNOWN if file.reason else (_OPENINGS[event_type], _NEXT_STEPS[event_type])
    is_failure = event_type is EventType.FAILED
    if _has_failed_twice(file, event_type):
        opening = _FAILED_AGAIN if file.after_failure == file.export_file_id else _FAILED_TWICE
    elif is_failure and file.again_at:
        opening = f"{opening} It was to be started once more, which did not come about."
    rows = {
        "Export": f"{file.export.export_id} (identity {file.export.user_identity_id})",
        "Name": shown(file.labels.export_name),
        "Program": shown(file.labels.program),
        "File": str(file.export_file_id),
        "Status": "unknown" if file.reason else _status(file),
        "Scheduled": writer.time(file.scheduled_for),
        "Started": writer.time(file.started_at),
        "Given up" if file.reason else "Finished": writer.time(file.finished_at) if file.finished_at else "",
        "Reason": file.reason or "",
        "First run": f"failed, file {file.after_failure}" if is_failure and file.after_failure else "",
        "Not again": no_second_run(file) if is_failure and file.again_at else "",
    }
    return paragraphs(
        "This was announced before; somebody has asked for it again." if repeated else "",
        opening.format(export=file.export.export_id, minutes=f"{writer.overdue_minutes:g}"),
        table(rows),
        _WITH_ERRORS if file.status == Status.SUCCESS_WITH_ERRORS else "",
        next_step,
        writer.signature(),
    )


def _has_failed_twice(file: ExportFile, event_type: EventType) -> bool:
    return event_type is EventType.FAILED and file.after_failure is not None and not file.reason


def no_second_run(file: ExportFile) -> str:
    """Why a failed run that was to be started once more was not."""
    return file.no_second_run or "None came about within thirteen hours."


def _status(file: ExportFile) -> str:
    """For people: one that WebAdMIT does not document may be the text of a stranger who has a leaked callback URL."""
    return file.status if is_known(file.status) else quoted(file.status)


def _href(file: ExportFile) -> str:
    """From the ids: the href of the API's own documented example names another export."""
    return f"/api/v1/exports/{file.export.export_id}/export_files/{file.export_file_id}"


_HEADLINES = {
    EventType.READY: "{export} is ready, file {file} ({status})",
    EventType.FAILED: "{export} failed in WebAdMIT, file {file}",
    EventType.EMPTY: "{export} is empty, file {file}",
    EventType.OVERDUE: "{export} is late, file {file} is still {status}",
}

_FAILED_TWICE_HEADLINE = "{export} failed twice in WebAdMIT, file {file}"
_FAILED_TWICE = "Export {export} ran in WebAdMIT twice and failed both times: there is no file."
_FAILED_AGAIN = (
    "Export {export} ran in WebAdMIT and failed: there is no file. WebAdMIT answered its next start with the same file"
    " number, and that has failed too."
)

_OPENINGS = {
    EventType.READY: "The file of export {export} is ready in WebAdMIT.",
    EventType.FAILED: "Export {export} ran in WebAdMIT and failed: there is no file.",
    EventType.EMPTY: "Export {export} ran in WebAdMIT and selected nobody: there is no file.",
    EventType.OVERDUE: "A run of export {export} has been open in WebAdMIT for more than {minutes} minutes"
    " (OverdueAfterMinutes).",
}

_NEXT_STEPS = {
    EventType.READY: "Download it in WebAdMIT, under the files of this export.",
    EventType.FAILED: "Look at the export in WebAdMIT for the reason. It is not tried again; the next scheduled run"
    ' starts as usual. To start one now, see "Start an export now" in docs/runbook.md: what a person starts in'
    " WebAdMIT is not announced.",
    EventType.EMPTY: "Nothing needs to be done if that is what you expect, for example before the first applications of"
    " a cycle. Otherwise look at the list that the export uses in WebAdMIT. To get no more such mails, deploy this"
    ' stack with "AlertOnEmptyList=false" ("Deploy again" in docs/runbook.md).',
    EventType.OVERDUE: "This stack follows it on and announces how it ends. You will not be told again that it is"
    " late. If it should be done by now, look at it in WebAdMIT.",
}

_WITH_ERRORS = (
    "WebAdMIT had errors while it made the file: records may be missing or incomplete. Look at the export there before"
    " you load the file."
)

# A run that we gave up ourselves, for the reason that the mail names.
_UNKNOWN_HEADLINE = "{export}: outcome unknown, file {file}"
_UNKNOWN = (
    (
        "WebAdMIT no longer answers questions about this run of export {export}, so we do not know whether it produced"
        " a file."
    ),
    (
        "The run was deleted in WebAdMIT, or access to it was lost. This stack no longer follows it; the next scheduled"
        " run starts as usual. Check in WebAdMIT whether the export has run. If not, start it from this stack: "
        '"Start an export now" in docs/runbook.md.'
    ),
)
