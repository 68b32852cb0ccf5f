"""The catalogue of problems: what each is called, what it means for other exports, and what to do about it. Pure.

An alert's event id holds the problem's name, so that a name stays as it is.
"""

from enum import Enum

from webadmit_exports.errors import WebAdmitExportsError
from webadmit_exports.messages.problem_kinds import ProblemText, Retry, Scope

_SAVE_KEY = (
    "Save the current key (in WebAdMIT: Account, Edit My Account, API Key) in webadmit-api-key.txt, run `{store_key}`,"
    " then delete the file."
)


class Problem(ProblemText, Enum):
    """Why an export did not start, or a file was not archived."""

    API_KEY_MISSING = (
        "no usable API key is stored",
        "no usable WebAdMIT API key is stored",
        _SAVE_KEY,
        Retry.HELPS_ONCE_REPAIRED,
        Scope.EVERYTHING,
    )
    API_KEY_REFUSED = (
        "API key refused (401)",
        "WebAdMIT refused the API key (401)",
        f"The key was replaced, or its owner has lost the API Access permission. {_SAVE_KEY}",
        Retry.HELPS_ONCE_REPAIRED,
        Scope.EVERYTHING,
    )
    SIGNING_KEY_UNUSABLE = (
        "no usable signing key",
        "the signing key for callbacks has fewer than 32 characters",
        "Store a new one: {renew_signing_key}.",
        Retry.HELPS_ONCE_REPAIRED,
        Scope.EVERYTHING,
    )
    ACCESS_REFUSED = (
        "no access to the identity (403)",
        "WebAdMIT refused access to the identity (403)",
        "Ask your WebAdMIT administrator to give the owner of the API key access to the identity, with the API Access"
        " permission. `{list_ids}` lists the identities that the key reaches.",
        Retry.HELPS_ONCE_REPAIRED,
        Scope.IDENTITY,
    )
    NOT_FOUND = (
        "unknown to WebAdMIT (404)",
        "WebAdMIT does not know the identity or the export (404)",
        "A new admissions cycle brings new identity ids every year: put the names of the exports into Exports in their"
        " place (`{list_ids}` shows them). If the ids are right, the owner of the key has lost access to them.",
        Retry.IS_USELESS,
    )
    NO_MATCH = (
        "no export has this name",
        "no export has this name in the cycles that are followed",
        "Correct the name, in Exports or in WebAdMIT: `{list_ids}` lists the exports that the key reaches. Where a new"
        " cycle has begun, somebody has to carry the exports over to it in WebAdMIT (Transfer Settings).",
        Retry.IS_USELESS,
    )
    TOO_MANY_MATCHES = (
        "too many exports have this name",
        "the name stands for more than 1,000 exports of one program, or for all that there are; nothing of that program"
        " is started",
        "Write more of the name into Exports: `{list_ids}` lists the exports that the key reaches.",
        Retry.IS_USELESS,
    )
    NOT_LISTED = (
        "exports of an identity not listed",
        "WebAdMIT did not list the exports of an identity",
        "Ask your WebAdMIT administrator whether the owner of the API key still has access: `{list_ids}` shows it.",
    )
    REJECTED = (
        "rejected by WebAdMIT",
        "WebAdMIT rejected the request",
        "Read what WebAdMIT said, and run the export by hand there; correct Exports if it is not the one you meant.",
        Retry.IS_USELESS,
    )
    NEWER_RUN = (
        "a newer run took its place",
        "a newer run of the export has begun",
        "Nothing, if the newer run brings the data that you need.",
        Retry.IS_USELESS,
    )
    RATE_LIMITED = (
        "rate limit used up (429)",
        "WebAdMIT's rate limit is used up (429)",
        "Nothing, if this is rare. If it comes often, something else uses the same API key a lot: give this stack a key"
        " of its own (that of a service user), or spread the schedules.",
    )
    UNAVAILABLE = (
        "no usable answer from WebAdMIT",
        "WebAdMIT gave no usable answer",
        "Nothing, if WebAdMIT is down for maintenance. If other clients reach it, check the parameter WebAdmitBaseUrl"
        " of this stack.",
    )
    AWS_UNAVAILABLE = (
        "no answer from AWS",
        "an AWS service did not answer",
        "Nothing, if this is rare: AWS services recover by themselves. If it stays, see the errors with `{logs}`.",
    )
    OUT_OF_TIME = (
        "time ran out",
        "the list took longer than one start may",
        "Nothing: the rest starts by itself. If it comes often, split the list into Exports and FrequentExports.",
        Retry.HELPS,
        Scope.EVERYTHING,
    )
    UNEXPECTED = (
        "unexpected error",
        "of an error in this software",
        "See the error with `{logs}`, and report it where you got this software from.",
    )
    HOST_REFUSED = (
        "its download host is not allowed",
        "WebAdMIT's download URL leads to a host that is not in ArchiveDownloadHosts",
        "If that is Liaison's storage (Liaison has moved its systems; ask if you do not know the host), allow it:"
        " {allow}.",
        Retry.HELPS_ONCE_REPAIRED,
    )
    ADDRESS_REFUSED = (
        "its download URL is refused",
        "WebAdMIT's download URL is not followed",
        "Ask Liaison about it: files are fetched by https only. Meanwhile fetch the file by hand in WebAdMIT.",
        Retry.HELPS_ONCE_REPAIRED,
    )
    NO_FILE = (
        "WebAdMIT has no file now",
        "WebAdMIT says that there is no file now",
        "Look at the export in WebAdMIT: perhaps it is running again.",
    )
    STORAGE_UNAVAILABLE = (
        "it could not be fetched",
        "it could not be fetched from WebAdMIT's storage",
        "Nothing, if this is rare. If it stays, fetch the file by hand in WebAdMIT, and ask Liaison.",
    )
    GONE = (
        "unknown to WebAdMIT",
        "WebAdMIT does not give out this file",
        "Look at the export in WebAdMIT; if its file is there, have it announced again: {again}",
        Retry.IS_USELESS,
    )
    SUPERSEDED = (
        "a newer run took its place",
        "a newer run has the same file id, so that this run's file is gone from WebAdMIT",
        "Nothing, if the newer file will do: it is archived by itself.",
        Retry.IS_USELESS,
    )
    TOO_LARGE = (
        "larger than allowed",
        "it is larger than ArchiveMaxMegabytes allows",
        "If that is right and it is at most 5,000 MiB, allow more: {enlarge}. Then have it announced again: {again} A"
        " larger one has to be fetched by hand in WebAdMIT, or the export split there.",
        Retry.IS_USELESS,
    )
    DELIVERY_NOT_STARTED = (
        "its delivery could not be started",
        "it is in the archive, but its delivery could not be started",
        "Nothing, if this is rare: AWS services recover by themselves. If it stays, see the errors with `{logs}`.",
    )
    TOO_SLOW = (
        "too slow to fetch",
        "its download takes longer than the eleven minutes that there are for it",
        "If the storage was slow only then, have it announced again: {again} If it is always so, fetch the file by hand"
        " in WebAdMIT, or split the export there.",
        Retry.IS_USELESS,
    )


def problem_of(error: WebAdmitExportsError) -> Problem:
    """What an error is in the catalogue."""
    return Problem[error.problem]
