"""Lists what the key reaches: one call for the identities, then one for the exports of each that is wanted."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from webadmit_exports.domain.identities import Identity, ListedExport, Listing
from webadmit_exports.errors import ApiKeyRefused, RateLimited, Unavailable, WebAdmitError
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit

T = TypeVar("T")

SIDE_BY_SIDE = 8  # lists are long, and so many are held in memory at once
_ATTEMPTS = 2


class _NoTime(Exception):
    """There is no time for another call."""


def read_listing(
    webadmit: WebAdmit,
    key: ApiKey,
    choose: Callable[[Sequence[Identity]], Sequence[int]],
    time_left: Callable[[], float],
) -> Listing:
    """The identities, and the exports of those that `choose` takes, asked for in its order and side by side.

    `time_left`: in seconds; no list is asked for that might take longer. Where WebAdMIT gives no usable answer it is
    asked once more. No list keeps the others from being read; but once the key is refused or the rate limit is used up,
    nothing more is asked for. Raises a WebAdmitError if the identities cannot be read.
    """
    identities = _ask(lambda: webadmit.identities(key), lambda: True)
    listing = Listing(identities={one.id: one for one in identities})
    wanted, ended = choose(identities), list[WebAdmitError]()

    def read(number: int) -> list[ListedExport] | WebAdmitError | None:
        if ended:
            return ended[0]
        try:
            return _ask(lambda: webadmit.exports(key, number), lambda: time_left() >= webadmit.longest_call_seconds)
        except _NoTime:
            return None
        except WebAdmitError as error:
            if isinstance(error, ApiKeyRefused | RateLimited):
                ended.append(error)
            return error

    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as workers:
        for number, answer in zip(wanted, workers.map(read, wanted), strict=True):
            if isinstance(answer, list):
                listing.exports[number] = answer
            else:
                listing.unlisted[number] = answer
    return listing


def _ask(call: Callable[[], T], has_time: Callable[[], bool]) -> T:
    for attempt in range(1, _ATTEMPTS + 1):
        if not has_time():
            raise _NoTime
        try:
            return call()
        except Unavailable:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")
