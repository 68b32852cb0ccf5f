"""The WebAdMIT API over HTTP. The only module that knows its paths and shapes.

Follows Liaison's public reference (liaison-intl.github.io, pages export_files, export_files_check,
export_files_check_batch, export_by_user_identity, user_identity, api_rate_limit, not_found), and reads more than it
promises: see each function.
"""

import email.utils
import ipaddress
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
import urllib3

from .errors import AccessRefused, ApiKeyRefused, InvalidInput, RateLimited, RequestRefused, Unavailable
from .http_session import deadline, plain_session
from .keys import ApiKey
from .model import Export, Status, parse_id, parse_status
from .prose import printable, quoted, shortened

CONNECT_SECONDS = 5.0
READ_SECONDS = 25.0  # from the connection to the end of the answer


def longest_call(read_seconds: float) -> float:
    """How many seconds a call can take at most; then its connection is cut."""
    return CONNECT_SECONDS + read_seconds


LONGEST_CALL_SECONDS = longest_call(READ_SECONDS)
# What is parsed takes up to forty times as much memory as its bytes, and up to sixteen answers are parsed at once.
_ANSWER_BYTES = 64 * 1024
_LIST_BYTES = 512 * 1024  # a thousand exports take about 300 KB
_RUNS_BYTES = 4 * 1024 * 1024  # how far back the recent runs go is not documented; only one such list is read at a time
_NAME_LENGTH = 120
_BASE_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
_API = "/api/v1"
_HEADERS = {"accept": "application/json", "user-agent": "webadmit-exports"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An export file as WebAdMIT describes it. `export_id` is None where the answer does not say."""

    export_file_id: int
    export_id: int | None
    status: str
    href: str | None


@dataclass(frozen=True, slots=True)
class DownloadUrl:
    """A signed URL that lives for less than 30 seconds; does not show itself in logs or error messages."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """`X-RateLimit-Limit` and `X-RateLimit-Remaining` of an answer; None where it does not say."""

    limit: int | None = None
    remaining: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user identity: the key's owner in one program and one cycle. The texts are empty where WebAdMIT has none."""

    id: int
    association: str
    organization: str
    institution: str
    cycle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedExport:
    """An export in an identity's list."""

    id: int
    name: str
    format: str


class WebAdmit:
    """WebAdMIT over connections that are kept. Every call raises a WebAdmitError; none redirects or retries by itself.

    `read_seconds`: from the connection to the end of an answer.
    """

    def __init__(self, base_url: str, *, connections: int = 1, read_seconds: float = READ_SECONDS) -> None:
        self._base_url = checked_base_url(base_url)
        self._read_seconds = read_seconds
        self._session = plain_session(connections=connections)

    def drop_connections(self) -> None:
        """Closes what is pooled. Call it first in an invocation: while Lambda freezes a process its connections die."""
        self._session.close()

    def start_run(self, key: ApiKey, export: Export, callback_url: str) -> tuple[Run, RateLimit]:
        """Starts a run, or joins the one in progress.

        The callback goes both into the query string (the reference's text) and the body (its example).
        """
        path = f"/user_identities/{export.user_identity_id}/exports/{export.export_id}/export_files"
        answer = self._call("POST", path, key, params={"callback": callback_url}, json={"callback": callback_url})
        run = _run(_single(answer.json(), path), path)
        if run.export_id not in (None, export.export_id):
            raise RequestRefused(path, f"answered with a run of export {run.export_id}", status=answer.status)
        return run, answer.rate_limit

    def run(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, RateLimit]:
        """One run; raises RequestRefused with status 404 if WebAdMIT does not know it."""
        path = f"/exports/{export_id}/export_files/{export_file_id}"
        answer = self._call("GET", path, key)
        return _run(_single(answer.json(), path), path), answer.rate_limit

    def file(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, DownloadUrl | None]:
        """One run as `run` has it, and where its file can be fetched at once; None while there is none."""
        path = f"/exports/{export_id}/export_files/{export_file_id}"
        entry = _single(self._call("GET", path, key).json(), path)
        url = entry.get("download_url")
        return _run(entry, path), DownloadUrl(url) if isinstance(url, str) and url else None

    def recent_runs(self, key: ApiKey, user_identity_id: int) -> tuple[list[Run], RateLimit]:
        """The identity's recent runs (how recent is not documented); entries that cannot be read are left out."""
        path = f"/user_identities/{user_identity_id}/export_files"
        answer = self._call("GET", path, key, most=_RUNS_BYTES)
        runs = []
        for entry in _listed(answer.json(), "export_files", path):
            try:
                runs.append(_run(entry, path))
            except Unavailable:
                continue
        return runs, answer.rate_limit

    def identities(self, key: ApiKey) -> list[Identity]:
        """What the key's owner reaches (page user_identity); entries without an id are left out."""
        path = "/user_identities"
        return [
            Identity(
                id=number,
                association=_line(entry.get("association"), key),
                organization=_line(entry.get("organization"), key),
                institution=_line(entry.get("institution"), key),
                cycle=_line(entry.get("cycle"), key),
            )
            for number, entry in _with_ids(
                _listed(self._call("GET", path, key, most=_LIST_BYTES).json(), "user_identities", path)
            )
        ]

    def exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        """An identity's exports (page export_by_user_identity); entries without an id are left out."""
        path = f"/user_identities/{user_identity_id}/exports"
        return [
            ListedExport(id=number, name=_line(entry.get("name"), key), format=_line(entry.get("format"), key))
            for number, entry in _with_ids(
                _listed(self._call("GET", path, key, most=_LIST_BYTES).json(), "exports", path)
            )
        ]

    def _call(self, method: str, path: str, key: ApiKey, *, most: int = _ANSWER_BYTES, **parts: Any) -> "_Answer":
        """The answer, of at most so many bytes."""
        answer = self._send(method, path, key, most, parts)
        if 200 <= answer.status < 300:
            return answer
        what, words = f"answered {answer.status}", answer.words(key)
        if answer.status == 401:
            raise ApiKeyRefused(path, what, words)
        if answer.status == 403:
            raise AccessRefused(path, what, words)
        if answer.status == 429:
            raise RateLimited(path, what, words, retry_after=answer.retry_after())
        if answer.status == 404 and not answer.is_json:
            # WebAdMIT says in JSON that it does not know something; a page in HTML comes from something before it.
            raise Unavailable(path, f"{what} with a page that is not WebAdMIT's")
        if 400 <= answer.status < 500 and answer.status != 408:
            raise RequestRefused(path, what, words, status=answer.status)
        raise Unavailable(path, what, words)

    def _send(self, method: str, path: str, key: ApiKey, most: int, parts: Mapping[str, Any]) -> "_Answer":
        url, headers = f"{self._base_url}{_API}{path}", {**_HEADERS, "x-api-key": key.value}
        try:
            with (
                deadline(longest_call(self._read_seconds)),
                self._session.request(
                    method,
                    url,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, self._read_seconds),
                    allow_redirects=False,
                    stream=True,
                    **parts,
                ) as response,
            ):
                return _Answer(path, response.status_code, response.headers, _read(response, path, most))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # `from None`: the text of these holds the whole URL, with the callback's signature.
            raise Unavailable(path, f"no answer ({type(error).__name__})") from None


