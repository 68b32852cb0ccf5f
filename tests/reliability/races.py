"""64 duplicates at the same moment, round after round, on a table whose conditional writes are really atomic.

moto checks a condition and writes in two steps, so each call to it holds a lock; between the calls of one thread all
others may come.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto import mock_aws

from tests.fakes import EXPORT, SETTINGS, WRITER, FakeTopics, update
from tests.sandbox import template
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.export_file import StatusUpdate, UpdateSource
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.runs.tracker import RunTracker

from .figures import Figures, FinishedRun, compare

AT_ONCE = 64
_ASKED = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


class OneAtATime:
    """A DynamoDB client; with `keeps_conditions` false it writes whatever the condition says."""

    def __init__(self, client: Any, *, keeps_conditions: bool) -> None:
        self._client = client
        self._keeps_conditions = keeps_conditions
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in ("get_paginator", "meta"):
            return getattr(self._client, name)  # type: ignore[no-any-return]

        def call(**arguments: Any) -> Any:
            if not self._keeps_conditions:
                arguments = _without_conditions(name, arguments)
            with self._lock:
                return getattr(self._client, name)(**arguments)

        return call


def _without_conditions(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The same write whatever is there; DynamoDB refuses names and values that no expression uses."""
    conditions = {"ConditionExpression", "ReturnValuesOnConditionCheckFailure"}
    if name == "put_item":
        conditions |= {"ExpressionAttributeNames", "ExpressionAttributeValues"}
    return {part: value for part, value in arguments.items() if part not in conditions}


@contextmanager
def table(*, keeps_conditions: bool) -> Iterator[ExportFilesTable]:
    """A table with the template's own schema."""
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing"
        )
        schema = template.source()["Resources"]["ExportFilesTable"]["Properties"]
        kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        client.create_table(TableName="files", **{name: schema[name] for name in kept})
        yield ExportFilesTable(OneAtATime(client, keeps_conditions=keeps_conditions), "files")  # type: ignore[arg-type]


def duplicates(*, rounds: int, seed: int = 1, keeps_conditions: bool = True) -> Figures:
    """In each round one run ends, and 64 threads learn of it at once: as callbacks, polls, late answers and sweeps."""
    random.seed(seed)
    figures = Figures()
    with table(keeps_conditions=keeps_conditions) as records:
        for file_id in range(1, rounds + 1):
            figures += _round(records, file_id)
    return figures


def _round(records: ExportFilesTable, file_id: int) -> Figures:
    now, topics = _ASKED + timedelta(minutes=10), LockedTopics()
    files = RunTracker(records, topics, WRITER, SETTINGS, lambda: now)  # type: ignore[arg-type]
    files.apply(update(UpdateSource.START, "Queued", _ASKED, export_file_id=file_id), None)
    together, failures = threading.Barrier(AT_ONCE), []
    kinds = [
        update(UpdateSource.CALLBACK, "Available", now, export_file_id=file_id),
        update(UpdateSource.CALLBACK, "Available", now, export_file_id=file_id),
        update(UpdateSource.POLL, "Available", now, export_file_id=file_id),
        update(UpdateSource.CALLBACK, "In Progress", now, export_file_id=file_id),
        update(UpdateSource.START, "In Progress", _ASKED, export_file_id=file_id),
        None,  # a sweep that found it unannounced
    ]

    def learn(item: StatusUpdate | None) -> None:
        known = records.read(EXPORT.export_id, file_id)
        together.wait()  # all have seen the record as it was
        known = known if item else records.read(EXPORT.export_id, file_id)
        try:
            if item:
                files.apply(item, known)
            elif known:
                files.announce(known)
        except AwsUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=learn, args=(random.choice(kinds),)) for _ in range(AT_ONCE - 1)]
    threads.append(threading.Thread(target=learn, args=(kinds[0],)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard = [message.body for message in topics.messages]
    figures = compare([FinishedRun(EXPORT.export_id, file_id, "Available")], heard, cases=1)
    # Nothing crashed, so that not even a repetition under the same event id is right here.
    return figures + Figures(wrong=figures.repeated + len(failures))


class LockedTopics(FakeTopics):
    """Taken from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def publish(self, message: Any) -> None:
        with self._lock:
            super().publish(message)
