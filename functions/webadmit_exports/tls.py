"""One TLS context for a process: connections with one of their own would read the certificates again, 15 ms of CPU."""

import functools
import ssl
from collections.abc import Iterable

import certifi


class _SharedContext(ssl.SSLContext):
    """May be used by handshakes side by side: nothing about it changes any more."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Does nothing. urllib3 sets this for each connection; OpenSSL frees the old list while others may read it."""


@functools.cache
def shared_context() -> ssl.SSLContext:
    """Checks hosts and their certificates, against the authorities that certifi has."""
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    ssl.SSLContext.set_alpn_protocols(context, ["http/1.1"])
    return context
