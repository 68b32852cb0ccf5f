"""`python -m tests.sandbox` shows the demo, with `archive` its files too; Ctrl-C ends it quietly at any time."""

import signal
import sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in their background ignore it
try:
    from .demo import main

    status = main(archives="archive" in sys.argv[1:])
except KeyboardInterrupt:
    print("\nStopped; nothing is left running.")
    status = 130
sys.exit(status)
