"""The API's documented answers, and those that it should not give."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import responses

from tests.fakes import EXPORT
from webadmit_exports.errors import (
    AccessRefused,
    AnswerTooLong,
    ApiKeyRefused,
    InvalidInput,
    RateLimited,
    RequestRefused,
    Unavailable,
    WebAdmitError,
)
from webadmit_exports.webadmit import client
from webadmit_exports.webadmit.answers import RateLimit, Run
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit, checked_base_url

BASE = "https://api.webadmit.org"
START = f"{BASE}/api/v1/user_identities/37442/exports/86446/export_files"
ONE = f"{BASE}/api/v1/exports/86446/export_files/74780"
LIST = f"{BASE}/api/v1/user_identities/37442/export_files"
KEY = ApiKey("0123456789abcdef0123456789abcdef")
CALLBACK = "https://abc.execute-api.us-east-1.amazonaws.com/callbacks/37442/86446/20261123T033000Z/" + "5e" * 32
DOCUMENTED = {
    "export_files": {
        "id": 74780,
        "href": "/api/v1/exports/86466/export_files/74780",
        "export_id": 86446,
        "status": "Available",
    }
}


@pytest.fixture
def http() -> Any:
    with responses.RequestsMock() as mock:
        yield mock


def start() -> Run:
    return WebAdmit(BASE).start_run(KEY, EXPORT, CALLBACK)[0]


# ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_start_sends_the_key_and_the_callback_both_ways(http: responses.RequestsMock) -> None:
    http.post(START, json=DOCUMENTED, status=201)

    start()

    request = http.calls[0].request
    assert request.headers["x-api-key"] == KEY.value
    assert request.params == {"callback": CALLBACK}  # type: ignore[attr-defined]
    assert json.loads(request.body or "") == {"callback": CALLBACK}


def test_time_outs_are_set_and_redirects_and_the_machines_own_settings_are_off(
    http: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    http.post(START, json=DOCUMENTED, status=201)

    start()

    settings = http.calls[0].request.req_kwargs  # type: ignore[attr-defined]
    assert (settings["stream"], settings["timeout"], settings["verify"]) == (True, (5.0, 25.0), True)
    assert not settings["proxies"]


def test_cookies_are_neither_kept_nor_sent(http: responses.RequestsMock) -> None:
    http.post(START, json=DOCUMENTED, status=201, headers={"Set-Cookie": "session=1; Path=/"})
    http.post(START, json=DOCUMENTED, status=201)
    webadmit = WebAdmit(BASE)

    for _ in range(2):
        webadmit.start_run(KEY, EXPORT, CALLBACK)

    assert "Cookie" not in http.calls[1].request.headers


# ── Good answers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_documented_answer_is_read(http: responses.RequestsMock) -> None:
    http.post(START, json=DOCUMENTED, status=201)

    assert start() == Run(
        export_file_id=74780, export_id=86446, status="Available", href="/api/v1/exports/86466/export_files/74780"
    )


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (200, {"export_files": {"id": 74780}}),
        (201, {"export_files": [{"id": 74780, "status": "queued"}]}),
        (201, {"export_files": {"id": "74780", "export_id": "86446", "more": {"of": "it"}}, "more": []}),
        (202, {"export_files": {"id": 74780, "export_id": None, "status": None, "href": 5}}),
        (201, {"export_files": {"id": 74780, "status": "x" * 65, "href": "x" * 2000}}),
    ],
)
def test_answers_that_are_not_quite_as_documented_are_read_for_their_id(
    http: responses.RequestsMock, status: int, document: Any
) -> None:
    http.post(START, json=document, status=status)

    run = start()

    assert run.export_file_id == 74780
    assert run.status in ("Initializing", "Queued")
    assert run.href is None


def test_the_rate_limit_is_read(http: responses.RequestsMock) -> None:
    http.post(
        START, json=DOCUMENTED, status=201, headers={"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999"}
    )
    http.post(START, json=DOCUMENTED, status=201, headers={"X-RateLimit-Remaining": "many"})
    webadmit = WebAdmit(BASE)

    limits = [webadmit.start_run(KEY, EXPORT, CALLBACK)[1] for _ in range(2)]

    assert limits == [RateLimit(limit=5000, remaining=4999), RateLimit()]


def test_one_run_is_asked_about(http: responses.RequestsMock) -> None:
    document = {"export_files": {**DOCUMENTED["export_files"], "download_url": "https://storage.example/secret"}}
    http.get(ONE, json=document)

    run, _ = WebAdmit(BASE).run(KEY, 86446, 74780)

    assert run.status == "Available"
    assert "secret" not in repr(run)


def test_the_list_of_runs_is_read_without_what_cannot_be_used(http: responses.RequestsMock) -> None:
    entries = [
        DOCUMENTED["export_files"],
        {"id": 0},
        "what",
        {"id": 74781, "export_id": 86447, "status": "in_progress"},
    ]
    http.get(LIST, json={"href": "/", "export_files": entries})

    runs, _ = WebAdmit(BASE).recent_runs(KEY, 37442)

    assert [(run.export_file_id, run.status) for run in runs] == [(74780, "Available"), (74781, "In Progress")]


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def refusal(http: responses.RequestsMock, status: int, body: Any = None, **headers: str) -> WebAdmitError:
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    http.post(START, body=text, status=status, headers=headers)
    with pytest.raises(WebAdmitError) as refused:
        start()
    return refused.value


def test_401_has_an_empty_body(http: responses.RequestsMock) -> None:
    error = refusal(http, 401)

    assert isinstance(error, ApiKeyRefused)
    assert error.detail == ""


def test_403_is_about_the_identity(http: responses.RequestsMock) -> None:
    assert isinstance(refusal(http, 403, {"message": "Forbidden"}), AccessRefused)


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (404, {"message": "User identity '37442' not found."}, "User identity '37442' not found."),
        (404, {"message": "Not Found"}, "Not Found"),
        (404, {"errors": {"schema": ["first", "second"]}}, "first second"),
        (422, {"errors": ["one", {"callback": ["two"]}]}, "one two"),
        (422, {"errors": "all wrong"}, "all wrong"),
        (400, "", ""),
        (410, "<html>gone</html>", ""),
        (409, [1, 2], ""),
        (418, {"message": {"deep": 1}}, ""),
    ],
)
def test_other_4xx_are_final_and_say_why_in_both_documented_shapes(
    http: responses.RequestsMock, status: int, body: Any, detail: str
) -> None:
    error = refusal(http, status, body)

    assert isinstance(error, RequestRefused)
    assert (error.status, error.quote) == (status, f"“{detail}”" if detail else "")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 301, 302, 307, 100])
def test_5xx_and_redirects_may_pass(http: responses.RequestsMock, status: int) -> None:
    error = refusal(http, status, "<html>Scheduled maintenance</html>", Location="https://elsewhere.example/")

    assert isinstance(error, Unavailable)
    assert len(http.calls) == 1
    assert "maintenance" not in str(error)
    assert "elsewhere" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Welcome</body></html>",
        '{"export_files": {"id": 747',
        "",
        "[]",
        "null",
        "{}",
        '{"export_files": []}',
        '{"export_files": [{"id": 1}, {"id": 2}]}',
        '{"export_files": {"id": 0}}',
        '{"export_files": {"id": true}}',
        '{"export_files": {"id": 1.5}}',
        '{"export_files": {"id": "1", "export_id": "x"}}',
        "[" * 100_000,
        "\xff\xfe",
    ],
)
def test_an_answer_without_a_usable_id_may_pass(http: responses.RequestsMock, body: str) -> None:
    assert isinstance(refusal(http, 201, body), Unavailable)


def test_a_404_that_is_a_page_is_not_webadmits_and_may_pass(http: responses.RequestsMock) -> None:
    assert isinstance(refusal(http, 404, "<html>no such page</html>"), Unavailable)


def test_a_run_of_another_export_is_refused(http: responses.RequestsMock) -> None:
    error = refusal(http, 201, {"export_files": {"id": 74780, "export_id": 999}})

    assert isinstance(error, RequestRefused)
    assert "export 999" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, None),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"X-RateLimit-Reset": "90"}, 90.0),
        ({"Retry-After": "5", "X-RateLimit-Reset": "90"}, 5.0),
        ({"X-RateLimit-Remaining": "0"}, None),
    ],
)
def test_429_says_how_long_to_wait_where_it_does(
    http: responses.RequestsMock, headers: dict[str, str], seconds: float | None
) -> None:
    error = refusal(http, 429, {"message": "Rate limit exceeded."}, **headers)

    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


def test_429_may_name_the_moment(http: responses.RequestsMock) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)

    as_date = refusal(http, 429, **{"Retry-After": format_datetime(moment, usegmt=True)})
    http.reset()
    as_epoch = refusal(http, 429, **{"X-RateLimit-Reset": str(int(moment.timestamp()))})

    for error in (as_date, as_epoch):
        assert isinstance(error, RateLimited)
        assert error.retry_after == pytest.approx(3600, abs=30)


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectTimeout(f"HTTPSConnectionPool: {START}?callback={CALLBACK}"),
        requests.ReadTimeout(CALLBACK),
        requests.ConnectionError(CALLBACK),
        requests.exceptions.ChunkedEncodingError(CALLBACK),
        ConnectionResetError(CALLBACK),
    ],
)
def test_an_answer_that_does_not_come_may_pass_and_its_error_does_not_repeat_the_callback(
    http: responses.RequestsMock, error: Exception
) -> None:
    http.post(START, body=error)

    with pytest.raises(Unavailable) as unavailable:
        start()

    assert CALLBACK.rsplit("/", 1)[1] not in str(unavailable.value)
    assert unavailable.value.__cause__ is None
    assert unavailable.value.__suppress_context__


def test_an_endless_answer_is_cut_off(http: responses.RequestsMock) -> None:
    http.get(LIST, body=b"x" * (4 * 1024 * 1024 + 1))

    with pytest.raises(AnswerTooLong, match="longer than 4,194,304 bytes"):
        WebAdmit(BASE).recent_runs(KEY, 37442)


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (lambda webadmit: webadmit.start_run(KEY, EXPORT, CALLBACK), 64 * 1024),
        (lambda webadmit: webadmit.run(KEY, 86446, 74780), 64 * 1024),
        (lambda webadmit: webadmit.identities(KEY), 512 * 1024),
        (lambda webadmit: webadmit.exports(KEY, 37442), 512 * 1024),
    ],
)
def test_an_answer_is_read_as_far_as_the_api_needs(
    http: responses.RequestsMock, ask: Callable[[WebAdmit], object], most: int
) -> None:
    """Sixteen at once are parsed in 512 MB, and what is parsed takes forty times as much as its bytes."""
    for method in (http.get, http.post):
        method(re.compile(".*"), body=b" " * (most + 1))
    http.assert_all_requests_are_fired = False

    with pytest.raises(Unavailable, match=f"longer than {most:,} bytes"):
        ask(WebAdmit(BASE))


def test_a_list_of_a_thousand_exports_is_read(http: responses.RequestsMock) -> None:
    name = "Nursing, all applicants with their transcripts and test scores, verified"
    entry = {"name": name, "list_type": "clipboard", "format": "CSV", "mime_type": "text/csv;charset=iso-8859-1"}
    http.get(f"{BASE}/api/v1/user_identities/1/exports", json={"exports": [{"id": n, **entry} for n in range(1, 1001)]})

    assert len(WebAdmit(BASE).exports(KEY, 1)) == 1000


def drip(opening: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """A server that begins an answer and never ends it."""

    def serve_one(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(opening)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return serve_one


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", b" "),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        drip(b"HTTP/1.1 401 Unauthorized\r\n", b"X: y\r\n"),
    ],
    ids=["headers", "one header", "100 Continue", "body", "chunks", "chunk extension", "headers of a 401"],
)
@pytest.mark.parametrize("is_kept", [False, True])
def test_an_answer_that_drips_for_ever_is_cut_off_in_time(
    answer: Callable[[socket.socket], None], is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each packet comes in time; what counts is the call as a whole. Also on a connection that was kept."""
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.1)
    runs = json.dumps({"export_files": []}).encode()
    good = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(runs), runs)

    def serve_all(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            if is_kept:
                connection.recv(65536)
                connection.sendall(good)
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve_all, args=(listening,), daemon=True).start()
        webadmit = WebAdmit(f"http://127.0.0.1:{listening.getsockname()[1]}", read_seconds=0.3)
        if is_kept:
            assert webadmit.recent_runs(KEY, 37442)[0] == []

        began = time.monotonic()
        with pytest.raises(Unavailable, match="no answer"):
            webadmit.recent_runs(KEY, 37442)

    assert time.monotonic() - began < 5  # without an end of the whole it would never come


