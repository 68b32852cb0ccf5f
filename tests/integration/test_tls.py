"""Certificates of WebAdMIT are checked, by one context that handshakes share; real TLS on this machine."""

import json
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import certifi
import pytest
import trustme

from tests.sandbox.http_server import Handler, serve
from webadmit_exports.errors import Unavailable
from webadmit_exports.keys import ApiKey
from webadmit_exports.model import Export
from webadmit_exports.webadmit import WebAdmit

KEY = ApiKey("0123456789abcdef0123456789abcdef")
AT_ONCE = 16


class _Starts(Handler):
    def do_POST(self) -> None:
        self.read_body()
        run = {"export_files": {"id": 74780, "export_id": 86446, "status": "In Progress"}}
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(run).encode())


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """An authority that is trusted like those of certifi."""
    made = trustme.CA()
    trusted = tmp_path / "cacert.pem"
    trusted.write_bytes(Path(certifi.where()).read_bytes() + made.cert_pem.bytes())
    monkeypatch.setattr(certifi, "where", lambda: str(trusted))
    return made


@contextmanager
def webadmit(authority: trustme.CA, name: str) -> Iterator[str]:
    """A WebAdMIT with a certificate for that name; its URL."""
    server = serve(_Starts)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    plain = server.get_request

    def get_request() -> tuple[ssl.SSLSocket, object]:
        connection, address = plain()
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    server.get_request = get_request  # type: ignore[method-assign, assignment]
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def start(client: WebAdmit) -> int:
    run, _ = client.start_run(KEY, Export(user_identity_id=37442, export_id=86446), "https://example.org/callbacks")
    return run.export_file_id


def test_handshakes_side_by_side_share_a_context(authority: trustme.CA) -> None:
    with webadmit(authority, "localhost") as url, ThreadPoolExecutor(AT_ONCE) as workers:
        client = WebAdmit(url, connections=AT_ONCE)
        for _ in range(10):
            client.drop_connections()
            assert list(workers.map(start, [client] * AT_ONCE)) == [74780] * AT_ONCE


@pytest.mark.parametrize(
    "certified",
    [lambda authority: (trustme.CA(), "localhost"), lambda authority: (authority, "other.example.org")],
    ids=["by an unknown authority", "for another host"],
)
def test_a_certificate_that_does_not_hold_is_refused(
    authority: trustme.CA, certified: Callable[[trustme.CA], tuple[trustme.CA, str]]
) -> None:
    with webadmit(*certified(authority)) as url, pytest.raises(Unavailable, match="SSLError"):
        start(WebAdmit(url))


def test_the_certificates_are_read_once(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, cafile: str | None = None, *rest: str | None) -> None:
        reads.append(cafile or "")
        load(context, cafile, *rest)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    with webadmit(authority, "localhost") as url:
        client = WebAdmit(url)
        reads.clear()  # requests makes a context of its own for each adapter that it never uses here
        for _ in range(3):
            client.drop_connections()
            start(client)

    assert not reads
