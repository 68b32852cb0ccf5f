"""Takes a callback: checks its URL, reads its form, applies its status update."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webadmit_exports.aws.secrets import SigningKeys
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.callback_form import parse_form
from webadmit_exports.domain.callback_url import CallbackUrl, is_signed, parse_path
from webadmit_exports.domain.export_file import ExportFile, StatusUpdate, UpdateSource
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
class ReceiveCallback:
    """The use case. `sleep` spends seconds. What was refused is kept in memory."""

    signing_keys: SigningKeys
    table: ExportFilesTable
    tracker: RunTracker
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    _refused_at: dict[CallbackUrl, datetime] = field(default_factory=dict)

    def receive(
        self, segments: Mapping[str, str], body: str | None, *, is_base64: bool, content_type: str | None
    ) -> None:
        """Applies the callback that came to the URL with these path segments; repeats and old updates change nothing.

        Raises NotFound, before anything but the keys is read, if the URL is not ours or has expired, and after two
        seconds if no start for its scheduled time was answered with that file (at once if a call of that URL was
        refused less than a minute ago); InvalidInput if the form cannot be used; AwsUnavailable if WebAdMIT should try
        again.
        """
        now = self.now()
        callback_url = self._proven(segments, now)
        try:
            form = parse_form(body, is_base64=is_base64, content_type=content_type)
            if form.export_id != callback_url.export.export_id:
                raise InvalidInput("export_file[export_id] must be the export of the URL")
        except InvalidInput as error:
            count("CallbacksRefused")
            logger.warning("callback refused: its form cannot be used", reason=str(error), **callback_url.export.ids)
            raise
        update = StatusUpdate(
            source=UpdateSource.CALLBACK,
            as_of=now,
            export=callback_url.export,
            export_file_id=form.export_file_id,
            status=form.status,
            scheduled_for=callback_url.scheduled_for,
        )
        changed = self.tracker.apply(update, self._started(callback_url, form.export_file_id, now))
        logger.info(
            "callback taken" if changed else "callback changed nothing",
            **callback_url.export.ids,
            export_file_id=form.export_file_id,
            status=form.status,
        )

    def _proven(self, segments: Mapping[str, str], now: datetime) -> CallbackUrl:
        parsed = parse_path(segments)
        if parsed is not None:
            callback_url, signature = parsed
            if callback_url.is_alive(now) and (
                is_signed(callback_url, signature, self.signing_keys.known())
                # The key may have been rotated since this process read it.
                or is_signed(callback_url, signature, self.signing_keys.refreshed(now))
            ):
                return callback_url
        count("CallbacksRefused")
        logger.warning("callback refused: its URL is not ours, or has expired")
        raise NotFound

    def _started(self, callback_url: CallbackUrl, export_file_id: int, now: datetime) -> ExportFile:
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
        )
        raise NotFound

    def _is_suspected(self, callback_url: CallbackUrl, now: datetime) -> bool:
        """Whether a call of that URL was refused less than a minute ago; forgets those that are older."""
        for refused, moment in list(self._refused_at.items()):
            if now - moment >= _SUSPECTED_FOR:
                del self._refused_at[refused]
        return callback_url in self._refused_at
