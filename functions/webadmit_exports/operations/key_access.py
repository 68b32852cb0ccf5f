"""What the API key reaches, held against what is scheduled."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from webadmit_exports.domain.identities import Identity, Listing
from webadmit_exports.domain.ids import Export, join_entries
from webadmit_exports.domain.name_pattern import (
    MOST_MATCHES,
    Entry,
    Matches,
    NamePattern,
    match_name,
    startable,
    started_once,
)
from webadmit_exports.messages.commands import Commands
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.messages.text import counted
from webadmit_exports.operations.setup_problem import SetupProblem
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.listing import Lister

READ_SECONDS = 5.0  # the whole check has a minute
_RESERVE_SECONDS = 2.0
_NO_TIME = "there was no time left"


class KeyAccess:
    """What the key reaches, and what of it `entries` stand for."""

    def __init__(self, listing: Listing, entries: Sequence[Entry]) -> None:
        self._listing = listing
        self._pairs = [entry for entry in entries if isinstance(entry, Export)]
        names = [entry for entry in entries if isinstance(entry, NamePattern)]
        self.matches: Mapping[NamePattern, Matches] = {name: match_name(name, listing) for name in names}
        self._startable = {name: startable(name, found) for name, found in self.matches.items()}

    def exports_of(self, entry: Entry) -> Mapping[Export, str]:
        """What an entry stands for, with the names."""
        if isinstance(entry, NamePattern):
            return self._startable[entry].exports
        listed = self._listing.exports.get(entry.user_identity_id, ())
        return {entry: next((export.name for export in listed if export.id == entry.export_id), "")}

    def runs_of(self, entries: Iterable[Entry]) -> list[Export]:
        """What one time of a schedule with these entries starts."""
        pairs = dict.fromkeys(entry for entry in entries if isinstance(entry, Export))
        by_name = (export for entry in entries if isinstance(entry, NamePattern) for export in self.exports_of(entry))
        return [*pairs, *started_once(by_name, pairs)]

    def _scheduled(self) -> Iterator[Export]:
        yield from self._pairs
        for name in self.matches:
            yield from self.exports_of(name)

    def pairs(self) -> list[Export]:
        """All pairs that the key reaches, as the parameter `Exports` takes them."""
        return [
            Export(user_identity_id=identity, export_id=export.id)
            for identity, ones in self._listing.exports.items()
            for export in ones
        ]

    def lines(self) -> list[str]:
        """Identities and their exports, for a person."""
        scheduled = set(self._scheduled())
        lines = ["Identities and exports that the key reaches (identity:export):"]
        for identity in self._listing.identities.values():
            is_older = bool(self.matches) and identity not in self._listing.followed
            lines.append(
                f"  {identity.id}  {identity.title}{'  (older than the cycles that names are looked up in)' * is_older}"
            )
            if identity.id not in self._listing.exports:
                lines.append(f"    (not listed: {self._listing.unlisted.get(identity.id) or _NO_TIME})")
            for listed in self._listing.exports.get(identity.id, []):
                pair = Export(user_identity_id=identity.id, export_id=listed.id)
                text = f"{listed.name or 'without a name'}{f' ({listed.format})' if listed.format else ''}"
                lines.append(f"    {pair}  {text}{'  scheduled' if pair in scheduled else ''}")
        return lines

    def problems(self, commands: Commands) -> Iterator[SetupProblem]:
        """What is wrong with what is scheduled; `commands` are for this stack."""
        for name, found in self.matches.items():
            yield from _wrong_name(name, found, self._startable[name].refused, commands)
        yield from self._not_listed(commands)
        for identity_id in dict.fromkeys(export.user_identity_id for export in self._pairs):
            exports = [export for export in self._pairs if export.user_identity_id == identity_id]
            identity = self._listing.identities.get(identity_id)
            if identity is None:
                yield SetupProblem(
                    what=f"The API key has no access to identity {identity_id}, which is scheduled"
                    f" ({join_entries(exports)}).",
                    fix="have the owner of the key granted access in WebAdMIT, or take these out of Exports; a new"
                    " cycle has new identities, see the list above",
                )
                continue
            if identity_id in self._listing.exports:
                yield from self._unknown(identity_id, exports, commands)
            yield from self._outdated(identity, exports, commands)

    def _not_listed(self, commands: Commands) -> Iterator[SetupProblem]:
        """Identities whose exports are scheduled, or may be, and could not be read."""
        scheduled = {export.user_identity_id for export in self._pairs}
        scheduled.update(number for found in self.matches.values() for number in found.unlisted)
        for number, error in self._listing.unlisted.items():
            if number in scheduled and number in self._listing.identities:
                yield SetupProblem(
                    what=f"The exports of identity {number}, some of which are scheduled, could not be listed:"
                    f" {error or _NO_TIME}.",
                    fix=problem_of(error).advice(commands, "CheckSetupFunction") if error else "run this check again.",
                )

    def _unknown(self, identity_id: int, exports: Sequence[Export], commands: Commands) -> Iterator[SetupProblem]:
        there = {export.id for export in self._listing.exports[identity_id]}
        unknown = [export for export in exports if export.export_id not in there]
        if unknown:
            yield SetupProblem(
                what=f"Identity {identity_id} has no such export: {join_entries(unknown)}.",
                fix="take it out of Exports, or put the right pair from the list above in its place:"
                f" {commands.deploy(Exports='…')}",
            )

    def _outdated(self, identity: Identity, exports: Sequence[Export], commands: Commands) -> Iterator[SetupProblem]:
        """A newer cycle of the same program, unless some of its exports are scheduled already."""
        newer = [
            other
            for other in self._listing.identities.values()
            if other.program == identity.program and other.year > identity.year > 0
        ]
        scheduled = list(self._scheduled())
        if not newer or any(export.user_identity_id == other.id for export in scheduled for other in newer):
            return
        newest = max(newer, key=lambda other: other.year)
        listed = self._listing.exports
        names = {export.id: export.name for export in listed.get(identity.id, [])}
        there = {export.name: export.id for export in listed.get(newest.id, []) if export.name}
        found = [there[names[export.export_id]] for export in exports if names.get(export.export_id) in there]
        pairs = join_entries(Export(user_identity_id=newest.id, export_id=number) for number in found)
        by_name = f"the exports of the same names there are {pairs}" if found else "no export there has the same name"
        yield SetupProblem(
            what=f"The cycle {newest.cycle} has begun: identity {newest.id} stands beside identity {identity.id} of"
            f" {identity.cycle} ({identity.program_name}).",
            fix=f"put the names of the exports into Exports in the place of {join_entries(exports)}: names need"
            f" no change for a new cycle. Or put their pairs there ({by_name}). Then {commands.deploy(Exports='…')}",
        )


def _wrong_name(
    name: NamePattern, found: Matches, refused: Mapping[str, int], commands: Commands
) -> Iterator[SetupProblem]:
    change = f"then {commands.deploy(Exports='…')}"
    for program, count in refused.items():
        yield SetupProblem(
            what=f'"{name}" stands for {counted(count, "export")} of {program}; none of these is started, because they'
            f" are more than {MOST_MATCHES:,}, or all that there are.",
            fix=f"write more of the name into Exports, {change}",
        )
    if not found.exports and not found.unlisted:
        near = ", ".join(f'"{similar}"' for similar in found.near)
        yield SetupProblem(
            what=f'"{name}" matches nothing: {Problem.NO_MATCH.sentence}.{f" Nearest: {near}." * bool(near)}',
            fix="put the right name from the list above into Exports (the whole name; * stands for any text, and is"
            f" written for a comma), {change}. Where a new cycle has begun, have the exports carried over to it in"
            " WebAdMIT (Transfer Settings)",
        )


def read_access(lister: Lister, key: ApiKey, entries: Sequence[Entry], time_left: Callable[[], float]) -> KeyAccess:
    """Lists the exports of all identities while there is time: first those of pairs, then the newest cycles.

    Raises a WebAdmitError if not even the identities can be listed.
    """
    scheduled = {entry.user_identity_id for entry in entries if isinstance(entry, Export)}

    def in_order(listing: Listing) -> list[int]:
        identities = listing.identities.values()
        ordered = sorted(identities, key=lambda identity: (identity.id not in scheduled, -identity.year, identity.id))
        return [identity.id for identity in ordered]

    listing = lister.list_chosen(key, in_order, lambda: time_left() - _RESERVE_SECONDS)
    identities = {number: listing.identities[number] for number in in_order(listing)}
    followed = [identity for identity in identities.values() if identity in listing.followed]
    return KeyAccess(replace(listing, identities=identities, followed=followed), entries)
