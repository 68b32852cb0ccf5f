"""A WebAdMIT of our own: the documented paths, answers and errors, runs that go on by themselves, and faults on demand.

Follows Liaison's public API reference; where that is silent, tests choose (see Behaviour and Fault).
"""

import itertools
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import requests

from .http_server import Handler, serve, url_of

FINISHED = ("Available", "Success With Errors", "Empty List", "Failed")
DOWNLOAD_SECONDS = 30
APPLICANT = "Zoë Exämple–Applicant"  # whose name must never leave the files
_PACKET = 64 * 1024
_STEPS = ("Initializing", "Queued", "In Progress")


@dataclass(slots=True)
class Behaviour:
    """How the runs of an export go.

    `seconds`: how long a run takes; None until `finish` is called; 0 to be finished in the very answer to the start.
    `callbacks`: how often WebAdMIT calls back: 0 is a lost callback. `early`: just before the start is answered.
    `first_status`: how the first run ends, where that is another than the later ones.
    """

    status: str = "Available"
    seconds: float | None = None
    callbacks: int = 1
    callback_delay: float = 0
    early: bool = False
    first_status: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """What a run brings: `chunks`, one after another, as the storage serves them."""

    name: str
    content_type: str
    chunks: Callable[[], Iterable[bytes]]
    size: int

    @classmethod
    def of(cls, content: bytes, name: str = "", content_type: str = "text/csv;charset=iso-8859-1") -> "File":
        return cls(name, content_type, lambda: [content], len(content))


@dataclass(slots=True)
class Export:
    """An export of an identity, as the list of exports shows it."""

    id: int
    user_identity_id: int
    name: str
    behaviour: Behaviour
    list_type: str | None = "all"
    format: str = "CSV"
    mime_type: str = "text/csv;charset=iso-8859-1"
    file: File | None = None
    others: set[int] = field(default_factory=set)  # further identities that list it, and whose starts join its runs

    def is_listed_by(self, identity: int) -> bool:
        return identity == self.user_identity_id or identity in self.others


@dataclass(slots=True)
class Run:
    """An export file."""

    id: int
    export: Export
    callback_url: str | None
    status: str = _STEPS[0]
    began: float = field(default_factory=time.monotonic)

    def json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "href": f"/api/v1/exports/{self.export.id}/export_files/{self.id}",
            "export_id": self.export.id,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests that fit.

    `answer`: the status and body (text, or something for JSON) instead of the real answer. `spoil`: the request is
    served, then its answer is lost ("lost"), cut off ("cut off") or a page ("html"). `pace`: seconds between the 64 KiB
    of a download.
    """

    answer: tuple[int, Any] | None = None
    spoil: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    pace: float = 0
    times: int = 1
    method: str = ""
    path: str = ""  # a regular expression that is searched in the path

    def fits(self, request: Request) -> bool:
        return self.times > 0 and self.method in ("", request.method) and re.search(self.path, request.path) is not None


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback that was sent, and the HTTP status of its answer; 0 where there was none."""

    url: str
    form: str
    status: int


