"""Where WebAdMIT's files are fetched from: signed URLs that die in under 30 seconds, on hosts that are allowed.

Nothing of ours is sent there, above all not the API key, and no redirect is followed.
"""

import email.message
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from webadmit_exports.errors import DownloadFailed, HostRefused, UrlRefused
from webadmit_exports.webadmit.answers import DownloadUrl
from webadmit_exports.webadmit.http_session import deadline, is_loopback, plain_session

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # for each packet
_CHUNK = 256 * 1024
_ANY_TYPE = "application/octet-stream"
# Stricter than URLs are: what is taken for the host here is what is called.
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?/[!-~]{0,8000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What downloads may come from: https on the hosts of the list, anything on this very machine if `loopback`."""

    allowed: frozenset[str]
    loopback: bool = False

    @classmethod
    def parse(cls, text: str, webadmit_base_url: str) -> Self:
        """The hosts of ArchiveDownloadHosts; this very machine too where WebAdMIT is on it, as in tests."""
        webadmit = urlsplit(webadmit_base_url).hostname or ""
        return cls(allowed=frozenset(text.lower().split(",")), loopback=is_loopback(webadmit))

    def check(self, url: DownloadUrl) -> None:
        """Raises HostRefused or UrlRefused, which name the host at most, and never the URL."""
        match = _URL.fullmatch(url.value)
        if not match:
            raise UrlRefused("it has no host that can be read")
        scheme, host, port = match[1], match[2].lower(), match[3]
        if is_loopback(host):  # where the runtime's own API listens
            if not self.loopback:
                raise UrlRefused(f"it leads to {host}, which is this very machine")
        elif scheme != "https" or port not in (None, ":443"):
            raise UrlRefused(f"it leads to {scheme}://{host}{port or ''}, not to https on its standard port")
        elif host not in self.allowed:
            raise HostRefused(host)


class Download:
    """A file that comes in. `size` in bytes; None where the storage does not say."""

    def __init__(self, response: requests.Response, url: DownloadUrl) -> None:
        self._response = response
        self._host = urlsplit(url.value).hostname or ""
        headers = response.headers
        content_type = headers.get("Content-Type", "")
        self.content_type = content_type if re.fullmatch(r"[!-~][ -~]{0,199}", content_type) else _ANY_TYPE
        self.media_type, self.charset, disposed_name = _described(headers)
        self.file_name = disposed_name or unquote(url.value.partition("?")[0].rpartition("/")[2])
        length = headers.get("Content-Length", "")
        self.size = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None
        encoding = headers.get("Content-Encoding", "").strip().lower()
        self.encoding = encoding if re.fullmatch(r"[a-z0-9-]{1,20}", encoding) and encoding != "identity" else ""
        self._is_chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"

    @property
    def facts(self) -> dict[str, Any]:
        """For log lines: what is not documented of the storage."""
        return {
            "first_contact": "download",
            "host": self._host,
            "content_type": self.content_type,
            "declared_charset": self.charset,
            "content_encoding": self.encoding,
        }

    def chunks(self) -> Iterator[bytes]:
        """All bytes, as they come; raises DownloadFailed at their end unless it is all that was promised."""
        if self.size is None and not self._is_chunked:
            raise DownloadFailed("the storage does not say how long the file is")
        received = 0
        while chunk := self._next():
            received += len(chunk)
            yield chunk
        if self.size is not None and received != self.size:
            raise DownloadFailed(f"the file was cut off after {received} of {self.size} bytes")

    def _next(self) -> bytes:
        """What has come so far."""
        with _answering():
            return bytes(self._response.raw.read1(_CHUNK, decode_content=False))


class Storage:
    """Fetches files; raises HostRefused, UrlRefused and DownloadFailed."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    @contextmanager
    def open(self, url: DownloadUrl, seconds: float) -> Iterator[Download]:
        """The file behind a download URL, to be read within, and within so many seconds."""
        self._hosts.check(url)
        with _answering(), deadline(seconds), plain_session() as session:
            with _answering():
                response = session.get(
                    url.value,
                    headers={"accept-encoding": "identity"},
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                )
            with response:
                if response.status_code != 200:
                    raise DownloadFailed(f"the storage answered {response.status_code}")
                yield Download(response, url)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        # `from None`: the text of these holds the signed URL.
        raise DownloadFailed(f"the storage gave no answer ({type(error).__name__})") from None


def _described(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Media type, charset and file name as the headers have them; each may be empty."""
    message = email.message.Message()
    for name in ("Content-Type", "Content-Disposition"):
        if headers.get(name):
            message[name] = headers[name]
    media_type = message.get_content_type() if "Content-Type" in message else ""
    return media_type, _parameter(message.get_content_charset), _parameter(message.get_filename)


def _parameter(read: Callable[[], str | None]) -> str:
    """A parameter of a header; empty where it is missing, or such as nobody can read."""
    try:
        return read() or ""
    except (LookupError, ValueError, TypeError):  # a charset that does not exist, a NUL in its name, a huge index
        return ""
