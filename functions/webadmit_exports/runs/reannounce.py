"""Announces files again because a person asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import parse_id
from webadmit_exports.domain.times import parse_time
from webadmit_exports.errors import InvalidInput
from webadmit_exports.runs.tracker import RunTracker

_RESERVE_SECONDS = 15.0
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_WANTED = (
    '{"announce_again": {"export_id": 86446, "export_file_id": 74780}} for one file, or {"announce_again":'
    ' {"export_id": 86446, "since": "2026-11-20T00:00:00Z"}} for those of an export that finished since then'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reannounce:
    """The use case."""

    table: ExportFilesTable
    tracker: RunTracker

    def announce(self, request: object, time_left: Callable[[], float]) -> dict[str, Any]:
        """Reads the request, see `_WANTED`; answers with the files that were announced, and those that were not.

        Raises InvalidInput where the request cannot be used, or there is no such file; AwsUnavailable.
        """
        announced: list[int] = []
        left: list[int] = []
        for file in self._files(request):
            is_in_time = time_left() > _RESERVE_SECONDS
            done = is_in_time and self.tracker.reannounce(file)
            (announced if done else left).append(file.export_file_id)
        return {"announced_again": announced, "not_announced": left}

    def _files(self, request: object) -> list[ExportFile]:
        if not isinstance(request, Mapping) or set(request) not in (
            {"export_id", "export_file_id"},
            {"export_id", "since"},
        ):
            raise InvalidInput(f"the request must be {_WANTED}")
        export_id = parse_id(str(request["export_id"]), "export_id")
        if "since" in request:
            since = _since(request["since"])
            files = self.table.newest(export_id, max(since, _EARLIEST) - LIFETIME)  # a run may take days
            return [file for file in reversed(files) if file.finished_at and file.finished_at >= since]
        export_file_id = parse_id(str(request["export_file_id"]), "export_file_id")
        file = self.table.read(export_id, export_file_id)
        if file is None:
            raise InvalidInput(f"there is no record of file {export_file_id} of export {export_id}")
        return [file]


def _since(text: object) -> datetime:
    try:
        return parse_time(text)
    except InvalidInput as error:
        raise InvalidInput(f'"since" cannot be used: {error}. The request must be {_WANTED}') from None
