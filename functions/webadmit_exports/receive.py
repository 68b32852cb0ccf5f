"""Takes a callback: checks its proof, reads its form, applies its news."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .callbacks import CallbackAddress, is_signed, parse_address, read_form
from .errors import InvalidInput
from .export_files import ExportFiles
from .keys import SigningKeys
from .model import ExportFile, News, Source
from .table import ExportFilesTable
from .telemetry import count, logger

# A callback can overtake the answer to its own start: its record is looked for again after these seconds, two in all.
_PAUSES = (0.2, 0.4, 0.6, 0.8)


class NotFound(Exception):
    """The address proves nothing, or not this: answered like a path that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveCallback:
    """The use case. `sleep` spends seconds."""

    signing_keys: SigningKeys
    table: ExportFilesTable
    export_files: ExportFiles
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep

    def receive(
        self, segments: Mapping[str, str], body: str | None, *, is_base64: bool, content_type: str | None
    ) -> None:
        """Applies the callback that came to the address with these path segments; repeats and old news change nothing.

        Raises NotFound, before anything but the keys is read, if the address is not ours or no longer alive, and after
        two seconds if no start was answered with that file for the occurrence of the address; InvalidInput if the form
        cannot be used; AwsUnavailable if WebAdMIT should try again.
        """
        now = self.now()
        address = self._proven(segments, now)
        try:
            form = read_form(body, is_base64=is_base64, content_type=content_type)
            if form.export_id != address.export.export_id:
                raise InvalidInput("export_file[export_id] must be the export of the address")
        except InvalidInput as error:
            count("CallbacksRefused")
            logger.warning("callback refused: its form cannot be used", reason=str(error), **address.export.ids)
            raise
        news = News(
            source=Source.CALLBACK,
            as_of=now,
            export=address.export,
            export_file_id=form.export_file_id,
            status=form.status,
            scheduled_for=address.scheduled_for,
        )
        changed = self.export_files.apply(news, self._started(address, form.export_file_id))
        logger.info(
            "callback taken" if changed else "callback brought nothing new",
            **address.export.ids,
            export_file_id=form.export_file_id,
            status=form.status,
        )

    def _proven(self, segments: Mapping[str, str], now: datetime) -> CallbackAddress:
        parsed = parse_address(segments)
        if parsed is not None:
            address, signature = parsed
            if address.is_alive(now) and (
                is_signed(address, signature, self.signing_keys.known())
                # The key may have been rotated since this process read it.
                or is_signed(address, signature, self.signing_keys.refreshed(now))
            ):
                return address
        count("CallbacksRefused")
        logger.warning("callback refused: its address is not ours, or no longer alive")
        raise NotFound

    def _started(self, address: CallbackAddress, export_file_id: int) -> ExportFile:
        """The record of that file, if the answer to a start has tied it to the occurrence of the address."""
        for pause in (*_PAUSES, None):
            record = self.table.read(address.export.export_id, export_file_id)
            if record and record.serves(address.export, address.scheduled_for):
                return record
            if pause:
                self.sleep(pause)
        count("CallbacksRefused")
        logger.warning(
            "callback refused: no start of its occurrence was answered with that file",
            **address.export.ids,
            export_file_id=export_file_id,
        )
        raise NotFound
