"""Starts WebAdMIT exports, follows their runs, says once when a file is ready, and archives it where that is wanted.

What the six functions share, from the ground up; nothing imports from a later line:

- `errors`, `telemetry`: what can go wrong; logs and metrics
- `model`: statuses, news, the record of an export file (pure)
- `progress`: how news changes a record, and what is announced then: the rules (pure)
- `callbacks`: addresses that carry their proof, and the form that comes back to them (pure)
- `prose`, `commands`, `messages`: what subscribers are told, as JSON and as a mail (pure)
- `occurrence`: the exports and the time that a schedule, a message or a person asks for (pure)
- `cron`, `night`: which runs the schedules wanted, and what became of them (pure)
- `facts`, `archived`, `archive_messages`: a CSV's facts, an object's key and tags, receipts (pure)
- `http_session`: how sessions to WebAdMIT and its storage are made
- `aws`, `table`, `topics`, `keys`, `start_queue`, `schedules`, `subscriptions`,
  `bucket`: what is in AWS
- `webadmit`, `storage`, `probe`: the WebAdMIT API, the storage of its files, our own callback API
- `export_files`: the one way in for everything that is learned about a run
- `start` with its `gate` and `names`, `receive`, `reconcile`, `again`, `check` with its `reach`, `morning_mail`,
  `archive`: the use cases
- `wiring`: reads the environment and puts the parts together
"""
