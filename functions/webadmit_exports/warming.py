"""What a process does before its first event, while Lambda gives it a whole core and nobody waits."""

import contextlib
import gc
import threading
from collections.abc import Callable, Iterable

_PATIENCE_SECONDS = 2.0  # for all of it: Lambda gives a process ten seconds to get ready


def warm_up(*calls: Callable[[], object]) -> None:
    """Makes these harmless calls, so that their connections are open, and their code has run once.

    What fails is left alone, and so is what hangs: the first event that needs it finds that out again, and says so.
    """
    # One thread, not one for each: every thread of its own would hold on to a MiB of memory.
    thread = threading.Thread(target=_try_all, args=(calls,), daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    gc.freeze()  # what is there now stays: later collections need not look at it


def _try_all(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        with contextlib.suppress(Exception):
            call()
