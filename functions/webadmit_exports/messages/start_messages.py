"""What subscribers are told about exports that did not start, and about identities that WebAdMIT refuses. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webadmit_exports.domain.announcement import EventType, event_id
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export, join_pairs
from webadmit_exports.domain.times import utc_microseconds, utc_seconds
from webadmit_exports.messages.message import Body, Message, MessageWriter
from webadmit_exports.messages.problems import Problem
from webadmit_exports.messages.text import counted, listing, named, paragraphs, sentence

_EXPORTS = "The exports (identity:export):"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAlert:
    """Exports of one scheduled time that did not start, all because of the same problem.

    `details`: what is known about each beyond that; may be empty. `retry_until`: None where nobody will try again.
    `names`: what they are called, as far as that is known.
    """

    problem: Problem
    scheduled_for: datetime
    details: Mapping[Export, str]
    retry_until: datetime | None
    names: Mapping[Export, str] = field(default_factory=dict)

    @property
    def exports(self) -> Sequence[Export]:
        return list(self.details)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedIdentity:
    """An identity that WebAdMIT refuses, and its open runs. `detail`: what WebAdMIT said; may be empty."""

    user_identity_id: int
    files: Sequence[ExportFile]
    detail: str


def start_message(alert: StartAlert, writer: MessageWriter) -> Message:
    """The message about exports that did not start, one for all that share the problem."""
    event_type = EventType.START_DELAYED if alert.retry_until else EventType.START_FAILED
    exports = join_pairs(alert.exports)
    scheduled_for = utc_seconds(alert.scheduled_for)
    advice = alert.problem.advice(writer.commands) if alert.retry_until else _last_advice(alert, writer)
    fields: Body = {
        "exports": exports,
        "scheduled_for": scheduled_for,
        "reason": sentence(alert.problem.sentence) + "".join(f" {line}" for line in _details(alert)),
        "advice": advice,
    }
    if alert.retry_until:
        fields["retry_until"] = utc_seconds(alert.retry_until)
    first = alert.exports[0]
    what = "{export}" if len(alert.exports) == 1 else counted(len(alert.exports), "export")
    not_started = "not started yet" if alert.retry_until else "not started"
    return writer.message(
        event_type,
        event_id(event_type, alert.problem.name, scheduled_for, exports),
        subject=writer.about_export(
            f"{what} {not_started}: {alert.problem.headline}", first.export_id, alert.names.get(first, "")
        ),
        mail=_start_mail(alert, advice, writer),
        fields=fields,
    )


def _start_mail(alert: StartAlert, advice: str, writer: MessageWriter) -> str:
    exports = counted(len(alert.exports), "export")
    if alert.retry_until:
        next_try = (
            f"This stack tries again every 15 minutes until {writer.time(alert.retry_until)}. Once the cause is"
            " repaired the exports start by themselves; nobody needs to start them by hand."
        )
    else:
        next_try = "They will not be retried; the next scheduled run starts as usual."
    return paragraphs(
        f"{exports} scheduled for {writer.time(alert.scheduled_for)} could not start{' yet' * bool(alert.retry_until)},"
        f" because {alert.problem.sentence}.",
        next_try,
        f"What to do: {advice}",
        listing("What is known of each:", _details(alert)),
        listing(_EXPORTS, (named(export, alert.names.get(export, "")) for export in alert.exports)),
        writer.signature(),
    )


def _last_advice(alert: StartAlert, writer: MessageWriter) -> str:
    """What to do when nobody tries again: repair the cause, then start by hand, for the same scheduled time."""
    advice = alert.problem.advice(writer.commands)
    repair = "" if advice.startswith("Nothing") else f"{advice} "
    exports = join_pairs(alert.exports)
    event = json.dumps({"exports": exports, "scheduled_for": utc_seconds(alert.scheduled_for)})
    hint = " (with the right ids)" if alert.problem is Problem.NOT_FOUND else ""
    return (
        f"{repair}To start them now, save the line `{event}`{hint} as start.json and run"
        f" `{writer.commands.invoke('StartRunsFunction', 'start.json')}`."
    )


def _details(alert: StartAlert) -> list[str]:
    """Each detail once, with the exports that it is about."""
    exports_by_detail: dict[str, list[str]] = {}
    for export, detail in alert.details.items():
        if detail:
            exports_by_detail.setdefault(detail, []).append(str(export))
    return [f"{', '.join(exports)}: {sentence(detail)}" for detail, exports in exports_by_detail.items()]


def refused_identity_message(refused: RefusedIdentity, writer: MessageWriter) -> Message:
    """The message about an identity whose open runs WebAdMIT no longer shows, one for all of them."""
    event_type, problem, identity = EventType.IDENTITY_REFUSED, Problem.ACCESS_REFUSED, refused.user_identity_id
    names = {file.export: file.names.export_name for file in refused.files}
    exports = join_pairs(names)
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
            "If WebAdMIT calls back, the files are still announced. It is asked again every hour; a run with no news"
            f" for {LIFETIME.days} days is given up. You get this mail once.",
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