def checked_base_url(url: str) -> str:
    """The URL without a slash at its end; raises InvalidInput unless it is https, or http on this very machine."""
    if not _BASE_URL.fullmatch(url.removesuffix("/")):
        raise InvalidInput(
            "WEBADMIT_BASE_URL must be https:// (the API key crosses it) and a host, such as https://api.webadmit.org"
        )
    return url.removesuffix("/")


def is_loopback(host: str) -> bool:
    """Whether that is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(response: requests.Response, path: str, most: int) -> bytes:
    """The body, of at most so many bytes."""
    body = bytearray()
    while chunk := response.raw.read1(65536, decode_content=True):  # what has come so far, unlike iter_content
        body += chunk
        if len(body) > most:
            raise Unavailable(path, f"the answer was longer than {most:,} bytes")
    return bytes(body)


class _Answer:
    def __init__(self, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self._path = path
        self._headers = headers
        self._body = body

    @property
    def rate_limit(self) -> RateLimit:
        return RateLimit(limit=self._number("X-RateLimit-Limit"), remaining=self._number("X-RateLimit-Remaining"))

    @property
    def is_json(self) -> bool:
        try:
            self.json()
        except Unavailable:
            return False
        return True

    def json(self) -> Any:
        try:
            return json.loads(self._body)
        except (ValueError, RecursionError):
            raise Unavailable(self._path, f"answered {self.status} with a body that is not JSON") from None

    def words(self, key: ApiKey) -> str:
        """What WebAdMIT says about an error: `message`, or the lists under `errors`; empty where it says nothing."""
        try:
            document = self.json()
        except Unavailable:
            return ""
        if not isinstance(document, dict):
            return ""
        return quoted(" ".join(_texts(document.get("message") or document.get("errors"))).replace(key.value, "…"))

    def retry_after(self) -> float | None:
        """Seconds to wait: `Retry-After` as a number or a date, else `X-RateLimit-Reset` as seconds or as an epoch."""
        text = self._headers.get("Retry-After", "")
        reset = self._number("X-RateLimit-Reset")
        if re.fullmatch(r"[0-9]{1,9}", text):
            return float(text)
        if text:
            try:
                moment = email.utils.parsedate_to_datetime(text)
                return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
            except (ValueError, OverflowError):  # the zone may lead out of the years that Python knows
                return None
        if reset is not None:
            return max(0.0, reset - time.time()) if reset > 1_000_000_000 else float(reset)
        return None

    def _number(self, header: str) -> int | None:
        text = self._headers.get(header, "").strip()
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _texts(value: Any) -> Iterator[str]:
    """The texts in a document, however deep they lie, in their order."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list | dict):
            left += reversed(list(part.values()) if isinstance(part, dict) else part)


