"""Schedule → runs are started one by one, and their handles are stored."""

import os
from datetime import UTC, datetime
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger()
metrics = Metrics(namespace="Exports")
table = boto3.resource("dynamodb").Table(os.environ["EXPORT_FILES_TABLE"])
secrets = boto3.client("secretsmanager")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> Any:
    key = secrets.get_secret_value(SecretId=os.environ["WEBADMIT_API_KEY_ARN"])["SecretString"]
    for pair in event["exports"].split(","):
        user_identity_id, export_id = pair.split(":")
        response = requests.post(
            f"{os.environ['WEBADMIT_BASE_URL']}/api/v1/user_identities/{user_identity_id}"
            f"/exports/{export_id}/export_files",
            params={"callback": os.environ["CALLBACK_URL"]},
            headers={"x-api-key": key},
            timeout=30,
        )
        response.raise_for_status()
        run = response.json()["export_files"]
        table.put_item(
            Item={
                "export_id": int(export_id),
                "export_file_id": run["id"],
                "status": run["status"],
                "started_at": datetime.now(UTC).isoformat(),
            }
        )
        logger.info("started", export_id=export_id, export_file_id=run["id"])
        metrics.add_metric(name="RunsStarted", unit=MetricUnit.Count, value=1)
    return {}
