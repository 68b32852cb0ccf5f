"""The exports of one scheduled time, as the schedule, the start queue and a person write them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from webadmit_exports.domain.callback_url import CLOCK_SKEW, LIFETIME
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import join_entries, parse_id, parse_pair
from webadmit_exports.domain.name_pattern import Entry, parse_name
from webadmit_exports.domain.second_chance import SecondChance
from webadmit_exports.domain.times import parse_time, utc_microseconds, utc_seconds
from webadmit_exports.errors import InvalidInput

_SHOWN = 60  # characters of bad input that an error repeats
_NOT_REPLACED = "<aws.scheduler.scheduled-time>"  # what a schedule's input has in the place of its time


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A list of exports that somebody wants to start, and the scheduled time that they start for (UTC, whole seconds).

    `start_failed_again`: whether a run that fails is to be started once more. `second_chance`: of such a second start.
    """

    entries: tuple[Entry, ...]
    scheduled_for: datetime
    start_failed_again: bool = True
    second_chance: SecondChance | None = None

    @classmethod
    def again(cls, failed: ExportFile, again_at: datetime) -> Self:
        """The second start of a run that failed, which is put into the queue then."""
        return cls(
            entries=(failed.export,),
            scheduled_for=failed.scheduled_for,
            start_failed_again=False,
            second_chance=SecondChance(after_failure=failed.export_file_id, again_at=again_at),
        )

    def to_json(self) -> str:
        """The text that `parse_queued` reads."""
        document: dict[str, str | int | bool] = {
            "exports": join_entries(self.entries),
            "scheduled_for": utc_seconds(self.scheduled_for),
        }
        if not self.start_failed_again:
            document["start_failed_again"] = False
        if chance := self.second_chance:
            document |= {"after_failure": chance.after_failure, "again_at": utc_microseconds(chance.again_at)}
        return json.dumps(document)


def parse_start_request(event: Mapping[str, Any], now: datetime) -> StartRequest:
    """Reads `{"exports": "37442:86446,Slate nightly*", "scheduled_for": "2026-11-23T03:30:00Z"}`.

    Without `scheduled_for` it is now, and a run that fails is started once more only with `"start_failed_again": true`.
    Raises InvalidInput, naming the bad part.
    """
    scheduled_for, start_failed_again = event.get("scheduled_for"), event.get("start_failed_again")
    if not isinstance(start_failed_again, bool | None):
        raise InvalidInput(f'"start_failed_again" is {str(start_failed_again)[:_SHOWN]!r}; it must be true or false')
    return StartRequest(
        entries=parse_entries(event.get("exports")),
        scheduled_for=now.replace(microsecond=0) if scheduled_for is None else _scheduled_for(scheduled_for, now),
        start_failed_again=scheduled_for is not None if start_failed_again is None else start_failed_again,
    )


def parse_queued(body: str, attributes: Mapping[str, str], now: datetime) -> tuple[StartRequest, bool]:
    """Reads a message of the start queue; also tells whether the message is our own. Raises InvalidInput.

    It may be what `StartRequest.to_json` writes, or a start that failed as a whole:

    - What Lambda sends after an asynchronous invocation has failed for good. The event is `requestPayload` (Lambda
      developer guide, "Capturing records of Lambda asynchronous invocations").
    - What EventBridge Scheduler sends when it could not invoke: its API request, whose `Payload` is the event, as text
      or as an object. `attributes` are the message's; SCHEDULED_TIME is the time of the schedule, which the event may
      lack (EventBridge Scheduler user guide, "Configuring a dead-letter queue").
    """
    document = _object(body)
    if "requestPayload" in document:
        # Without a time in the event, it was meant to be the time of the invocation; the record has that of its end.
        return _queued(_object(document["requestPayload"]), document.get("timestamp"), now), False
    if "Payload" in document:
        return _queued(_object(document["Payload"]), attributes.get("SCHEDULED_TIME"), now), False
    request = _queued(document, None, now)
    if "after_failure" not in document:
        return request, True
    try:
        again_at = parse_time(document.get("again_at"))
    except InvalidInput as error:
        raise InvalidInput(f'"again_at" cannot be used: {error}') from None
    after_failure = parse_id(str(document["after_failure"]), "after_failure")
    return replace(request, second_chance=SecondChance(after_failure=after_failure, again_at=again_at)), True


def _queued(event: Mapping[str, Any], otherwise: object, now: datetime) -> StartRequest:
    """The request of an event that may have no time of its own; then it is `otherwise`."""
    scheduled_for = event.get("scheduled_for")
    if scheduled_for in (None, "", _NOT_REPLACED):
        scheduled_for = otherwise
    if not scheduled_for:
        raise InvalidInput('the message has no "scheduled_for"')
    by_hand = {"start_failed_again": False} if event.get("scheduled_for") is None else {}
    request = parse_start_request({**by_hand, **event, "scheduled_for": scheduled_for}, now)
    if not request.entries:
        raise InvalidInput("the message names no export")
    return request


def _object(document: object) -> Mapping[str, Any]:
    """A JSON object, or the text of one."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            raise InvalidInput("the message is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput("the message is not an object")
    return document


def parse_entries(text: object) -> tuple[Entry, ...]:
    """Reads what the parameter `Exports` has, pairs and names, each once; raises InvalidInput, naming the bad part."""
    if not isinstance(text, str):
        raise InvalidInput('"exports" must be text such as "37442:86446,Slate nightly*" (pairs and names of exports)')
    entries = [_entry(part) for part in text.split(",")] if text else []
    return tuple(dict.fromkeys(entries))


def _entry(part: str) -> Entry:
    if pair := parse_pair(part):
        return pair
    try:
        return parse_name(part)
    except InvalidInput as error:
        raise InvalidInput(
            f'"exports" has the part {part[:_SHOWN]!r}, {error}. Its parts are names of exports, such as Slate nightly,'
            " and pairs user_identity_id:export_id, such as 37442:86446, joined by commas"
        ) from None


def _scheduled_for(text: object, now: datetime) -> datetime:
    shown = f'"scheduled_for" is {str(text)[:_SHOWN]!r}'
    try:
        moment = parse_time(text).replace(microsecond=0)
    except InvalidInput as error:
        raise InvalidInput(f"{shown}; {error}") from None
    if moment > now + CLOCK_SKEW:
        raise InvalidInput(f"{shown}, in the future; it is {utc_seconds(now)} now")
    if moment < now - LIFETIME:
        raise InvalidInput(f"{shown}, more than {LIFETIME.days} days ago; leave it out to start a new run now")
    return moment
