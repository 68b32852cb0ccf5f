"""An HTTP API: turns requests into events with payload format 2.0, as AWS does, and has answers of its own."""

import base64
import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .http_server import Handler, serve, url_of
from .lambda_runtime import Invocation

_LARGEST_BODY = 10 * 1024 * 1024
# Everything else arrives in base64, forms and bodies without a type too.
_TEXT = re.compile(r"(text/.*|application/(json|javascript|xml))$")


@dataclass(slots=True)
class HttpApi:
    """Routes (such as `POST /callbacks/{export_id}`) and what each invokes."""

    routes: dict[str, Callable[[Any], Invocation]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    _server: Any = None

    def start(self) -> str:
        """Begins to listen; returns the URL."""
        self._server = serve(type("_BoundHandler", (_ApiHandler,), {"api": self}))
        return url_of(self._server)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The route's key and the path parameters; None where no route fits."""
        for key in self.routes:
            route_method, _, pattern = key.partition(" ")
            found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
            if found and route_method == method:
                return key, found.groupdict()
        return None


class _ApiHandler(Handler):
    api: HttpApi

    def _handle(self) -> None:
        if int(self.headers.get("Content-Length") or 0) > _LARGEST_BODY:
            self.close_connection = True
            return self._message(413, "Request Entity Too Large")
        body = self.read_body()
        parts = urlsplit(self.path)
        matched = self.api.match(self.command, parts.path)
        if matched is None:
            return self._message(404, "Not Found")
        key, parameters = matched
        event = self._event(key, parts.path, parts.query, parameters, body)
        self.api.events.append(event)
        return self._answer_with(self.api.routes[key](event))

    def _event(self, key: str, path: str, query: str, parameters: dict[str, str], body: bytes) -> dict[str, Any]:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        host = headers.get("host", "")
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": unquote(path),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "sandbox",
                "domainName": host,
                "domainPrefix": "sandbox",
                "http": {
                    "method": self.command,
                    "path": unquote(path),
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.client_address[0],
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": uuid.uuid4().hex,
                "routeKey": key,
                "stage": "$default",
                "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
                "timeEpoch": int(time.time() * 1000),
            },
            "pathParameters": {name: unquote(value) for name, value in parameters.items()},
            "isBase64Encoded": False,
        }
        if query:
            event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
        if body:
            is_text = bool(_TEXT.match(headers.get("content-type", "").partition(";")[0].strip().lower()))
            event["body"] = body.decode("utf-8", errors="replace") if is_text else base64.b64encode(body).decode()
            event["isBase64Encoded"] = not is_text
        return event

    def _answer_with(self, invocation: Invocation) -> None:
        result = invocation.payload
        if invocation.failed:
            timed_out = result.get("errorType") == "Sandbox.Timedout"
            return self._message(*((503, "Service Unavailable") if timed_out else (500, "Internal Server Error")))
        if not isinstance(result, dict) or "statusCode" not in result:
            return self._reply(200, {"content-type": "application/json"}, json.dumps(result).encode())
        body = result.get("body") or ""
        raw = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
        headers = {"content-type": "text/plain; charset=utf-8", **result.get("headers", {})}
        return self._reply(int(result["statusCode"]), headers, raw)

    def _message(self, status: int, message: str) -> None:
        body = json.dumps({"message": message}, separators=(",", ":")).encode()
        self._reply(status, {"content-type": "application/json"}, body)

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.api.log.append(f"{self.command} {status}")
        self.answer(status, {**headers, "apigw-requestid": uuid.uuid4().hex[:16]}, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _handle
