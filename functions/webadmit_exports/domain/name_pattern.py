"""Exports by name: `Slate nightly*` stands for all exports of that name in the followed cycles. Pure."""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from webadmit_exports.domain.foreign_text import with_stars
from webadmit_exports.domain.identities import Identity, Listing
from webadmit_exports.domain.ids import ID_PATTERN, Export
from webadmit_exports.errors import InvalidInput

MOST_MATCHES = 1000  # of one name in one program
_LONGEST = 200  # characters; what is longer is no name of WebAdMIT's
_NEAR = 3  # names that are suggested where none matches
_COMPARED = 2000  # names that are looked at for that; more would take seconds
_AT = re.compile(f"(.*)@({ID_PATTERN})", re.DOTALL)
# The same as in the parameter Exports of template.yaml: signs that would break the schedule's JSON or that are rare in
# names, blanks that do not look like one, marks that cannot be seen.
_REFUSED = re.compile(
    r"[\x00-\x1f!\"$%,:;<=>?@\[\\\]^`{|}~\x7f-\xa0\xab\xad\xbb\u1680\u180e\u2000-\u200f\u2018\u201a-\u201f"
    r"\u2028-\u202f\u2039\u203a\u205f-\u206f\u3000\ufeff\ufff0-\uffff]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePattern:
    """A name with `*` for any text; written `Slate nightly*`, and `Slate nightly*@37442` where it is for one identity.

    Only what could not be looked up in one identity is written in the second form, in messages of the start queue.
    """

    text: str
    user_identity_id: int | None = None

    def __str__(self) -> str:
        return self.text if self.user_identity_id is None else f"{self.text}@{self.user_identity_id}"

    def matches(self, name: str) -> bool:
        """Whether an export's whole name is this one; letter case does not count, nor how an accent is encoded."""
        return fnmatchcase(_folded(name), _folded(self.text))  # its other signs, ? and [, are refused in names

    @property
    def quoted(self) -> str:
        """For people: `"Slate nightly*" in identity 37442`."""
        return f'"{self.text}"{f" in identity {self.user_identity_id}" if self.user_identity_id else ""}'

    @property
    def matches_everything(self) -> bool:
        return not self.text.strip("*")

    def within(self, user_identity_id: int) -> "NamePattern":
        """The same name in one identity only."""
        return NamePattern(text=self.text, user_identity_id=user_identity_id)


Entry = Export | NamePattern  # one of the list in the parameter Exports


def parse_name(text: str) -> NamePattern:
    """Reads a name; raises InvalidInput, saying what is wrong with it."""
    match = _AT.fullmatch(text)
    name = match[1] if match else text
    if not name:
        raise InvalidInput("which is empty")
    if len(name) > _LONGEST:
        raise InvalidInput(f"with more than {_LONGEST} characters")
    if name != name.strip(" "):
        raise InvalidInput("with a blank before or after it")
    if bad := _REFUSED.search(name):
        sign = bad[0] if bad[0].isprintable() else f"U+{ord(bad[0]):04X}"
        raise InvalidInput(
            f"with {sign!r} in it; a name has letters, digits, blanks and . _ - ( ) & ' / + # only, and * stands for"
            " anything else"
        )
    return NamePattern(text=name, user_identity_id=int(match[2]) if match else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What a name stands for at some time: `exports`, with their names, in `identities`, by their ids.

    `unlisted`: those of the identities whose exports are not known. `near`: names that come near, where none matches.
    """

    exports: Mapping[Export, str]
    identities: Mapping[int, Identity]
    unlisted: frozenset[int] = frozenset()
    near: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Startable:
    """The exports that a name may start, with their names. `refused`: how many it may not, by program."""

    exports: Mapping[Export, str]
    refused: Mapping[str, int]


def startable(name: NamePattern, found: Matches) -> Startable:
    """What a name may start of what was found: not everything, nor more of one program than can be meant.

    One program does not count for another: a thousand exports of that name in one program stop that program only.
    """
    program_of = {export: found.identities[export.user_identity_id].program_name for export in found.exports}
    counts = Counter(program_of.values())
    refused = {program: n for program, n in counts.items() if n > MOST_MATCHES or name.matches_everything}
    return Startable(
        exports={export: text for export, text in found.exports.items() if program_of[export] not in refused},
        refused=refused,
    )


def started_once(by_name: Iterable[Export], pairs: Iterable[Export]) -> dict[Export, tuple[Export, ...]]:
    """Each export id that names found once, under the lowest identity that lists it; with the others, next first.

    Without those that are listed as pairs: a pair says which identity is meant.
    """
    listed: dict[int, set[Export]] = {}
    for export in by_name:
        listed.setdefault(export.export_id, set()).add(export)
    for pair in pairs:
        listed.pop(pair.export_id, None)
    in_order = [sorted(same, key=lambda export: export.user_identity_id) for same in listed.values()]
    return {first: tuple(others) for first, *others in in_order}


def match_name(name: NamePattern, listing: Listing) -> Matches:
    """Holds a name against the exports of the followed identities, or of its own identity."""
    number = name.user_identity_id
    if number is None:
        identities = {identity.id: identity for identity in listing.followed}
    else:
        identities = {number: listing.identities.get(number, Identity(id=number))}
    listed = [(number, export) for number in identities for export in listing.exports.get(number, ())]
    found = {
        Export(user_identity_id=number, export_id=export.id): export.name
        for number, export in listed
        if name.matches(export.name)
    }
    return Matches(
        exports=found,
        identities=identities,
        unlisted=frozenset(number for number in identities if number not in listing.exports),
        near=() if found else _near(name, [export.name for _, export in listed if export.name][:_COMPARED]),
    )


def _near(name: NamePattern, others: Sequence[str]) -> Sequence[str]:
    """Names that resemble it as a whole or in their beginning, the nearest first, as they can be listed."""
    text = _folded(name.text.replace("*", ""))
    candidates = {_folded(other)[: len(text)]: other for other in reversed(others)}
    candidates |= {_folded(other): other for other in others}
    near = difflib.get_close_matches(text, candidates, n=2 * _NEAR)
    return list(dict.fromkeys(as_listed(candidates[name]) for name in near))[:_NEAR]


def as_listed(name: str) -> str:
    """A name to be pasted into the parameter: `*` for what it may not have, such as a comma, or what is unsafe."""
    return re.sub(r"\*+", "*", _REFUSED.sub("*", with_stars(name)))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
