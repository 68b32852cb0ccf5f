"""The WebAdMIT API key."""

import json
import re
from dataclasses import dataclass, field

from webadmit_exports.aws.secrets import Secrets
from webadmit_exports.errors import ApiKeyUnusable

_HEX_KEY = re.compile(r"[0-9A-Fa-f]{32}")  # what WebAdMIT hands out
_HEADER_SAFE = re.compile(r"[!-~]{8,256}")  # what it might hand out one day


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The WebAdMIT API key; does not show itself in logs or error messages."""

    value: str = field(repr=False)


class WebAdmitApiKey:
    """The API key, read anew each time: a key that a person repairs works at once, without a deploy."""

    def __init__(self, secrets: Secrets, arn: str) -> None:
        self._secrets = secrets
        self._arn = arn

    def read(self) -> ApiKey:
        """The key; raises ApiKeyUnusable while none is stored, or what is stored is not one; AwsUnavailable."""
        text = self._secrets.read(self._arn)
        if text is None or not text.strip():
            raise ApiKeyUnusable("the secret for the WebAdMIT API key has no value yet")
        return ApiKey(clean_api_key(text))


def clean_api_key(text: str) -> str:
    """The key in what people store: with a line end, quotes, a byte-order mark, or as the console's key/value JSON.

    Raises ApiKeyUnusable where it is not clear what the key is; the error does not repeat the text.
    """
    candidates = [_bare(text)]
    if candidates[0].startswith("{"):
        candidates = [_bare(value) for value in _values(candidates[0])]
    hex_keys = [candidate for candidate in candidates if _HEX_KEY.fullmatch(candidate)]
    usable = hex_keys or [candidate for candidate in candidates if _HEADER_SAFE.fullmatch(candidate)]
    if len(usable) != 1:
        raise ApiKeyUnusable("the secret for the WebAdMIT API key does not hold one key of 32 hexadecimal digits")
    return usable[0]


def _bare(text: str) -> str:
    return text.strip("\ufeff \t\r\n\0\"'\u201c\u201d")


def _values(text: str) -> list[str]:
    try:
        values = json.loads(text).values()
    except (ValueError, AttributeError, RecursionError):
        return []
    return [value for value in values if isinstance(value, str)]
