"""What the API key reaches, held against what is scheduled."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from webadmit_exports.domain.ids import Export, join_pairs
from webadmit_exports.errors import WebAdmitError, WebAdmitExportsError
from webadmit_exports.messages.commands import Commands
from webadmit_exports.messages.problems import problem_of
from webadmit_exports.webadmit.answers import Identity, ListedExport
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit, longest_call

READ_SECONDS = 5.0  # the whole check has a minute
SIDE_BY_SIDE = 8
_RESERVE_SECONDS = longest_call(READ_SECONDS) + 2
_NO_TIME = "there was no time left"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupProblem:
    """Something that a person has to fix, and how."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what} What to do: {self.fix}"


def known_problem(error: WebAdmitExportsError, commands: Commands) -> SetupProblem:
    """The problem behind an error, as the catalogue describes it."""
    problem = problem_of(error)
    return SetupProblem(what=problem.reason(error.detail), fix=problem.advice(commands, "CheckSetupFunction"))


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """What the key reaches: identities by their ids, and the exports of those that could be listed, or why not."""

    identities: Mapping[int, Identity]
    exports: dict[int, list[ListedExport]] = field(default_factory=dict)
    unlisted: dict[int, WebAdmitError | None] = field(default_factory=dict)

    def pairs(self) -> list[Export]:
        """All pairs, as the parameter `Exports` takes them."""
        return [
            Export(user_identity_id=identity, export_id=one.id)
            for identity, ones in self.exports.items()
            for one in ones
        ]

    def lines(self, wanted: Sequence[Export]) -> list[str]:
        """Identities and their exports, for a person."""
        lines = ["Identities and exports that the key reaches (identity:export):"]
        for identity in self.identities.values():
            lines.append(f"  {_title(identity)}")
            if identity.id not in self.exports:
                lines.append(f"    (not listed: {self.unlisted.get(identity.id) or _NO_TIME})")
            for one in self.exports.get(identity.id, []):
                pair = Export(user_identity_id=identity.id, export_id=one.id)
                mark = "  scheduled" if pair in wanted else ""
                lines.append(
                    f"    {pair}  {one.name or 'without a name'}{f' ({one.format})' if one.format else ''}{mark}"
                )
        return lines

    def problems(self, wanted: Sequence[Export], commands: Commands) -> Iterator[SetupProblem]:
        """What is wrong with the pairs that are scheduled; `commands` are for this stack."""
        for identity_id in dict.fromkeys(export.user_identity_id for export in wanted):
            exports = [export for export in wanted if export.user_identity_id == identity_id]
            identity = self.identities.get(identity_id)
            if identity is None:
                yield SetupProblem(
                    what=f"The API key has no access to identity {identity_id}, which is scheduled"
                    f" ({join_pairs(exports)}).",
                    fix="have the owner of the key granted access in WebAdMIT, or take these out of Exports; a new"
                    " cycle has new identities, see the list above",
                )
                continue
            if identity_id in self.exports:
                yield from self._unknown(identity_id, exports, commands)
            elif identity_id in self.unlisted:
                error = self.unlisted[identity_id]
                yield SetupProblem(
                    what=f"The exports of identity {identity_id}, some of which are scheduled, could not be listed:"
                    f" {error or _NO_TIME}.",
                    fix=problem_of(error).advice(commands, "CheckSetupFunction") if error else "run this check again.",
                )
            yield from self._outdated(identity, exports, wanted, commands)

    def _unknown(self, identity_id: int, exports: Sequence[Export], commands: Commands) -> Iterator[SetupProblem]:
        there = {one.id for one in self.exports[identity_id]}
        unknown = [export for export in exports if export.export_id not in there]
        if unknown:
            yield SetupProblem(
                what=f"Identity {identity_id} has no such export: {join_pairs(unknown)}.",
                fix="take it out of Exports, or put the right pair from the list above in its place, in"
                f" parameter_overrides in your samconfig file, then {commands.deploy()}",
            )

    def _outdated(
        self, identity: Identity, exports: Sequence[Export], wanted: Sequence[Export], commands: Commands
    ) -> Iterator[SetupProblem]:
        """A newer cycle of the same program, unless some of its exports are scheduled already."""
        newer = [
            one
            for one in self.identities.values()
            if _program(one) == _program(identity) and first_year(one.cycle) > first_year(identity.cycle) > 0
        ]
        if not newer or any(export.user_identity_id == one.id for export in wanted for one in newer):
            return
        newest = max(newer, key=lambda one: first_year(one.cycle))
        names = {one.id: one.name for one in self.exports.get(identity.id, [])}
        there = {one.name: one.id for one in self.exports.get(newest.id, []) if one.name}
        found = [there[names[export.export_id]] for export in exports if names.get(export.export_id) in there]
        pairs = join_pairs(Export(user_identity_id=newest.id, export_id=number) for number in found)
        by_name = f"the exports of the same names there are {pairs}" if found else "no export there has the same name"
        yield SetupProblem(
            what=f"The cycle {newest.cycle} has begun: identity {newest.id} stands beside identity {identity.id} of"
            f" {identity.cycle} ({_program_name(identity)}).",
            fix=f"put its exports into Exports, beside or in the place of {join_pairs(exports)} ({by_name}), in"
            f" parameter_overrides in your samconfig file, then {commands.deploy()}",
        )


def _program(identity: Identity) -> tuple[str, str, str]:
    return identity.association, identity.organization, identity.institution


def _program_name(identity: Identity) -> str:
    return ", ".join(text for text in _program(identity) if text) or "without a name"


def _title(identity: Identity) -> str:
    return ", ".join(text for text in (f"{identity.id}  {_program_name(identity)}", identity.cycle) if text)


def first_year(cycle: str) -> int:
    """By which cycles are ordered: 2026 of `2026 - 2027`; 0 where there is no year."""
    match = re.search(r"[0-9]{4}", cycle)
    return int(match[0]) if match else 0


def read_access(
    webadmit: WebAdmit,
    key: ApiKey,
    identities: Iterable[Identity],
    wanted: Iterable[Export],
    time_left: Callable[[], float],
) -> KeyAccess:
    """Lists the exports of all identities while there is time: first the scheduled ones and the newest cycles."""
    scheduled = {export.user_identity_id for export in wanted}
    ordered = sorted(identities, key=lambda one: (one.id not in scheduled, -first_year(one.cycle), one.id))
    access = KeyAccess(identities={one.id: one for one in ordered})

    def ask(identity: Identity) -> list[ListedExport] | WebAdmitError | None:
        if time_left() < _RESERVE_SECONDS:
            return None
        try:
            return webadmit.exports(key, identity.id)
        except WebAdmitError as error:
            return error

    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as workers:
        for identity, answer in zip(ordered, workers.map(ask, ordered), strict=True):
            if isinstance(answer, list):
                access.exports[identity.id] = answer
            else:
                access.unlisted[identity.id] = answer
    return access
