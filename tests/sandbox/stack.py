"""The whole service on this machine: template.yaml deployed to moto, the functions as processes, and a WebAdMIT."""

import io
import json
import secrets
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import boto3
import requests
from botocore.exceptions import ClientError

from . import template
from .http_api import HttpApi
from .lambda_runtime import Credentials, Invocation, LambdaFunction, check_runtime_client
from .package import ROOT, build
from .sftp_server import FOLDER, PASSWORD, USER, sftp_server
from .state_machine import Execution, TaskFailed
from .webadmit_server import WebAdmitServer

REGION = template.REGION
ADMINISTRATOR = Credentials("administrator", "of-the-sandbox", "")
_KEYS = {
    "ExportFilesTable": ("export_id", "export_file_id"),
    "NameMatchesTable": ("name", "scheduled_for"),
    "DeliveriesTable": ("of",),
}
_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


class Sandbox:
    """A context manager. `parameters` are the stack's, and are checked as CloudFormation would.

    `delivers`: files are archived, and delivered to an SFTP server of the sandbox, `sftp`.
    """

    def __init__(
        self,
        parameters: Mapping[str, str] | None = None,
        *,
        stack_name: str = "webadmit-exports",
        has_key: bool = True,
        delivers: bool = False,
    ) -> None:
        check_runtime_client()
        self._has_key = has_key
        self.stack_name = stack_name
        self.api_key = secrets.token_hex(16)
        self.webadmit = WebAdmitServer(self.api_key)
        self.http_api = HttpApi()
        self.functions: dict[str, LambdaFunction] = {}
        self._clients: dict[tuple[str, Credentials], Any] = {}
        self._parameters = {"WebAdmitBaseUrl": self.webadmit.url, "LogLevel": "DEBUG", **(parameters or {})}
        self._delivers = delivers

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.webadmit.stop)
            if self._delivers:
                self.sftp = undo.enter_context(sftp_server())
                where = {"SftpUrl": self.sftp.url, "SftpFolder": FOLDER, "SftpHostKeys": self.sftp.host_keys}
                self._parameters = {"ArchiveFiles": "true", **where, **self._parameters}
            template.check_parameters(self._parameters)
            self.callback_url = self.http_api.start()
            undo.callback(self.http_api.stop)
            self._begin_aws()
            undo.callback(self._end_aws)
            self._deploy()
            if self._has_key:
                self.store_api_key(self.api_key)
            if self._delivers:
                self.store_sftp_user(USER, PASSWORD)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for function in self.functions.values():
            function.stop()
        self._undo.close()

    # ── Deploying ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_aws(self) -> None:
        self._aws = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.aws_server"],
            cwd=ROOT,
            env={
                "SANDBOX_CALLBACK_URL": self.callback_url,
                "AWS_DEFAULT_REGION": REGION,
                "MOTO_SQS_ENFORCE_STRICT_QUEUE_PURGE_BEHAVIOUR": "false",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self._aws.stdout is not None
        port = self._aws.stdout.readline().strip()
        if not port:
            raise RuntimeError("moto's server did not start; run `python -m tests.sandbox.aws_server` to see why")
        self.aws_url = f"http://127.0.0.1:{port}"

    def _end_aws(self) -> None:
        with self._aws:
            self._aws.kill()

    def client(self, service: Any, credentials: Credentials = ADMINISTRATOR) -> Any:
        """A client with all rights, for tests and the demo; or with those of a role. `service`: as boto3 names it."""
        if (service, credentials) not in self._clients:  # making one takes longer than most calls
            self._clients[service, credentials] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.aws_url,
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                aws_session_token=credentials.token or None,
            )
        return self._clients[service, credentials]

    def _assume(self, role_arn: str) -> Credentials:
        given = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="sandbox")["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def _deploy(self) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket="sandbox-code")
        s3.put_object(Bucket="sandbox-code", Key="package.zip", Body=_empty_zip())
        self.resources = self.deploy_beside(self.stack_name, self._parameters)
        stack = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self._make_functions()
        self._make_routes()

    def deploy_beside(self, stack_name: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Creates a stack in the same account; returns its resources by their logical ids. Nothing of it runs."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=stack_name,
            TemplateBody=json.dumps(template.translated("s3://sandbox-code/package.zip")),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        if stack["StackStatus"] != "CREATE_COMPLETE":
            raise RuntimeError(f"the stack is {stack['StackStatus']}: {stack.get('StackStatusReason')}")
        return {
            resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
            for resource in cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
            if "LogicalResourceId" in resource  # moto lists those whose condition is false, without their names
        }

    def _make_functions(self) -> None:
        package = build()
        for logical_id, declared in template.source()["Resources"].items():
            name = self.resources.get(logical_id)  # none where its condition is false
            if declared["Type"] != "AWS::Serverless::Function" or not name:
                continue
            configuration = self.client("lambda").get_function_configuration(FunctionName=name)
            self.functions[logical_id] = LambdaFunction(
                configuration=configuration,
                credentials=self._assume(configuration["Role"]),
                package=package,
                aws_url=self.aws_url,
                region=REGION,
            )

    def _make_routes(self) -> None:
        api = self.client("apigatewayv2")
        api_id = self.resources["CallbackApi"]
        targets = {
            f"integrations/{one['IntegrationId']}": one["IntegrationUri"]
            for one in api.get_integrations(ApiId=api_id)["Items"]
        }
        for route in api.get_routes(ApiId=api_id)["Items"]:
            arn = targets[route["Target"]].partition("/functions/")[2].removesuffix("/invocations")
            self.http_api.routes[route["RouteKey"]] = self._function_by_arn(arn).invoke

    def _function_by_arn(self, arn: str) -> LambdaFunction:
        return next(one for one in self.functions.values() if one.configuration["FunctionArn"] == arn)

    # ── What AWS does by itself ─────────────────────────────────────────────────────────────────────────────────────

    def fire(
        self, schedule: str, scheduled_for: datetime | None = None, *, lambda_is_down: bool = False
    ) -> list[Invocation]:
        """What EventBridge Scheduler and Lambda do when the schedule with this logical id is due.

        Lambda repeats an invocation that fails, as often as its EventInvokeConfig says; all of them are returned. Where
        Lambda takes no invocation at all, the schedule's dead-letter queue, if it has one, gets the API request with
        its error and the time as message attributes (EventBridge Scheduler user guide, "Configuring a dead-letter
        queue"). The guide does not say that the time is replaced in the request; here it is not.
        """
        found = self.client("scheduler").get_schedule(
            GroupName=self.resources["ScheduleGroup"], Name=self.resources[schedule]
        )
        if found["State"] != "ENABLED":
            return []
        moment = (scheduled_for or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        target = found["Target"]
        if lambda_is_down:
            if "DeadLetterConfig" in target:
                request = {"FunctionName": target["Arn"], "InvocationType": "Event", "Payload": target["Input"]}
                attributes = {
                    "ERROR_CODE": "ThrottlingException",
                    "ERROR_MESSAGE": "Rate Exceeded.",
                    "EXECUTION_ID": secrets.token_hex(16),
                    "EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds",
                    "IS_PAYLOAD_TRUNCATED": "false",
                    "RETRY_ATTEMPTS": "185",
                    "SCHEDULED_TIME": moment,
                    "SCHEDULE_ARN": found["Arn"],
                    "TARGET_ARN": target["Arn"],
                }
                self._send(target["DeadLetterConfig"]["Arn"], request, self._assume(target["RoleArn"]), **attributes)
            return []
        event = json.loads(target["Input"].replace(_SCHEDULED_TIME, moment))
        return self.invoke_asynchronously(self._function_by_arn(target["Arn"]), event)

    def _send(self, queue_arn: str, document: Any, credentials: Credentials, **attributes: str) -> None:
        url = self.client("sqs").get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        self.client("sqs", credentials).send_message(
            QueueUrl=url,
            MessageBody=json.dumps(document),
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
        )

    def invoke_asynchronously(self, function: LambdaFunction, event: Any) -> list[Invocation]:
        """Invokes as Lambda does for events: with repeats, and what fails for good goes where the template says.

        The record is that of the Lambda developer guide, "Capturing records of Lambda asynchronous invocations".
        """
        try:
            config = self.client("lambda").get_function_event_invoke_config(FunctionName=function.name)
        except Exception as error:  # moto has an exception of its own for each service
            if "ResourceNotFound" not in type(error).__name__:
                raise
            config = {}
        invocations = []
        for _ in range(1 + int(config.get("MaximumRetryAttempts", 2))):
            invocations.append(function.invoke(event))
            if not invocations[-1].failed:
                return invocations
        destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            record = {
                "version": "1.0",
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "requestContext": {
                    "requestId": str(uuid.uuid4()),
                    "functionArn": f"{function.configuration['FunctionArn']}:$LATEST",
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": len(invocations),
                },
                "requestPayload": event,
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "responsePayload": invocations[-1].payload,
            }
            self._send(destination, record, function.credentials)
        return invocations

    def start(self, *exports: str, scheduled_for: datetime | None = None) -> Invocation:
        """Invokes StartRunsFunction by hand with these pairs."""
        event = {"exports": ",".join(exports)}
        if scheduled_for:
            event["scheduled_for"] = scheduled_for.isoformat()
        return self.functions["StartRunsFunction"].invoke(event)

    def sweep(self) -> Invocation:
        """Invokes ReconcileRunsFunction once."""
        return self.functions["ReconcileRunsFunction"].invoke({})

    def age_schedules(self) -> None:
        """As if the stack had been deployed two days ago."""
        requests.post(f"{self.aws_url}/sandbox/age-schedules?seconds=172800", timeout=10).raise_for_status()

    def pass_time(self, *, minutes: float) -> None:
        """Lets the minutes pass for all queues: delayed messages come, and those that were not deleted come again."""
        requests.post(f"{self.aws_url}/sandbox/age-queues?seconds={minutes * 60}", timeout=10).raise_for_status()

    def deliver_retries(self, *, minutes: float = 15) -> list[Invocation]:
        """Lets the minutes pass, and delivers what is due in StartRetryQueue."""
        self.pass_time(minutes=minutes)
        return self.deliver("StartRetryQueue")

    def deliver(self, queue: str) -> list[Invocation]:
        """Delivers what is due in a queue, as its event source mapping does."""
        url, sqs = self.resources[queue], self.client("sqs")
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        mappings = self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        mapping = next(one for one in mappings if one["EventSourceArn"] == arn)
        function = self._function_by_arn(mapping["FunctionArn"])
        invocations = []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(10, mapping["BatchSize"]),
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):
            event = {"Records": [_sqs_record(message, arn) for message in messages]}
            invocations.append(function.invoke(event))
            failed = {message["MessageId"] for message in messages}
            if not invocations[-1].failed:
                failed = {one["itemIdentifier"] for one in invocations[-1].payload["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in failed:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return invocations

    # ── Deliveries ──────────────────────────────────────────────────────────────────────────────────────────────────

    def running(self) -> list[dict[str, Any]]:
        """The deliveries that run, the oldest first."""
        machine = self.resources["DeliveryMachine"]
        found = self.client("stepfunctions").list_executions(stateMachineArn=machine, statusFilter="RUNNING")
        return list(reversed(found["executions"]))

    def execution(self, arn: str) -> Execution:
        """An execution of DeliveryMachine, run by the machine's own definition, with the rights of its role."""
        found = self.client("stepfunctions").describe_execution(executionArn=arn)
        machine = self.client("stepfunctions").describe_state_machine(stateMachineArn=found["stateMachineArn"])
        role = self._assume(machine["roleArn"])
        started = found["startDate"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        def invoke(resource: str, arguments: Mapping[str, Any]) -> Any:
            assert resource == "arn:aws:states:::lambda:invoke", resource
            try:
                self.client("lambda", role).invoke(FunctionName=arguments["FunctionName"], InvocationType="DryRun")
            except ClientError as error:
                raise TaskFailed(str(error)) from None
            invocation = self._function_by_arn(arguments["FunctionName"]).invoke(arguments["Payload"])
            if invocation.failed:
                raise TaskFailed(json.dumps(invocation.payload))
            return {"Payload": invocation.payload, "StatusCode": 200}

        context = {"Execution": {"Id": arn, "Name": found["name"], "StartTime": started}}
        return Execution(json.loads(machine["definition"]), json.loads(found["input"]), context, invoke)

    def deliver_files(self, *, hours: float = 72) -> list[Execution]:
        """Runs the deliveries that were started to their ends, or for so many hours; returns them."""
        done = []
        for one in self.running():
            execution = self.execution(one["executionArn"])
            self.run_delivery(execution, hours=hours)
            done.append(execution)
        return done

    def run_delivery(self, execution: Execution, *, hours: float = 72) -> None:
        """Runs one. Nothing waits: the connector does what it was asked for, and the delivery gets older."""
        passed = 0.0
        for entered in execution.states():
            if entered.seconds:
                self.connectors_work()
                passed += entered.seconds
                if passed > hours * 3600:
                    return
                self.age_delivery(execution, seconds=entered.seconds)
        self._sandbox("end-execution", arn=execution.context["Execution"]["Id"], status=execution.status)

    def end_deliveries(self) -> None:
        """As if there had never been any: the server is up and empty, and nothing is on its way."""
        if not self._delivers:
            return
        for one in self.running():
            self._sandbox("end-execution", arn=one["executionArn"], status="ABORTED")
        self.connectors_work()
        self.sftp.begin_anew()
        self.store_sftp_user(USER, PASSWORD)

    def age_delivery(self, execution: Execution, *, seconds: float) -> None:
        """As if the delivery had begun that much earlier."""
        for name in ("began_at", "since", "rename_at"):
            if execution.document.get(name):
                earlier = datetime.fromisoformat(execution.document[name]) - timedelta(seconds=seconds)
                execution.document[name] = earlier.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def connectors_work(self, *, resting: bool = False) -> None:
        """Returns when the connectors have done all that they were asked for; or lets them rest from now on."""
        self._sandbox("connectors", state="resting" if resting else "at work")

    def _sandbox(self, what: str, **query: str) -> None:
        requests.get(f"{self.aws_url}/sandbox/{what}", params=query, timeout=30).raise_for_status()

    def move_messages(self, dead_letter_queue_arn: str) -> None:
        """What `aws sqs start-message-move-task` does, which moto lacks: back to the queue that they came from."""
        sqs = self.client("sqs")
        source = self.client("sqs").get_queue_url(QueueName=dead_letter_queue_arn.rpartition(":")[2])["QueueUrl"]
        (target,) = sqs.list_dead_letter_source_queues(QueueUrl=source)["queueUrls"]
        while messages := sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
                sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])

    # ── What a person or another system sees ────────────────────────────────────────────────────────────────────────

    def store_api_key(self, text: str) -> None:
        self.client("secretsmanager").put_secret_value(SecretId=self.outputs["WebAdmitApiKeyArn"], SecretString=text)

    def store_sftp_user(self, name: str, password: str) -> None:
        self.store_sftp_secret(json.dumps({"Username": name, "Password": password}))

    def store_sftp_secret(self, text: str) -> None:
        self.client("secretsmanager").put_secret_value(SecretId=self.outputs["SftpCredentialsArn"], SecretString=text)

    def subscribe(self, topic_output: str, *, filter_policy: str | None = None) -> str:
        """A queue on a topic, with raw delivery off; returns its URL."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=f"subscriber-{secrets.token_hex(4)}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("sns").subscribe(
            TopicArn=self.outputs[topic_output],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"FilterPolicy": filter_policy} if filter_policy else {},
        )
        return str(url)

    def received(self, queue_url: str) -> list[dict[str, Any]]:
        """Takes what is in a subscriber's queue: the SNS notifications, with `Message` parsed."""
        sqs, notifications = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                notification = json.loads(message["Body"])
                notifications.append({**notification, "Message": json.loads(notification["Message"])})
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return notifications

    def mails(self) -> list[dict[str, str]]:
        """All mails so far: `to`, `subject`, `text`, `topic`."""
        answer = requests.get(f"{self.aws_url}/sandbox/mails", timeout=10)
        return list(answer.json())

    def records(self, export_id: int | None = None) -> list[dict[str, Any]]:
        """The items of the table, with plain values; of one export, oldest run first."""
        items = self._items("ExportFilesTable")
        plain = [{name: _plain(value) for name, value in item.items()} for item in items]
        wanted = [item for item in plain if export_id in (None, item["export_id"])]
        return sorted(wanted, key=lambda item: (item["export_id"], item["export_file_id"]))

    def objects(self) -> dict[str, dict[str, Any]]:
        """The objects of the archive by their keys: `body`, `metadata`, `tags`, `content_type`, `versions`."""
        s3, bucket = self.client("s3"), self.outputs["ArchiveBucketName"]
        found = {}
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            where = {"Bucket": bucket, "Key": one["Key"]}
            got = s3.get_object(**where)
            tags = s3.get_object_tagging(**where)["TagSet"]
            versions = s3.list_object_versions(Bucket=bucket, Prefix=one["Key"])["Versions"]
            found[one["Key"]] = {
                "body": got["Body"].read(),
                "metadata": got["Metadata"],
                "tags": {tag["Key"]: tag["Value"] for tag in tags},
                "content_type": got["ContentType"],
                "versions": [version["VersionId"] for version in versions],
            }
        return found

    def empty_tables(self) -> None:
        for table, keys in _KEYS.items():
            if not self.resources.get(table):
                continue
            self._write(table, [{"DeleteRequest": {"Key": {n: item[n] for n in keys}}} for item in self._items(table)])

    def age_tables(self, *, days: float) -> None:
        """Lets the days pass for all that is recorded: every time in it becomes so much earlier."""
        tables = [table for table in _KEYS if self.resources.get(table)]
        aged = {table: [_earlier(item, timedelta(days=days)) for item in self._items(table)] for table in tables}
        self.empty_tables()
        for table, items in aged.items():
            self._write(table, [{"PutRequest": {"Item": item}} for item in items])

    def _items(self, table: str) -> list[dict[str, Any]]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.resources[table])
        return [item for page in pages for item in page["Items"]]

    def _write(self, table: str, requests: list[dict[str, Any]]) -> None:
        for first in range(0, len(requests), 25):  # as many as one call takes
            self.client("dynamodb").batch_write_item(RequestItems={self.resources[table]: requests[first : first + 25]})

    def signing_key(self) -> str:
        """What signs callback addresses now."""
        secret = self.client("secretsmanager").get_secret_value(SecretId=self.resources["CallbackSigningKey"])
        return str(secret["SecretString"])

    def change_record(self, record: Mapping[str, Any], **values: str | None) -> None:
        """Writes attributes of a record past the service, to age it; None removes one."""
        table = self.client("dynamodb")
        for name, value in values.items():
            expression = "REMOVE #name" if value is None else "SET #name = :value"
            table.update_item(
                TableName=self.outputs["ExportFilesTableName"],
                Key=_key(record),
                UpdateExpression=expression,
                ExpressionAttributeNames={"#name": name},
                **({} if value is None else {"ExpressionAttributeValues": {":value": {"S": value}}}),
            )


def wait_until(condition: Any, seconds: float = 10) -> Any:
    """The first truthy value of `condition()`; raises TimeoutError if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.02)
    return value


def _key(record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {name: {"N": str(record[name])} for name in _KEYS["ExportFilesTable"]}


def _earlier(item: Mapping[str, dict[str, Any]], duration: timedelta) -> dict[str, dict[str, Any]]:
    """The item as if everything in it had happened so much earlier."""
    aged = dict(item)
    for name, value in item.items():
        if "S" in value and name.endswith(("_at", "scheduled_for")):
            moment = datetime.fromisoformat(value["S"]) - duration
            aged[name] = {"S": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if "." in value["S"] else "%Y-%m-%dT%H:%M:%SZ")}
    if "answered" in item:
        starts = [text.split(" ") for text in item["answered"]["SS"]]
        times = [(identity, datetime.fromisoformat(moment) - duration) for identity, moment in starts]
        aged["answered"] = {"SS": [f"{identity} {moment:%Y-%m-%dT%H:%M:%SZ}" for identity, moment in times]}
    return aged


def _plain(value: dict[str, Any]) -> Any:
    if "SS" in value:
        return set(value["SS"])
    return int(value["N"]) if "N" in value else value["S"]


def _sqs_record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {
                "stringValue": attribute["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }


def _empty_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("placeholder.txt", "the sandbox runs the package folder itself")
    return buffer.getvalue()
