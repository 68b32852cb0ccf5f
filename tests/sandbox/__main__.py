"""`python -m tests.sandbox` shows the demo; Ctrl-C ends it quietly at any time.

`archive` has its files kept too, `deliver` also delivered; `picture=FILE` draws it as an SVG.
"""

import signal
import sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in their background ignore it
try:
    from .demo import main

    picture = next((one.partition("=")[2] for one in sys.argv[1:] if one.startswith("picture=")), "")
    words = sys.argv[1:]
    status = main(archives="archive" in words, delivers="deliver" in words, picture=picture)
except KeyboardInterrupt:
    print("\nStopped; nothing is left running.")
    status = 130
sys.exit(status)
