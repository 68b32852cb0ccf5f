"""`python -m tests.sandbox` shows the demo; Ctrl-C ends it quietly, even while it is being loaded."""

import signal
import sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in their background ignore it
try:
    from .demo import main

    status = main()
except KeyboardInterrupt:
    print("\nStopped; nothing is left running.")
    status = 130
sys.exit(status)
