"""A night of exports in the sandbox, shown live: `make demo`."""

import io
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from .lambda_runtime import RuntimeClientMissing
from .stack import Sandbox, wait_until
from .webadmit_server import Fault, File

IDENTITY = 37442
EXPORTS = "Nightly*"  # the parameter
# name, how its run goes
NIGHT: dict[int, tuple[str, dict[str, Any]]] = {
    86446: ("Nightly nursing", {"seconds": 3}),
    86447: ("Nightly pharmacy", {"seconds": 5, "status": "Success With Errors", "callbacks": 2}),
    86448: ("Nightly public health", {"seconds": 2, "status": "Empty List"}),
    86449: ("Nightly dentistry", {"seconds": 4, "first_status": "Failed"}),
    86450: ("Nightly physical therapy", {"seconds": 4, "callbacks": 0}),
    86451: ("Nightly social work", {"seconds": 2}),
}
TIMEZONE = "America/New_York"
FAILED_FIRST, LOST_CALLBACK, STARTED_LATE, EMPTY = 86449, 86450, 86451, 86447
COLOURS = {
    "Available": "green",
    "Success With Errors": "green",
    "Empty List": "yellow",
    "Failed": "red",
    "deferred": "yellow",
}


@dataclass
class Screen:
    """The table of runs and what has happened so far; its clock begins at the schedule's time, and skips waiting."""

    sandbox: Sandbox
    scheduled: datetime
    clock: datetime
    story: list[tuple[str, str]] = field(default_factory=list)
    is_deferred: bool = False

    def tell(self, text: str) -> None:
        self.story.append((self.clock.strftime("%H:%M"), text))

    def __rich__(self) -> Group:
        records = {record["export_id"]: record for record in self.sandbox.records()}
        runs = Table(title=f"Runs of identity {IDENTITY}, scheduled for {self.scheduled:%H:%M}", title_justify="left")
        for heading in ("Export", "Name", "File", "Status", "Told"):
            runs.add_column(heading)
        for export_id, (name, _) in NIGHT.items():
            record = records.get(export_id, {})
            status = record.get("status", "deferred" if export_id == STARTED_LATE and self.is_deferred else "")
            runs.add_row(
                str(export_id),
                name,
                str(record.get("export_file_id", "")),
                Text(status, COLOURS.get(status, "cyan")),
                "yes" if record.get("notified_at") else "",
            )
        lines = [Text.assemble((f"{moment}  ", "dim"), text) for moment, text in self.story]
        return Group(runs, *lines, "")


def main(*, archives: bool = False, delivers: bool = False, picture: str = "") -> int:
    """Shows the night; with `archives` its files are fetched and kept as well, with `delivers` delivered.

    `picture`: a file for its SVG.
    """
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        console.print(
            "A night of exports, played now on this machine: no AWS account, no Docker, nothing leaves 127.0.0.1."
        )
        # Half an hour ago, which is how long the night takes; what is skipped in it is waiting.
        scheduled_for = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
        local = scheduled_for.astimezone(ZoneInfo(TIMEZONE))
        with ExitStack() as stack:
            with console.status("Deploying template.yaml to the sandbox (the first time takes a minute) ..."):
                sandbox = stack.enter_context(
                    Sandbox(
                        {
                            "Exports": EXPORTS,
                            "NotificationEmail": "registrar@university.example",
                            "AlertEmail": "integration-team@university.example",
                            "ScheduleTimezone": TIMEZONE,
                            "ScheduleExpression": f"cron({local.minute} {local.hour} * * ? *)",
                            "LogLevel": "INFO",
                            "ArchiveFiles": "true" if archives or delivers else "false",
                        },
                        delivers=delivers,
                    )
                )
            sandbox.age_schedules()
            show(sandbox, console, scheduled_for, picture)
    except RuntimeClientMissing as missing:
        console.print(str(missing))
        return 1
    return 0


