"""Each function's role denies what is its neighbours' business; that it allows its own, all other tests show too."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import World
from tests.sandbox.stack import Sandbox

KEY = {"export_id": {"N": "1"}, "export_file_id": {"N": "1"}}
NAME_KEY = {"name": {"S": "Slate"}, "scheduled_for": {"S": "2026-11-23T03:30:00Z"}}
# A call, and the functions that may make it.
CALLS: dict[str, tuple[Callable[[Sandbox, Any], object], set[str]]] = {
    "read the API key": (
        lambda s, as_: as_("secretsmanager").get_secret_value(SecretId=s.outputs["WebAdmitApiKeyArn"]),
        {
            "StartRunsFunction",
            "ReconcileRunsFunction",
            "CheckSetupFunction",
            "ArchiveFileFunction",
            "SendMorningMailFunction",
        },
    ),
    "read the signing key": (
        lambda s, as_: as_("secretsmanager").get_secret_value(SecretId=s.resources["CallbackSigningKey"]),
        {"StartRunsFunction", "ReceiveCallbackFunction", "CheckSetupFunction"},
    ),
    "change the API key": (
        lambda s, as_: as_("secretsmanager").put_secret_value(
            SecretId=s.outputs["WebAdmitApiKeyArn"], SecretString="x"
        ),
        set(),
    ),
    "write a record": (
        lambda s, as_: as_("dynamodb").put_item(TableName=s.outputs["ExportFilesTableName"], Item=KEY),
        {"StartRunsFunction", "ReceiveCallbackFunction", "ReconcileRunsFunction"},
    ),
    "delete a record": (
        lambda s, as_: as_("dynamodb").delete_item(TableName=s.outputs["ExportFilesTableName"], Key=KEY),
        set(),
    ),
    "scan the table": (lambda s, as_: as_("dynamodb").scan(TableName=s.outputs["ExportFilesTableName"]), set()),
    "look for unfinished work": (
        lambda s, as_: as_("dynamodb").query(
            TableName=s.outputs["ExportFilesTableName"],
            IndexName="UnfinishedIndex",
            KeyConditionExpression="unfinished = :one",
            ExpressionAttributeValues={":one": {"S": "1"}},
        ),
        {"ReconcileRunsFunction", "SendMorningMailFunction"},
    ),
    "write what a name stands for": (
        lambda s, as_: as_("dynamodb").update_item(
            TableName=s.resources["NameMatchesTable"],
            Key=NAME_KEY,
            UpdateExpression="SET expires_at = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        ),
        {"StartRunsFunction"},
    ),
    "read what a name stood for": (
        lambda s, as_: as_("dynamodb").query(
            TableName=s.resources["NameMatchesTable"],
            KeyConditionExpression="#name = :name",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": {"S": "Slate"}},
        ),
        {"SendMorningMailFunction"},
    ),
    "announce a file": (
        lambda s, as_: as_("sns").publish(TopicArn=s.outputs["ReadyTopicArn"], Message='{"event_type": "of a test"}'),
        {"StartRunsFunction", "ReceiveCallbackFunction", "ReconcileRunsFunction"},
    ),
    "alert": (
        lambda s, as_: as_("sns").publish(TopicArn=s.outputs["AlertsTopicArn"], Message='{"event_type": "of a test"}'),
        {"StartRunsFunction", "ReconcileRunsFunction", "SendMorningMailFunction", "ArchiveFileFunction"},
    ),
    "see who is subscribed": (
        lambda s, as_: as_("sns").list_subscriptions_by_topic(TopicArn=s.outputs["AlertsTopicArn"]),
        {"CheckSetupFunction"},
    ),
    "put off a start": (
        lambda s, as_: as_("sqs").send_message(QueueUrl=s.resources["StartRetryQueue"], MessageBody="{}"),
        {"StartRunsFunction", "ReconcileRunsFunction"},
    ),
    "take a deferred start": (
        lambda s, as_: as_("sqs").receive_message(QueueUrl=s.resources["StartRetryQueue"]),
        {"StartRunsFunction"},
    ),
    "count what was given up": (
        lambda s, as_: as_("sqs").get_queue_attributes(
            QueueUrl=s.resources["StartRetryDeadLetterQueue"], AttributeNames=["ApproximateNumberOfMessages"]
        ),
        {"SendMorningMailFunction"},
    ),
    "count what waits to be archived": (
        lambda s, as_: as_("sqs").get_queue_attributes(
            QueueUrl=s.resources["ArchiveDeadLetterQueue"], AttributeNames=["ApproximateNumberOfMessages"]
        ),
        {"SendMorningMailFunction"},
    ),
    "see which alarms ring": (lambda s, as_: as_("cloudwatch").describe_alarms(), {"SendMorningMailFunction"}),
    "store a file": (
        lambda s, as_: as_("s3").put_object(Bucket=s.outputs["ArchiveBucketName"], Key="1/x"),
        {"ArchiveFileFunction"},
    ),
    "see the files": (
        lambda s, as_: as_("s3").list_objects_v2(Bucket=s.outputs["ArchiveBucketName"]),
        {"ArchiveFileFunction"},
    ),
    "delete a file": (
        lambda s, as_: as_("s3").delete_object(Bucket=s.outputs["ArchiveBucketName"], Key="1/x"),
        set(),
    ),
    "say that a file is archived": (
        lambda s, as_: as_("sns").publish(
            TopicArn=s.outputs["ArchivedTopicArn"], Message='{"event_type": "of a test"}'
        ),
        {"ArchiveFileFunction"},
    ),
    "take an announcement": (
        lambda s, as_: as_("sqs").receive_message(QueueUrl=s.resources["ArchiveQueue"]),
        {"ArchiveFileFunction"},
    ),
    "see a schedule": (
        lambda s, as_: as_("scheduler").get_schedule(
            GroupName=s.resources["ScheduleGroup"], Name=s.resources["StartRunsFunctionSchedule"]
        ),
        {"CheckSetupFunction", "SendMorningMailFunction"},
    ),
}
FUNCTIONS = [
    "ArchiveFileFunction",
    "StartRunsFunction",
    "ReceiveCallbackFunction",
    "ReconcileRunsFunction",
    "CheckSetupFunction",
    "SendMorningMailFunction",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_allowed_to_the_functions_that_need_it_alone(sandbox: Sandbox, world: World, call: str) -> None:
    make, allowed = CALLS[call]

    assert {name for name in FUNCTIONS if _may(make, sandbox, name)} == allowed


def test_every_function_is_held_to_its_role(sandbox: Sandbox, world: World) -> None:
    assert set(sandbox.functions) == set(FUNCTIONS)


def _may(make: Callable[[Sandbox, Any], object], sandbox: Sandbox, function: str) -> bool:
    credentials = sandbox.functions[function].credentials
    try:
        make(sandbox, lambda service: sandbox.client(service, credentials))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException", "403"):
            raise
        return False
    return True
