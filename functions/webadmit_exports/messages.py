"""What subscribers are told: the JSON body for machines, the mail for people, the attributes for filters. Pure.

The shapes are the public contract that the README documents. No message holds the API key, a callback's signature, a
download URL or applicant data.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .callbacks import LIFETIME
from .commands import Commands
from .model import Export, ExportFile, Names, Status, is_known, time_zone, utc_microseconds, utc_seconds
from .progress import Announcement, EventType, event_id
from .prose import listing, paragraphs, quoted, sentence

VERSION = "1"
_SUBJECT_LENGTH = 99  # SNS takes fewer than 100 characters
_NAME_LENGTH = 24  # of an export in a subject
_EXPORTS = "The exports (identity:export):"
_STACK_NAME_LENGTH = 40  # of the subject; CloudFormation allows 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One SNS message. `body` goes to every protocol but email, `mail` to people."""

    event_type: EventType
    subject: str
    body: Mapping[str, str | int]
    mail: str
    attributes: Mapping[str, str | int]


class Cause(Enum):
    """Why an export was not started: in few words for a subject, and as what follows a "because"."""

    API_KEY_MISSING = "no usable API key is stored", "no usable WebAdMIT API key is stored yet"
    API_KEY_REFUSED = "API key refused (401)", "WebAdMIT refused the API key (401)"
    SIGNING_KEY_UNUSABLE = "no usable signing key", "the signing key for callbacks is missing or too short"
    ACCESS_REFUSED = "no access to the identity (403)", "WebAdMIT refused access to the identity (403)"
    NOT_FOUND = "unknown to WebAdMIT (404)", "WebAdMIT does not know the identity or the export (404)"
    REJECTED = "rejected by WebAdMIT", "WebAdMIT rejected the request"
    RATE_LIMITED = "rate limit used up (429)", "WebAdMIT's rate limit is used up (429)"
    UNAVAILABLE = "no usable answer from WebAdMIT", "WebAdMIT gave no usable answer"
    AWS_UNAVAILABLE = "no answer from AWS", "an AWS service did not answer"
    OUT_OF_TIME = "time ran out", "the list took longer than one start may"
    UNEXPECTED = "unexpected error", "of an error in this software"

    def __init__(self, headline: str, sentence: str) -> None:
        self.headline = headline
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAlert:
    """Exports of one occurrence that were not started, all for the same cause.

    `words`: what WebAdMIT said about each, where it said anything. `retry_until`: None where nobody will try again.
    """

    cause: Cause
    scheduled_for: datetime
    words: Mapping[Export, str]
    retry_until: datetime | None

    @property
    def exports(self) -> Sequence[Export]:
        return list(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedIdentity:
    """An identity that WebAdMIT will not be asked about, and its open runs. `words`: WebAdMIT's, where it said any."""

    user_identity_id: int
    files: Sequence[ExportFile]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Writes the messages of one stack. `timezone`: an IANA name, for the times in mails; else UTC."""

    stack_name: str
    region: str
    timezone: str
    webadmit_base_url: str
    api_key_secret: str = ""

    @property
    def commands(self) -> Commands:
        """The commands that mails tell people to run."""
        return Commands(stack_name=self.stack_name, region=self.region, api_key_secret=self.api_key_secret)

    def announcement(self, announcement: Announcement, *, repeated: bool = False) -> Message:
        """The message about one export file; `repeated` if it was sent before and a person wants it once more."""
        file, event_type = announcement.export_file, announcement.event_type
        moment = "started_at" if event_type is EventType.OVERDUE else "finished_at"
        body: dict[str, str | int] = {
            "version": VERSION,
            "event_id": announcement.event_id,
            "event_type": event_type,
            **file.ids,
            "status": file.status,
            "href": _href(file),
            "scheduled_for": utc_seconds(file.scheduled_for),
            moment: utc_seconds(getattr(file, moment)),
            **file.names.known,
        }
        if file.reason:
            body["reason"] = file.reason
        if repeated:
            body["repeated"] = True
        name = _quoted(file.names.export_name, _NAME_LENGTH)
        headline = _UNKNOWN_HEADLINE if file.reason else _HEADLINES[event_type]
        headline = headline.format(file=file, export=file.export, name=name, status=_status(file))
        return Message(
            event_type=event_type,
            subject=self.subject(f"again: {headline}" if repeated else headline),
            body=body,
            mail=self._file_mail(file, event_type, repeated=repeated),
            attributes=attributes(event_type, file.status, file.export, file.names),
        )

    def start_alert(self, alert: StartAlert) -> Message:
        """The message about exports that were not started, one for all that share the cause."""
        event_type = EventType.START_DELAYED if alert.retry_until else EventType.START_FAILED
        exports = ",".join(str(export) for export in alert.exports)
        scheduled_for = utc_seconds(alert.scheduled_for)
        body: dict[str, str | int] = {
            "version": VERSION,
            "event_id": event_id(event_type, alert.cause.name, scheduled_for, exports),
            "event_type": event_type,
            "exports": exports,
            "scheduled_for": scheduled_for,
            "reason": sentence(alert.cause.sentence) + "".join(f" {line}" for line in _said(alert)),
            "advice": self.advice(alert.cause) if alert.retry_until else self._last_advice(alert),
        }
        if alert.retry_until:
            body["retry_until"] = utc_seconds(alert.retry_until)
        what = f"export {exports}" if len(alert.exports) == 1 else f"{len(alert.exports)} exports"
        not_started = "not started yet" if alert.retry_until else "not started"
        return Message(
            event_type=event_type,
            subject=self.subject(f"{what} {not_started}: {alert.cause.headline}"),
            body=body,
            mail=self._start_mail(alert, body),
            attributes={"event_type": event_type},
        )

    def refused_identity(self, refused: RefusedIdentity) -> Message:
        """The message about an identity whose open runs cannot be asked about any more, one for all of them."""
        identity, cause = refused.user_identity_id, Cause.ACCESS_REFUSED
        exports = ",".join(dict.fromkeys(str(file.export) for file in refused.files))
        oldest = min(utc_microseconds(file.started_at) for file in refused.files)
        runs = "1 open run" if len(refused.files) == 1 else f"{len(refused.files)} open runs"
        return Message(
            event_type=EventType.IDENTITY_REFUSED,
            subject=self.subject(f"WebAdMIT refuses access to identity {identity}, {runs}"),
            body={
                "version": VERSION,
                "event_id": event_id(EventType.IDENTITY_REFUSED, identity, oldest),
                "event_type": EventType.IDENTITY_REFUSED,
                "user_identity_id": identity,
                "exports": exports,
                "reason": " ".join(sentence(text) for text in (cause.sentence, refused.words) if text),
                "advice": self.advice(cause),
            },
            mail=paragraphs(
                f"WebAdMIT no longer lets this stack see {runs} of identity {identity}: the owner of the API key has"
                " lost access to it.",
                "If WebAdMIT calls back, the files are still announced. It is asked again every hour; a run of which"
                f" nothing is heard for {LIFETIME.days} days is given up. You get this mail once.",
                f"What to do: {self.advice(cause)}",
                listing(_EXPORTS, exports.split(",")),
                self.signature(),
            ),
            attributes={"event_type": EventType.IDENTITY_REFUSED, "user_identity_id": identity},
        )

    def subject(self, text: str) -> str:
        """A mail's: SNS wants fewer than 100 printable ASCII characters that begin with a letter, a digit or a mark."""
        whole = f"{self.stack_name[:_STACK_NAME_LENGTH]}: {text}"
        return "".join(c if " " <= c <= "~" else "?" for c in whole)[:_SUBJECT_LENGTH].strip()

    def _file_mail(self, file: ExportFile, event_type: EventType, *, repeated: bool) -> str:
        opening, next_step = _UNKNOWN if file.reason else (_OPENINGS[event_type], _NEXT_STEPS[event_type])
        rows = {
            "Export": f"{file.export.export_id} (identity {file.export.user_identity_id})",
            "Name": file.names.export_name,
            "Program": ", ".join(text for text in (file.names.organization, file.names.cycle) if text),
            "File": str(file.export_file_id),
            "Status": "unknown" if file.reason else _status(file),
            "Scheduled": self.time(file.scheduled_for),
            "Started": self.time(file.started_at),
        }
        if file.finished_at:
            rows["Finished"] = self.time(file.finished_at)
        if file.reason:
            rows["Reason"] = file.reason
        return paragraphs(
            "This was announced before; somebody has asked for it again." if repeated else "",
            opening.format(file=file, export=file.export),
            "\n".join(f"{name + ':':<11}{value}" for name, value in rows.items() if value),
            _WITH_ERRORS if file.status == Status.SUCCESS_WITH_ERRORS else "",
            next_step.format(url=f"{self.webadmit_base_url}{_href(file)}"),
            self.signature(),
        )

    def _start_mail(self, alert: StartAlert, body: Mapping[str, str | int]) -> str:
        count = len(alert.exports)
        exports = "1 export" if count == 1 else f"{count} exports"
        if alert.retry_until:
            fate = (
                f"This stack tries again every 15 minutes until {self.time(alert.retry_until)}. Once the cause is"
                " repaired the exports start by themselves; nobody needs to start them by hand."
            )
        else:
            fate = "Nothing starts them any more before the next scheduled time."
        return paragraphs(
            f"{exports} scheduled for {self.time(alert.scheduled_for)} {'has' if count == 1 else 'have'} not been"
            f" started{' yet' if alert.retry_until else ''}, because {alert.cause.sentence}.",
            fate,
            f"What to do: {body['advice']}",
            listing("In detail:", _said(alert)),
            listing(_EXPORTS, alert.exports),
            self.signature(),
        )

    def advice(self, cause: Cause) -> str:
        """What to do about a cause, with the commands for this stack."""
        commands = self.commands
        return _ADVICE[cause].format(
            store_key=commands.store_key(),
            list_ids=commands.invoke("CheckSetupFunction"),
            renew_signing_key=commands.renew_signing_key(),
            logs=commands.logs("StartRunsFunction"),
        )

    def _last_advice(self, alert: StartAlert) -> str:
        """What to do when nobody tries again: repair the cause, then start by hand, under the time of the schedule."""
        advice = self.advice(alert.cause)
        repair = "" if advice.startswith("Nothing") else f"{advice} "
        exports = ",".join(str(export) for export in alert.exports)
        event = json.dumps({"exports": exports, "scheduled_for": utc_seconds(alert.scheduled_for)})
        hint = " (with the right ids)" if alert.cause is Cause.NOT_FOUND else ""
        return (
            f"{repair}To start them now, save the line `{event}`{hint} as start.json and run"
            f" `{self.commands.invoke('StartRunsFunction', 'start.json')}`."
        )

    def time(self, moment: datetime) -> str:
        """For people: in the time zone of the schedules."""
        zone = time_zone(self.timezone)
        if zone is None:
            return moment.strftime("%a %Y-%m-%d %H:%M UTC")
        return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M} {self.timezone}"

    def clock(self, moment: datetime) -> str:
        """For subjects: hours and minutes, in the time zone of the schedules."""
        zone = time_zone(self.timezone)
        return f"{moment.astimezone(zone):%H:%M}" if zone else f"{moment:%H:%M} UTC"

    def signature(self) -> str:
        """The last lines of every mail."""
        return f"--\nStack {self.stack_name} in {self.region}"


