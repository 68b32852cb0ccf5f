"""What subscribers are told about exports that did not start, and about identities that WebAdMIT refuses. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webadmit_exports.domain.announcement import EventType, event_id
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export, join_entries
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.domain.times import utc_microseconds, utc_seconds
from webadmit_exports.messages.message import Body, Message, MessageWriter
from webadmit_exports.messages.problems import Problem
from webadmit_exports.messages.text import counted, listing, named, paragraphs, sentence

_EXPORTS = "The exports (identity:export):"
_NAMES = "The names of exports, as Exports has them:"
_HINTS = {
    Problem.NOT_FOUND: " (with the right ids)",
    Problem.NO_MATCH: " (with the right name)",
    Problem.TOO_MANY_MATCHES: " (with the right name)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAlert:
    """Exports, or names of exports, of one scheduled time that did not start, all because of the same problem.

    `details`: what is known about each beyond that; may be empty. `retry_until`: None where nobody will try again.
    `export_names`: what the exports are called, as far as that is known.
    """

    problem: Problem
    scheduled_for: datetime
    details: Mapping[Entry, str]
    retry_until: datetime | None
    export_names: Mapping[Export, str] = field(default_factory=dict)

    @property
    def exports(self) -> str:
        """As the parameter Exports has them."""
        return join_entries(self.details)

    @property
    def count(self) -> str:
        """`2 exports`, `1 name`, `2 exports and 1 name`."""
        names = sum(isinstance(entry, NamePattern) for entry in self.details)
        counts = {"export": len(self.details) - names, "name": names}
        return " and ".join(counted(number, noun) for noun, number in counts.items() if number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedIdentity:
    """An identity that WebAdMIT refuses, and its open runs. `detail`: what WebAdMIT said; may be empty."""

    user_identity_id: int
    files: Sequence[ExportFile]
    detail: str


def start_message(alert: StartAlert, writer: MessageWriter) -> Message:
    """The message about exports that did not start, one for all that share the problem."""
    event_type = EventType.START_DELAYED if alert.retry_until else EventType.START_FAILED
    scheduled_for = utc_seconds(alert.scheduled_for)
    advice = alert.problem.advice(writer.commands) if alert.retry_until else _last_advice(alert, writer)
    fields: Body = {
        "exports": alert.exports,
        "scheduled_for": scheduled_for,
        "reason": sentence(alert.problem.sentence) + "".join(f" {line}" for line in _details(alert)),
        "advice": advice,
    }
    if alert.retry_until:
        fields["retry_until"] = utc_seconds(alert.retry_until)
    return writer.message(
        event_type,
        event_id(event_type, alert.problem.name, scheduled_for, alert.exports),
        subject=_subject(alert, writer),
        mail=_start_mail(alert, advice, writer),
        fields=fields,
    )


def _subject(alert: StartAlert, writer: MessageWriter) -> str:
    first, *others = alert.details
    what_happened = f"not started{' yet' * bool(alert.retry_until)}: {alert.problem.headline}"
    if others:
        return f"{alert.count} {what_happened}"
    if isinstance(first, Export):
        return writer.about_export(f"{{export}} {what_happened}", first.export_id, alert.export_names.get(first, ""))
    return f"{first.quoted} {what_happened}"


def _start_mail(alert: StartAlert, advice: str, writer: MessageWriter) -> str:
    if alert.retry_until:
        next_try = (
            f"This stack tries again every 15 minutes until {writer.time(alert.retry_until)}. Once the cause is"
            " repaired the exports start by themselves; nobody needs to start them by hand."
        )
    else:
        next_try = "There is no further try for this time; the next scheduled time is a new one."
    return paragraphs(
        f"{alert.count} scheduled for {writer.time(alert.scheduled_for)} could not"
        f" start{' yet' * bool(alert.retry_until)}, because {alert.problem.sentence}.",
        next_try,
        f"What to do: {advice}",
        listing("What is known of each:", _details(alert)),
        listing(
            _EXPORTS,
            (named(entry, alert.export_names.get(entry, "")) for entry in alert.details if isinstance(entry, Export)),
        ),
        listing(_NAMES, (entry.quoted for entry in alert.details if isinstance(entry, NamePattern))),
        writer.signature(),
    )


def _last_advice(alert: StartAlert, writer: MessageWriter) -> str:
    """What to do when nobody tries again: repair the cause, then start by hand, for the same scheduled time."""
    advice = alert.problem.advice(writer.commands)
    repair = "" if advice.startswith("Nothing") else f"{advice} "
    event = json.dumps({"exports": alert.exports, "scheduled_for": utc_seconds(alert.scheduled_for)})
    hint = _HINTS.get(alert.problem, "")
    return (
        f"{repair}To start them now, save the line `{event}`{hint} as start.json and run"
        f" `{writer.commands.invoke('StartRunsFunction', 'start.json')}`."
    )


def _details(alert: StartAlert) -> list[str]:
    """Each detail once, with the exports that it is about."""
    exports_by_detail: dict[str, list[str]] = {}
    for entry, detail in alert.details.items():
        if detail:
            exports_by_detail.setdefault(detail, []).append(str(entry))
    return [f"{', '.join(exports)}: {sentence(detail)}" for detail, exports in exports_by_detail.items()]


def refused_identity_message(refused: RefusedIdentity, writer: MessageWriter) -> Message:
    """The message about an identity whose open runs WebAdMIT no longer shows, one for all of them."""
    event_type, problem, identity = EventType.IDENTITY_REFUSED, Problem.ACCESS_REFUSED, refused.user_identity_id
    names = {file.export: file.labels.export_name for file in refused.files}
    exports = join_entries(names)
    oldest = min(utc_microseconds(file.started_at) for file in refused.files)
    runs = counted(len(refused.files), "open run")
    advice = problem.advice(writer.commands)
    return writer.message(
        event_type,
        event_id(event_type, identity, oldest),
        subject=f"WebAdMIT refuses access to identity {identity}, {runs}",
        mail=paragraphs(
            f"WebAdMIT no longer lets this stack see {runs} of identity {identity}: the owner of the API key has lost"
            " access to it.",
            "If WebAdMIT calls back, the files are still announced. WebAdMIT is asked again within the hour; a run with"
            f" no news for {LIFETIME.days} days is given up. You get this mail once.",
            f"What to do: {advice}",
            listing(_EXPORTS, (named(export, name) for export, name in names.items())),
            writer.signature(),
        ),
        fields={
            "user_identity_id": identity,
            "exports": exports,
            "reason": " ".join(sentence(text) for text in (problem.sentence, refused.detail) if text),
            "advice": advice,
        },
        attributes={"user_identity_id": identity},
    )
