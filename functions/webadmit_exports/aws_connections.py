"""Sends what botocore has signed, for all clients but S3's over one pool of connections with one TLS context.

botocore's own sender makes a pool for each client, and each connection reads the certificates again. The event
`before-send` is botocore's way to send by other means: what its handler answers is taken for the service's answer.
"""

import io
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import urllib3
from botocore import exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from urllib3 import exceptions as causes

from .tls import shared_context

# A service is asked a few things at a time: sixteen threads at once would each open a connection, and get in each
# other's way. Unless it is slow: then nobody waits for others.
_AT_ONCE = 2
_PATIENCE_SECONDS = 0.5
_KEPT = 16  # connections to a host
# By the names that botocore gives them: it tries again what it knows as passing. The first that fits counts.
_ERRORS: tuple[tuple[type[Exception], type[exceptions.BotoCoreError]], ...] = (
    (causes.SSLError, exceptions.SSLError),
    (causes.NewConnectionError, exceptions.EndpointConnectionError),
    (causes.ConnectTimeoutError, exceptions.ConnectTimeoutError),
    (causes.ReadTimeoutError, exceptions.ReadTimeoutError),
    (causes.ProtocolError, exceptions.ConnectionClosedError),
)


class _Body(io.BytesIO):
    """A body that has been read whole, as botocore wants to have it."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


class AwsConnections:
    """Connections to AWS that are kept, whoever needs them."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(ssl_context=shared_context(), maxsize=_KEPT)

    def carry(self, client: Any) -> None:
        """Has all requests of that botocore client sent here, with the time-outs of its own configuration.

        Not for S3: its bodies are too large to be read whole. Proxies and CA files of the environment are not used.
        """
        config = client.meta.config
        timeout = urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout)
        few = threading.Semaphore(_AT_ONCE)
        client.meta.events.register("before-send", partial(self._send, timeout=timeout, few=few))

    def _send(
        self, request: AWSPreparedRequest, timeout: urllib3.Timeout, few: threading.Semaphore, **_: object
    ) -> AWSResponse:
        is_one_of_few = few.acquire(timeout=_PATIENCE_SECONDS)
        try:
            answer = self._pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                timeout=timeout,
                redirect=False,
                retries=False,  # botocore's own are configured in the wiring
                decode_content=False,
            )
        except Exception as error:  # as botocore's own sender: urllib3 lets bare errors through where framing is broken
            kind = next((named for cause, named in _ERRORS if isinstance(error, cause)), exceptions.HTTPClientError)
            raise kind(endpoint_url=request.url, error=error) from error
        finally:
            if is_one_of_few:
                few.release()
        headers: Any = answer.headers  # a mapping is enough for it
        return AWSResponse(request.url, answer.status, headers, _Body(answer.data))