def show(sandbox: Sandbox, console: Console, scheduled_for: datetime, picture: str = "") -> None:
    for export_id, (name, behaviour) in NIGHT.items():
        sandbox.webadmit.add_export(IDENTITY, export_id, name, **behaviour)
    archives = "ArchiveBucketName" in sandbox.outputs
    delivers = "DeliveryMachine" in sandbox.resources
    topics = [topic for topic in ("Ready", "Alerts", "Archived", "Delivered") if f"{topic}TopicArn" in sandbox.outputs]
    queues = {topic: sandbox.subscribe(f"{topic}TopicArn") for topic in topics}
    if delivers:
        sandbox.webadmit.exports[EMPTY].file = File.of(b"", "Nightly_pharmacy.csv")
    local = scheduled_for.astimezone(ZoneInfo(TIMEZONE))
    screen = Screen(sandbox, scheduled=local, clock=local)
    with Live(screen, console=console, refresh_per_second=5):
        play(sandbox, screen, scheduled_for)
    sandbox.functions["SendMorningMailFunction"].invoke({})
    show_messages(sandbox, console, queues)
    if archives:
        show_archive(sandbox, console, queues["Archived"])
    if delivers:
        show_server(sandbox, console, queues["Delivered"])
    if picture:
        paper = Console(record=True, width=112, file=io.StringIO(), force_terminal=True, highlight=False)
        paper.print(screen, mail_table(sandbox))
        paper.save_svg(picture, title="make demo")
    show_what_next(console)


def play(sandbox: Sandbox, screen: Screen, scheduled_for: datetime) -> None:
    """The night itself. The quarters of an hour that pass in it are skipped: what waits is aged instead."""
    down = Fault(method="POST", path=f"/{STARTED_LATE}/", answer=(503, "<html>Scheduled maintenance</html>"), times=3)
    sandbox.webadmit.faults.append(down)
    screen.tell(f'The schedule fires: "{EXPORTS}" stands for {len(NIGHT)} exports now; all are started side by side.')
    (invocation,) = sandbox.fire("StartRunsFunctionSchedule", scheduled_for)
    assert len(invocation.payload["started"]) == len(NIGHT) - 1, invocation.payload
    screen.is_deferred = True
    screen.tell(f"WebAdMIT is down for export {STARTED_LATE}: deferred, and a person is told. The others run.")
    wait_until(lambda: count(sandbox, "finished_at") == len(NIGHT) - 2, seconds=20)
    wait_until(lambda: count(sandbox, "notified_at") == len(NIGHT) - 4, seconds=20)
    screen.clock += timedelta(minutes=4)
    screen.tell(
        "WebAdMIT has called back for four runs. Two files are announced at once, also the one that came twice."
    )
    wait_until(lambda: sandbox.webadmit.run_of(LOST_CALLBACK).status == "Available", seconds=20)
    pause()

    screen.clock += timedelta(minutes=6)
    screen.tell("The sweep tells people of the run that is empty. The one that failed will be started once more.")
    screen.tell(f"The callback for export {LOST_CALLBACK} got lost. The sweep asks WebAdMIT, and announces the file.")
    (record,) = sandbox.records(LOST_CALLBACK)
    sandbox.change_record(record, due_at=record["started_at"])
    sandbox.pass_time(minutes=10)
    (invocation,) = sandbox.fire("ReconcileRunsFunctionSweep")
    assert (invocation.payload["found"], invocation.payload["started_again"]) == (1, 1), invocation.payload
    pause()

    screen.clock += timedelta(minutes=5)
    screen.tell(f"WebAdMIT is back. The retry queue brings export {STARTED_LATE}, and its run starts.")
    sandbox.deliver_retries(minutes=5)
    wait_until(lambda: count(sandbox, "notified_at") == len(NIGHT) - 1, seconds=20)
    pause()

    screen.clock += timedelta(minutes=10)
    screen.tell(
        f"A quarter of an hour after its failure, export {FAILED_FIRST} runs for a second time, and has a file."
    )
    sandbox.deliver_retries(minutes=10)
    wait_until(lambda: count(sandbox, "notified_at") == len(NIGHT), seconds=20)
    screen.clock += timedelta(minutes=4)
    archive(sandbox, screen)
    deliver(sandbox, screen)
    screen.tell("The outcome of each run is known, and was told once.")


def archive(sandbox: Sandbox, screen: Screen) -> None:
    """Each announcement has brought ArchiveFileFunction to fetch its file; here they are brought in one go."""
    if "ArchiveQueue" not in sandbox.resources:
        return
    sandbox.webadmit.faults.append(Fault(path=f"{STARTED_LATE}|social", spoil="cut off"))
    invocations = sandbox.deliver("ArchiveQueue")
    assert not any(one.payload["batchItemFailures"] for one in invocations), invocations
    screen.tell(f"ArchiveFileFunction has fetched {len(invocations)} files. One download was cut off, and begun anew.")


