"""The form that WebAdMIT posts to a callback URL."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from webadmit_exports.domain.ids import parse_id
from webadmit_exports.domain.status import parse_status
from webadmit_exports.errors import InvalidInput

_BODY_BYTES = 4096
_FIELDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackForm:
    """The three documented fields of a callback."""

    export_file_id: int
    export_id: int
    status: str


def parse_form(body: str | None, *, is_base64: bool, content_type: str | None) -> CallbackForm:
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


def key_writing(body: str | None, *, is_base64: bool) -> str:
    """How the brackets in the form's keys are written: `[`, `%5B`, `%5b`, or empty where they are not there."""
    try:
        text = _decoded(body or "", is_base64=is_base64)
    except InvalidInput:
        return ""
    found = re.search(r"export_file(\[|%5[Bb])", text)
    return found[1] if found else ""


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
