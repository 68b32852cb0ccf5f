"""A delivery, the server that it goes to, and the table of what was delivered."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.fakes import ANNOUNCED, WRITER, Clock, FakeServer, FakeTopics, after, stand_in
from webadmit_exports.archive.csv_facts import CsvFacts
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.archive.stored_file import FileFacts, StoredFile
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.delivery.deliver_file import DeliverFile
from webadmit_exports.delivery.hold import HoldRules
from webadmit_exports.delivery.messages import DeliveryMessages
from webadmit_exports.delivery.progress import Delivery, Phase
from webadmit_exports.delivery.receipt import Receipt
from webadmit_exports.delivery.telling import Telling

CONTENT = b"id,name,gpa\r\n1,a,4\r\n2,b,3\r\n"
FOLDER = "/incoming"
NAME = "Nursing_applicants__86446_20261123_033410_74780.csv"
PATH = f"{FOLDER}/{NAME}"
ENDS = (Phase.DELIVERED, Phase.HELD, Phase.GIVEN_UP)


def receipt_of(content: bytes = CONTENT, **changes: Any) -> Receipt:
    """The receipt of the announced file with that content: a CSV."""
    header = content.partition(b"\r\n")[0]
    csv = CsvFacts(
        charset="utf-8", rows=max(content.count(b"\r\n") - 1, 0), header_sha256=hashlib.sha256(header).hexdigest()
    )
    stored = StoredFile(
        key=ANNOUNCED.key("Nursing.csv"),
        version_id="v1",
        size=len(content),
        content_type="text/csv",
        stored_at=after(minutes=5),
        facts=FileFacts.of(hashlib.sha256(content).hexdigest(), csv, None),
    )
    body = ArchiveMessages(writer=WRITER, bucket="archive").receipt(ANNOUNCED, stored).body
    return Receipt({**body, **changes})


@dataclass
class DeliveryWorld:
    """`run` lets a delivery go on as DeliveryMachine does; nothing waits, the clock goes on instead."""

    table: DeliveriesTable
    server: FakeServer = field(default_factory=FakeServer)
    topics: FakeTopics = field(default_factory=FakeTopics)
    clock: Clock = field(default_factory=lambda: Clock(after(minutes=5)))
    folder: str = FOLDER
    rules: HoldRules = field(default_factory=lambda: HoldRules(are_on=True))
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self, content: bytes = CONTENT, *, execution: str = "execution 1", **changes: Any) -> Delivery:
        """A delivery of the announced file with that content. `changes`: `released`, or parts of its receipt."""
        released = changes.pop("released", False)
        receipt = receipt_of(content, **changes)
        self.server.archived[receipt.object[1]] = content
        now = self.clock.now()
        return Delivery(receipt=receipt, execution=execution, began_at=now, since=now, released=released)

    def step(self, delivery: Delivery) -> Delivery:
        """One step, through the document that the machine carries."""
        telling = Telling(
            deliveries=self.table,
            topics=stand_in(self.topics),
            messages=DeliveryMessages(writer=WRITER),
            now=self.clock.now,
        )
        use_case = DeliverFile(
            connector=stand_in(self.server),
            outgoing=stand_in(self.server),
            deliveries=self.table,
            telling=telling,
            rules=self.rules,
            folder=self.folder,
            now=self.clock.now,
            new_name=lambda: f"{next(self.names)}",
        )
        return Delivery.parse(use_case.step(delivery).document)

    def wait(self, delivery: Delivery) -> None:
        self.clock.go_on(seconds=delivery.wait_seconds)
        self.server.work()

    def run(self, delivery: Delivery, *, hours: float = 100) -> Delivery:
        """To its end, or for so many hours."""
        until = self.clock.now() + timedelta(hours=hours)
        while delivery.phase not in ENDS and self.clock.now() < until:
            delivery = self.step(delivery)
            self.wait(delivery)
        return delivery

    def deliver(self, content: bytes = CONTENT, **changes: Any) -> Delivery:
        return self.run(self.begin(content, **changes))

    @property
    def told(self) -> list[str]:
        return [str(message.event_type) for message in self.topics.messages]

    @property
    def subjects(self) -> list[str]:
        return [message.subject.partition(": ")[2] for message in self.topics.messages]


def changed(delivery: Delivery, **changes: Any) -> Delivery:
    return replace(delivery, **changes)
