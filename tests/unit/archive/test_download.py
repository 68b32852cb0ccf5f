"""Fetching files, from a real server on this machine: which hosts, what is sent, and what is not taken for a file."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import stand_in
from tests.sandbox.http_server import Handler, serve, url_of
from webadmit_exports.archive.download import Download, Hosts, Storage
from webadmit_exports.errors import DownloadFailed, HostRefused, UrlRefused
from webadmit_exports.webadmit.answers import DownloadUrl

CONTENT = b"id,name\r\n1,a\r\n"
S3 = "webadmit-production.s3.amazonaws.com"
HOSTS = Hosts(allowed=frozenset({S3, "files.example.org"}))


@dataclass
class Server:
    """What it answers, and what it was asked."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = CONTENT
    asked: list[dict[str, str]] = field(default_factory=list)

    def open(self, path: str = "/files/n.csv?X-Amz-Signature=secret") -> contextlib.AbstractContextManager[Download]:
        return Storage(Hosts(allowed=frozenset(), loopback=True)).open(DownloadUrl(self.url + path), 30)

    def fetch(self) -> bytes:
        with self.open() as download:
            return b"".join(download.chunks())


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()

    class Answering(Handler):
        def do_GET(self) -> None:
            server.asked.append(dict(self.headers.items()))
            self.answer(server.status, server.headers, server.body)
            self.close_connection = True

    listening = serve(Answering)
    server.url = url_of(listening)
    yield server
    listening.shutdown()
    listening.server_close()


# ── Hosts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        f"https://{S3}/a.csv?X-Amz-Signature=x",
        f"https://{S3.upper()}/a.csv",
        f"https://{S3}:443/a.csv",
        "https://files.example.org/@evil/a.csv",
    ],
)
def test_a_file_may_come_from_a_host_of_the_list(url: str) -> None:
    HOSTS.check(DownloadUrl(url))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://evil.example/a.csv?X-Amz-Signature=secret", "evil.example"),
        (f"https://{S3}.evil.example/a.csv", f"{S3}.evil.example"),
        ("https://169.254.169.254/secret", "169.254.169.254"),
    ],
)
def test_any_other_host_is_refused_by_its_name_alone(url: str, host: str) -> None:
    with pytest.raises(HostRefused) as refused:
        HOSTS.check(DownloadUrl(url))

    assert str(refused.value) == host


@pytest.mark.parametrize(
    "url",
    [
        f"http://{S3}/a.csv?secret",
        f"https://{S3}:8443/a.csv?secret",
        f"https://{S3}@evil.example/secret",
        f"https://user:word@{S3}/secret",
        f"https://evil.example\\@{S3}/secret",
        f"https://evil.example#@{S3}/secret",
        f"https://{S3}/a b?secret",
        f"https://{S3}",
        "file:///etc/secret",
        "ftp://evil.example/secret",
        "//evil.example/secret",
        "https://[::1]/secret",
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next?secret",
        "https://localhost/secret",
        "https://127.8.8.8/secret",
        "",
    ],
)
def test_some_addresses_are_never_followed(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        HOSTS.check(DownloadUrl(url))

    assert "secret" not in str(refused.value)


def test_this_machine_is_refused_even_where_the_list_has_it() -> None:
    with pytest.raises(UrlRefused, match="localhost"):
        Hosts(allowed=frozenset({"localhost"})).check(DownloadUrl("https://localhost/a.csv"))


def test_the_address_does_not_show_itself() -> None:
    assert "secret" not in repr(DownloadUrl("https://x.example/?secret"))


# ── What is sent, and what comes ────────────────────────────────────────────────────────────────────────────────────


def test_the_file_is_fetched_and_nothing_of_ours_is_sent(server: Server) -> None:
    assert server.fetch() == CONTENT

    (headers,) = server.asked
    assert not {"x-api-key", "cookie", "authorization"} & {name.lower() for name in headers}
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [204, 206, 301, 302, 307, 403, 404, 500, 503])
def test_no_other_answer_than_200_is_a_file(server: Server, status: int) -> None:
    server.status, server.headers = status, {"Location": f"{server.url}/elsewhere"}

    with pytest.raises(DownloadFailed, match=str(status)) as failed:
        server.fetch()

    assert len(server.asked) == 1  # a redirect is not followed
    assert "secret" not in str(failed.value)


