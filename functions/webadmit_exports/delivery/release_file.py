"""Lets a file through that was held back, or sends one again: because a person says so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webadmit_exports.archive.announced_file import AnnouncedFile
from webadmit_exports.archive.bucket import ArchiveBucket
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.aws.delivery_machine import DeliveryMachine
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.domain.ids import parse_id
from webadmit_exports.domain.status import has_file
from webadmit_exports.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """The use case."""

    table: ExportFilesTable
    bucket: ArchiveBucket
    messages: ArchiveMessages
    machine: Callable[[], DeliveryMachine]
    now: Callable[[], datetime]

    def release(self, request: object) -> dict[str, Any]:
        """Starts a delivery of `{"export_id": 86446, "export_file_id": 74780}` that holds nothing back.

        Raises InvalidInput, with what to do, where there is no such file; AwsUnavailable.
        """
        if not isinstance(request, Mapping) or set(request) != {"export_id", "export_file_id"}:
            raise InvalidInput('the request must be {"deliver": {"export_id": 86446, "export_file_id": 74780}}')
        export_id, export_file_id = (parse_id(str(request[name]), name) for name in ("export_id", "export_file_id"))
        record = self.table.read(export_id, export_file_id)
        if record is None or not has_file(record.status):
            raise InvalidInput(f"no file {export_file_id} of export {export_id} is recorded; see the ids in the mail")
        announced = AnnouncedFile.by_record(record)
        stored = self.bucket.find(announced.key_prefix)
        if stored is None:
            raise InvalidInput(
                f"file {export_file_id} of export {export_id} is not in the archive, or no longer; start the export"
                " again if it is still needed"
            )
        receipt = self.messages.receipt(announced, stored).body
        name = f"{receipt['event_id']}-{self.now():%Y%m%dT%H%M%S}"
        self.machine().start(name, receipt, released=True)
        return {"started": name}
