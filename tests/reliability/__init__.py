"""The promise, measured: a file that WebAdMIT produced is announced, whatever breaks. See `make reliability`.

- `figures`: what is counted, and how what WebAdMIT did is held against what subscribers heard
- `strikes`: processes that die, and AWS calls that fail, at each single call of each function (the sandbox)
- `races`: duplicates at the same moment, on a table whose conditional writes are really atomic
- `machine`: a state machine that tries orders nobody thought of (in memory)
- `fuzz`: forms and addresses that nobody meant to send
- `chaos`: a night on which much goes wrong at once (the sandbox)
"""