class WebAdmitServer:
    """Serves one API key. Everything is in memory and may be changed while it runs."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.exports: dict[int, Export] = {}
        self.runs: dict[int, Run] = {}
        self.forbidden: set[int] = set()
        self.identities: dict[int, dict[str, Any]] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.callbacks: list[Callback] = []
        self.downloads: dict[str, tuple[Run, float]] = {}
        self.rate_limit = 5000
        self.rate_used = 0
        self.before: Callable[[Request], None] = lambda request: None
        self.after: Callable[[Request], None] = lambda request: None
        self.lock = threading.RLock()
        self._next_id = itertools.count(74780)
        self._timers: list[threading.Timer] = []
        self._server = serve(type("_BoundHandler", (_ApiHandler,), {"webadmit": self}))
        self.url = url_of(self._server)
        self.storage_url = self.url
        self.downloaded: list[Request] = []

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._server.shutdown()
        self._server.server_close()

    def add_export(self, user_identity_id: int, export_id: int, name: str = "", **behaviour: Any) -> Export:
        if user_identity_id not in self.identities:
            self.add_identity(user_identity_id)
        export = Export(export_id, user_identity_id, name or f"Export {export_id}", Behaviour(**behaviour))
        self.exports[export_id] = export
        return export

    def share(self, export: Export, user_identity_id: int) -> None:
        """Lets another identity list the export too."""
        if user_identity_id not in self.identities:
            self.add_identity(user_identity_id)
        export.others.add(user_identity_id)

    def add_identity(self, number: int, cycle: str | None = "2026 - 2027", **fields: str | None) -> None:
        """An identity, also one without exports; without `fields` it is of the sandbox's program."""
        self.identities[number] = {
            "id": number,
            "type": "Admissions User",
            "association": "SANDCAS",
            "institution": "Sandbox University",
            "organization": "Sandbox School of Nursing",
            "cycle": cycle,
            **fields,
        }

    def carry_over(self, old: int, new: int, first_id: int) -> list[Export]:
        """What "Transfer Settings" does: the exports of one cycle under the same names in another, with new ids."""
        exports = [export for export in self.exports.values() if export.user_identity_id == old]
        return [
            self.add_export(new, export_id, export.name) for export_id, export in enumerate(exports, start=first_id)
        ]

    def remove_identity(self, number: int) -> None:
        """As if the key's owner had lost it."""
        self.identities.pop(number, None)
        for export in [one for one in self.exports.values() if one.user_identity_id == number]:
            del self.exports[export.id]

    def forget_everything(self) -> None:
        """No identities, no exports, no runs, no faults."""
        for kept in (self.identities, self.exports, self.runs, self.faults, self.forbidden):
            kept.clear()

    def start(self, export: Export, callback_url: str | None) -> Run:
        """A run of the export: the one in progress, else a new one."""
        with self.lock:
            for run in self.runs.values():
                if run.export is export and run.status not in FINISHED:
                    return run
            run = Run(next(self._next_id), export, callback_url)
            self.runs[run.id] = run
        behaviour = export.behaviour
        if behaviour.seconds == 0:
            run.status = behaviour.status
            self.call_back(run)
        elif behaviour.seconds is not None:
            for step, status in enumerate(_STEPS[1:], start=1):
                self._later(behaviour.seconds * step / len(_STEPS), self._move, run, status)
            self._later(behaviour.seconds, self.finish, run)
        if behaviour.early:
            self.finish(run)
        return run

    def run_of(self, export_id: int) -> Run:
        """The newest run of an export."""
        return max((run for run in self.runs.values() if run.export.id == export_id), key=lambda run: run.id)

    def finish(self, run: Run, status: str | None = None) -> None:
        """Ends a run, and calls back as its export's behaviour says."""
        with self.lock:
            runs = [one.id for one in self.runs.values() if one.export is run.export]
            first_status = run.export.behaviour.first_status if run.id == min(runs) else ""
            run.status = status or first_status or run.export.behaviour.status
        self.call_back(run)

    def call_back(self, run: Run) -> None:
        """Sends the callbacks of a finished run, on threads of their own."""
        behaviour = run.export.behaviour
        for number in range(behaviour.callbacks):
            self._later(behaviour.callback_delay + number * 0.05, self.send_callback, run)

    def send_callback(self, run: Run, status: str | None = None) -> Callback | None:
        """Sends one callback, as the documentation shows it."""
        if run.callback_url is None:
            return None
        fields = {"id": run.id, "export_id": run.export.id, "status": status or run.status}
        form = urlencode([(f"export_file[{name}]", str(value)) for name, value in fields.items()])
        return self.post_form(run.callback_url, form)

    def post_form(self, url: str, form: str) -> Callback:
        """Posts a form to a callback URL."""
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status = requests.post(url, data=form.encode(), headers=headers, timeout=35).status_code
        except requests.RequestException:
            status = 0
        callback = Callback(url, form, status)
        self.callbacks.append(callback)
        return callback

    def _move(self, run: Run, status: str) -> None:
        with self.lock:
            if run.status not in FINISHED:
                run.status = status

    def _later(self, seconds: float, action: Callable[..., Any], *arguments: Any) -> None:
        timer = threading.Timer(seconds, action, arguments)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def answer(self, request: Request) -> tuple[int, Any]:
        """The status and what is to be sent as JSON (None: an empty body)."""
        parts = [part for part in request.path.split("/") if part]
        if parts[:2] != ["api", "v1"]:
            return 404, {"message": "Not Found"}
        if request.headers.get("x-api-key") != self.api_key:
            return 401, None
        if self.rate_used > self.rate_limit:
            return 429, {"message": "Rate limit exceeded."}
        match request.method, *parts[2:]:
            case "GET", "user_identities":
                return 200, {"href": request.path, "user_identities": list(self._identities())}
            case "GET", "user_identities", identity, "exports":
                return self._of_identity(identity, lambda _: {"exports": self._exports(int(identity))}, request)
            case "GET", "user_identities", identity, "export_files":
                return self._of_identity(identity, lambda _: {"export_files": self._recent(int(identity))}, request)
            case "POST", "user_identities", identity, "exports", export_id, "export_files":
                return self._start(identity, export_id, request)
            case "GET", "exports", export_id, "export_files", file_id:
                return self._one(export_id, file_id)
        return 404, {"message": "Not Found"}

    def _identities(self) -> Iterable[dict[str, Any]]:
        for number, identity in sorted(self.identities.items()):
            yield {"href": f"/api/v1/user_identities/{number}", **identity}

    def _of_identity(
        self, identity: str, make: Callable[[str], dict[str, Any]], request: Request
    ) -> tuple[int, dict[str, Any]]:
        if identity not in map(str, self.identities):
            return 404, {"message": f"User identity '{identity}' not found."}
        if int(identity) in self.forbidden:
            return 403, {"message": "You do not have access to this identity."}
        return 200, {"href": request.path, **make(identity)}

    def _exports(self, identity: int) -> list[dict[str, Any]]:
        return [
            {"id": e.id, "name": e.name, "list_type": e.list_type, "format": e.format, "mime_type": e.mime_type}
            for e in self.exports.values()
            if e.is_listed_by(identity)
        ]

    def _recent(self, identity: int) -> list[dict[str, Any]]:
        return [run.json() for run in self.runs.values() if run.export.is_listed_by(identity)]

    def _start(self, identity: str, export_id: str, request: Request) -> tuple[int, dict[str, Any]]:
        status, answer = self._of_identity(identity, lambda _: {}, request)
        if status != 200:
            return status, answer
        export = self.exports.get(int(export_id))
        if export is None or not export.is_listed_by(int(identity)):
            return 404, {"message": f"Export '{export_id}' not found."}
        callback_url = request.query.get("callback", [None])[0]
        return 201, {"export_files": self.start(export, callback_url).json()}

    def _one(self, export_id: str, file_id: str) -> tuple[int, dict[str, Any]]:
        run = self.runs.get(int(file_id))
        if run is None or str(run.export.id) != export_id:
            return 404, {"message": f"Export file '{file_id}' not found."}
        answer = run.json()
        if run.status in ("Available", "Success With Errors"):
            token = secrets.token_hex(16)
            self.downloads[token] = (run, time.monotonic() + DOWNLOAD_SECONDS)
            name = quote(self.file_of(run).name, safe="")
            answer["download_url"] = f"{self.storage_url}/files/{name}?X-Amz-Signature={token}"
        return 200, {"export_files": answer}

    def file_of(self, run: Run) -> File:
        """What a run brings, if nothing else is said: one applicant who does not exist."""
        content = f'applicant_id,name,export\r\n1,"{APPLICANT}",{run.export.id}\r\n'.encode("windows-1252")
        return run.export.file or File.of(content, f"{run.export.name}.csv")

    def download(self, token: str) -> File | None:
        """The file behind a download URL; None once the URL has expired."""
        run, expires = self.downloads.get(token, (None, 0.0))
        return None if run is None or time.monotonic() > expires else self.file_of(run)


