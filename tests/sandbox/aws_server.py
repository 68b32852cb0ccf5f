"""moto's server as a process of its own, taught what it lacks. Prints its port, and ends with its standard input.

It adds: the resource types that template.yaml uses and moto's CloudFormation does not know; IAM permissions for single
tables, topics, queues and secrets; mails to email subscribers, to be read at /sandbox/mails; queues that age on demand;
conditional writes that are really atomic (one request at a time).
"""

import copy
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

os.environ["TEST_SERVER_MODE"] = "true"
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"  # permissions count from the beginning

from moto.apigatewayv2.models import apigatewayv2_backends
from moto.awslambda.models import EventSourceMapping, lambda_backends
from moto.cloudformation.models import cloudformation_backends
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.common_models import CloudFormationModel
from moto.iam import access_control
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeBucket, s3_backends
from moto.scheduler.models import scheduler_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import SNSBackend, Subscription, sns_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.models import StateMachine, stepfunctions_backends
from werkzeug.serving import make_server

from tests.sandbox import transfer_service

# ── Resource types ──────────────────────────────────────────────────────────────────────────────────────────────────


def _replace_method(owner: type, name: str, method: object) -> None:
    getattr(owner, name)  # raises where a new version of moto has another name for it
    setattr(owner, name, method)


class _Resource:
    """What every added resource type has in common. moto files models by the module that they claim to be from."""

    __module__ = "moto.sandbox"
    attributes: tuple[str, ...] = ("Arn",)

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in cls.attributes

    def __init__(self, physical_resource_id: str, **attributes: str) -> None:
        self.physical_resource_id = physical_resource_id
        self.values = attributes

    def get_cfn_attribute(self, name: str) -> str:
        return self.values[name]

    def is_created(self) -> bool:
        return True


