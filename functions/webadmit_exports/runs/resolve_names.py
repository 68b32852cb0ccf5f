"""Finds the exports that names stand for, before they are started."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.domain.export_name import ExportName, Matches, is_startable, match_name
from webadmit_exports.domain.identities import Identity, Listing, followed
from webadmit_exports.errors import ApiKeyRefused, AwsUnavailable, WebAdmitError
from webadmit_exports.messages.problem_kinds import Scope
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.runs.export_names import ExportNames
from webadmit_exports.runs.start_one import RequestedStart, StartOutcome, StartResult
from webadmit_exports.runs.throttle import Throttle
from webadmit_exports.telemetry import logger
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit
from webadmit_exports.webadmit.listing import read_listing

READ_SECONDS = 15.0
_TIMEOUT = 60.0  # seconds after which no further list is asked for; the starts need the rest of the invocation
_MOST_DEFERRED = 100  # names in single identities, of one start; where it would be more, names are deferred as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What became of a name: the starts that it stands for, and the results of what cannot start."""

    starts: Sequence[RequestedStart] = ()
    results: Sequence[StartResult] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveNames:
    """Looks names up, and keeps what was found. `clock` counts seconds. `followed_cycles`: how many of each program."""

    webadmit: WebAdmit
    matches: NameMatches
    names: ExportNames
    followed_cycles: int
    clock: Callable[[], float] = time.monotonic

    def resolve(
        self, key: ApiKey, requested: Sequence[RequestedStart], throttle: Throttle
    ) -> dict[RequestedStart, Resolved]:
        """Looks all of them up in one go. Raises nothing: what cannot be looked up now is deferred."""
        try:
            listing = self._list(key, requested, throttle)
            self.names.learn(listing)
            one_by_one = len(listing.unlisted) * len(requested) <= _MOST_DEFERRED
            return {one: self._resolve(one, listing, one_by_one=one_by_one) for one in requested}
        except WebAdmitError as error:
            problem, detail = problem_of(error), error.detail
            logger.warning("names cannot be looked up", problem=problem.name, detail=detail)
            if problem.scope is Scope.EVERYTHING:
                throttle.close(problem, detail)
        except Exception:  # noqa: BLE001 - the edge: names keep no pair from starting
            logger.exception("names cannot be looked up because of an error in the code")
            problem, detail = Problem.UNEXPECTED, ""
        return {one: Resolved(results=[deferred(one, problem, detail)]) for one in requested}

    def _list(self, key: ApiKey, requested: Sequence[RequestedStart], throttle: Throttle) -> Listing:
        until = self.clock() + _TIMEOUT
        names = [one.entry for one in requested if isinstance(one.entry, ExportName)]
        single = {name.user_identity_id for name in names}

        def choose(identities: Sequence[Identity]) -> Sequence[int]:
            every = followed(identities, self.followed_cycles) if None in single else ()
            return list(dict.fromkeys([*(one.id for one in every), *(number for number in single if number)]))

        self.webadmit.drop_connections()
        return read_listing(self.webadmit, key, choose, lambda: min(until - self.clock(), throttle.time_left()))

    def _resolve(self, requested: RequestedStart, listing: Listing, *, one_by_one: bool) -> Resolved:
        name = requested.name
        found = match_name(name, followed(listing.identities.values(), self.followed_cycles), listing)
        count = len(found.exports)
        if count and not is_startable(name, found):
            return Resolved(results=[_failed(requested, Problem.TOO_MANY_MATCHES, f"{count:,} exports")])
        results = list(self._deferred(requested, found, listing, one_by_one=one_by_one))
        is_any_known = self._record(requested, found)
        if not found.exports and not results and not is_any_known:
            near = ", ".join(f'"{one}"' for one in found.near)
            results.append(_failed(requested, Problem.NO_MATCH, f"nearest: {near}" if near else ""))
        logger.info("name looked up", **requested.ids, exports=count, unlisted=len(found.unlisted))
        return Resolved(starts=[requested.of(export) for export in found.exports], results=results)

    def _deferred(
        self, requested: RequestedStart, found: Matches, listing: Listing, *, one_by_one: bool
    ) -> Iterator[StartResult]:
        """The name in each identity that could not be listed; as a whole where the key is refused, or for many."""
        errors = {number: listing.unlisted.get(number) for number in sorted(found.unlisted)}
        refused = next((error for error in errors.values() if isinstance(error, ApiKeyRefused)), None)
        if errors and (refused or not one_by_one):
            yield deferred(requested, *_why(refused or next(iter(errors.values()))))
            return
        for number, error in errors.items():
            yield deferred(requested.of(requested.name.within(number)), *_why(error))

    def _record(self, requested: RequestedStart, found: Matches) -> bool:
        """Keeps what was found for the morning mail; returns whether anything is known of that scheduled time."""
        try:
            return self.matches.add(requested.name, requested.scheduled_for, found)
        except AwsUnavailable as error:  # the morning mail then looks the name up itself
            logger.warning("what a name stands for is not recorded", **requested.ids, reason=str(error))
            return bool(found.exports)


def _why(error: WebAdmitError | None) -> tuple[Problem, str]:
    return (problem_of(error), error.detail) if error else (Problem.OUT_OF_TIME, "")


def deferred(requested: RequestedStart, problem: Problem, detail: str) -> StartResult:
    """The result of what the start queue brings back."""
    return StartResult(requested=requested, outcome=StartOutcome.DEFERRED, problem=problem, detail=detail)


def _failed(requested: RequestedStart, problem: Problem, detail: str) -> StartResult:
    return StartResult(requested=requested, outcome=StartOutcome.FAILED, problem=problem, detail=detail)