def attributes(event_type: EventType, status: str, export: Export, names: Names) -> Mapping[str, str | int]:
    """The message attributes about one file.

    `export` is a text because SNS compares numbers only up to 10⁹ (filter policies), and ids may be larger.
    """
    return {"event_type": event_type, "status": status, "export": str(export), **export.ids, **names.known}


def _quoted(name: str, length: int) -> str:
    """An export's name, cut to that length, for the middle of a sentence."""
    return f' "{name if len(name) <= length else name[: length - 3] + "..."}"' if name else ""


def _status(file: ExportFile) -> str:
    """For people: one that WebAdMIT does not document may be a stranger's words, who has a leaked callback address."""
    return file.status if is_known(file.status) else quoted(file.status)


def _href(file: ExportFile) -> str:
    """From the ids: the href of the API's own documented example names another export."""
    return f"/api/v1/exports/{file.export.export_id}/export_files/{file.export_file_id}"


def _said(alert: StartAlert) -> list[str]:
    """WebAdMIT's words, each once, with the exports that they were said about."""
    said: dict[str, list[str]] = {}
    for export, words in alert.words.items():
        if words:
            said.setdefault(words, []).append(str(export))
    return [f"{', '.join(exports)}: {sentence(words)}" for words, exports in said.items()]


_HEADLINES = {
    EventType.READY: "export {export.export_id}{name} is ready, file {file.export_file_id} ({status})",
    EventType.FAILED: "export {export.export_id}{name} failed in WebAdMIT, file {file.export_file_id}",
    EventType.EMPTY: "export {export.export_id}{name} is empty, file {file.export_file_id}",
    EventType.OVERDUE: "export {export.export_id}{name} is late, file {file.export_file_id} is still {status}",
}