def deliver(sandbox: Sandbox, screen: Screen) -> None:
    """Each receipt has started an execution of DeliveryMachine; here they go on one after the other."""
    if "DeliveryMachine" not in sandbox.resources:
        return
    waiting = [sandbox.execution(one["executionArn"]) for one in sandbox.running()]
    late = next(one for one in waiting if one.document["receipt"]["export_id"] == STARTED_LATE)
    for execution in waiting:
        if execution is not late:
            sandbox.run_delivery(execution)
    held = [one for one in waiting if one.status == "SUCCEEDED" and one.document["phase"] == "held back"]
    arrived = len(waiting) - len(held) - 1
    screen.clock += timedelta(minutes=2)
    screen.tell(f"{arrived} files lie on the SFTP server: each was sent under another name, looked at, and renamed.")
    screen.tell(
        f"The file of export {EMPTY} is held back, and a person told: it is empty, which could break the next load."
    )
    sandbox.sftp.go_down()
    for _ in late.states():
        sandbox.connectors_work()
        if late.document.get("failures") == 2:
            break
    screen.tell(
        f"The server is down when the file of export {STARTED_LATE} comes. After the second failure a person is told."
    )
    pause()
    sandbox.sftp.go_up()
    late.definition = {**late.definition, "StartAt": "Step"}
    sandbox.run_delivery(late)
    assert late.status == "SUCCEEDED", (late.error, late.cause)
    screen.clock += timedelta(hours=2)
    screen.tell("Two hours later the server is back, and gets the file by itself.")


def show_server(sandbox: Sandbox, console: Console, queue: str) -> None:
    listing = Table(title="What lies on the SFTP server", title_justify="left")
    for heading in ("Name", "Bytes"):
        listing.add_column(heading, overflow="fold")
    for name, content in sandbox.sftp.files().items():
        listing.add_row(name, str(len(content)))
    console.print("", listing)
    delivered = sandbox.received(queue)
    console.print(f"\nAnd {len(delivered)} messages on DeliveredTopic, one for each file. The mails about the others:")
    for mail in sandbox.mails():
        if "is held back" in mail["subject"] or "is not delivered" in mail["subject"]:
            show_mail(console, mail)


def show_archive(sandbox: Sandbox, console: Console, queue: str) -> None:
    listing = Table(title="The archive: what lies in ArchiveBucket", title_justify="left")
    for heading in ("Key", "Bytes", "Records", "Charset"):
        listing.add_column(heading, overflow="fold")
    for key, one in sandbox.objects().items():
        listing.add_row(key, str(len(one["body"])), one["metadata"].get("rows", ""), one["metadata"].get("charset", ""))
    console.print("", listing)
    receipts = sandbox.received(queue)
    console.print(f"\nAnd {len(receipts)} receipts on ArchivedTopic. One of them:")
    console.print(Syntax(json.dumps(receipts[0]["Message"], indent=2), "json", background_color="default"))


def count(sandbox: Sandbox, attribute: str) -> int:
    return sum(attribute in record for record in sandbox.records())


def pause(seconds: float = 1.5) -> None:
    """Time to read."""
    time.sleep(seconds)


def mail_table(sandbox: Sandbox) -> Table:
    listing = Table(title="The mails of the night", title_justify="left")
    listing.add_column("To")
    listing.add_column("Subject")
    for mail in sandbox.mails():
        listing.add_row(mail["to"].partition("@")[0], mail["subject"])
    return listing


def show_messages(sandbox: Sandbox, console: Console, queues: dict[str, str]) -> None:
    mails = sandbox.mails()
    console.print("", mail_table(sandbox))

    def mail_about(wanted: Callable[[dict[str, str]], bool]) -> None:
        show_mail(console, next(mail for mail in mails if wanted(mail)))

    console.print("\nFour of them as a person reads them:")
    mail_about(lambda mail: f"export {min(NIGHT)} " in mail["subject"])
    mail_about(lambda mail: "is empty" in mail["subject"])
    mail_about(lambda mail: "not started yet" in mail["subject"])
    mail_about(lambda mail: f"of {len(NIGHT)} ready" in mail["subject"])

    messages = sandbox.received(queues["Ready"])
    alerts = sandbox.received(queues["Alerts"])
    console.print(
        f"\nPrograms get JSON: {len(messages)} messages on ReadyTopic, {len(alerts)} on AlertsTopic. One of them:"
    )
    console.print(Syntax(json.dumps(messages[0]["Message"], indent=2), "json", background_color="default"))


def show_mail(console: Console, mail: dict[str, str]) -> None:
    head = f"To: {mail['to']}\nSubject: {mail['subject']}\n\n"
    console.print(Panel(Text.assemble((head, "bold"), mail["text"].rstrip())))


def show_what_next(console: Console) -> None:
    console.print(
        "\nScroll up for the mails. What next: `make test` runs all tests."
        '\nTo deploy, you need an AWS account and a browser: README.md, "Deploy it", has the four commands.'
    )
