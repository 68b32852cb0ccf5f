"""What the names in the schedules stood for at each scheduled time, and what has changed since the day before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.domain.foreign_text import shown
from webadmit_exports.domain.identities import Identity
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import Matches, NamePattern, match_name
from webadmit_exports.errors import WebAdmitExportsError
from webadmit_exports.messages.problems import problem_of
from webadmit_exports.messages.text import counted, named
from webadmit_exports.telemetry import logger
from webadmit_exports.webadmit.api_key import WebAdmitApiKey
from webadmit_exports.webadmit.listing import Lister

READ_SECONDS = 5.0
_RESERVE_SECONDS = 30.0  # for the rest of the mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What names stand for now and did not the day before, and the other way round, in lines for a person.

    `replaced`: identities in whose place others of the same program have come. `lost`: what is gone otherwise.
    """

    joined: Sequence[str] = ()
    replaced: Sequence[str] = ()
    lost: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentMatches:
    """Looks up what names match now."""

    lister: Lister
    api_key: WebAdmitApiKey

    def match(self, names: Sequence[NamePattern], time_left: Callable[[], float]) -> Mapping[NamePattern, Matches]:
        """Raises a WebAdmitExportsError where the key or the identities cannot be read."""
        listing = self.lister.list_for(self.api_key.read(), names, lambda: time_left() - _RESERVE_SECONDS)
        return {name: match_name(name, listing) for name in names}


@dataclass(slots=True, kw_only=True)
class NameHistory:
    """What `names` stood for from `since` to before `until`.

    `recorded`: by name and scheduled time, newest first; `before`: the last time before `since`.
    """

    names: Sequence[NamePattern]
    recorded: Mapping[NamePattern, Mapping[datetime, Matches]]
    before: Mapping[NamePattern, Matches]
    look_up: Callable[[Sequence[NamePattern]], Mapping[NamePattern, Matches]]
    why_not_known: str = ""
    _current: Mapping[NamePattern, Matches] | None = field(default=None)

    def recorded_at(self, name: NamePattern, scheduled_for: datetime) -> Matches | None:
        """What was found at that time; None where nothing was looked up, or no list could be read."""
        found = self.recorded[name].get(scheduled_for)
        return found if found and (found.exports or not found.unlisted) else None

    def matches_now(self, name: NamePattern) -> Matches | None:
        """What the name matches now; None where that is not known."""
        if self._current is None:
            try:
                self._current = self.look_up(self.names)
            except WebAdmitExportsError as error:
                logger.warning("names in Exports could not be looked up for the morning mail", reason=str(error))
                self._current, self.why_not_known = {}, problem_of(error).sentence
        return self._current.get(name)

    def exports(self) -> Iterator[Export]:
        """All that the names stood for, also at times that are not those of a schedule."""
        for times in self.recorded.values():
            for found in times.values():
                yield from found.exports

    def changes(self) -> Changes:
        """From the last scheduled time before `since` to the last one after it; so each is told once."""
        compared = [
            (next(iter(times.values())), self.before[name])
            for name, times in self.recorded.items()
            if times and name in self.before
        ]
        now, before = _Union([found for found, _ in compared]), _Union([found for _, found in compared])
        joined = [one for number, one in now.identities.items() if number not in before.identities]
        left = [one for number, one in before.identities.items() if number not in now.identities]
        replaced = [old for old in left if any(_replaces(new, old) for new in joined)]
        gained = [export for export in now.exports if export not in before.exports and before.has_listed(export)]
        lost = [export for export in before.exports if export not in now.exports and now.has_listed(export)]
        return Changes(
            joined=[
                *(f"{shown(identity.named)}: {now.count(identity)}" for identity in joined),
                *(named(export, now.exports[export]) for export in gained),
            ],
            replaced=[shown(identity.named) for identity in replaced],
            lost=[
                *(shown(identity.named) for identity in left if identity not in replaced),
                *(named(export, before.exports[export]) for export in lost),
            ],
        )


def _replaces(new: Identity, old: Identity) -> bool:
    """Whether it is of the next cycle, or of another owner of the key."""
    return new.program == old.program and new.year >= old.year


class _Union:
    """All that several names stood for."""

    def __init__(self, several: Sequence[Matches]) -> None:
        self.exports = {export: name for matches in several for export, name in matches.exports.items()}
        self.identities = {number: identity for matches in several for number, identity in matches.identities.items()}
        self._unlisted = {number for matches in several for number in matches.unlisted}

    def has_listed(self, export: Export) -> bool:
        return export.user_identity_id in self.identities and export.user_identity_id not in self._unlisted

    def count(self, identity: Identity) -> str:
        if identity.id in self._unlisted:
            return "its exports could not be listed yet"
        exports = sum(export.user_identity_id == identity.id for export in self.exports)
        if exports:
            return counted(exports, "export")
        return "no export of these names yet; carry them over in WebAdMIT (Transfer Settings)"


def read_history(
    matches: NameMatches,
    names: Sequence[NamePattern],
    since: datetime,
    until: datetime,
    look_up: Callable[[Sequence[NamePattern]], Mapping[NamePattern, Matches]],
) -> NameHistory:
    """Reads what was recorded; raises AwsUnavailable if it cannot."""
    recorded: dict[NamePattern, dict[datetime, Matches]] = {name: {} for name in names}
    before = {}
    for name in names:
        for scheduled_for, found in matches.before(name, until):
            if scheduled_for >= since:
                recorded[name][scheduled_for] = found
            else:
                before[name] = found
                break
    return NameHistory(names=names, recorded=recorded, before=before, look_up=look_up)
