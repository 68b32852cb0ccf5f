"""What exports are called in WebAdMIT: looked up before the starts, which it neither fails nor holds up for long."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from webadmit_exports.domain.export_file import Names
from webadmit_exports.domain.ids import Export
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


class ExportNames:
    """Names of exports, kept in memory for half a day."""

    def __init__(self, webadmit: WebAdmit, now: Callable[[], datetime], timeout: float = _TIMEOUT) -> None:
        self._webadmit = webadmit
        self._timeout = timeout
        self._now = now
        self._names: dict[Export, Names] = {}
        self._good_until = datetime.min.replace(tzinfo=UTC)
        self._asked_for: frozenset[int] = frozenset()

    def of(self, export: Export) -> Names:
        """The names of an export, as far as they are known."""
        return self._names.get(export, Names())

    def look_up(self, key: ApiKey, exports: Iterable[Export]) -> None:
        """Looks up the exports of these identities, unless they are known; ends after three seconds."""
        wanted = frozenset(export.user_identity_id for export in exports)
        if self._now() < self._good_until and wanted <= self._asked_for:
            return
        self._good_until, self._asked_for = self._now() + _KEPT, self._asked_for | wanted
        self._webadmit.drop_connections()
        workers = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE)
        identities = workers.submit(self._webadmit.identities, key)
        lists = {number: workers.submit(self._webadmit.exports, key, number) for number in sorted(wanted)}
        futures: list[Future[Any]] = [identities, *lists.values()]
        wait(futures, timeout=self._timeout)
        workers.shutdown(wait=False, cancel_futures=True)  # a call that goes on ends by its own timeout
        for identity in self._result(identities):
            for one in self._result(lists[identity.id]) if identity.id in lists else []:
                export = Export(user_identity_id=identity.id, export_id=one.id)
                self._names[export] = Names(
                    export_name=one.name, cycle=identity.cycle, organization=identity.organization
                )

    def _result(self, future: Future[list[T]]) -> list[T]:
        """What was listed; nothing where it failed, or has not come yet: names are not worth a failure."""
        try:
            return future.result(timeout=0)
        except (WebAdmitError, TimeoutError) as error:
            logger.info("names are not known", reason=str(error) or "no answer yet")
        except Exception:  # noqa: BLE001 - the edge: see above
            logger.exception("names are not known because of an error in the code")
        self._good_until = self._now() + _KEPT_INCOMPLETE
        return []
