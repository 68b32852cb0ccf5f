"""HTTP API → a callback is taken."""

import contextlib
import json
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from webadmit_exports.errors import AwsUnavailable, InvalidInput
from webadmit_exports.receive import NotFound, ReceiveCallback
from webadmit_exports.telemetry import instrumented, logger
from webadmit_exports.wiring import Parts


def now() -> datetime:
    return datetime.now(UTC)


parts = Parts(os.environ, now)
receive_callback = ReceiveCallback(
    signing_keys=parts.signing_keys, table=parts.table, export_files=parts.export_files, now=now
)

# While a process starts, nobody waits for it yet.
if parts.is_in_lambda:
    with contextlib.suppress(AwsUnavailable):  # the first callback finds it out again, and says so
        parts.signing_keys.known()


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an HTTP API event (payload format 2.0); the answers are listed in the README."""
    try:
        receive_callback.receive(
            event.get("pathParameters") or {},
            event.get("body"),
            is_base64=bool(event.get("isBase64Encoded")),
            content_type=event.get("headers", {}).get("content-type"),
        )
    except NotFound:
        return _answer(404, "Not Found")  # to the letter what the HTTP API says of a path that does not exist
    except InvalidInput as error:
        return _answer(400, str(error))
    except AwsUnavailable as error:
        logger.error("callback not finished; WebAdMIT may try again, else the reconciler finds it", reason=str(error))
        return _answer(503, "Service Unavailable")
    return {"statusCode": 200, "body": ""}


def _answer(status: int, message: str) -> dict[str, Any]:
    body = json.dumps({"message": message}, separators=(",", ":"))
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": body}
