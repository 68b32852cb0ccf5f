"""Lists what the key reaches: one call for the identities, then one for the exports of each that is wanted."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from webadmit_exports.domain.export_name import ExportName
from webadmit_exports.domain.identities import Identity, ListedExport, Listing, followed
from webadmit_exports.errors import ApiKeyRefused, RateLimited, Unavailable, WebAdmitError
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit

T = TypeVar("T")

SIDE_BY_SIDE = 8  # lists are long, and so many are held in memory at once


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

    def has_time() -> bool:
        return time_left() >= webadmit.longest_call_seconds

    identities = _ask(lambda: webadmit.identities(key), has_time)
    listing = Listing(identities={one.id: one for one in identities})
    wanted, ended = choose(identities), list[WebAdmitError]()

    def read(number: int) -> list[ListedExport] | WebAdmitError | None:
        if ended:
            return ended[0]
        if not has_time():
            return None
        try:
            return _ask(lambda: webadmit.exports(key, number), has_time)
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


def read_followed(
    webadmit: WebAdmit, key: ApiKey, names: Sequence[ExportName], cycles: int, time_left: Callable[[], float]
) -> Listing:
    """What names are looked up in: the newest `cycles` of each program, and the identities of names in one of them."""
    single = [name.user_identity_id for name in names if name.user_identity_id is not None]

    def choose(identities: Sequence[Identity]) -> Sequence[int]:
        every = followed(identities, cycles) if len(single) < len(names) else ()
        return list(dict.fromkeys([*(one.id for one in every), *single]))

    return read_listing(webadmit, key, choose, time_left)


def _ask(call: Callable[[], T], has_time: Callable[[], bool]) -> T:
    """The answer, at the second attempt if the first is not usable and there is time."""
    try:
        return call()
    except Unavailable:
        if not has_time():
            raise
    return call()
