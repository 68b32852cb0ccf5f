"""Deliveries whose calls to AWS are struck, one after another: one whole file in the folder, under one event id."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.sandbox.stack import Sandbox, wait_until
from tests.sandbox.webadmit_server import File

from .figures import Figures, tell
from .strikes import IDENTITY, Deed, Strike, fail, kill_after, kill_before, lose_answer, throttle

CONTENT = b"id,name\r\n1,a\r\n2,b\r\n"
KILLS = (kill_before, kill_after)
FAULTS = (lose_answer, throttle, fail)  # the short form takes the first, in which the most happens


def deliveries(*deeds: Deed) -> Figures:
    """Each call of DeliverFileFunction is struck once, for each deed a case."""
    figures = Figures()
    with Sandbox(delivers=True) as sandbox:
        delivered = sandbox.subscribe("DeliveredTopicArn")
        for deed in deeds:
            for at in itertools.count():
                strike = Strike(deed, at)
                judged = _deliver(sandbox, delivered, strike)
                if strike.struck is None:  # there are no more calls
                    break
                if not judged.are_good:
                    tell(f"delivery: {deed.__name__}, call {at} ({strike.struck.action}): {judged}")
                figures += judged
    return figures


def _deliver(sandbox: Sandbox, delivered: str, strike: Strike) -> Figures:
    sandbox.empty_tables()
    sandbox.webadmit.forget_everything()
    sandbox.end_deliveries()
    export = sandbox.webadmit.add_export(IDENTITY, 1, seconds=0)
    export.file = File.of(CONTENT, "a.csv")
    seen: set[bytes] = set()
    sandbox.sftp.after_each = lambda files: seen.update(
        content for name, content in files.items() if not name.endswith(".partial")
    )
    sandbox.start(f"{IDENTITY}:1", scheduled_for=datetime.now(UTC) - timedelta(minutes=1))
    wait_until(lambda: any("notified_at" in record for record in sandbox.records()))
    sandbox.deliver("ArchiveQueue")
    function = sandbox.functions["DeliverFileFunction"]
    function.interceptor = strike
    try:
        sandbox.deliver_files()
    finally:
        function.interceptor = None
    there = [content for name, content in sandbox.sftp.files().items() if not name.endswith(".partial")]
    told = Counter(one["Message"]["event_id"] for one in sandbox.received(delivered))
    return Figures(
        cases=1,
        lost=int(CONTENT not in there) + int(not told),
        repeated=sum(count - 1 for count in told.values()),
        stray=len(there) - 1 if there else 0,
        wrong=len(seen - {CONTENT}) + max(0, len(told) - 1),
    )
