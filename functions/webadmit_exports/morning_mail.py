"""The morning mail: did last night work?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .callbacks import LIFETIME
from .messages import VERSION, Message, Wording
from .model import Export, ExportFile, utc_seconds
from .night import GRACE, ExpectedRun, Night, Outcome, Queues, day_before, look_back, times_of
from .progress import EventType, event_id
from .prose import listing, paragraphs
from .schedules import Schedules
from .table import ExportFilesTable
from .topics import Topics

_WHAT_TO_DO = {
    Outcome.NOT_STARTED: "Look at the mails about starts, or see: {logs}",
    Outcome.FAILED: "Look at them in WebAdMIT for the reason; the next time of the schedule starts new ones."
    ' To start them now: "Start an export now" in docs/runbook.md.',
    Outcome.LATE: "Look at them in WebAdMIT if they should be done by now; they are followed further.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMorningMail:
    """The use case. `count_queues` tells how much waits."""

    schedules: Schedules
    table: ExportFilesTable
    count_queues: Callable[[], Queues]
    topics: Topics
    wording: Wording

    def send(self, now: datetime) -> Night:
        """Looks back at the last day and says what it saw; raises AwsUnavailable if it cannot."""
        schedules = self.schedules.read()
        until = now.replace(second=0, microsecond=0) - GRACE
        since = day_before(until, self.wording.timezone)
        exports = list(dict.fromkeys(export for one in schedules for export in one.exports))
        unfinished = [file for file in self.table.unfinished(now + LIFETIME) if not file.finished_at]
        files = self._files(exports, unfinished, since)
        night = Night(
            since=since,
            until=until,
            schedules=schedules,
            runs=look_back(schedules, files, since, until),
            older=[file for file in unfinished if file.scheduled_for < since],
            queues=self.count_queues(),
        )
        self.topics.publish(morning_message(night, self.wording))
        return night

    def _files(
        self, exports: Sequence[Export], unfinished: Iterable[ExportFile], since: datetime
    ) -> Mapping[Export, list[ExportFile]]:
        """The runs since then: of all exports that are scheduled, and of others that are still open."""
        files: dict[Export, list[ExportFile]] = {}
        for export in exports:
            newest = self.table.newest(export.export_id, since)
            files[export] = [file for file in newest if file.export == export]
        for file in unfinished:
            if file.export not in exports and file.scheduled_for >= since:
                files.setdefault(file.export, []).append(file)
        return files


def morning_message(night: Night, wording: Wording) -> Message:
    """The message, for people and for machines."""
    last = night.last_ready_at
    body: dict[str, str | int] = {
        "version": VERSION,
        "event_id": event_id(EventType.REPORT_DAILY, wording.stack_name, f"{night.until:%Y-%m-%d}"),
        "event_type": EventType.REPORT_DAILY,
        "since": utc_seconds(night.since),
        "until": utc_seconds(night.until),
        "expected": len(night.runs),
        **{_field(outcome): len(night.of(outcome)) for outcome in Outcome},
        "still_open": len(night.older),
        "waiting_for_retry": night.queues.retries,
        "given_up": night.queues.given_up,
    }
    if last:
        body["last_ready_at"] = utc_seconds(last)
    return Message(
        event_type=EventType.REPORT_DAILY,
        subject=wording.subject(_headline(night, wording)),
        body=body,
        mail=_mail(night, wording),
        attributes={"event_type": EventType.REPORT_DAILY},
    )


def _field(outcome: Outcome) -> str:
    return "running" if outcome is Outcome.RUNNING else outcome.replace(" ", "_")


def _headline(night: Night, wording: Wording) -> str:
    """First of all whether somebody has to act: a subject is cut where it is too long."""
    return f"{'ACTION NEEDED: ' if _asks(night, wording) else ''}{_summary(night, wording)}"


def _summary(night: Night, wording: Wording) -> str:
    if not night.runs:
        parts = ["no runs were scheduled since yesterday"]
        parts += [f"{night.queues.given_up} starts were given up"] if night.queues.given_up else []
        parts += [f"{night.queues.retries} starts are tried again"] if night.queues.retries else []
        parts += [f"{len(night.older)} older runs are open"] if night.older else []
        return ", ".join(parts)
    headline = f"{len(night.of(Outcome.READY))} of {len(night.runs)} ready"
    others = [f"{len(night.of(one))} {one}" for one in Outcome if one is not Outcome.READY and night.of(one)]
    if others:
        return ", ".join([headline, *others])
    assert night.last_ready_at, "all are ready"
    return f"{headline}, the last at {wording.clock(night.last_ready_at)}"


def _mail(night: Night, wording: Wording) -> str:
    asks = _asks(night, wording)
    return paragraphs(
        _opening(night, wording),
        _reservations(night, wording),
        *(_section(night, outcome, wording) for outcome in Outcome if outcome is not Outcome.READY),
        _older(night, wording),
        "\n".join(["What needs a person:", *(f"  - {ask}" for ask in asks)]) if asks else "Nothing needs to be done.",
        wording.signature(),
    )


def _opening(night: Night, wording: Wording) -> str:
    if night.runs:
        ready, last = len(night.of(Outcome.READY)), night.last_ready_at
        runs = "1 run" if len(night.runs) == 1 else f"{len(night.runs)} runs"
        until = f"; the last was ready at {wording.time(last)}" if last else ""
        return f"{ready} of {runs} since {wording.time(night.since)} brought a file{until}."
    listed = [one for one in night.schedules if one.exports]
    if not listed:
        return "No exports are listed yet, so nothing was to run. The list is the parameter Exports."
    if not any(one.is_on for one in listed):
        return (
            "The schedules are off (ScheduleState is DISABLED): nothing is started, and open runs are still followed."
        )
    return f"No runs were scheduled since {wording.time(night.since)}."


def _reservations(night: Night, wording: Wording) -> str:
    """What the figures cannot know."""
    lines = []
    for schedule in night.schedules:
        if not schedule.is_on or not schedule.exports:
            continue
        if times_of(schedule, night.since, night.until) is None:
            lines.append(f"When {schedule.name} should have run cannot be told here from {schedule.expression}.")
        if schedule.changed_at > night.since:
            changed = wording.time(schedule.changed_at)
            lines.append(f"{schedule.name} was deployed at {changed}: what was due before counts only if it ran.")
    return "\n".join(lines)


def _section(night: Night, outcome: Outcome, wording: Wording) -> str:
    runs = night.of(outcome)
    return listing(f"{outcome.capitalize()} ({len(runs)}):", (_line(run, wording) for run in runs))


def _line(run: ExpectedRun, wording: Wording) -> str:
    name = run.file.names.export_name if run.file else ""
    parts = [f'{run.export} "{name}"' if name else str(run.export)]
    if run.file:
        parts.append(f"file {run.file.export_file_id}")
    parts.append(f"scheduled for {wording.time(run.scheduled_for)}")
    if run.file and run.file.reason:
        parts.append(run.file.reason)
    return ", ".join(parts)


def _older(night: Night, wording: Wording) -> str:
    return listing(
        f"Open for more than a day ({len(night.older)}):",
        (f"{one.export}, file {one.export_file_id}, since {wording.time(one.started_at)}" for one in night.older),
    )


def _asks(night: Night, wording: Wording) -> list[str]:
    logs = wording.commands.logs("StartRunsFunction")
    asks = []
    if night.older:
        asks.append(f"Open for more than a day ({len(night.older)}): look at them in WebAdMIT.")
    if night.queues.given_up:
        asks.append(
            f"Exports could not be started for twelve hours ({night.queues.given_up}). See the mails about them, or"
            " have them tried again: aws sqs start-message-move-task --source-arn, with the output"
            " StartRetryDeadLetterQueueArn"
        )
    for outcome, what in _WHAT_TO_DO.items():
        if not night.of(outcome):
            continue
        if outcome is Outcome.NOT_STARTED and len(night.of(outcome)) <= night.queues.retries:
            continue  # they are tried again by themselves, and a mail has said why
        asks.append(f"{outcome.capitalize()} ({len(night.of(outcome))}): {what.format(logs=logs)}")
    return asks
