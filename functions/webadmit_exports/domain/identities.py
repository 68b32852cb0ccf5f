"""Identities, their cycles, and what they list. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webadmit_exports.errors import WebAdmitError


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user identity: the key's owner in one program and one cycle. The texts are empty where WebAdMIT has none."""

    id: int
    association: str = ""
    organization: str = ""
    institution: str = ""
    cycle: str = ""

    @property
    def program(self) -> tuple[str, str, str]:
        """What stays the same from cycle to cycle."""
        return self.association, self.organization, self.institution

    @property
    def program_name(self) -> str:
        return ", ".join(text for text in self.program if text) or "without a name"

    @property
    def title(self) -> str:
        """`NursingCAS, School of Nursing, University of Examples, 2026 - 2027`."""
        return ", ".join(text for text in (self.program_name, self.cycle) if text)

    @property
    def named(self) -> str:
        """`identity 37442 (NursingCAS, School of Nursing, University of Examples, 2026 - 2027)`."""
        return f"identity {self.id} ({self.title})"

    @property
    def year(self) -> int:
        """The year by which cycles are ordered: 2026 of `2026 - 2027`; 0 where there is none."""
        match = re.search(r"[0-9]{4}", self.cycle)
        return int(match[0]) if match else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedExport:
    """An export in an identity's list."""

    id: int
    name: str
    format: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The identities that the key reaches, by id, and the exports of those that were listed.

    `followed`: those that names are looked up in. `unlisted`: those that should have been listed too, and why they were
    not; None: there was no time.
    """

    identities: Mapping[int, Identity]
    followed: Sequence[Identity] = ()
    exports: dict[int, list[ListedExport]] = field(default_factory=dict)
    unlisted: dict[int, WebAdmitError | None] = field(default_factory=dict)


def followed(identities: Iterable[Identity], cycles: int) -> Sequence[Identity]:
    """Those in the newest so many cycles of their program; one whose cycle has no year is always among them."""
    identities = list(identities)
    years: dict[tuple[str, str, str], set[int]] = {}
    for identity in identities:
        years.setdefault(identity.program, set()).add(identity.year)
    newest = {program: sorted(found)[-cycles:] for program, found in years.items()}
    return [identity for identity in identities if not identity.year or identity.year in newest[identity.program]]
