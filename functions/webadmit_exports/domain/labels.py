"""What people call an export and its identity. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What people call an export and its identity, as WebAdMIT has it; each may be empty.

    A field that is added here is in records, messages and their attributes; `runs.label_cache` fills it.
    """

    export_name: str = ""
    cycle: str = ""
    organization: str = ""

    @property
    def known(self) -> dict[str, str]:
        """Those that are not empty, for messages and records."""
        return {name: text for name, text in asdict(self).items() if text}

    @property
    def program(self) -> str:
        """For people: `School of Nursing, 2026 - 2027`."""
        return ", ".join(text for text in (self.organization, self.cycle) if text)

    @classmethod
    def among(cls, attributes: Mapping[str, str]) -> Self:
        """Those that are among the attributes of a record."""
        return cls(**{field.name: attributes.get(field.name, "") for field in fields(cls)})


NO_LABELS = Labels()
