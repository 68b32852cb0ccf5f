"""One logger and one set of metrics for the whole project.

Log lines are sentences with fields. They never hold an event, a URL or a body, and of headers only the names, content
types, and what a caller of the callback API says that it is. `first_contact` marks the lines that docs/first-contact.md
asks for: what only the real WebAdMIT can tell.
"""

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

# At DEBUG the HTTP libraries write headers and query strings (the API key, callback signatures) to the root logger,
# and urllib3 writes whole paths into warnings. Whatever level is set for us or for the root: theirs stays here.
for _library in ("boto3", "botocore", "requests", "urllib3"):
    logging.getLogger(_library).setLevel(logging.ERROR)

logger = Logger(utc=True)
_metrics = Metrics(namespace="WebAdmitExports")
_metrics_lock = threading.Lock()


def count(name: str, value: float = 1) -> None:
    """Adds a number to a CloudWatch metric; its only dimension is `service`, the stack's name.

    Each metric costs $0.30 in a month in which it is written all the time, so that there are at most six of those, all
    listed in the runbook.
    """
    _add(name, value, MetricUnit.Count)


def measure_seconds(name: str, value: float) -> None:
    """Adds a duration to a CloudWatch metric."""
    _add(name, value, MetricUnit.Seconds)


def _add(name: str, value: float, unit: MetricUnit) -> None:
    with _metrics_lock:  # Powertools' metric sets are plain dictionaries, and starts run side by side
        _metrics.add_metric(name=name, unit=unit, value=value)


def flush_metrics() -> None:
    """Writes the metrics of this invocation as one log line (embedded metric format); nothing where there are none."""
    with _metrics_lock:
        if _metrics.provider.metric_set:
            _metrics.flush_metrics()


def instrumented(handler: Handler) -> Handler:
    """A Lambda handler whose log lines carry the request id, and whose metrics are written at its end.

    The event is never logged, not even where POWERTOOLS_LOGGER_LOG_EVENT asks for it: a callback's path is its proof.
    """

    @logger.inject_lambda_context(log_event=False)
    @functools.wraps(handler)
    def wrapped(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            return handler(event, context)
        finally:
            flush_metrics()

    return wrapped


def seconds_left(context: LambdaContext) -> Callable[[], float]:
    """A clock that tells how many seconds the invocation still has."""
    return lambda: context.get_remaining_time_in_millis() / 1000
