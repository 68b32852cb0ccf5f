"""What `make large-file` runs: one large file from the storage to the bucket, with memory and speed measured.

The exit status tells whether the right bytes arrived within the function's memory; the speed is only printed. Storage,
function and S3 share this machine's cores.
"""

import hashlib
import itertools
import sys
import time

from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import File

MIB = 1024 * 1024
PAIR, EXPORT_ID = "37442:86446", 86446
# A MiB of records: a number, a name in Windows-1252, and an essay with a quoted line break.
RECORD = '{:07},"Zoë Exämple","An essay – of ""two""\r\nlines, and then some more words to fill the line ..."\r\n'
HEADER = b"id,name,essay\r\n"


def main(mib: int) -> int:
    record = RECORD.format(0).encode("windows-1252")
    records = MIB // len(record)
    chunk = b"".join(RECORD.format(number).encode("windows-1252") for number in range(records))
    size, digest = len(HEADER) + mib * len(chunk), hashlib.sha256(HEADER)
    for _ in range(mib):
        digest.update(chunk)
    with Sandbox({"ArchiveFiles": "true", "LogLevel": "INFO"}) as sandbox:
        receipts = sandbox.subscribe("ArchivedTopicArn")
        export = sandbox.webadmit.add_export(37442, EXPORT_ID)
        export.file = File(
            "large.csv", "text/csv", lambda: itertools.chain([HEADER], itertools.repeat(chunk, mib)), size
        )
        sandbox.start(PAIR)
        run = sandbox.webadmit.run_of(EXPORT_ID)
        run.status = "Available"
        sandbox.webadmit.send_callback(run)
        began = time.perf_counter()
        invocations = sandbox.deliver("ArchiveQueue")
        seconds = time.perf_counter() - began
        function = sandbox.functions["ArchiveFileFunction"]
        cpu = function.cpu_seconds()
        peak, memory = function.peak_memory(), int(function.configuration["MemorySize"])
        messages = [one["Message"] for one in sandbox.received(receipts)]
    seen = [(one["bytes"], one["sha256"], one["rows"], one["charset"]) for one in messages]
    is_right = seen == [(size, digest.hexdigest(), mib * records, "windows-1252")]
    print(f"{size / MIB:,.0f} MiB, {mib * records:,} records, archived within {peak:.0f} MiB of memory of {memory}:")
    print(f"  {size / MIB / seconds:.0f} MiB/s, with the storage and S3 on the same cores;")
    print(f"  {size / MIB / cpu:.0f} MiB for each second of the function's own CPU time.")
    if not is_right:
        print(f"What arrived is not what was sent: {[one.payload for one in invocations]} {seen}")
    return 0 if is_right and peak < memory else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