def test_a_list_that_is_none_may_pass(http: responses.RequestsMock) -> None:
    http.get(LIST, json={"export_files": {"id": 1}})

    with pytest.raises(Unavailable, match="no list of export_files"):
        WebAdmit(BASE).recent_runs(KEY, 37442)


# ── What may be repeated, and where the key may go ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        ("Export '86446' not found.", "“Export '86446' not found.”"),
        (f"key {KEY.value} is bad", "“key … is bad”"),
        (f"key {KEY.value[:20]}{KEY.value[20:]}", "“key …”"),
        ("", ""),
    ],
)
def test_webadmits_words_come_as_a_quotation_without_the_key(
    http: responses.RequestsMock, said: str, repeated: str
) -> None:
    http.post(START, json={"message": said}, status=422)

    with pytest.raises(RequestRefused) as refused:
        start()

    assert refused.value.quote == repeated


@pytest.mark.parametrize("depth", [700, 3000, 100_000])
def test_words_in_nested_lists_are_found_or_left_however_deep_they_lie(
    http: responses.RequestsMock, depth: int
) -> None:
    http.post(START, body=f'{{"errors": {"[" * depth}"No."{"]" * depth}}}', status=422)

    with pytest.raises(WebAdmitError) as refused:
        start()

    assert refused.value.quote in ("“No.”", "")


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://api.webadmit.org", "https://api.webadmit.org"),
        ("https://school.webadmit.org/", "https://school.webadmit.org"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_base_url_is_https_or_on_this_machine(url: str, checked: str) -> None:
    assert checked_base_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "http://api.webadmit.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "ftp://api.webadmit.org",
        "api.webadmit.org",
        "",
        "https://",
        "https://user:word@api.webadmit.org",
        "https://:word@api.webadmit.org",
        "https://api.webadmit.org?x=1",
        "https://api.webadmit.org/api/v1",
        "https://api.webadmit.org//",
        "https://api.webadmit.org\n",
        "https://api.webadmit.org/\n",
        "https://api.webadmit.org:443443",
        " https://api.webadmit.org",
    ],
)
def test_another_base_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="WEBADMIT_BASE_URL must"):
        checked_base_url(url)
