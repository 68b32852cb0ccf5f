"""The one way to make an HTTP session, and to bound the time of a call as a whole."""

import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


def is_loopback(host: str) -> bool:
    """Whether that is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Call(threading.local):
    """What the thread is calling just now: a second handle of its connection, by which it can be cut."""

    handle: socket.socket | None = None


_call = _Call()


def _watch(sock: socket.socket | None) -> None:
    """Takes a handle of the connection; of a TLS connection too, also during its handshake. None: gives it up."""
    if _call.handle:
        _call.handle.close()
    _call.handle = socket.socket(fileno=os.dup(sock.fileno())) if sock else None


class _WatchedConnection(HTTPConnection):
    """A connection that `deadline` knows."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        _watch(sock)
        return sock

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.sock is not None:  # it was kept from an earlier call
            _watch(self.sock)
        super().request(*arguments, **options)


class _WatchedTlsConnection(_WatchedConnection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _Adapter(HTTPAdapter):
    """Retries nothing, and makes connections that `deadline` can cut."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def plain_session(*, connections: int = 1) -> requests.Session:
    """A session that takes nothing from its environment (proxies, `.netrc`), keeps no cookies and retries nothing.

    `connections`: how many are kept open to a host. Calls must pass `timeout` and `allow_redirects=False`: on a
    redirect requests would send our headers, the API key among them, to another host.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within it, one call of such a session ends after that many seconds; raises an error of requests or urllib3.

    The time-outs of requests are those of each packet: an answer that drips would go on for ever.
    """
    call, is_over = _call.__dict__, threading.Event()  # of this thread; the timer is another

    def cut() -> None:
        is_over.set()
        with suppress(OSError, KeyError, AttributeError):  # it has ended by itself, or there is none yet
            call["handle"].shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _watch(None)
    if is_over.is_set():  # headers that are cut off look like headers that end
        raise requests.ReadTimeout(f"the call took longer than {seconds:g} s")
