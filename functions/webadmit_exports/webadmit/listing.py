"""Lists what the key reaches: one call for the identities, then one for the exports of each that is wanted."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from webadmit_exports.domain.identities import ListedExport, Listing, followed
from webadmit_exports.domain.name_pattern import NamePattern
from webadmit_exports.errors import ApiKeyRefused, RateLimited, Unavailable, WebAdmitError
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit

T = TypeVar("T")

SIDE_BY_SIDE = 8  # lists are long, and so many are held in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Lister:
    """Lists exports; names are looked up in the newest `followed_cycles` cycles of each program."""

    webadmit: WebAdmit
    followed_cycles: int

    def list_for(self, key: ApiKey, names: Sequence[NamePattern], time_left: Callable[[], float]) -> Listing:
        """What these names are looked up in: the followed identities, and those of names in one identity."""
        single = [name.user_identity_id for name in names if name.user_identity_id is not None]

        def choose(listing: Listing) -> Sequence[int]:
            every = listing.followed if len(single) < len(names) else ()
            return list(dict.fromkeys([*(identity.id for identity in every), *single]))

        return self.list_chosen(key, choose, time_left)

    def list_chosen(
        self, key: ApiKey, choose: Callable[[Listing], Sequence[int]], time_left: Callable[[], float]
    ) -> Listing:
        """The identities, and the exports of those that `choose` takes, asked for in its order and side by side.

        `time_left`: in seconds; no list is asked for that might take longer. Where WebAdMIT gives no usable answer it
        is asked once more. No list keeps the others from being read; but once the key is refused or the rate limit is
        used up, nothing more is asked for. Raises a WebAdmitError if the identities cannot be read.
        """

        def has_time() -> bool:
            return time_left() >= self.webadmit.longest_call_seconds

        identities = _ask(lambda: self.webadmit.identities(key), has_time)
        listing = Listing(
            identities={identity.id: identity for identity in identities},
            followed=followed(identities, self.followed_cycles),
        )
        wanted, ended = choose(listing), list[WebAdmitError]()

        def read(number: int) -> list[ListedExport] | WebAdmitError | None:
            if ended:
                return ended[0]
            if not has_time():
                return None
            try:
                return _ask(lambda: self.webadmit.exports(key, number), has_time)
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
    """The answer, at the second attempt if the first is not usable and there is time."""
    try:
        return call()
    except Unavailable:
        if not has_time():
            raise
    return call()
