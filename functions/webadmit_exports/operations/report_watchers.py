"""What the morning mail says of what watches or follows the runs: schedules, alarms, the archive's queues. Pure."""

from collections.abc import Iterator

from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.messages.text import counted, listing
from webadmit_exports.operations.cron import times_of
from webadmit_exports.operations.daily_report import DailyReport
from webadmit_exports.operations.setup_problem import switched_schedule


def watch_counts(report: DailyReport) -> Iterator[str]:
    """For the subject: what is not as it should be."""
    for schedule in report.switched:
        yield f"the schedule of {schedule.name} is {'on' if schedule.is_on else 'off'}"
    if not_archived := report.queues.not_archived + report.queues.archive_given_up:
        yield f"{not_archived} not archived"
    if report.alarms:
        yield f"{counted(len(report.alarms), 'alarm')} ringing"


def alarm_section(report: DailyReport, writer: MessageWriter) -> str:
    """The alarms that ring; empty where none does."""
    alarms = report.alarms or ()
    lines = (f"{alarm.name}, since {writer.day_and_clock(alarm.since)}" for alarm in alarms)
    return listing(f"Alarms that ring ({len(alarms)}):", lines)


def watch_asks(report: DailyReport, writer: MessageWriter) -> Iterator[str]:
    """What a person should do."""
    for schedule in report.switched:
        problem = switched_schedule(schedule, writer.commands)
        yield f"{problem.what} To change that, {problem.fix}"
    if report.queues.not_archived:
        logs = writer.commands.logs("ArchiveFileFunction")
        yield (
            f"Announced more than an hour ago, and not archived ({report.queues.not_archived}): look at the mails about"
            f" them; where there are none, ArchiveFileFunction does not run: {logs}"
        )
    if report.queues.archive_given_up:
        yield (
            f"Files could not be archived ({report.queues.archive_given_up}). See the mails about them, or have them"
            " tried again: aws sqs start-message-move-task --source-arn, with the output ArchiveDeadLetterQueueArn"
        )
    if report.alarms:
        yield f"Alarms that ring ({len(report.alarms)}): docs/runbook.md has a section for each."


def reservations(report: DailyReport, writer: MessageWriter) -> str:
    """What the figures cannot know."""
    lines = []
    for schedule in report.schedules:
        if not schedule.should_be_on:
            continue
        if times_of(schedule, report.since, report.until) is None:
            lines.append(f"When {schedule.name} should have run cannot be told here from {schedule.expression}.")
        if schedule.changed_at > report.since:
            changed = writer.day_and_clock(schedule.changed_at)
            lines.append(
                f"The {schedule.name} schedule was changed on {changed}; runs due before that are counted only if they"
                " happened."
            )
    if report.alarms is None:
        lines.append("Whether an alarm rings could not be read; CloudWatch shows it.")
    if report.are_deliveries_unknown:
        lines.append("What was delivered could not be read; Step Functions shows it, at DeliveryMachine.")
    return "\n".join(lines)