class Secret(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SecretsManager::Secret"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "Secret":
        properties = cloudformation_json["Properties"]
        backend = secretsmanager_backends[account_id][region_name]
        value = None
        if "GenerateSecretString" in properties:
            wanted = properties["GenerateSecretString"]
            value = json.loads(
                backend.get_random_password(
                    password_length=int(wanted["PasswordLength"]),
                    exclude_characters="",
                    exclude_numbers=False,
                    exclude_punctuation=wanted["ExcludePunctuation"] in (True, "true"),
                    exclude_uppercase=False,
                    exclude_lowercase=False,
                    include_space=False,
                    require_each_included_type=True,
                )
            )["RandomPassword"]
        answer = backend.create_secret(
            name=resource_name,
            secret_string=value,
            secret_binary=None,
            description=properties.get("Description"),
            tags=[],
            kms_key_id=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )
        return cls(json.loads(answer)["ARN"])


class ScheduleGroup(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Scheduler::ScheduleGroup"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "ScheduleGroup":
        group = scheduler_backends[account_id][region_name].create_schedule_group(resource_name, [])
        return cls(resource_name, Arn=group.arn)


class Schedule(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Scheduler::Schedule"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "Schedule":
        properties = cloudformation_json["Properties"]
        backend: Any = scheduler_backends[account_id][region_name]  # its type wants a text where None is right
        schedule = backend.create_schedule(
            description=properties.get("Description"),
            end_date=None,
            flexible_time_window=properties["FlexibleTimeWindow"],
            group_name=properties["GroupName"],
            kms_key_arn=None,
            name=properties.get("Name", resource_name),
            schedule_expression=properties["ScheduleExpression"],
            schedule_expression_timezone=properties.get("ScheduleExpressionTimezone"),
            start_date=None,
            state=properties.get("State"),
            target=properties["Target"],
            action_after_completion=None,
        )
        return cls(schedule.name, Arn=schedule.arn)


class HttpApi(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"
    attributes = ("ApiEndpoint", "ApiId")

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ApiGatewayV2::Api"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "HttpApi":
        body = cloudformation_json["Properties"]["Body"]
        api = apigatewayv2_backends[account_id][region_name].create_api(
            api_key_selection_expression="",
            cors_configuration="",
            description="",
            disable_schema_validation="",
            disable_execute_api_endpoint="",
            name=resource_name,
            protocol_type="HTTP",
            route_selection_expression="",
            tags={},
            version="",
        )
        api.import_api(json.dumps(body), True)
        return cls(api.api_id, ApiId=api.api_id, ApiEndpoint=os.environ["SANDBOX_CALLBACK_URL"])


class EmailOrQueueSubscription(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SNS::Subscription"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "EmailOrQueueSubscription":
        properties = cloudformation_json["Properties"]
        subscription = sns_backends[account_id][region_name].subscribe(
            properties["TopicArn"], properties["Endpoint"], properties["Protocol"]
        )
        if properties.get("RawMessageDelivery") in (True, "true"):
            subscription.attributes["RawMessageDelivery"] = "true"
        return cls(subscription.arn)


class QueueEventSource(_Resource, CloudFormationModel):
    """Recorded, but not switched on: moto would take the messages away before the sandbox can deliver them."""

    __module__ = "moto.sandbox"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::EventSourceMapping"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "QueueEventSource":
        properties = cloudformation_json["Properties"]
        backend = lambda_backends[account_id][region_name]
        function = backend.get_function(properties["FunctionName"])
        mapping = EventSourceMapping(  # type: ignore[abstract]
            {
                **properties,
                "RegionName": region_name,
                "AccountId": account_id,
                "FunctionArn": function.function_arn,
            }
        )
        backend._event_source_mappings[mapping.uuid] = mapping
        return cls(mapping.uuid)


class EventInvokeConfig(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::EventInvokeConfig"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "EventInvokeConfig":
        properties = dict(cloudformation_json["Properties"])
        name = properties.pop("FunctionName")
        properties.pop("Qualifier")
        for number in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds"):
            if number in properties:
                properties[number] = int(properties[number])
        lambda_backends[account_id][region_name].put_function_event_invoke_config(name, properties)
        return cls(f"{name}-event-invoke-config")


class SftpConnector(_Resource, CloudFormationModel):
    __module__ = "moto.sandbox"
    attributes = ("Arn", "ConnectorId")

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Transfer::Connector"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "SftpConnector":
        made = transfer_service.Connector(cloudformation_json["Properties"], lambda: f"http://127.0.0.1:{_port[0]}")
        transfer_service.connectors[made.id] = made
        arn = f"arn:aws:transfer:{region_name}:{account_id}:connector/{made.id}"
        return cls(made.id, Arn=arn, ConnectorId=made.id)


def _nothing_to_do(type_name: str) -> None:
    """A resource type that changes nothing that the sandbox can show."""

    def create(cls: Any, resource_name: str, *_: Any, **__: Any) -> Any:
        return cls(resource_name, Arn=f"arn:aws:sandbox:::{resource_name}")

    members: dict[str, Any] = {
        "__module__": "moto.sandbox",
        "cloudformation_type": staticmethod(lambda: type_name),
        "create_from_cloudformation_json": classmethod(create),
    }
    _kept.append(type(type_name.replace(":", ""), (_Resource, CloudFormationModel), members))


_kept: list[type] = []
for _type_name in (
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
):
    _nothing_to_do(_type_name)

_create_bucket = vars(FakeBucket)["create_from_cloudformation_json"].__func__


def _create_bucket_with_versions(cls: Any, resource_name: str, cloudformation_json: Any, *more: Any, **_: Any) -> Any:
    """moto's CloudFormation overlooks that a bucket has versions."""
    bucket = _create_bucket(cls, resource_name, cloudformation_json, *more)
    if cloudformation_json.get("Properties", {}).get("VersioningConfiguration") == {"Status": "Enabled"}:
        bucket.versioning_status = "Enabled"
    return bucket


_replace_method(FakeBucket, "create_from_cloudformation_json", classmethod(_create_bucket_with_versions))

_create_machine = vars(StateMachine)["create_from_cloudformation_json"].__func__


def _create_machine_with_definition(
    cls: Any, resource_name: str, cloudformation_json: Any, *more: Any, **options: Any
) -> Any:
    """moto's CloudFormation overlooks a definition that is no text."""
    properties = cloudformation_json["Properties"]
    definition = json.dumps(properties.get("Definition"))
    document = {**cloudformation_json, "Properties": {**properties, "DefinitionString": definition}}
    return _create_machine(cls, resource_name, document, *more, **options)


_replace_method(StateMachine, "create_from_cloudformation_json", classmethod(_create_machine_with_definition))

# ── Permissions by resource ─────────────────────────────────────────────────────────────────────────────────────────

_collect_policies = access_control.AssumedRoleAccessKey.collect_policies
_check_action_permitted = access_control.IAMRequestBase.check_action_permitted
_check_signature = access_control.IAMRequestBase.check_signature
_authorize = ActionAuthenticatorMixin._authenticate_and_authorize_action


def _authorize_roles(self: Any, *arguments: Any) -> None:
    """Only roles are held to their policies; whoever comes without a session token is the administrator."""
    if "X-Amz-Security-Token" in self.headers:
        _authorize(self, *arguments)


def _policies_as_text(self: Any) -> list[str]:
    """moto keeps the policies of a role that CloudFormation made as they are, and wants to parse them.

    It also keeps what AWS::NoValue stands for in a list, which CloudFormation takes out.
    """
    policies = [json.loads(policy) if isinstance(policy, str) else policy for policy in _collect_policies(self)]
    for policy in policies:
        if isinstance(policy["Statement"], list):
            policy["Statement"] = [statement for statement in policy["Statement"] if statement]
    return [json.dumps(policy) for policy in policies]


def _check_with_resource(self: Any, resource: str) -> None:
    if self._service == "sqs":  # AWS knows no actions for batches: SendMessageBatch is allowed by SendMessage
        self._action = self._action.removesuffix("Batch")
    if self._service == "scheduler" and self._method == "GET":  # moto finds no action in REST paths
        self._action = "scheduler:GetSchedule"
    if self._service == "lambda" and self._path.endswith("/invocations"):
        self._action = "lambda:InvokeFunction"
    if self._service == "monitoring":  # the name of CloudWatch's endpoint, not that of its actions
        self._action = self._action.replace("monitoring:", "cloudwatch:")
    _check_action_permitted(self, _resource_of(self) if resource == "*" else resource)


def _check_signature_unless_of_rest(self: Any) -> None:
    """moto takes the signatures of REST calls for wrong; these are the only such services here."""
    if self._service not in ("scheduler", "lambda"):
        _check_signature(self)


def _resource_of(request: Any) -> str:
    """The ARN of what a call is about, where its policy may name it."""
    scope = f"{request._region}:{request.account_id}"
    try:
        body = json.loads(request._body or b"{}")
    except ValueError:
        body = {}
    if request._service == "dynamodb" and "TableName" in body:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        return f"arn:aws:dynamodb:{scope}:table/{body['TableName']}{index}"
    if request._service == "sqs" and "QueueUrl" in body:
        return f"arn:aws:sqs:{scope}:{body['QueueUrl'].rsplit('/', 1)[1]}"
    if request._service == "secretsmanager" and "SecretId" in body:
        return str(body["SecretId"])
    if request._service == "transfer" and "ConnectorId" in body:
        return f"arn:aws:transfer:{scope}:connector/{body['ConnectorId']}"
    if request._service == "states":
        return str(body.get("stateMachineArn", "*"))
    if request._service == "lambda":
        return unquote(request._path).split("/functions/")[1].split("/")[0]
    if request._service == "cloudformation":
        stacks = cloudformation_backends[request.account_id][request._region].stacks.values()
        name = request._data.get("StackName", [""])
        return next((one.stack_id for one in stacks if one.name in name or one.stack_id in name), "*")
    if request._service == "scheduler":
        path, _, query = request._path.partition("?")
        return f"arn:aws:scheduler:{scope}:schedule/{parse_qs(query)['groupName'][0]}/{path.rpartition('/')[2]}"
    if request._service == "monitoring":
        return f"arn:aws:cloudwatch:{scope}:alarm:*"
    if request._service == "sns":
        topic = request._data.get("TopicArn", "*")
        return str(topic[0] if isinstance(topic, list) else topic)
    return "*"


_replace_method(access_control.AssumedRoleAccessKey, "collect_policies", _policies_as_text)
_replace_method(access_control.IAMRequestBase, "check_action_permitted", _check_with_resource)
_replace_method(access_control.IAMRequestBase, "check_signature", _check_signature_unless_of_rest)
_replace_method(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", _authorize_roles)

# ── Mails ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_mails: list[dict[str, str]] = []
_publish = Subscription.publish


def _publish_to_mailboxes_too(
    self: Subscription, message: str, message_id: str, subject: str | None = None, **options: Any
) -> None:
    _publish(self, message, message_id, subject=subject, **options)
    if self.protocol == "email":
        text = json.loads(message).get("email") if options.get("message_structure") == "json" else message
        _mails.append({"to": self.endpoint, "subject": subject or "", "text": text, "topic": self.topic.arn})


_mail_state = ["confirmed"]  # or pending, or gone
_list_by_topic = SNSBackend.list_subscriptions_by_topic


def _list_by_topic_with_state(self: SNSBackend, *arguments: Any, **options: Any) -> Any:
    subscriptions, token = _list_by_topic(self, *arguments, **options)
    shown = []
    for one in subscriptions:
        if one.protocol != "email" or _mail_state[0] == "confirmed":
            shown.append(one)
        elif _mail_state[0] == "pending":
            pending = copy.copy(one)
            pending.arn = "PendingConfirmation"
            shown.append(pending)
    return shown, token


_replace_method(SNSBackend, "list_subscriptions_by_topic", _list_by_topic_with_state)
_replace_method(Subscription, "publish", _publish_to_mailboxes_too)

_port: list[int] = []

# ── The server ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _age_queues(seconds: float) -> None:
    """Lets that much time pass for delayed and for invisible messages."""
    for account in sqs_backends.values():
        for backend in account.values():
            for queue in backend.queues.values():
                for message in queue._messages:
                    message.delayed_until -= seconds * 1000
                    message.visible_at -= seconds * 1000


def _age_objects(seconds: float) -> None:
    """As if all objects had been stored that much earlier."""
    for account in s3_backends.values():
        for backend in account.values():
            for bucket in backend.buckets.values():
                for _, versions in bucket.keys.iterlists():
                    for one in versions:
                        one.last_modified -= timedelta(seconds=seconds)


def _age_schedules(seconds: float) -> None:
    """As if all schedules had been deployed that much earlier."""
    for account in scheduler_backends.values():
        for backend in account.values():
            for group in backend.schedule_groups.values():
                for schedule in group.schedules.values():
                    schedule.last_modified_date -= seconds


def _age_executions(seconds: float) -> None:
    """As if all executions of state machines had begun that much earlier."""
    for account in stepfunctions_backends.values():
        for backend in account.values():
            for machine in backend.state_machines:
                for execution in machine.executions:
                    execution.start_date -= timedelta(seconds=seconds)


_AGE = {
    "/sandbox/age-executions": _age_executions,
    "/sandbox/age-objects": _age_objects,
    "/sandbox/age-queues": _age_queues,
    "/sandbox/age-schedules": _age_schedules,
}


def _end_execution(arn: str, status: str) -> None:
    """What the sandbox's own interpreter has come to."""
    for account in stepfunctions_backends.values():
        for backend in account.values():
            for machine in backend.state_machines:
                for execution in machine.executions:
                    if execution.execution_arn == arn:
                        execution.status, execution.stop_date = status, datetime.now(UTC)


class _Application:
    """One request at a time: moto checks a condition and writes in two steps, which threads could come between."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        query = parse_qs(environ["QUERY_STRING"])
        if path == "/sandbox/connectors":  # without the lock: they call us
            for connector in transfer_service.connectors.values():
                (connector.may_work.set if query["state"] == ["at work"] else connector.may_work.clear)()
                if query["state"] == ["at work"]:
                    connector.wait_until_idle()
            return self._answer(start_response, None)
        if environ.get("HTTP_X_AMZ_TARGET") == "TransferService.TestConnection":
            refused: list[Any] = []
            answer = self._answered(environ, lambda *started: refused.extend(started), path, query)
            if refused[0].startswith("200"):
                return self._answer(start_response, transfer_service.tested(json.loads(answer[0])["ConnectorId"]))
            start_response(*refused)
            return answer
        return self._answered(environ, start_response, path, query)

    def _answered(
        self, environ: dict[str, Any], start_response: Callable[..., Any], path: str, query: dict[str, list[str]]
    ) -> list[bytes]:
        with self._lock:
            if path == "/sandbox/mails":
                return self._answer(start_response, _mails)
            if path == "/sandbox/end-execution":
                _end_execution(query["arn"][0], query["status"][0])
                return self._answer(start_response, None)
            if path in _AGE:
                _AGE[path](float(query["seconds"][0]))
                return self._answer(start_response, None)
            if path == "/sandbox/mail-subscriptions":
                _mail_state[0] = query["state"][0]
                return self._answer(start_response, None)
            return list(self._moto(environ, start_response))

    def _answer(self, start_response: Callable[..., Any], document: Any) -> list[bytes]:
        body = json.dumps(document).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


class _QuietHandler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        pass


def main() -> None:
    server = make_server("127.0.0.1", 0, _Application(), threaded=True, request_handler=_QuietHandler)
    _port.append(server.port)
    print(server.port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # until whoever began this process ends


if __name__ == "__main__":
    main()
