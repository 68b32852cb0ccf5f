"""The WebAdMIT API over HTTP. The only module that knows its paths and shapes.

Follows Liaison's public reference (liaison-intl.github.io, pages export_files, export_files_check,
export_files_check_batch, export_by_user_identity, user_identity, api_rate_limit, not_found), and reads more than it
promises: see each function.
"""

import re
from collections.abc import Mapping
from typing import Any

import requests
import urllib3

from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import (
    AccessRefused,
    AnswerTooLong,
    ApiKeyRefused,
    InvalidInput,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from webadmit_exports.telemetry import logger
from webadmit_exports.webadmit.answers import (
    Answer,
    DownloadUrl,
    RateLimit,
    Run,
    one_line,
    parse_list,
    parse_run,
    parse_single,
    with_ids,
)
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.http_session import deadline, plain_session

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

_BASE_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
_API = "/api/v1"


class WebAdmit:
    """WebAdMIT over kept connections. Every call may raise a WebAdmitError; none redirects or retries by itself.

    `read_seconds`: from the connection to the end of an answer. `version`: of this software, told to WebAdMIT.
    `longest_call_seconds`: how long a call can take.
    """

    def __init__(
        self, base_url: str, *, version: str = "", connections: int = 1, read_seconds: float = READ_SECONDS
    ) -> None:
        self._base_url = checked_base_url(base_url)
        self._read_seconds = read_seconds
        self.longest_call_seconds = longest_call(read_seconds)
        self._session = plain_session(connections=connections)
        self._session.headers["accept"] = "application/json"
        self._session.headers["user-agent"] = f"webadmit-exports/{version}".rstrip("/")

    def drop_connections(self) -> None:
        """Closes what is pooled. Call it first in an invocation: while Lambda freezes a process its connections die."""
        self._session.close()

    def start_run(self, key: ApiKey, export: Export, callback_url: str) -> tuple[Run, RateLimit]:
        """Starts a run, or joins the one in progress.

        The callback goes both into the query string (the reference's text) and the body (its example).
        """
        path = f"/user_identities/{export.user_identity_id}/exports/{export.export_id}/export_files"
        answer = self._call("POST", path, key, params={"callback": callback_url}, json={"callback": callback_url})
        run = parse_run(parse_single(answer.json(), path), path)
        if run.export_id not in (None, export.export_id):
            raise RequestRefused(path, f"answered with a run of export {run.export_id}", status=answer.status)
        facts = {"export_file_id": run.export_file_id, "names_export": run.export_id is not None, **answer.facts}
        logger.info("WebAdMIT answered a start", first_contact="start", **export.ids, **facts)
        return run, answer.rate_limit

    def run(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, RateLimit]:
        """One run; raises RequestRefused with status 404 if WebAdMIT does not know it."""
        path = f"/exports/{export_id}/export_files/{export_file_id}"
        answer = self._call("GET", path, key)
        return parse_run(parse_single(answer.json(), path), path), answer.rate_limit

    def file(self, key: ApiKey, export_id: int, export_file_id: int) -> tuple[Run, DownloadUrl | None]:
        """One run as `run` has it, and where its file can be fetched at once; None while there is none."""
        path = f"/exports/{export_id}/export_files/{export_file_id}"
        entry = parse_single(self._call("GET", path, key).json(), path)
        url = entry.get("download_url")
        return parse_run(entry, path), DownloadUrl(url) if isinstance(url, str) and url else None

    def recent_runs(self, key: ApiKey, user_identity_id: int) -> tuple[list[Run], RateLimit]:
        """The identity's recent runs (how recent is not documented), without those that cannot be read."""
        path = f"/user_identities/{user_identity_id}/export_files"
        answer = self._call("GET", path, key, most=_RUNS_BYTES)
        runs = []
        for entry in parse_list(answer.json(), "export_files", path):
            try:
                runs.append(parse_run(entry, path))
            except Unavailable:
                continue
        return runs, answer.rate_limit

    def identities(self, key: ApiKey) -> list[Identity]:
        """What the key's owner reaches (page user_identity); entries without an id are left out."""
        path = "/user_identities"
        return [
            Identity(
                id=number,
                association=one_line(entry.get("association"), key),
                organization=one_line(entry.get("organization"), key),
                institution=one_line(entry.get("institution"), key),
                cycle=one_line(entry.get("cycle"), key),
            )
            for number, entry in with_ids(
                parse_list(self._call("GET", path, key, most=_LIST_BYTES).json(), "user_identities", path)
            )
        ]

    def exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        """An identity's exports (page export_by_user_identity); entries without an id are left out."""
        path = f"/user_identities/{user_identity_id}/exports"
        return [
            ListedExport(id=number, name=one_line(entry.get("name"), key), format=one_line(entry.get("format"), key))
            for number, entry in with_ids(
                parse_list(self._call("GET", path, key, most=_LIST_BYTES).json(), "exports", path)
            )
        ]

    def _call(self, method: str, path: str, key: ApiKey, *, most: int = _ANSWER_BYTES, **parts: Any) -> Answer:
        """The answer, of at most so many bytes."""
        answer = self._send(method, path, key, most, parts)
        if 200 <= answer.status < 300:
            return answer
        what, detail = f"HTTP {answer.status}", answer.detail(key)
        if answer.status == 401:
            raise ApiKeyRefused(path, what, detail)
        if answer.status == 403:
            raise AccessRefused(path, what, detail)
        if answer.status == 429:
            logger.warning("WebAdMIT answered that its rate limit is used up", first_contact="limit", **answer.facts)
            raise RateLimited(path, what, detail, retry_after=answer.retry_after())
        if answer.status == 404 and not answer.is_json:
            # WebAdMIT says in JSON that it does not know something; a page in HTML comes from something before it.
            raise Unavailable(path, f"{what} with a page that is not WebAdMIT's")
        if 400 <= answer.status < 500 and answer.status != 408:
            raise RequestRefused(path, what, detail, status=answer.status)
        raise Unavailable(path, what, detail)

    def _send(self, method: str, path: str, key: ApiKey, most: int, parts: Mapping[str, Any]) -> Answer:
        url, headers = f"{self._base_url}{_API}{path}", {"x-api-key": key.value}
        try:
            with (
                deadline(self.longest_call_seconds),
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
                return Answer(path, response.status_code, response.headers, _read(response, path, most))
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


def _read(response: requests.Response, path: str, most: int) -> bytes:
    """The body, of at most so many bytes."""
    body = bytearray()
    while chunk := response.raw.read1(65536, decode_content=True):  # what has come so far, unlike iter_content
        body += chunk
        if len(body) > most:
            raise AnswerTooLong(path, f"the answer was longer than {most:,} bytes")
    return bytes(body)