# A run that we gave up ourselves, for the reason that the mail names.
_UNKNOWN_HEADLINE = "export {export.export_id}{name}: outcome unknown, file {file.export_file_id}"
_UNKNOWN = (
    """\
WebAdMIT no longer answers questions about this run of export {export.export_id}, so we do not know whether it produced
a file.""",
    """\
The run was deleted in WebAdMIT, or access to it was lost. This stack no longer follows it; the next scheduled run
starts as usual. Check in WebAdMIT whether the export has run. If not, start it from this stack: "Start an export now"
in docs/runbook.md.""",
)

_OPENINGS = {
    EventType.READY: "The file of export {export.export_id} is ready in WebAdMIT.",
    EventType.FAILED: "Export {export.export_id} ran in WebAdMIT and failed: there is no file.",
    EventType.EMPTY: "Export {export.export_id} ran in WebAdMIT and selected nobody: there is no file.",
    EventType.OVERDUE: "Export {export.export_id} was started in WebAdMIT and has not finished for unusually long.",
}

_NEXT_STEPS = {
    EventType.READY: """\
People find it in WebAdMIT, among the files of that export. A program asks for its download URL, with the API key, and
follows that URL at once: it lives less than 30 seconds.
  GET {url}""",
    EventType.FAILED: """\
Look at the export in WebAdMIT for the reason. This run is not tried again; the next scheduled time starts a new one. To
start one now, see "Start an export now" in docs/runbook.md: what a person starts in WebAdMIT is not announced.""",
    EventType.EMPTY: """\
Nothing needs to be done if that is what you expect, for example before the first applications of a cycle. Otherwise
look at the list that the export uses in WebAdMIT. To get no more such mails, deploy with AlertOnEmptyList=false.""",
    EventType.OVERDUE: """\
It is watched further, and you get a mail when it finishes; about being late this is the only one. If it should be
done by now, look at it in WebAdMIT.""",
}

