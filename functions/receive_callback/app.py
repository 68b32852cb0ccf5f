"""HTTP API → a callback is taken."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports import wiring
from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.runs.receive import NotFound
from webadmit_exports.services import Services
from webadmit_exports.telemetry import instrumented, logger


def now() -> datetime:
    return datetime.now(UTC)


receive_callback = wiring.receive_callback(Services(os.environ, now))


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an HTTP API event (payload format 2.0); the README lists the answers."""
    parameters, content_type = event.get("pathParameters") or {}, event.get("headers", {}).get("content-type")
    is_base64 = bool(event.get("isBase64Encoded"))
    try:
        receive_callback.receive(parameters, event.get("body"), is_base64=is_base64, content_type=content_type)
    except NotFound:
        return _response(404, "Not Found")  # to the letter what the HTTP API says of a path that does not exist
    except InvalidInput as error:
        return _response(400, str(error))
    except AwsUnavailable as error:
        logger.error("callback not finished; WebAdMIT may try again, else the reconciler finds it", reason=str(error))
        return _response(503, "Service Unavailable")
    return {"statusCode": 200, "body": ""}


def _response(status: int, message: str) -> dict[str, Any]:
    body = json.dumps({"message": message}, separators=(",", ":"))
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": body}
