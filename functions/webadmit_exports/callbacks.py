"""Callback addresses that carry their own proof, and the form that WebAdMIT sends to them. Pure.

WebAdMIT does not sign its callbacks, so the address does: `/callbacks/{user_identity_id}/{export_id}/{occurrence}/
{signature}`, an HMAC-SHA256 over the three segments before it. Nothing needs to be stored to check it.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from .errors import InvalidInput
from .model import Export, parse_id, parse_status

LIFETIME = timedelta(days=7)
CLOCK_SKEW = timedelta(minutes=5)
_BODY_BYTES = 4096
_FIELDS = 50
_OCCURRENCE = "%Y%m%dT%H%M%SZ"
_OCCURRENCE_PATTERN = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SIGNATURE_PATTERN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAddress:
    """The address that belongs to one occurrence of one export."""

    export: Export
    scheduled_for: datetime

    @property
    def signed_part(self) -> str:
        """The path segments that the signature is made of, as they stand in the path."""
        occurrence = self.scheduled_for.astimezone(UTC).strftime(_OCCURRENCE)
        return f"{self.export.user_identity_id}/{self.export.export_id}/{occurrence}"

    def url(self, base_url: str, key: bytes) -> str:
        """The URL to give to WebAdMIT; `base_url` is the stack's output CallbackUrl."""
        return f"{base_url}/callbacks/{self.signed_part}/{_signature(self.signed_part, key)}"

    def is_alive(self, now: datetime) -> bool:
        """Whether callbacks to this address are honoured: from its occurrence (less clock skew) for seven days."""
        return now - LIFETIME <= self.scheduled_for <= now + CLOCK_SKEW


def parse_address(segments: Mapping[str, str]) -> tuple[CallbackAddress, str] | None:
    """The address and the signature in the path parameters; None where they do not have that form."""
    occurrence, signature = segments.get("occurrence", ""), segments.get("signature", "")
    if not _OCCURRENCE_PATTERN.fullmatch(occurrence) or not _SIGNATURE_PATTERN.fullmatch(signature):
        return None
    try:
        export = Export(
            user_identity_id=parse_id(segments.get("user_identity_id", ""), "user_identity_id"),
            export_id=parse_id(segments.get("export_id", ""), "export_id"),
        )
        scheduled_for = datetime.fromisoformat(occurrence)
    except (InvalidInput, ValueError):
        return None
    return CallbackAddress(export=export, scheduled_for=scheduled_for), signature


def is_signed(address: CallbackAddress, signature: str, keys: Iterable[bytes]) -> bool:
    """Whether one of the keys made the signature."""
    return any(hmac.compare_digest(_signature(address.signed_part, key), signature) for key in keys)


def _signature(signed_part: str, key: bytes) -> str:
    return hmac.new(key, signed_part.encode("ascii"), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackForm:
    """The three documented fields of a callback."""

    export_file_id: int
    export_id: int
    status: str


def read_form(body: str | None, *, is_base64: bool, content_type: str | None) -> CallbackForm:
    """The form in a callback, in any of the ways to write one; raises InvalidInput where it cannot be used.

    `body` is at most 4 KiB once decoded. A missing content type is taken for a form's.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in ("", "application/x-www-form-urlencoded"):
        raise InvalidInput("the body must be a form (application/x-www-form-urlencoded)")
    fields = _fields(_decoded(body or "", is_base64=is_base64))
    return CallbackForm(
        export_file_id=parse_id(_only(fields, "export_file[id]"), "export_file[id]"),
        export_id=parse_id(_only(fields, "export_file[export_id]"), "export_file[export_id]"),
        status=parse_status(_only(fields, "export_file[status]")),
    )


def _decoded(body: str, *, is_base64: bool) -> str:
    # Base64 needs four characters for three bytes; what is longer is not worth decoding.
    if len(body) > (_BODY_BYTES * 4 // 3 + 4 if is_base64 else _BODY_BYTES):
        raise InvalidInput(f"the body must not be longer than {_BODY_BYTES} bytes")
    try:
        raw = base64.b64decode(body, validate=True) if is_base64 else body.encode("utf-8")
        text = raw.decode("utf-8")
    except ValueError:  # not base64, or not UTF-8
        raise InvalidInput("the body must be UTF-8 text") from None
    if len(raw) > _BODY_BYTES:
        raise InvalidInput(f"the body must not be longer than {_BODY_BYTES} bytes")
    return text


def _fields(text: str) -> dict[str, set[str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:  # too many fields, or percent-encoded bytes that are not UTF-8
        raise InvalidInput(f"the body must be a form of at most {_FIELDS} fields in UTF-8") from None
    fields: dict[str, set[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, set()).add(value)
    return fields


def _only(fields: Mapping[str, set[str]], name: str) -> str:
    values = fields.get(name, set())
    if len(values) != 1:
        raise InvalidInput(f"the form must have the field {name} {'with one value' if values else ''}".rstrip())
    return next(iter(values))
