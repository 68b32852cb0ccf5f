"""`python -m tests.sandbox` shows the demo; Ctrl-C ends it quietly, even while it is being loaded."""

import sys

try:
    from .demo import main

    status = main()
except KeyboardInterrupt:
    print("\nStopped; nothing is left running.")
    status = 130
sys.exit(status)
