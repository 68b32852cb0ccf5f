"""Takes a callback: checks its URL, reads its form, applies its status update."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from webadmit_exports.aws.secrets import SigningKeys
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.callback_form import key_writing, parse_form
from webadmit_exports.domain.callback_url import CallbackUrl, is_signed, parse_path
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
from webadmit_exports.domain.foreign_text import printable, shortened
from webadmit_exports.domain.times import utc_seconds
from webadmit_exports.errors import InvalidInput
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.telemetry import count, logger

# A callback can overtake the answer to its own start: its record is looked for again after these seconds, two in all.
_PAUSES = (0.2, 0.4, 0.6, 0.8)
# ... unless a call of its address was refused so lately: a leaked address would keep a process busy at each call.
_SUSPECTED_FOR = timedelta(minutes=1)


class NotFound(Exception):
    """The callback URL is not one of ours, or not for this file: answered like a path that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCall:
    """A call of the callback API. `segments`: of its path, by their names; who calls may have written all of it."""

    segments: Mapping[str, str]
    body: str | None = None
    is_base64: bool = False
    content_type: str | None = None
    user_agent: str = ""
    source_address: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """For log lines: what is not documented of WebAdMIT's callbacks."""
        return {
            "first_contact": "callback",
            "content_type": _short(self.content_type or ""),
            "key_writing": key_writing(self.body, is_base64=self.is_base64),
            "user_agent": _short(self.user_agent),
            "source_address": _short(self.source_address),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveCallback:
    """The use case. `sleep` spends seconds. What was refused is kept in memory."""

    signing_keys: SigningKeys
    table: ExportFilesTable
    tracker: RunTracker
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    _refused_at: dict[CallbackUrl, datetime] = field(default_factory=dict)

    def receive(self, call: CallbackCall) -> None:
        """Applies a callback; repeats and old updates change nothing.

        Raises NotFound, before anything but the keys is read, if the URL is not ours or has expired, and after two
        seconds if no start for its scheduled time was answered with that file (at once if a call of that URL was
        refused less than a minute ago); InvalidInput if the form cannot be used; AwsUnavailable if WebAdMIT should try
        again.
        """
        now = self.now()
        callback_url = self._proven(call, now)
        try:
            form = parse_form(call.body, is_base64=call.is_base64, content_type=call.content_type)
            if form.export_id != callback_url.export.export_id:
                raise InvalidInput("export_file[export_id] must be the export of the URL")
        except InvalidInput as error:
            count("CallbacksRefused")
            logger.warning(
                "callback refused: its form cannot be used",
                reason=str(error),
                **callback_url.export.ids,
                **_times(callback_url, now),
                **call.facts,
            )
            raise
        update = StatusUpdate(
            source=UpdateSource.CALLBACK,
            as_of=now,
            export=callback_url.export,
            export_file_id=form.export_file_id,
            status=form.status,
            scheduled_for=callback_url.scheduled_for,
        )
        started = self._started(call, callback_url, form.export_file_id, now)
        changed = self.tracker.apply(update, started)
        logger.info(
            "callback taken" if changed else "callback changed nothing",
            **callback_url.export.ids,
            export_file_id=form.export_file_id,
            status=form.status,
            status_before=started.status,
            seconds_since_start=round((now - started.started_at).total_seconds()),
            is_url_of_first_start=callback_url.scheduled_for == started.first_scheduled_for,
            **_times(callback_url, now),
            **call.facts,
        )

    def _proven(self, call: CallbackCall, now: datetime) -> CallbackUrl:
        parsed = parse_path(call.segments)
        if parsed is not None:
            callback_url, signature = parsed
            if callback_url.is_alive(now) and (
                is_signed(callback_url, signature, self.signing_keys.known())
                # The key may have been rotated since this process read it.
                or is_signed(callback_url, signature, self.signing_keys.refreshed(now))
            ):
                return callback_url
        count("CallbacksRefused")
        logger.warning("callback refused: its URL is not ours, or has expired", **call.facts)
        raise NotFound

    def _started(self, call: CallbackCall, callback_url: CallbackUrl, export_file_id: int, now: datetime) -> ExportFile:
        """The record of that file, if a start for the scheduled time of the URL was answered with it."""
        pauses = () if self._is_suspected(callback_url, now) else _PAUSES
        for pause in (*pauses, None):
            record = self.table.read(callback_url.export.export_id, export_file_id)
            if record and record.serves(callback_url.export, callback_url.scheduled_for):
                return record
            if pause:
                self.sleep(pause)
        self._refused_at[callback_url] = now
        count("CallbacksRefused")
        logger.warning(
            "callback refused: no start for its scheduled time was answered with that file",
            **callback_url.export.ids,
            export_file_id=export_file_id,
            **_times(callback_url, now),
            **call.facts,
        )
        raise NotFound

    def _is_suspected(self, callback_url: CallbackUrl, now: datetime) -> bool:
        """Whether a call of that URL was refused less than a minute ago; forgets those that are older."""
        for refused, moment in list(self._refused_at.items()):
            if now - moment >= _SUSPECTED_FOR:
                del self._refused_at[refused]
        return callback_url in self._refused_at


def _times(callback_url: CallbackUrl, now: datetime) -> dict[str, Any]:
    since = now - callback_url.scheduled_for
    return {
        "scheduled_for": utc_seconds(callback_url.scheduled_for),
        "seconds_since_scheduled": round(since.total_seconds()),
    }


def _short(text: str) -> str:
    return shortened(printable(text), 100)
