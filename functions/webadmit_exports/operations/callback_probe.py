"""A request to our own callback API, as WebAdMIT would send it, but for an empty form."""

import requests

from webadmit_exports.webadmit.http_session import plain_session

_TIMEOUT = (3.0, 10.0)  # to connect, and for the answer: the function may have to start


class Probe:
    """Posts to URLs."""

    def post_empty_form(self, url: str) -> int | None:
        """The HTTP status of the answer to an empty form; None where there is none."""
        try:
            with plain_session() as session:
                return session.post(
                    url,
                    data=b"",
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                ).status_code
        except requests.RequestException:  # its text holds the URL, which is a proof
            return None
