"""Certificates of WebAdMIT and AWS are checked, by one context that handshakes share; real TLS on this machine."""

import json
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import certifi
import pytest
import trustme

from tests.integration.conftest import secrets_client
from tests.sandbox.http_server import Handler, serve
from webadmit_exports.aws_connections import AwsConnections
from webadmit_exports.errors import AwsUnavailable, Unavailable
from webadmit_exports.keys import ApiKey, Secrets
from webadmit_exports.model import Export
from webadmit_exports.tls import shared_context
from webadmit_exports.webadmit import WebAdmit

KEY = ApiKey("0123456789abcdef0123456789abcdef")
AT_ONCE = 16


class _Answers(Handler):
    """WebAdMIT, and Secrets Manager."""

    def do_POST(self) -> None:
        if b"SecretId" in self.read_body():
            return self.answer(200, {}, b'{"SecretString": "0123456789abcdef"}')
        run = {"export_files": {"id": 74780, "export_id": 86446, "status": "In Progress"}}
        return self.answer(200, {"Content-Type": "application/json"}, json.dumps(run).encode())


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[trustme.CA]:
    """An authority that is trusted like those of certifi, by a process that has not read them yet."""
    made = trustme.CA()
    trusted = tmp_path / "cacert.pem"
    trusted.write_bytes(Path(certifi.where()).read_bytes() + made.cert_pem.bytes())
    monkeypatch.setattr(certifi, "where", lambda: str(trusted))
    shared_context.cache_clear()
    yield made
    shared_context.cache_clear()


@contextmanager
def serving(authority: trustme.CA, name: str) -> Iterator[str]:
    """WebAdMIT and AWS with a certificate for that name; their URL."""
    server = serve(_Answers)
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


def secrets(url: str) -> Secrets:
    return Secrets(secrets_client(url, AwsConnections()))


def test_handshakes_side_by_side_share_a_context(authority: trustme.CA) -> None:
    with serving(authority, "localhost") as url, ThreadPoolExecutor(AT_ONCE) as workers:
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
    with serving(*certified(authority)) as url:
        with pytest.raises(Unavailable, match="SSLError"):
            start(WebAdmit(url))
        with pytest.raises(AwsUnavailable, match="SSLError"):
            secrets(url).read("key")


def test_the_certificates_are_read_once_by_all_who_connect(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, cafile: str | None = None, *rest: str | None) -> None:
        reads.append(cafile or "")
        load(context, cafile, *rest)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    with serving(authority, "localhost") as url:
        for _ in range(3):
            assert start(WebAdmit(url)) == 74780
            assert secrets(url).read("key") == "0123456789abcdef"

    assert reads == [certifi.where()]
