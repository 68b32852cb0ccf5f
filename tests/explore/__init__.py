"""Every interleaving of the product's own code, not a sample of them. See `make explore`.

- `engine`: explores the states that processes, crashes, faults and the clock can lead to, breadth first
- `continuation`: tells which processes go on alike, so that they are explored once
- `runs`: one export: starts, second starts, callbacks, sweeps and WebAdMIT over one table, with what must hold
- `ports`: what those talk to
- `archive`: one file: two deliveries over one bucket, with what must hold
- `scenarios`: how much of each is explored
- `bugs`: mistakes planted in the product's code, each of which must be found

Not in the model, and left to the other tests: exports by name, answers of WebAdMIT with 401, 403, 422 and 429, several
exports in one start or sweep, whole starts that the retry queue brings, the last delivery of a first start, a message
that SQS brings twice at once, callbacks about open runs, an id that is used again before its end is recorded,
`AlertOnEmptyList=false`, `StartFailedAgain=false`, and when records expire.
"""
