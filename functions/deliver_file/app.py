"""DeliveryMachine, step by step → an archived file is delivered. A person → one that was held back is let through."""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.archive.bucket import ArchiveBucket
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.aws import clients
from webadmit_exports.aws.connector import Connector
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.delivery_machine import DeliveryMachine, find_machine
from webadmit_exports.aws.outgoing_bucket import OutgoingBucket
from webadmit_exports.aws.topics import Topics
from webadmit_exports.delivery.deliver_file import DeliverFile
from webadmit_exports.delivery.hold import HoldRules
from webadmit_exports.delivery.messages import DeliveryMessages
from webadmit_exports.delivery.progress import Delivery
from webadmit_exports.delivery.release_file import ReleaseFile
from webadmit_exports.delivery.telling import Telling
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented


def now() -> datetime:
    return datetime.now(UTC)


shared = SharedServices(os.environ, now)
archive = ArchiveBucket(clients.s3(), shared.setting("ARCHIVE_BUCKET"))
deliveries = DeliveriesTable(shared.dynamodb, shared.setting("DELIVERIES_TABLE"))
telling = Telling(
    deliveries=deliveries,
    topics=Topics(
        clients.sns(),
        ready_arn=shared.setting("READY_TOPIC_ARN"),
        alerts_arn=shared.setting("ALERTS_TOPIC_ARN"),
        delivered_arn=shared.setting("DELIVERED_TOPIC_ARN"),
    ),
    messages=DeliveryMessages(writer=shared.writer),
    now=now,
)
deliver_file = DeliverFile(
    connector=Connector(clients.transfer(), clients.transfer_once(), shared.setting("SFTP_CONNECTOR_ID")),
    outgoing=OutgoingBucket(clients.s3_twice(), shared.setting("OUTGOING_BUCKET")),
    deliveries=deliveries,
    telling=telling,
    rules=HoldRules(
        are_on=shared.setting("HOLD_CHANGED_FILES") == "true", deltas=parse_entries(shared.optional("DELTA_EXPORTS"))
    ),
    folder=shared.setting("SFTP_FOLDER"),
    now=now,
    new_name=lambda: uuid.uuid4().hex[:12],
)
stack_id = shared.setting("STACK_ID")
release_file = ReleaseFile(
    table=shared.table,
    bucket=archive,
    messages=ArchiveMessages(writer=shared.writer, bucket=archive.name),
    machine=lambda: DeliveryMachine(clients.step_functions(), find_machine(clients.cloudformation(), stack_id)),
    now=now,
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes how far a delivery is, and returns how far it is then, with the seconds to wait.

    `{"deliver": {"export_id": 86446, "export_file_id": 74780}}` is for a person: it starts a delivery of that file.
    """
    if "deliver" in event:
        return release_file.release(event["deliver"])
    return deliver_file.step(Delivery.parse(event)).document
