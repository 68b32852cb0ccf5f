"""The columns of a CSV, and how they differ from those of the file before it. Pure.

The names of columns are told to people. Where the first line of a file looks like a record, or has little to do with
that of the file before it, nobody is told what stands in it: it may be an applicant's data.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webadmit_exports.domain.foreign_text import shown

HEAD_BYTES = 1024 * 1024  # of a file, which hold its header: csv_facts takes no longer line
NAMED = 20  # columns that are named
_LONGEST_NAME = 200
_OF_A_PERSON = re.compile(r"\S+@\S+\.\S+|.*\d{6}.*|[\d(][\d() .+-]{6,}")  # a mail address, an id, a telephone number
_NUMBER = re.compile(r"(?=.*\d)[\d\s.,:/+-]+")  # also a date

Columns = tuple[str, ...]


def parse_columns(head: bytes, charset: str) -> Columns | None:
    """The names in the first line of a file; None where there is none, or it looks like a record."""
    text = head.decode(charset, errors="replace").removeprefix("\ufeff")
    try:
        names = next((tuple(record) for record in csv.reader(io.StringIO(text, newline="")) if record), ())
    except csv.Error:
        return None
    numbers = sum(bool(_NUMBER.fullmatch(name.strip())) for name in names)  # a year may be the name of one column
    if numbers == len(names) or numbers > 1 or any(_OF_A_PERSON.fullmatch(name.strip()) for name in names):
        return None
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChanges:
    """How columns differ. `added`: at the end, which breaks no load; everything else may.

    `is_another_line`: most of them are others; then none is named.
    """

    is_another_line: bool = False
    gone: Columns = ()
    renamed: tuple[tuple[str, str], ...] = ()
    inserted: Columns = ()
    moved: Columns = ()
    added: Columns = ()

    def lines(self) -> Iterator[str]:
        """What may break a load, in words."""
        for what, names in (("gone", self.gone), ("new in between", self.inserted), ("in another place", self.moved)):
            if names:
                yield f"{what}: {named(names)}"
        if self.renamed:
            yield f"renamed: {_listed(f'{_shown(old)} is now {_shown(new)}' for old, new in self.renamed)}"

    @property
    def fields(self) -> dict[str, list[str]]:
        """The same for programs, at most 20 names of each kind."""
        gone = (*(old for old, _ in self.renamed), *self.gone)
        new = (*(name for _, name in self.renamed), *self.inserted)
        kinds = {"columns_gone": gone, "columns_new": new, "columns_moved": self.moved}
        return {kind: in_json(names) for kind, names in kinds.items() if names}


def compare(before: Sequence[str], now: Sequence[str]) -> ColumnChanges:
    """How the columns of a file differ from those of the one before it."""
    if tuple(now[: len(before)]) == tuple(before):
        return ColumnChanges(added=tuple(now[len(before) :]))
    gone, new = _without(before, now), _without(now, before)
    renamed = [(old, name) for old, name in zip(before, now, strict=False) if old in gone and name in new]
    kept_before, kept_now = _without(before, gone), _without(now, new)
    if 2 * len(kept_before) < len(before):
        return ColumnChanges(is_another_line=True)
    return ColumnChanges(
        gone=_without(gone, [old for old, _ in renamed]),
        renamed=tuple(renamed),
        inserted=_without(new, [name for _, name in renamed]),
        moved=tuple(name for old, name in zip(kept_before, kept_now, strict=True) if old != name),
    )


def named(names: Iterable[str]) -> str:
    """Names for people, at most 20."""
    return _listed(_shown(name) for name in names)


def in_json(names: Sequence[str]) -> list[str]:
    """Names for programs, at most 20."""
    return [name[:_LONGEST_NAME] for name in names[:NAMED]]


def _without(names: Sequence[str], others: Sequence[str]) -> Columns:
    """The names that are not among the others; one that stands there twice needs two others."""
    left = Counter(others)
    kept = []
    for name in names:
        if left[name]:
            left[name] -= 1
        else:
            kept.append(name)
    return tuple(kept)


def _shown(name: str) -> str:
    return f'"{shown(name[:_LONGEST_NAME])}"'


def _listed(texts: Iterable[str]) -> str:
    all_of_them = list(texts)
    more = [f"and {len(all_of_them) - NAMED} more"] if len(all_of_them) > NAMED else []
    return ", ".join([*all_of_them[:NAMED], *more])
