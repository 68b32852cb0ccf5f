"""The promise, measured: a file that WebAdMIT produced is announced, whatever breaks. See `make reliability`.

- `figures`: what is counted, and how what WebAdMIT did is held against what subscribers heard
- `strikes`: processes that die, and AWS calls that fail, at each single call of each function (the sandbox)
- `fuzz`: forms and addresses that nobody meant to send
- `chaos`: a night on which much goes wrong at once (the sandbox)

The orders in which things can happen are not tried here, but exhausted: see `tests.explore`.
"""
