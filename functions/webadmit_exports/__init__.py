"""Starts WebAdMIT exports, follows their runs, announces their files once, archives and delivers them where wanted.

The packages, from the top; imports point downwards only, and `runs`, `archive` and `operations` do not know each other:

- `shared_services`: the settings of a function, and the services that several functions use
- `delivery`: bring an archived file to the SFTP server, step by step
- `runs`: follow a run, from its start to its announcement
- `archive`: fetch a file that is ready, and keep it
- `operations`: help the operator: the setup check and the morning mail
- `webadmit`, `aws`: the WebAdMIT API, and what is in AWS
- `messages`: what subscribers read (pure)
- `domain`: the rules (pure)
- `telemetry`, `errors`: logs and metrics, and what can go wrong
"""
