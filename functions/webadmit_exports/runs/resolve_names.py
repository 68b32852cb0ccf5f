"""Finds the exports that names stand for, before they are started."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.domain.foreign_text import shown
from webadmit_exports.domain.identities import Listing
from webadmit_exports.domain.name_pattern import Matches, NamePattern, match_name, startable, started_once
from webadmit_exports.errors import ApiKeyRefused, AwsUnavailable, RateLimited, WebAdmitError
from webadmit_exports.messages.problem_kinds import Scope
from webadmit_exports.messages.problems import Problem, problem_of
from webadmit_exports.runs.label_cache import LabelCache
from webadmit_exports.runs.requested_start import RequestedStart, StartOutcome, StartResult
from webadmit_exports.runs.throttle import NotStarted, Throttle
from webadmit_exports.telemetry import logger
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.listing import Lister

READ_SECONDS = 15.0
_TIMEOUT = 60.0  # seconds in which all lists must have ended; the starts need the rest of the invocation
_SHOWN = 3  # programs in an alert
_MOST_DEFERRED = 100  # failed lists times names; where it is more, WebAdMIT has a problem of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The result for one name: the exports to start, and the parts of it that are deferred or have failed."""

    starts: Sequence[RequestedStart] = ()
    results: Sequence[StartResult] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveNames:
    """Looks names up, and keeps what was found. `clock` counts seconds."""

    lister: Lister
    matches: NameMatches
    labels: LabelCache
    clock: Callable[[], float] = time.monotonic

    def resolve(
        self, key: ApiKey, requested: Sequence[RequestedStart], throttle: Throttle
    ) -> dict[RequestedStart, Resolved]:
        """Looks all names up in one listing. Raises nothing: a name that cannot be looked up now is deferred."""
        try:
            listing = self._list(key, [start.name for start in requested], throttle)
            self.labels.remember(listing)
            _log_facts(listing)
            return {start: self._resolve(start, listing, name_count=len(requested)) for start in requested}
        except NotStarted as why:
            problem, detail = why.problem, why.detail
        except WebAdmitError as error:
            problem, detail = problem_of(error), error.detail
            if problem.scope is Scope.EVERYTHING:
                throttle.close(problem, detail)
        except Exception:  # noqa: BLE001 - the edge: names keep no pair from starting
            logger.exception("names in Exports could not be looked up because of an error in the code")
            problem, detail = Problem.UNEXPECTED, ""
        logger.warning("names in Exports could not be looked up", problem=problem.name, detail=detail)
        return {start: Resolved(results=[deferred(start, problem, detail)]) for start in requested}

    def _list(self, key: ApiKey, names: Sequence[NamePattern], throttle: Throttle) -> Listing:
        """Waits for WebAdMIT's rate limit as starts do; raises NotStarted, or a WebAdmitError."""
        until = self.clock() + _TIMEOUT
        self.lister.webadmit.drop_connections()
        while True:
            throttle.acquire()
            try:
                return self.lister.list_for(key, names, lambda: min(until - self.clock(), throttle.time_left()))
            except RateLimited as error:
                throttle.pause(error.retry_after)

    def _resolve(self, requested: RequestedStart, listing: Listing, *, name_count: int) -> Resolved:
        """What one of so many names stands for."""
        name = requested.name
        found = match_name(name, listing)
        chosen = startable(name, found)
        found = replace(found, exports=chosen.exports)
        results = list(self._deferred(requested, found, listing, name_count=name_count))
        if chosen.refused and not any(result.requested == requested for result in results):  # else it comes again
            counts = (f"{count:,} exports of {shown(program)}" for program, count in chosen.refused.items())
            results.append(_failed(requested, Problem.TOO_MANY_MATCHES, ", ".join(islice(counts, _SHOWN))))
        may_be_more = self._record(requested, found)
        if not found.exports and not results and not may_be_more:
            near = ", ".join(f'"{similar}"' for similar in found.near)
            results.append(_failed(requested, Problem.NO_MATCH, f"nearest: {near}" if near else ""))
        logger.info("name looked up", **requested.ids, exports=len(found.exports), unlisted=len(found.unlisted))
        return Resolved(starts=[requested.of(export) for export in found.exports], results=results)

    def _deferred(
        self, requested: RequestedStart, found: Matches, listing: Listing, *, name_count: int
    ) -> Iterator[StartResult]:
        """The name in each identity that could not be listed.

        It is the name as a whole where the key is refused, where too many lists failed, or where there was time for
        none; but those for which alone there was no time are deferred one by one, so that each try gets further.
        """
        errors = {number: listing.unlisted.get(number) for number in sorted(found.unlisted)}
        failed = [error for error in errors.values() if error]
        refused = [error for error in failed if isinstance(error, ApiKeyRefused)]
        had_no_time = not listing.exports and not failed
        if errors and (refused or had_no_time or len(failed) * name_count > _MOST_DEFERRED):
            yield deferred(requested, *_why(next(iter(refused or failed), None)))
            return
        for number, error in errors.items():
            yield deferred(requested.of(requested.name.within(number)), *_why(error))

    def _record(self, requested: RequestedStart, found: Matches) -> bool:
        """Keeps what was found for the morning mail; returns whether the name may stand for more at that time."""
        try:
            return self.matches.add(requested.name, requested.scheduled_for, found)
        except AwsUnavailable as error:  # the morning mail then looks the name up itself
            logger.warning("what a name stands for is not recorded", **requested.ids, reason=str(error))
            return requested.name.user_identity_id is not None


def _why(error: WebAdmitError | None) -> tuple[Problem, str]:
    if error is None:
        return Problem.OUT_OF_TIME, ""
    problem = problem_of(error)
    return Problem.NOT_LISTED if problem.is_final else problem, error.detail


def deferred(requested: RequestedStart, problem: Problem, detail: str) -> StartResult:
    """The result of what the start queue brings back."""
    return StartResult(requested=requested, outcome=StartOutcome.DEFERRED, problem=problem, detail=detail)


def _failed(requested: RequestedStart, problem: Problem, detail: str) -> StartResult:
    return StartResult(requested=requested, outcome=StartOutcome.FAILED, problem=problem, detail=detail)


def each_once(resolved: Mapping[RequestedStart, Resolved]) -> dict[RequestedStart, RequestedStart]:
    """What is started for each wanted start: an export that several entries stand for is started once for a time."""
    wanted = [start for found in resolved.values() for start in found.starts]
    instead = {start: start for start in wanted}
    firsts = [start for start in wanted if not start.second_chance]
    for scheduled_for in {start.scheduled_for for start in firsts}:
        pairs = [start for start in firsts if start.scheduled_for == scheduled_for and start in resolved]
        by_name = [start for start in firsts if start.scheduled_for == scheduled_for and start not in resolved]
        chosen = {start.export.export_id: start for start in pairs}
        asks = {start.export.export_id for start in by_name if start.start_failed_again}
        once = started_once([start.export for start in by_name], [start.export for start in pairs])
        for first, others in once.items():
            chosen[first.export_id] = RequestedStart(
                entry=first,
                scheduled_for=scheduled_for,
                is_by_name=True,
                others=others,
                start_failed_again=first.export_id in asks,
            )
        instead |= {start: chosen[start.export.export_id] for start in by_name}
    return instead


def _log_facts(listing: Listing) -> None:
    listed = Counter(export.id for exports in listing.exports.values() for export in exports)
    logger.info(
        "WebAdMIT listed exports",
        first_contact="exports",
        identities=len(listing.identities),
        exports=len(listed),
        exports_in_several_identities=sum(number > 1 for number in listed.values()),
    )