_WITH_ERRORS = """\
WebAdMIT had errors while it made the file: records may be missing or incomplete. Look at the export there before you
load the file."""

_ADVICE = {
    Cause.API_KEY_MISSING: "Save the key (in WebAdMIT: Account, Edit My Account, API Key) in webadmit-api-key.txt,"
    " run `{store_key}`, then delete the file.",
    Cause.API_KEY_REFUSED: "The key was replaced, or its owner has lost the API Access permission. Save the current"
    " key (in WebAdMIT: Account, Edit My Account, API Key) in webadmit-api-key.txt, run `{store_key}`, then delete the"
    " file.",
    Cause.SIGNING_KEY_UNUSABLE: "Store a new one: {renew_signing_key}.",
    Cause.ACCESS_REFUSED: "Ask your WebAdMIT administrator to give the owner of the API key access to that identity"
    " with the API Access permission. `{list_ids}` lists the identities that the key reaches: one that is not in"
    " the list is the one to ask for.",
    Cause.NOT_FOUND: "A new admissions cycle brings new identity ids every year: find them with `{list_ids}`, then"
    " deploy with the new Exports. If the ids are still right, the owner of the key has lost access to them.",
    Cause.REJECTED: "Read what WebAdMIT said; run the export by hand in WebAdMIT to see whether it works there, and"
    " correct Exports if it is not the one that you meant.",
    Cause.RATE_LIMITED: "Nothing, if this is rare. If it comes often, something else uses the same API key a lot: give"
    " this stack a key of its own (that of a service user), or spread the schedules.",
    Cause.UNAVAILABLE: "Nothing, if WebAdMIT is down for maintenance. If other clients reach it, check the parameter"
    " WebAdmitBaseUrl of this stack.",
    Cause.AWS_UNAVAILABLE: "Nothing, if this is rare: AWS services recover by themselves. If it stays, see the errors"
    " with `{logs}`.",
    Cause.OUT_OF_TIME: "Nothing: the rest of the list starts by itself. If it comes often, split the list into Exports"
    " and FrequentExports.",
    Cause.UNEXPECTED: "See the error with `{logs}`, and tell those who look after this software.",
}