class _ApiHandler(Handler):
    webadmit: WebAdmitServer

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, parse_qs(parts.query), headers, self.read_body())
        webadmit = self.webadmit
        is_download = "X-Amz-Signature" in request.query
        with webadmit.lock:
            (webadmit.downloaded if is_download else webadmit.requests).append(request)
            webadmit.rate_used += not is_download
            fault = next((fault for fault in webadmit.faults if fault.fits(request)), None)
            if fault:
                fault.times -= 1
        webadmit.before(request)
        if fault and fault.delay:
            time.sleep(fault.delay)
        if is_download and not (fault and fault.answer):
            return self._download(request, fault or Fault())
        status, document = fault.answer if fault and fault.answer else webadmit.answer(request)
        webadmit.after(request)
        return self._answer_with(status, document, fault)

    def _answer_with(self, status: int, document: Any, fault: Fault | None) -> None:
        is_page = isinstance(document, str)
        body = document.encode() if is_page else b"" if document is None else json.dumps(document).encode()
        spoil = fault.spoil if fault else None
        if spoil == "lost":
            return self.drop()
        if spoil == "cut off":
            body = body[: len(body) // 2]
        if spoil == "html":
            is_page, body = True, b"<html><body>Scheduled maintenance</body></html>"
        remaining = max(0, self.webadmit.rate_limit - self.webadmit.rate_used)
        headers = {
            "Content-Type": "text/html" if is_page else "application/json; charset=utf-8",
            "X-RateLimit-Limit": str(self.webadmit.rate_limit),
            "X-RateLimit-Remaining": str(remaining),
            **(fault.headers if fault else {}),
        }
        return self.answer(status, headers, body)

    def _download(self, request: Request, fault: Fault) -> None:
        file = self.webadmit.download(request.query["X-Amz-Signature"][0])
        if file is None:
            return self.answer(403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
        self.send_response(200)
        headers = {"Content-Type": file.content_type, "Content-Length": str(file.size), **fault.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        sent = 0
        for chunk in file.chunks():
            for start in range(0, len(chunk), _PACKET) if fault.pace or fault.spoil else (0,):
                packet = chunk[start : start + _PACKET] if fault.pace or fault.spoil else chunk
                if fault.spoil == "cut off" and sent + len(packet) > file.size // 2:
                    self.wfile.write(packet[: file.size // 2 - sent])
                    return self.drop()
                self.wfile.write(packet)
                sent += len(packet)
                time.sleep(fault.pace)
        return None

    do_GET = do_POST = _handle
