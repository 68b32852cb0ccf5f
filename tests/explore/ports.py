"""What the product's starts, callbacks and sweeps talk to while they are explored: each call asks the replay."""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from unittest import mock

from botocore.exceptions import BotoCoreError, ClientError

from tests.explore.engine import Replay
from tests.fakes import EXPORT
from webadmit_exports import telemetry
from webadmit_exports.aws import table
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.start_request import StartRequest
from webadmit_exports.domain.status import is_finished
from webadmit_exports.errors import AwsUnavailable, RequestRefused, Unavailable
from webadmit_exports.messages.message import Message
from webadmit_exports.runs import receive, start
from webadmit_exports.webadmit.answers import RateLimit
from webadmit_exports.webadmit.answers import Run as SeenRun

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)

# What a process knows of the version of a record: that it is the one in the table, an older one, or its own write.
CURRENT, OLD, OWN = "current", "old", "own"


@dataclass(frozen=True, slots=True)
class Run:
    """A run in WebAdMIT. `number`: its place in `Night.runs`; `asked`: the scheduled times whose starts it answered."""

    number: int
    file_id: int
    status: str = "In Progress"
    asked: tuple[int, ...] = ()
    is_forgotten: bool = False

    @property
    def is_open(self) -> bool:
        return not is_finished(self.status) and not self.is_forgotten


@dataclass(frozen=True, slots=True, order=True)
class Second:
    """A second start in the queue: for which scheduled time, of which failed file, and since when."""

    number: int
    file_id: int
    again_at: datetime


