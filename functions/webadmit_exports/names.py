"""What exports are called in WebAdMIT: looked up beside the starts, which it neither fails nor holds up for long."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from .errors import AccessRefused, RequestRefused, WebAdmitError
from .keys import ApiKey
from .model import Export, Names
from .telemetry import logger
from .webadmit import ListedExport, WebAdmit

READ_SECONDS = 5.0
LISTS_SIDE_BY_SIDE = 4
_KEPT = timedelta(hours=12)
_REST = timedelta(minutes=10)  # after a look-up that failed: one an invocation is enough
_WAIT_SECONDS = 3.0  # for which records wait at most, in one invocation, counted from when the look-up began


class NameBook:
    """Names of exports, kept in memory for half a day. Safe between threads."""

    def __init__(
        self, webadmit: WebAdmit, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._webadmit = webadmit
        self._now = now
        self._clock = clock
        self._names: dict[Export, Names] = {}
        self._good_until = datetime.min.replace(tzinfo=UTC)
        self._asked_for: frozenset[int] = frozenset()
        self._until = 0.0
        self._done = threading.Event()
        self._lock = threading.Lock()

    def look_up(self, key: ApiKey, exports: Iterable[Export]) -> None:
        """Begins to look up the exports of these identities, unless their names are known or being looked up."""
        identities = frozenset(export.user_identity_id for export in exports)
        with self._lock:
            if self._now() < self._good_until and identities <= self._asked_for:
                return
            self._good_until, self._asked_for = self._now() + _KEPT, self._asked_for | identities
            self._until = self._clock() + _WAIT_SECONDS
            self._done = done = threading.Event()
        # A daemon: an invocation ends when its starts are through, whether or not the names have come.
        threading.Thread(target=self._ask, args=(key, identities, done), daemon=True).start()

    def of(self, export: Export) -> Names:
        """The names of an export, as far as they are known when the wait is over."""
        self._done.wait(max(0.0, self._until - self._clock()))
        return self._names.get(export, Names())

    def _exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        """Those of an identity; none where they are refused, which must not hide the names of the next."""
        try:
            return self._webadmit.exports(key, user_identity_id)
        except (AccessRefused, RequestRefused) as error:
            logger.info("names are not known", reason=str(error))
            self._good_until = self._now() + _REST
            return []

    def _ask(self, key: ApiKey, wanted: frozenset[int], done: threading.Event) -> None:
        try:
            self._webadmit.drop_connections()
            with ThreadPoolExecutor(max_workers=LISTS_SIDE_BY_SIDE) as workers:
                lists = {number: workers.submit(self._exports, key, number) for number in wanted}
                identities = {identity.id: identity for identity in self._webadmit.identities(key)}
            for number in wanted & identities.keys():
                identity = identities[number]
                for one in lists[number].result():
                    self._names[Export(user_identity_id=number, export_id=one.id)] = Names(
                        export_name=one.name, cycle=identity.cycle, organization=identity.organization
                    )
        except WebAdmitError as error:
            logger.info("names are not known", reason=str(error))
            self._good_until = self._now() + _REST
        except Exception:  # noqa: BLE001 - the edge of a thread: names are not worth a failure
            logger.exception("names are not known because of an error in the code")
            self._good_until = self._now() + _REST
        finally:
            done.set()