def test_a_file_that_is_cut_off_is_not_whole(server: Server) -> None:
    server.headers = {"Content-Length": "1000"}

    with pytest.raises(DownloadFailed) as failed:
        server.fetch()

    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_a_large_file_is_counted_as_a_whole(server: Server) -> None:
    server.body = bytes(600 * 1024)

    assert server.fetch() == server.body


def test_a_file_without_a_length_could_be_cut_off_anywhere(server: Server) -> None:
    server.headers = {"Content-Length": "", "X": "x"}

    with pytest.raises(DownloadFailed, match="does not say how long"):
        server.fetch()


def test_a_file_in_chunks_needs_no_length(server: Server) -> None:
    server.headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    server.body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)

    assert server.fetch() == CONTENT


def test_nobody_there_is_no_file() -> None:
    with pytest.raises(DownloadFailed) as failed, Server(url="http://127.0.0.1:1").open():
        pass

    assert "secret" not in str(failed.value)


# ── What the headers say ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ("", "/files/Nursing%2C%20all.csv?X-Amz-Signature=x", "Nursing, all.csv"),
        ('attachment; filename="from header.csv"', "/files/a.csv", "from header.csv"),
        ("attachment; filename*=UTF-8''Pr%C3%A9nom.csv", "/files/a.csv", "Prénom.csv"),
        ("attachment", "/files/a.csv", "a.csv"),
        ("attachment; filename*=nonsense", "/files/a.csv", "nonsense"),
        ("", "/", ""),
    ],
)
def test_the_name_is_that_of_the_answer_or_of_the_path(server: Server, disposition: str, path: str, name: str) -> None:
    server.headers = {"Content-Disposition": disposition} if disposition else {}

    with server.open(path) as download:
        assert download.file_name == name


@pytest.mark.parametrize(
    "disposition",
    [
        "attachment; filename*=no-such-charset''x.csv",
        "attachment; filename*=a\x00b''x.csv",
        f"attachment; filename*{'9' * 4400}*=x; filename*0=y",
        "attachment; filename*0*=utf-8''%ff%fe; filename*1*=%00",
        "attachment; filename=" + "(" * 5000,
    ],
)
def test_a_name_that_nobody_can_read_is_none(disposition: str) -> None:
    response = SimpleNamespace(headers={"Content-Disposition": disposition, "Content-Type": f"text/csv; {disposition}"})

    download = Download(stand_in(response), DownloadUrl("https://x.example/a.csv"))

    assert isinstance(download.file_name, str)
    assert download.media_type in ("text/csv", "text/plain")


def test_a_file_that_drips_for_ever_is_cut_off_in_time() -> None:
    def serve_one(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve_one, args=(listening,), daemon=True).start()
        url = DownloadUrl(f"http://127.0.0.1:{listening.getsockname()[1]}/a.csv")
        storage = Storage(Hosts(allowed=frozenset(), loopback=True))
        with pytest.raises(DownloadFailed), storage.open(url, 0.5) as download:
            b"".join(download.chunks())


def test_type_charset_and_encoding_are_as_declared(server: Server) -> None:
    server.headers = {"Content-Type": "text/csv;charset=iso-8859-1", "Content-Encoding": "gzip"}

    with server.open() as download:
        declared = (download.content_type, download.media_type, download.charset, download.encoding)
        content = b"".join(download.chunks())

    assert declared == ("text/csv;charset=iso-8859-1", "text/csv", "iso-8859-1", "gzip")
    assert content == CONTENT  # as it came, not unpacked


@pytest.mark.parametrize("encoding", ["identity", "Identity", "no such thing", ""])
def test_what_is_not_encoded_or_not_understood_has_no_encoding(server: Server, encoding: str) -> None:
    server.headers = {"Content-Encoding": encoding}

    with server.open() as download:
        assert download.encoding == ""


def test_without_a_type_it_is_any_file(server: Server) -> None:
    with server.open() as download:
        assert (download.content_type, download.media_type) == ("application/octet-stream", "")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_no_header_breaks_it(text: str) -> None:
    names = ("Content-Type", "Content-Disposition", "Content-Length", "Content-Encoding")
    response = SimpleNamespace(headers=dict.fromkeys(names, text))

    download = Download(stand_in(response), DownloadUrl("https://x.example/a.csv"))

    assert download.content_type
    assert isinstance(download.file_name, str)
