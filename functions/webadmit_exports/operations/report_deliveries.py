"""What the morning mail says of deliveries to the SFTP server. Pure."""

from collections.abc import Iterator, Sequence

from webadmit_exports.domain.delivered import DELIVERED, GIVEN_UP, HELD
from webadmit_exports.messages.message import Body, MessageWriter
from webadmit_exports.messages.text import counted, listing, named
from webadmit_exports.operations.daily_report import DailyReport, ExpectedRun


def delivery_fields(report: DailyReport) -> Body:
    """For programs; none where files are not delivered."""
    if report.deliveries is None:
        return {}
    return {
        "delivered": len(report.delivered_as(DELIVERED)),
        "held_back": len(report.delivered_as(HELD)),
        "deliveries_given_up": len(report.delivered_as(GIVEN_UP)),
        "deliveries_waiting": report.deliveries.waiting,
        "deliveries_vanished": report.deliveries.vanished,
    }


def delivery_counts(report: DailyReport) -> Iterator[str]:
    """For the subject: what is not as it should be."""
    if report.deliveries is None:
        return
    if held := report.delivered_as(HELD):
        yield f"{len(held)} held back"
    if given_up := report.delivered_as(GIVEN_UP):
        yield f"{len(given_up)} not delivered"
    if report.deliveries.waiting:
        yield f"{report.deliveries.waiting} still to be delivered"
    if report.deliveries.vanished:
        yield f"{report.deliveries.vanished} without a delivery"


def delivery_sentence(report: DailyReport, writer: MessageWriter) -> str:
    """How many have arrived; empty where files are not delivered."""
    if report.deliveries is None:
        return ""
    delivered, last = len(report.delivered_as(DELIVERED)), report.last_delivered_at
    since = f", the last one {writer.day_and_clock(last)}" if last else ""
    return f"{counted(delivered, 'file')} {'lies' if delivered == 1 else 'lie'} on the SFTP server{since}."


def delivery_sections(report: DailyReport) -> Iterator[str]:
    """The lists of a mail; empty ones are empty texts."""

    def lines(runs: Sequence[ExpectedRun]) -> Iterator[str]:
        for run in runs:
            assert run.file, "it has been delivered, or held back"
            yield f"{named(run.export, run.file.labels.export_name)}, file {run.file.export_file_id}"

    held, given_up = report.delivered_as(HELD), report.delivered_as(GIVEN_UP)
    yield listing(f"Held back ({len(held)}):", lines(held))
    yield listing(f"Not delivered ({len(given_up)}):", lines(given_up))


def delivery_asks(report: DailyReport, writer: MessageWriter) -> Iterator[str]:
    """What a person should do."""
    if held := report.delivered_as(HELD):
        yield f"Held back ({len(held)}): the mail about each says what is different, and how to let it through."
    check = writer.commands.invoke("CheckSetupFunction")
    if given_up := report.delivered_as(GIVEN_UP):
        yield (
            f"Not delivered ({len(given_up)}): find out why: {check}. Then have each sent again:"
            ' "Send a file to the SFTP server again" in docs/runbook.md.'
        )
    if report.deliveries and report.deliveries.waiting:
        yield (
            f"Still to be delivered, after more than an hour ({report.deliveries.waiting}): they are tried again for"
            f" twelve hours. Why: {check}"
        )
    if report.deliveries and report.deliveries.vanished:
        yield (
            f"Without a delivery ({report.deliveries.vanished}): the files are ready, and none is on its way. See what"
            " ended at DeliveryMachine in the Step Functions console, and"
            f" {writer.commands.logs('DeliverFileFunction')}. Then have each sent again:"
            ' "Send a file to the SFTP server again" in docs/runbook.md.'
        )
