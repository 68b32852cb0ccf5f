"""HTTP API → the item's status is updated, and the run is announced."""

import json
import os
from typing import Any
from urllib.parse import parse_qs

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger()
metrics = Metrics(namespace="Exports")
table = boto3.resource("dynamodb").Table(os.environ["EXPORT_FILES_TABLE"])
sns = boto3.client("sns")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> Any:
    form = {name: values[0] for name, values in parse_qs(event["body"]).items()}
    export_file_id, status = form["export_file[id]"], form["export_file[status]"]
    table.update_item(
        Key={"export_id": int(form["export_file[export_id]"]), "export_file_id": int(export_file_id)},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": status},
    )
    if status == "Available":
        message = json.dumps({"export_file_id": export_file_id, "status": status})
        sns.publish(TopicArn=os.environ["READY_TOPIC_ARN"], Subject="Export ready", Message=message)
        metrics.add_metric(name="RunsAnnounced", unit=MetricUnit.Count, value=1)
    logger.info("callback received", export_file_id=export_file_id, status=status)
    return {"statusCode": 200, "body": "OK"}
