"""Starts WebAdMIT exports, follows their runs, and says once when a file is ready.

What the three functions share, from the ground up; nothing imports from a later line:

- `errors`, `telemetry`: what can go wrong; logs and metrics
- `model`: statuses, news, the record of an export file, and how news changes it (pure)
- `messages`: what subscribers are told, as JSON and as a mail (pure)
- `callbacks`: addresses that carry their proof, and the form that comes back to them (pure)
- `table`, `topics`, `keys`, `webadmit`: DynamoDB, SNS, Secrets Manager, the WebAdMIT API
- `export_files`: the one way in for everything that is learned about a run
- `start`, `receive`, `reconcile`: the three use cases
- `wiring`: reads the environment and puts the parts together
"""