def _listed(document: Any, name: str, path: str) -> list[Any]:
    """The list under that name."""
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise Unavailable(path, f"the answer has no list of {name}")
    return entries


def _with_ids(entries: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for entry in entries:
        try:
            yield parse_id(_text(entry.get("id")), "id"), entry
        except (InvalidInput, AttributeError):
            continue


def _line(value: Any, key: ApiKey) -> str:
    """A name that people gave to something, as one line of at most 120 characters; empty where there is none."""
    return shortened(printable(_text(value).replace(key.value, "…")), _NAME_LENGTH)


def _single(document: Any, path: str) -> Any:
    """What is under `export_files`: an object, or a list of one."""
    entry = document.get("export_files") if isinstance(document, dict) else None
    if isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    if not isinstance(entry, dict):
        raise Unavailable(path, "the answer has no export_files")
    return entry


def _run(entry: Any, path: str) -> Run:
    """Reads one export file. The id must be there; a status that cannot be used is taken for the very first one."""
    try:
        export_id = entry.get("export_id")
        href = entry.get("href")
        return Run(
            export_file_id=parse_id(_text(entry.get("id")), "id"),
            export_id=None if export_id is None else parse_id(_text(export_id), "export_id"),
            status=_status(entry.get("status")),
            href=href if isinstance(href, str) and len(href) <= 1024 and href.isprintable() else None,
        )
    except (InvalidInput, AttributeError):
        raise Unavailable(path, "the answer holds no usable export file id") from None


def _status(value: Any) -> str:
    try:
        return parse_status(_text(value))
    except InvalidInput:
        return Status.INITIALIZING


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
