"""What exports are called in WebAdMIT: looked up before the starts, which it neither fails nor holds up for long."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any, TypeVar

from webadmit_exports.domain.identities import Identity, ListedExport, Listing
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import NO_LABELS, Labels
from webadmit_exports.errors import WebAdmitError
from webadmit_exports.telemetry import logger
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit

T = TypeVar("T")

READ_SECONDS = 5.0
SIDE_BY_SIDE = 5
_TIMEOUT = 3.0  # seconds for which starts wait for the names
_KEPT = timedelta(hours=12)
_KEPT_INCOMPLETE = timedelta(minutes=10)  # after a look-up that failed: one an invocation is enough


class LabelCache:
    """Labels of exports, kept in memory for half a day."""

    def __init__(self, webadmit: WebAdmit, now: Callable[[], datetime], timeout: float = _TIMEOUT) -> None:
        self._webadmit = webadmit
        self._timeout = timeout
        self._now = now
        self._labels: dict[Export, Labels] = {}
        self._good_until: dict[int, datetime] = {}

    def of(self, export: Export) -> Labels:
        """The names of an export, as far as they are known."""
        return self._labels.get(export, NO_LABELS)

    def remember(self, listing: Listing) -> None:
        """Keeps the labels of what was listed anyway."""
        for number, exports in listing.exports.items():
            if number in listing.identities:
                self._remember(listing.identities[number], exports)

    def look_up(self, key: ApiKey, exports: Iterable[Export]) -> None:
        """Looks up the exports of these identities, unless they are known; ends after three seconds."""
        now = self._now()
        every = {export.user_identity_id for export in exports}
        wanted = sorted(number for number in every if self._good_until.get(number, now) <= now)
        if not wanted:
            return
        self._good_until |= dict.fromkeys(wanted, now + _KEPT_INCOMPLETE)
        self._webadmit.drop_connections()
        workers = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE)
        identities = workers.submit(self._webadmit.identities, key)
        lists = {number: workers.submit(self._webadmit.exports, key, number) for number in wanted}
        futures: list[Future[Any]] = [identities, *lists.values()]
        wait(futures, timeout=self._timeout)
        workers.shutdown(wait=False, cancel_futures=True)  # a call that goes on ends by its own timeout
        for identity in _result(identities) or []:
            listed = _result(lists[identity.id]) if identity.id in lists else None
            if listed is not None:
                self._remember(identity, listed)

    def _remember(self, identity: Identity, exports: Iterable[ListedExport]) -> None:
        self._good_until[identity.id] = self._now() + _KEPT
        for listed in exports:
            export = Export(user_identity_id=identity.id, export_id=listed.id)
            self._labels[export] = Labels(
                export_name=listed.name, cycle=identity.cycle, organization=identity.organization
            )


def _result(future: Future[list[T]]) -> list[T] | None:
    """What was listed; None where it failed, or has not come yet: names are not worth a failure."""
    try:
        return future.result(timeout=0)
    except (WebAdmitError, TimeoutError) as error:
        logger.info("what exports are called is not known; they start without", reason=str(error) or "no answer yet")
    except Exception:  # noqa: BLE001 - the edge: see above
        logger.exception("what exports are called is not known because of an error in the code")
    return None