# ── Answers, as the processes keep them ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Seen:
    """Records that were read, and what is known of their versions."""

    records: tuple[tuple[ExportFile, str], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A write that was done.

    `until`: the end of the lease, if it takes one; `repeatable`: what could be repeated at the time, and how often it
    had been heard; `is_fresh`: nobody has written since.
    """

    file_id: int
    started_at: datetime
    until: int
    repeatable: tuple[tuple[str, int], ...] = ()
    is_fresh: bool = True


@dataclass(frozen=True, slots=True)
class Conflict:
    """A write whose condition did not hold; `own`: because the process itself has written before."""

    found: ExportFile | None
    version: str
    own: Stored | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A message that SNS took; `times`: how often it has been heard then."""

    event_id: str
    times: int


# How the announcement or the receipt stands that was published last: its process still has to note it; it may be
# repeated, because that process died or a call of it failed; or it may not.
HELD, EXCUSED, DONE = "held", "excused", "done"
LEASE = 2  # minutes: how long a process may take from its claim to its note, as the README has it


class NotModelled(BaseException):
    """The product asks for something that the model does not know: then the model has to learn it."""


def expect(is_known: object) -> None:
    if not is_known:
        raise NotModelled


def no_answer_from_aws() -> BaseException:
    return BotoCoreError()


def no_answer_from_sns() -> BaseException:
    return AwsUnavailable("SNS gave no answer")


def no_answer_from_webadmit() -> BaseException:
    return Unavailable("/", "no answer (ReadTimeout)")


def not_known() -> BaseException:
    return RequestRefused("/", "HTTP 404", status=404)


# ── The ports of the product, which ask the replay ──────────────────────────────────────────────────────────────────


class DynamoDb:
    """boto3's client, as ExportFilesTable uses it."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        expect(arguments["ConsistentRead"])
        found = self._replay.ask("reads the record", int(arguments["Key"]["export_file_id"]["N"]))
        return {"Item": _item(*found.records[0])} if found.records else {}

    def get_paginator(self, _: str) -> "DynamoDb":
        return self

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        if "IndexName" in arguments:
            found = self._replay.ask("lists what is due", arguments["ExpressionAttributeValues"][":now"]["S"])
        else:
            expect(arguments["ConsistentRead"])
            found = self._replay.ask("lists the export's runs")
        yield {"Items": [_item(*one) for one in found.records]}

    def put_item(self, **arguments: Any) -> None:
        record = table.from_item(arguments["Item"])
        version = arguments.get("ExpressionAttributeValues", {}).get(":read", {}).get("S")
        condition = arguments.get("ConditionExpression")
        expect(condition in (None, "attribute_not_exists(export_file_id)" if version is None else "#version = :read"))
        expect(condition is None or arguments["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD")
        checks = version if condition else "any"
        answer = self._replay.ask("writes the record", replace(record, version=""), checks)
        if isinstance(answer, Conflict):
            found: Any = {"Item": _item(answer.found, answer.version)} if answer.found else {}
            raise ClientError(found | {"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")


@functools.cache
def _item(record: ExportFile, version: str) -> dict[str, Any]:
    return table.to_item(replace(record, version=version))


class OwnVersion:
    """Stands for uuid: what a process writes has a mark that only it knows."""

    hex = OWN

    @classmethod
    def uuid4(cls) -> "type[OwnVersion]":
        return cls


class _OneByOne:
    """Stands for ThreadPoolExecutor: with one export there is nothing to do side by side."""

    def __init__(self, max_workers: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [do(item) for item in items]


class WebAdmitPort:
    """WebAdMIT."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def drop_connections(self) -> None:
        pass

    def start_run(self, key: object, export: Export, callback_url: str) -> tuple[SeenRun, RateLimit]:
        address = datetime.strptime(callback_url.split("/")[-2], "%Y%m%dT%H%M%S%z")
        return self._seen(self._replay.ask("starts a run", number_of(address))), RateLimit()

    def recent_runs(self, key: object, user_identity_id: int) -> tuple[list[SeenRun], RateLimit]:
        return [self._seen(run) for run in self._replay.ask("asks for the list of runs")], RateLimit()

    def run(self, key: object, export_id: int, file_id: int) -> tuple[SeenRun, RateLimit]:
        return self._seen(self._replay.ask("asks about the run", file_id)), RateLimit()

    def _seen(self, run: Run) -> SeenRun:
        return SeenRun(export_file_id=run.file_id, export_id=EXPORT.export_id, status=run.status)


class TopicsPort:
    """SNS."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def publish(self, message: Message) -> None:
        body = message.body
        names = ("event_type", "event_id", "export_file_id", "status", "repeated")
        self._replay.ask("publishes", tuple(body.get(name) for name in names))


class QueuePort:
    """StartRetryQueue."""

    span = timedelta(hours=12)

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def put(self, requests: list[StartRequest]) -> None:
        for request in requests:
            number, chance = number_of(request.scheduled_for), request.second_chance
            if chance:
                second = Second(number, chance.after_failure, chance.again_at)
                self._replay.ask("puts the second start on the retry queue", second)
            else:
                self._replay.ask("puts the start on the retry queue", number)


def _uncounted(*_: object) -> None:
    pass


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged or counted: what is replayed has not happened again."""
    level = telemetry.logger.log_level
    telemetry.logger.setLevel("CRITICAL")
    try:
        with mock.patch.object(telemetry, "_add", _uncounted):
            yield
    finally:
        telemetry.logger.setLevel(level)


def scheduled_for(number: int) -> datetime:
    return MIDNIGHT + timedelta(minutes=number)


def number_of(scheduled_for: datetime) -> int:
    return int((scheduled_for - MIDNIGHT).total_seconds() // 60)


@contextmanager
def as_explored() -> Iterator[None]:
    """A callback looks for its record twice, not five times; metrics are not counted, and nothing is logged."""
    with ExitStack() as changed:
        changed.enter_context(mock.patch.object(table, "uuid", OwnVersion))
        changed.enter_context(mock.patch.object(start, "ThreadPoolExecutor", _OneByOne))
        changed.enter_context(mock.patch.object(receive, "_PAUSES", receive._PAUSES[:1]))
        changed.enter_context(quiet())
        yield
