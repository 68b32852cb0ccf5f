"""Whether a file is held back, because it may break the next load. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from webadmit_exports.delivery.columns import ColumnChanges, compare
from webadmit_exports.delivery.receipt import Receipt
from webadmit_exports.domain.delivered import Before, Contents
from webadmit_exports.domain.foreign_text import shown
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Entry
from webadmit_exports.messages.text import counted, sentence

# A name that has been delivered for so short a time is new: its programs have their first files in the same night.
_NEW_NAME = timedelta(days=1)


class Reason(NamedTuple):
    """Why a file may break a load. `what`: a sentence without names; `names`: for people only, never for a log."""

    what: str
    names: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.names}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a file differs from the one before it. `reasons`: empty where it goes on."""

    reasons: tuple[Reason, ...] = ()
    columns: ColumnChanges = field(default_factory=ColumnChanges)
    previous_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRules:
    """`are_on`: the parameter HoldChangedFiles. `deltas`: DeltaExports, whose files vary in size by nature."""

    are_on: bool
    deltas: Sequence[Entry] = ()

    def look_at(self, receipt: Receipt, now: Contents, before: Before) -> Difference:
        """Compares a file with what was delivered before it."""
        was = before.contents
        changes = ColumnChanges()
        if was and was.columns is not None and now.columns is not None:
            changes = compare(was.columns, now.columns)
        reasons: list[Reason] = []
        if self.are_on:
            reasons += self._about_the_program(receipt, before)
            reasons += _about_the_columns(receipt, now, was, changes)
            reasons += self._about_the_rows(receipt, now, was)
        return Difference(reasons=tuple(reasons), columns=changes, previous_rows=was.rows if was else None)

    def _about_the_program(self, receipt: Receipt, before: Before) -> Sequence[Reason]:
        since = before.name_of_others_since
        if since is None or receipt.finished_at - since < _NEW_NAME:
            return ()
        labels = receipt.labels
        program = shown(labels.organization) or "a program without a name"
        name = shown(labels.export_name)
        what = "It is the first file of its program under a name that others have had delivered."
        return [Reason(what, f'It is of {program}, and its name is "{name}".')]

    def _about_the_rows(self, receipt: Receipt, now: Contents, was: Contents | None) -> Sequence[Reason]:
        if was is None or was.rows is None or now.rows is None or now.rows * 2 >= was.rows:
            return ()
        if any(_is(entry, receipt) for entry in self.deltas):
            return ()
        records = counted(now.rows, "record")
        return [Reason(f"It has {records}, fewer than half of the {was.rows:,} of the file before it.")]


def _about_the_columns(
    receipt: Receipt, now: Contents, was: Contents | None, changes: ColumnChanges
) -> Sequence[Reason]:
    if receipt.says_csv and not receipt.is_csv:
        return [Reason("It cannot be read as a CSV.")]
    if receipt.says_csv and not receipt.has_header:
        return [Reason("It is empty: it has not even the names of columns.")]
    if was and was.columns is not None and now.columns is None:
        return [Reason("Its first line has no names of columns, and that of the file before it had.")]
    if changes.is_another_line:
        return [Reason("Its first line has fewer than half of the columns of the file before it, or is a record.")]
    lines = list(changes.lines())
    return [Reason("Its columns are not those of the file before it.", sentence("; ".join(lines)))] if lines else []


def _is(entry: Entry, receipt: Receipt) -> bool:
    return entry == receipt.export if isinstance(entry, Export) else entry.matches(receipt.labels.export_name)
