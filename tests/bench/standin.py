"""AWS and WebAdMIT over TLS: AWS answers at once, WebAdMIT after a while. Runs as a process of its own.

    python -m tests.bench.standin <certificate with its key, PEM> <seconds that WebAdMIT takes>

Writes its ports, one for each of `HOSTS`. `GET /calls` tells what came since it was last asked: the calls by name, and
how many connections.
"""

import asyncio
import itertools
import json
import re
import ssl
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webadmit_exports.aws.table import to_item
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels

SIGNING_KEY = "the signing key of the benchmark"
# Each of AWS's services that a callback needs is a host of its own, with connections of its own.
HOSTS = ("WebAdMIT and the rest of AWS", "DynamoDB", "SNS")
API_KEY = "0123456789abcdef0123456789abcdef"
_PUBLISHED = b"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>
<MessageId>94f20ce6-13c5-43a0-9a9e-ca52d816e90b</MessageId></PublishResult></PublishResponse>"""


class StandIn:
    """What it answers, and what it was asked."""

    def __init__(self, webadmit_seconds: float) -> None:
        self.webadmit_seconds = webadmit_seconds
        self.calls: Counter[str] = Counter()
        self.connections = 0
        self._ids = itertools.count(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which is kept until its client ends it."""
        is_counted = False
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, _, rest = head.partition("\r\n")
                length = re.search(r"^content-length: *([0-9]+)", rest, re.IGNORECASE | re.MULTILINE)
                body = await reader.readexactly(int(length[1])) if length else b""
                _, path, _ = line.split(" ")
                if path == "/calls":
                    answer = self._tell()
                else:
                    self.connections += not is_counted
                    is_counted = True
                    answer = await self._answer(path, rest, body)
                kind = "text/xml" if answer.startswith(b"<") else "application/json"
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(answer)}\r\n\r\n"
                writer.write(head.encode() + answer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def _tell(self) -> bytes:
        told = json.dumps({"calls": self.calls, "connections": self.connections}).encode()
        self.calls, self.connections = Counter(), 0
        return told

    async def _answer(self, path: str, headers: str, body: bytes) -> bytes:
        target = re.search(r"^x-amz-target: *\w+\.(\w+)", headers, re.IGNORECASE | re.MULTILINE)
        form = re.search(rb"(?:^|&)Action=(\w+)", body)
        if target or form:
            name = target[1] if target else form[1].decode() if form else ""
            self.calls[name] += 1
            return self._aws(name, body)
        self.calls["WebAdMIT"] += 1
        await asyncio.sleep(self.webadmit_seconds)
        return json.dumps(self._webadmit(path)).encode()

    def _aws(self, name: str, body: bytes) -> bytes:
        if name == "GetItem":
            key = json.loads(body)["Key"]
            record = open_record(int(key["export_id"]["N"]), int(key["export_file_id"]["N"]))
            return json.dumps({"Item": to_item(record)}).encode()
        if name == "GetSecretValue":
            is_api_key = "api-key" in json.loads(body)["SecretId"]
            return json.dumps({"SecretString": API_KEY if is_api_key else SIGNING_KEY}).encode()
        return {"Query": b'{"Items": []}', "Publish": _PUBLISHED}.get(name, b"{}")

    def _webadmit(self, path: str) -> dict[str, Any]:
        number = re.search(r"/exports/([0-9]+)/export_files", path)
        if number:
            return {"export_files": {"id": next(self._ids), "export_id": int(number[1]), "status": "In Progress"}}
        if path.endswith("/exports"):
            return {"exports": [{"id": n, "name": f"Export {n}", "format": "CSV"} for n in range(1, 400)]}
        return {"user_identities": [{"id": 1, "cycle": "2026 - 2027", "organization": "Example School"}]}


def this_night() -> datetime:
    """The occurrence that all runs were started for."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def open_record(export_id: int, export_file_id: int) -> ExportFile:
    """What a start has recorded of a run."""
    began = this_night()
    return ExportFile(
        export=Export(user_identity_id=1, export_id=export_id),
        export_file_id=export_file_id,
        status="In Progress",
        first_scheduled_for=began,
        scheduled_for=began,
        started_at=began,
        updated_at=began,
        due_at=began,
        labels=Labels(export_name=f"Export {export_id}", cycle="2026 - 2027", organization="Example School"),
        version="0" * 32,
    )


async def _main(certificate: Path, webadmit_seconds: float) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    serve = StandIn(webadmit_seconds).serve
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=256) for _ in HOSTS]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2])))
