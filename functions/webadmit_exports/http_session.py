"""The one way to make an HTTP session."""

from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter


def plain_session(*, connections: int = 1) -> requests.Session:
    """A session that takes nothing from its environment (proxies, `.netrc`), keeps no cookies and retries nothing.

    `connections`: how many are kept open to a host. Calls must pass `timeout` and `allow_redirects=False`: on a
    redirect requests would send our headers, the API key among them, to another host.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
