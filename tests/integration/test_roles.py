"""Each role denies what is its neighbours' business, and has nothing too much: without one action something fails."""

import ast
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import World
from tests.sandbox import template
from tests.sandbox.stack import Sandbox
from webadmit_exports.delivery.progress import Phase

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
        {
            "StartRunsFunction",
            "ReconcileRunsFunction",
            "SendMorningMailFunction",
            "ArchiveFileFunction",
            "DeliverFileFunction",
        },
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
        {"ArchiveFileFunction", "DeliverFileFunction"},
    ),
    "read the user of the SFTP server": (
        lambda s, as_: as_("secretsmanager").get_secret_value(SecretId=s.outputs["SftpCredentialsArn"]),
        set(),
    ),
    "store a file where files leave from": (
        lambda s, as_: as_("s3").put_object(Bucket=s.resources["OutgoingBucket"], Key="outgoing/x"),
        {"DeliverFileFunction"},
    ),
    "store something else there": (
        lambda s, as_: as_("s3").put_object(Bucket=s.resources["OutgoingBucket"], Key="listings/x"),
        set(),
    ),
    "start a delivery": (
        lambda s, as_: as_("stepfunctions").start_execution(stateMachineArn=s.resources["DeliveryMachine"]),
        {"ArchiveFileFunction", "DeliverFileFunction"},
    ),
    "see which deliveries run": (
        lambda s, as_: as_("stepfunctions").list_executions(stateMachineArn=s.resources["DeliveryMachine"]),
        {"SendMorningMailFunction"},
    ),
    "ask for a file to be removed from the server": (
        lambda s, as_: as_("transfer").start_remote_delete(ConnectorId=s.resources["SftpConnector"], DeletePath="/x"),
        {"DeliverFileFunction"},
    ),
    "say that a file is delivered": (
        lambda s, as_: as_("sns").publish(
            TopicArn=s.outputs["DeliveredTopicArn"], Message='{"event_type": "of a test"}'
        ),
        {"DeliverFileFunction"},
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
    "DeliverFileFunction",
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


# ── Roles of deliveries: nothing in them is too much ────────────────────────────────────────────────────────────────

_LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}  # the sandbox has no logs of CloudWatch
_COPYING = {"s3:GetObjectVersion"}  # moto takes it for GetObject


def _actions(role: str) -> list[tuple[str, str, str]]:
    """Role, policy and action, of each action that it allows on its own resource."""
    policies = [
        (policy["PolicyName"], policy["PolicyDocument"])
        for policy in template.source()["Resources"][role]["Properties"]["Policies"]
    ]
    return [
        (role, name, action)
        for name, document in policies
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if action not in _LOGS | _COPYING
    ]


@pytest.mark.parametrize(
    ("role", "policy", "action"),
    dict.fromkeys([*_actions("DeliverFileRole"), *_actions("SftpConnectorRole"), *_actions("DeliveryMachineRole")]),
)
def test_without_one_action_of_its_roles_a_delivery_or_a_release_fails(
    world: World, role: str, policy: str, action: str
) -> None:
    iam, name = world.sandbox.client("iam"), world.sandbox.resources[role]
    found = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    whole = json.dumps(ast.literal_eval(found) if isinstance(found, str) else found)  # moto's JSON is none
    less = json.loads(whole)
    for statement in less["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        statement["Action"] = [one for one in actions if one != action] or ["sts:GetCallerIdentity"]
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(less))
    try:
        assert not _delivers(world)
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=whole)


def test_with_all_of_them_it_does_not(world: World) -> None:
    assert _delivers(world)


def _delivers(world: World) -> bool:
    """Whether a file is delivered, over half a file that lies there, and held or given up; and sent again."""
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    world.archive()
    record, server = world.record(pair), world.sandbox.sftp
    (first,) = world.sandbox.running()
    execution = world.sandbox.execution(first["executionArn"])
    states = execution.states()
    while execution.document.get("phase") != Phase.LOOKING:
        if next(states).seconds > 60 or execution.status != "RUNNING":
            return False
        world.sandbox.connectors_work()
    (partial,) = server.files()
    final = partial.removesuffix(".partial").split("_", 2)[2]
    (server.folder / final).write_bytes(b"half")
    execution.definition = {**execution.definition, "StartAt": "Step"}
    world.sandbox.run_delivery(execution, hours=0.1)
    request = {"export_id": record["export_id"], "export_file_id": record["export_file_id"]}
    released = world.sandbox.functions["DeliverFileFunction"].invoke({"deliver": request})
    whole = all(content != b"half" for content in server.files().values())
    return execution.status == "SUCCEEDED" and whole and not released.failed


def _may(make: Callable[[Sandbox, Any], object], sandbox: Sandbox, function: str) -> bool:
    credentials = sandbox.functions[function].credentials
    try:
        make(sandbox, lambda service: sandbox.client(service, credentials))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException", "403"):
            raise
        return False
    return True
