"""How far a delivery is: what DeliveryMachine in template.yaml carries from step to step. Pure.

A delivery that is under way when another version is deployed goes on with that one: what it does not know is left out,
and what is not there yet has a default.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from webadmit_exports.delivery.names import remote_name, remote_path
from webadmit_exports.delivery.receipt import Receipt
from webadmit_exports.domain import delivered
from webadmit_exports.domain.times import parse_time, utc_microseconds

PATIENCE = timedelta(hours=12)  # after which a failure is the last one
_FIRST_PAUSE, _LONGEST_PAUSE = 60, 1800  # seconds after a failure


class Phase(StrEnum):
    """What is done next, or what came of it; DeliveryMachine ends at the last three."""

    TO_DECIDE = "to be decided"
    TO_SEND = "to be sent"
    SENDING = "being sent"
    ARRIVED = "arrived"
    LOOKING = "being looked for"
    DELIVERED = delivered.DELIVERED
    HELD = delivered.HELD
    GIVEN_UP = delivered.GIVEN_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery. `execution` tells it from others of the same file; `released`: a person lets the file through.

    `since`: when the phase began. `told`: the causes of failures that people were told of. `partial`: what the file is
    called while it is sent. `listing`: where the list of the folder will be. `rename_at`: when a rename was asked for,
    None again where it was refused. `must_be_seen`: it was refused, or another file under the final name was to be
    removed; then a file that is gone does not count as taken.
    """

    receipt: Receipt
    execution: str
    began_at: datetime
    since: datetime
    released: bool = False
    phase: Phase = Phase.TO_DECIDE
    folder: str = ""
    wait_seconds: int = 0
    failures: int = 0
    reason: str = ""
    told: tuple[str, ...] = ()
    partial: str = ""
    transfer_id: str = ""
    listing: str = ""
    rename_at: datetime | None = None
    must_be_seen: bool = False

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Reads what `document` wrote, or what the machine begins with: `receipt`, `execution` and `began_at`."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        return cls(
            **{
                **values,
                "receipt": Receipt(document["receipt"]),
                "began_at": parse_time(document["began_at"]),
                "since": parse_time(document.get("since", document["began_at"])),
                "phase": Phase(document.get("phase", Phase.TO_DECIDE)),
                "told": tuple(document.get("told", ())),
                "rename_at": parse_time(document["rename_at"]) if document.get("rename_at") else None,
            }
        )

    @property
    def document(self) -> dict[str, Any]:
        """For the machine, as JSON has it."""
        fields = {**asdict(self), "receipt": dict(self.receipt.body)}
        return {name: utc_microseconds(one) if isinstance(one, datetime) else one for name, one in fields.items()}

    @property
    def name(self) -> str:
        """What the file is called on the server in the end."""
        receipt = self.receipt
        name, export_id = receipt.labels.export_name, receipt.export.export_id
        return remote_name(name, export_id, receipt.finished_at, receipt.export_file_id, receipt.object[1])

    @property
    def path(self) -> str:
        """Where it lies in the end."""
        return remote_path(self.folder, self.name)

    @property
    def partial_path(self) -> str:
        return remote_path(self.folder, self.partial)

    def pause(self) -> int:
        """The seconds to wait after its last failure: longer each time, half an hour at most."""
        return min(_FIRST_PAUSE << min(self.failures - 1, 10), _LONGEST_PAUSE)
