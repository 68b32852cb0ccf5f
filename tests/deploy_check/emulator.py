"""Starts ministack with what AWS does otherwise put right, in eleven places. Nothing of the project is changed for it.

Runs in a virtual environment of its own, which has ministack. Each correction cites AWS's documentation.
"""

import inspect
import random
import string
import uuid
from datetime import UTC, datetime
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners

HANDLERS = provisioners._RESOURCE_HANDLERS


def correct_alarms() -> None:
    """Alarms over metric math, which ministack refuses: the one metric behind the expression is taken.

    CloudFormation reference, AWS::CloudWatch::Alarm, `Metrics`.
    """
    make = provisioners._cw_metric_alarm_record

    def record(name: str, properties: dict[str, Any]) -> Any:
        if "Metrics" in properties:
            stat = next(one["MetricStat"] for one in properties["Metrics"] if "MetricStat" in one)
            properties = {key: value for key, value in properties.items() if key != "Metrics"}
            properties |= {"Statistic": stat["Stat"], "Period": stat["Period"], **stat["Metric"]}
        return make(name, properties)

    provisioners._cw_metric_alarm_record = record


def correct_http_apis() -> None:
    """An HTTP API's OpenAPI document, which ministack ignores: its paths become routes and integrations.

    CloudFormation reference, AWS::ApiGatewayV2::Api, `Body`.
    """
    handler = HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = handler["create"], handler["update"]

    def import_body(api_id: str, body: dict[str, Any]) -> None:
        provisioners._apigw_v2._routes[api_id] = {}
        provisioners._apigw_v2._integrations[api_id] = {}
        for path, methods in body.get("paths", {}).items():
            for method, operation in methods.items():
                if integration := operation.get("x-amazon-apigateway-integration"):
                    wanted = {
                        "ApiId": api_id,
                        "IntegrationType": integration["type"].upper(),
                        "IntegrationUri": integration["uri"],
                        "IntegrationMethod": integration.get("httpMethod", "POST"),
                        "PayloadFormatVersion": integration["payloadFormatVersion"],
                    }
                    integration_id, _ = provisioners._apigw_v2_integration_create("", wanted, "")
                    route = {"RouteKey": f"{method.upper()} {path}", "Target": f"integrations/{integration_id}"}
                    provisioners._apigw_v2_route_create("", {"ApiId": api_id, **route}, "")

    def created(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        body = properties.get("Body") or {}
        named = {"Name": body.get("info", {}).get("title"), **properties}
        api_id, attributes = create(logical_id, named, stack_name)
        import_body(api_id, body)
        return api_id, attributes

    def updated(api_id: str, old: dict[str, Any], new: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        answer = update(api_id, old, new, *arguments, **options)
        if old.get("Body") != new.get("Body"):
            import_body(api_id, new.get("Body") or {})
        return answer

    handler.update(create=created, update=updated)


def correct_secrets() -> None:
    """`Ref` of a secret is its ARN; one without a value has none; ExcludePunctuation is heard.

    CloudFormation reference, AWS::SecretsManager::Secret, "Return values" and `GenerateSecretString`.
    """
    make, secrets = provisioners._sm_secret_string, provisioners._sm._secrets
    handler = HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def text(properties: dict[str, Any]) -> Any:
        wanted = properties.get("GenerateSecretString", {})
        if wanted.get("ExcludePunctuation") in (True, "true"):
            return "".join(
                random.SystemRandom().choices(string.ascii_letters + string.digits, k=int(wanted["PasswordLength"]))
            )
        return make(properties)

    def name_of(arn: str) -> str:
        return next((name for name, one in secrets.items() if one.get("ARN") == arn), arn)

    def created(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, properties, stack_name)
        if not properties.keys() & {"SecretString", "GenerateSecretString"}:
            secrets[name]["Versions"] = {}
        return attributes["Arn"], attributes

    def updated(arn: str, *arguments: Any, **options: Any) -> Any:
        _, attributes = update(name_of(arn), *arguments, **options)
        return arn, attributes

    provisioners._sm_secret_string = text
    handler.update(create=created, update=updated, delete=lambda arn, *rest: delete(name_of(arn), *rest))


def correct_schedules() -> None:
    """A schedule's input with its context attributes, which ministack passes on as they are written.

    EventBridge Scheduler user guide, "Adding context attributes".
    """
    invoke = eventbridge._invoke_target

    def invoked(target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None) -> Any:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            due = datetime.fromtimestamp(event["Time"], UTC).replace(second=0, microsecond=0)
            values = {
                "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "schedule-arn": rule.get("Arn", ""),
                "execution-id": str(uuid.uuid4()),
                "attempt-number": "1",
            }
            for name, value in values.items():
                target = {**target, "Input": target["Input"].replace(f"<aws.scheduler.{name}>", value)}
        return invoke(target, event, rule, view)

    eventbridge._invoke_target = invoked


def correct_iam() -> None:
    """Each request counts as one over TLS; ARNs of schedules and lists of alarms are right; batches need one action.

    IAM user guide, `aws:SecureTransport`; service authorization reference, "Amazon EventBridge Scheduler" (the ARN is
    schedule/GROUP/NAME), "Amazon CloudWatch" (DescribeAlarms is about alarm:NAME, a list about alarm:*) and "Amazon
    SQS" (there is no action sqs:SendMessageBatch).
    """
    pin, arn_of = iam_evaluator.pin_request_origin, iam_actions.extract_resource_arn
    action_of, signature = iam_actions.extract_iam_action, inspect.signature(arn_of)

    def arn(*arguments: Any, **options: Any) -> Any:
        found, request = arn_of(*arguments, **options), signature.bind(*arguments, **options).arguments
        if request["service"] == "monitoring" and found == "*":
            return f"arn:aws:cloudwatch:{request['region']}:{request['account_id']}:alarm:*"
        query = request.get("query_params") or {}
        group = query.get("groupName")
        group = group[0] if isinstance(group, list) else group
        return found.replace(":schedule/default/", f":schedule/{group}/") if isinstance(found, str) and group else found

    def action(*arguments: Any, **options: Any) -> Any:
        found = action_of(*arguments, **options)
        return found.removesuffix("Batch") if isinstance(found, str) and found.startswith("sqs:") else found

    iam_evaluator.pin_request_origin = lambda source_ip, secure_transport: pin(source_ip, True)
    iam_actions.extract_resource_arn, iam_actions.extract_iam_action = arn, action


def add_connectors() -> None:
    """SFTP connectors, which ministack has not: only that there is one. What it is asked for nobody does.

    CloudFormation reference, AWS::Transfer::Connector, "Return values".
    """

    def created(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        connector_id = f"c-{uuid.uuid4().hex[:17]}"
        arn = f"arn:aws:transfer:us-east-1:123456789012:connector/{connector_id}"
        return connector_id, {"Arn": arn, "ConnectorId": connector_id}

    HANDLERS["AWS::Transfer::Connector"] = {
        "create": created,
        "update": lambda connector_id, *rest, **options: (connector_id, {}),
        "delete": lambda *rest: None,
    }


def add_saved_queries() -> None:
    """Saved queries of CloudWatch Logs Insights, which ministack has not: only that there are some.

    CloudFormation reference, AWS::Logs::QueryDefinition, "Return values".
    """
    HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": lambda *rest: (str(uuid.uuid4()), {}),
        "update": lambda query_id, *rest, **options: (query_id, {}),
        "delete": lambda *rest: None,
    }


if __name__ == "__main__":
    corrections = (
        *(correct_alarms, correct_http_apis, correct_secrets, correct_schedules, correct_iam),
        *(add_connectors, add_saved_queries),
    )
    for correct in corrections:
        correct()
    from ministack.app import main  # only now: it takes what is corrected above by name

    main()
