"""What the morning mail says of exports that are listed by name. Pure."""

from collections.abc import Iterator, Sequence

from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.messages.text import counted, listing
from webadmit_exports.operations.daily_report import DailyReport, ScheduledName


def name_counts(report: DailyReport) -> list[str]:
    """For the subject: what did not go as it should."""
    counts = {"without exports": report.without_exports, "not looked up": report.not_known}
    parts = [f"{counted(len({name.name for name in names}), 'name')} {what}" for what, names in counts.items() if names]
    return [*parts, f"{len(report.changes.lost)} no longer started"] if report.changes.lost else parts


def name_sections(report: DailyReport, writer: MessageWriter) -> Iterator[str]:
    """The lists of a mail; empty ones are empty texts."""

    def lines(names: Sequence[ScheduledName]) -> Iterator[str]:
        for scheduled in names:
            yield f"{scheduled.name.quoted}, scheduled for {writer.day_and_clock(scheduled.scheduled_for)}"

    changes = report.changes
    yield listing(f"Names without exports ({len(report.without_exports)}):", lines(report.without_exports))
    why = f", because {report.why_not_known}" if report.why_not_known else ""
    yield listing(f"Names that could not be looked up{why} ({len(report.not_known)}):", lines(report.not_known))
    yield listing(f"New since yesterday ({len(changes.joined)}):", changes.joined)
    yield listing(f"Replaced by the new ones ({len(changes.replaced)}):", changes.replaced)
    yield listing(f"No longer started since yesterday ({len(changes.lost)}):", changes.lost)


def name_asks(report: DailyReport, writer: MessageWriter) -> Iterator[str]:
    """What a person should do."""
    check = f"What there is: {writer.commands.invoke('CheckSetupFunction')}"
    if report.without_exports:
        yield f"Names without exports ({len(report.without_exports)}): correct them in Exports or in WebAdMIT. {check}"
    if report.not_known and not report.is_tried_again:
        yield f"Names that could not be looked up ({len(report.not_known)}): look at the mails about starts."
    if report.changes.lost:
        yield (
            f"No longer started ({len(report.changes.lost)}): if exports were renamed, correct Exports; if an identity"
            f" is gone, look whether the key's owner has lost access. {check}"
        )
