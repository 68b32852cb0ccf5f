"""Starts WebAdMIT exports, follows their runs, and says once when a file is ready.

What the three functions share, from the ground up; nothing imports from a later line:

- `errors`, `telemetry`: what can go wrong; logs and metrics
- `model`: statuses, news, the record of an export file (pure)
- `progress`: how news changes a record, and what is announced then: the rules (pure)
- `messages`: what subscribers are told, as JSON and as a mail (pure)
- `callbacks`: addresses that carry their proof, and the form that comes back to them (pure)
- `occurrence`: the exports and the time that a schedule, a message or a person asks for (pure)
- `aws`, `table`, `topics`, `keys`, `retry_queue`, `failed_starts`: DynamoDB, SNS, Secrets Manager, the two queues
- `webadmit`: the WebAdMIT API
- `export_files`: the one way in for everything that is learned about a run
- `start` with its `gate`, `receive`, `reconcile`: the three use cases
- `wiring`: reads the environment and puts the parts together
"""
