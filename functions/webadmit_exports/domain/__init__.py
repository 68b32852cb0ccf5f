"""The rules of the service: ids, statuses, the record of a run, and how a status update changes it. Pure."""
