"""Callback URLs that prove themselves. Pure.

WebAdMIT does not sign its callbacks, so the URL is signed: `/callbacks/{user_identity_id}/{export_id}/{occurrence}/
{signature}`, an HMAC-SHA256 over the three segments before it. Nothing needs to be stored to check it.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webadmit_exports.domain.ids import Export, parse_id
from webadmit_exports.errors import InvalidInput

LIFETIME = timedelta(days=7)
CLOCK_SKEW = timedelta(minutes=5)

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackUrl:
    """The callback URL of one export for one scheduled time, which the path has as `occurrence`."""

    export: Export
    scheduled_for: datetime

    @property
    def signed_part(self) -> str:
        """The path segments that the signature is made of, as they stand in the path."""
        scheduled_time = self.scheduled_for.astimezone(UTC).strftime(_TIME_FORMAT)
        return f"{self.export.user_identity_id}/{self.export.export_id}/{scheduled_time}"

    def signed(self, base_url: str, key: bytes) -> str:
        """The URL to give to WebAdMIT; `base_url` is the stack's output CallbackUrl."""
        return f"{base_url}/callbacks/{self.signed_part}/{_signature(self.signed_part, key)}"

    def is_alive(self, now: datetime) -> bool:
        """Whether callbacks to it are taken: for seven days from its scheduled time (less clock skew)."""
        return now - LIFETIME <= self.scheduled_for <= now + CLOCK_SKEW


def parse_path(segments: Mapping[str, str]) -> tuple[CallbackUrl, str] | None:
    """The callback URL and the signature in the path parameters; None where they do not have that form."""
    scheduled_time, signature = segments.get("occurrence", ""), segments.get("signature", "")
    if not _TIME.fullmatch(scheduled_time) or not _SIGNATURE.fullmatch(signature):
        return None
    try:
        export = Export(
            user_identity_id=parse_id(segments.get("user_identity_id", ""), "user_identity_id"),
            export_id=parse_id(segments.get("export_id", ""), "export_id"),
        )
        scheduled_for = datetime.fromisoformat(scheduled_time)
    except (InvalidInput, ValueError):
        return None
    return CallbackUrl(export=export, scheduled_for=scheduled_for), signature


def is_signed(url: CallbackUrl, signature: str, keys: Iterable[bytes]) -> bool:
    """Whether one of the keys made the signature."""
    return any(hmac.compare_digest(_signature(url.signed_part, key), signature) for key in keys)


def _signature(signed_part: str, key: bytes) -> str:
    return hmac.new(key, signed_part.encode("ascii"), hashlib.sha256).hexdigest()
