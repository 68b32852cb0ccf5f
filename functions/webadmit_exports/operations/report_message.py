"""The mail and the message of the morning: what the figures of a day say, and whether somebody has to act. Pure."""

from webadmit_exports.domain.announcement import EventType, event_id
from webadmit_exports.domain.delivered import DELIVERED
from webadmit_exports.domain.second_chance import waits_for_second_run
from webadmit_exports.domain.status import RunOutcome
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.messages.file_messages import no_second_run
from webadmit_exports.messages.message import Body, Message, MessageWriter
from webadmit_exports.messages.text import counted, listing, named, paragraphs
from webadmit_exports.operations.daily_report import DailyReport, ExpectedRun
from webadmit_exports.operations.report_deliveries import (
    delivery_asks,
    delivery_counts,
    delivery_fields,
    delivery_sections,
    delivery_sentence,
)
from webadmit_exports.operations.report_names import name_asks, name_counts, name_sections
from webadmit_exports.operations.report_watchers import alarm_section, reservations, watch_asks, watch_counts

_WHAT_TO_DO = {
    RunOutcome.NOT_STARTED: "Look at the mails about starts, or see: {logs}",
    RunOutcome.FAILED: "Look at them in WebAdMIT for the reason; the next time of the schedule starts new ones."
    ' To start them now: "Start an export now" in docs/runbook.md.',
    RunOutcome.LATE: "Look at them in WebAdMIT if they should be done by now; they are followed further.",
}


def report_message(report: DailyReport, writer: MessageWriter) -> Message:
    """The message, for people and for machines."""
    last = report.last_ready_at
    fields: Body = {
        "since": utc_seconds(report.since),
        "until": utc_seconds(report.until),
        "expected": len(report.runs),
        **{_field(outcome): len(report.of(outcome)) for outcome in RunOutcome},
        "needed_second_run": len(report.second_runs),
        "failed_twice": len(report.failed_twice),
        "still_open": len(report.older),
        "waiting_for_retry": report.queues.retries,
        "given_up": report.queues.given_up,
        "names_without_exports": len(report.without_exports),
        "names_not_looked_up": len(report.not_known),
        "new_since_yesterday": len(report.changes.joined),
        "no_longer_started": len(report.changes.lost),
        "schedules_switched_by_hand": len(report.switched),
        "not_archived": report.queues.not_archived,
        "archive_given_up": report.queues.archive_given_up,
        "alarms_ringing": len(report.alarms or ()),
        **delivery_fields(report),
    }
    if last:
        fields["last_ready_at"] = utc_seconds(last)
    return writer.message(
        EventType.REPORT_DAILY,
        event_id(EventType.REPORT_DAILY, writer.stack_name, f"{report.until:%Y-%m-%d}"),
        subject=_headline(report, writer),
        mail=_mail(report, writer),
        fields=fields,
    )


def _field(outcome: RunOutcome) -> str:
    return "running" if outcome is RunOutcome.RUNNING else outcome.replace(" ", "_")


def _headline(report: DailyReport, writer: MessageWriter) -> str:
    """First of all whether somebody has to act: a subject is cut where it is too long."""
    return f"{'ACTION NEEDED: ' if _asks(report, writer) else ''}{_summary(report, writer)}"


def _summary(report: DailyReport, writer: MessageWriter) -> str:
    if not report.runs:
        parts = name_counts(report) or ["no runs were scheduled since yesterday"]
        parts += [f"{report.queues.given_up} starts were given up"] if report.queues.given_up else []
        parts += [f"{report.queues.retries} starts are tried again"] if report.queues.retries else []
        parts += [f"{len(report.older)} older runs are open"] if report.older else []
        return ", ".join([*parts, *delivery_counts(report), *watch_counts(report)])
    ready = len(report.of(RunOutcome.READY))
    delivered = len(report.delivered_as(DELIVERED))
    are_all_delivered = report.deliveries is not None and delivered == ready
    headline = f"{ready} of {len(report.runs)} ready{' and delivered' if ready and are_all_delivered else ''}"
    others = [
        f"{len(report.of(outcome))} {outcome}"
        for outcome in RunOutcome
        if outcome is not RunOutcome.READY and report.of(outcome)
    ]
    others += [*name_counts(report), *delivery_counts(report), *watch_counts(report)]
    if report.deliveries and not are_all_delivered:
        others.insert(0, f"{delivered} delivered")
    if others:
        return ", ".join([headline, *others])
    last = report.last_delivered_at or report.last_ready_at
    assert last, "all are ready"
    return f"{headline}, the last at {writer.clock(last)}"


