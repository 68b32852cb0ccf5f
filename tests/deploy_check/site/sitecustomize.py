"""Has names below .localhost be this machine, as RFC 6761 says; glibc alone does not know it.

The emulator's HTTP APIs are hosts like that. Python imports this module by itself where its folder is on PYTHONPATH.
"""

import socket
from typing import Any

_getaddrinfo = socket.getaddrinfo


def _with_localhost(host: Any, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    is_local = isinstance(name, str) and name.lower().rstrip(".").endswith(".localhost")
    return _getaddrinfo("127.0.0.1" if is_local else host, *arguments, **options)


socket.getaddrinfo = _with_localhost
