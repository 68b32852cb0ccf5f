"""HTTP API → a callback is taken."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.runs.receive import CallbackCall, NotFound, ReceiveCallback
from webadmit_exports.shared_services import SharedServices
from webadmit_exports.telemetry import instrumented, logger


def now() -> datetime:
    return datetime.now(UTC)


def read_signing_keys_ahead(shared: SharedServices) -> None:
    """Asks Secrets Manager while the process starts: nobody waits for it yet."""
    with suppress(AwsUnavailable):  # the first callback finds it out again, and says so
        shared.signing_keys.known()


shared = SharedServices(os.environ, now)
receive_callback = ReceiveCallback(
    signing_keys=shared.signing_keys, table=shared.table, tracker=shared.tracker, now=now
)
if shared.is_in_lambda:
    read_signing_keys_ahead(shared)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an HTTP API event (payload format 2.0); docs/reference.md, "The callback", lists the answers."""
    headers = event.get("headers", {})
    call = CallbackCall(
        segments=event.get("pathParameters") or {},
        body=event.get("body"),
        is_base64=bool(event.get("isBase64Encoded")),
        content_type=headers.get("content-type"),
        user_agent=headers.get("user-agent", ""),
        source_address=event.get("requestContext", {}).get("http", {}).get("sourceIp", ""),
    )
    try:
        receive_callback.receive(call)
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