def _mail(report: DailyReport, writer: MessageWriter) -> str:
    asks = _asks(report, writer)
    return paragraphs(
        _opening(report, writer),
        delivery_sentence(report, writer),
        _second_runs(report),
        reservations(report, writer),
        *(_section(report, outcome, writer) for outcome in RunOutcome if outcome is not RunOutcome.READY),
        _older(report, writer),
        *name_sections(report, writer),
        *delivery_sections(report),
        alarm_section(report, writer),
        "\n".join(["Action needed:", *(f"  - {ask}" for ask in asks)]) if asks else "Nothing needs to be done.",
        writer.signature(),
    )


def _opening(report: DailyReport, writer: MessageWriter) -> str:
    if report.runs:
        ready, last = len(report.of(RunOutcome.READY)), report.last_ready_at
        runs = counted(len(report.runs), "run")
        until = f" Last one ready: {writer.day_and_clock(last)}." if last else ""
        since = writer.day_and_clock(report.since)
        return f"{ready} of {runs} since {since} produced a file.{until} (Times: {writer.zone_name}.)"
    if report.without_exports or report.not_known:
        return f"The names that are listed brought no runs since {writer.day_and_clock(report.since)}."
    listed = [schedule for schedule in report.schedules if schedule.entries]
    if not listed:
        return "No exports are listed yet, so nothing was to run. The list is the parameter Exports."
    if not any(schedule.wanted_on for schedule in listed):
        return (
            "The schedules are off (ScheduleState is DISABLED): nothing is started, and open runs are still followed."
        )
    return f"No runs were scheduled since {writer.day_and_clock(report.since)} ({writer.zone_name})."


def _second_runs(report: DailyReport) -> str:
    number, again = len(report.second_runs), len(report.failed_twice)
    if not number:
        return ""
    started = f"{counted(number, 'run')} failed at first and {'was' if number == 1 else 'were'} given a second chance"
    return f"{started}; {again} failed again." if again else f"{started}."


def _section(report: DailyReport, outcome: RunOutcome, writer: MessageWriter) -> str:
    runs = report.of(outcome)
    return listing(f"{outcome.capitalize()} ({len(runs)}):", (_line(run, writer) for run in runs))


def _line(run: ExpectedRun, writer: MessageWriter) -> str:
    parts = [named(run.export, run.file.labels.export_name if run.file else run.name)]
    if run.file:
        parts.append(f"file {run.file.export_file_id}")
    parts.append(f"scheduled for {writer.day_and_clock(run.scheduled_for)}")
    if run.file and run.file.reason:
        parts.append(run.file.reason)
    if run.file and run.file.after_failure:
        parts.append(f"after file {run.file.after_failure} failed")
    elif run.file and run.file.again_at:
        waits = waits_for_second_run(run.file)
        parts.append("failed, and is started once more" if waits else f"not started again: {no_second_run(run.file)}")
    return ", ".join(parts)


def _older(report: DailyReport, writer: MessageWriter) -> str:
    return listing(
        f"Open for more than a day ({len(report.older)}):",
        (
            f"{named(file.export, file.labels.export_name)}, file {file.export_file_id},"
            f" since {writer.day_and_clock(file.started_at)}"
            for file in report.older
        ),
    )


def _asks(report: DailyReport, writer: MessageWriter) -> list[str]:
    logs = writer.commands.logs("StartRunsFunction")
    asks = []
    if report.older:
        asks.append(f"Open for more than a day ({len(report.older)}): look at them in WebAdMIT.")
    if report.queues.given_up:
        asks.append(
            f"Exports could not be started for twelve hours ({report.queues.given_up}). See the mails about them, or"
            " have them tried again: aws sqs start-message-move-task --source-arn, with the output"
            " StartRetryDeadLetterQueueArn"
        )
    asks += [*name_asks(report, writer), *delivery_asks(report, writer), *watch_asks(report, writer)]
    for outcome, what in _WHAT_TO_DO.items():
        if not report.of(outcome):
            continue
        if outcome is RunOutcome.NOT_STARTED and report.is_tried_again:
            continue  # a mail has said why
        asks.append(f"{outcome.capitalize()} ({len(report.of(outcome))}): {what.format(logs=logs)}")
    return asks
