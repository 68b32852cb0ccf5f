"""What the morning mail says of what watches or follows the runs: schedules, alarms, the archive's queues. Pure."""

from collections.abc import Iterator

from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.messages.text import counted, listing
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
