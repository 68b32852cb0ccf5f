"""Texts that WebAdMIT or a stranger wrote, made safe to show to people. Pure.

What WebAdMIT says, and the names that people give to things there, may be anybody's words. In mails nothing of it can
be clicked, or pasted as a command. One base of cleaning has two strengths: `quoted` for words about an error, `shown`
for names, which stay readable. Messages for programs have names to the letter.
"""

import re
import unicodedata

_LOOKED_AT = 1000  # characters; what is cleaned is cut first, so that cleaning has a bounded cost
_QUOTED = 200  # characters of a quotation that are repeated
_NUMERIC = r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])"
_ADDRESS_OR_KEY = re.compile(
    r"\S*//\S*"  # a URL, or what is left of one
    r"|\S*@\S*"  # a mail address
    r"|\S*\w\.[^\W\d_]{2}\S*"  # a host, perhaps with a path: a dot between a letter or digit and two letters
    rf"|{_NUMERIC}\S*"
    r"|[\w-]{24,}"  # a key, a token
)
_OF_COMMANDS = re.compile(r"[`$|;<>\\“”]|&&")
_QUOTES = re.compile(r"[\"„«»]")
_SLASHES = re.compile(r":?//+")
_NUMERIC_ADDRESS = re.compile(_NUMERIC)
# A dot within a word, which may make a host of it; not that of 2.1, of U.S. or of an ellipsis.
_DOT_OF_HOST = re.compile(
    r"(?<=[wW]{3})\.(?=\S)|(?<=[^\s.])\.(?=[^\s.])(?![0-9])(?![^\W\d_](?:[\s.,:;)/-]|$))",
)
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # beside those of the category Cf


def printable(text: str) -> str:
    """The text as one line, with a blank for each run of blanks, line ends and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, length: int) -> str:
    """The text, cut to that length where it is longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def quoted(text: str) -> str:
    """Words about an error, as a quotation; empty if they are empty.

    Addresses, keys and signs of shells are taken out; at most 200 characters, and the marks.
    """
    if len(text) > _LOOKED_AT:
        text = text[:_LOOKED_AT].rpartition(" ")[0]  # what is cut in two might not be known again
    text = printable(_OF_COMMANDS.sub(" ", _ADDRESS_OR_KEY.sub("…", _plain(text))))
    return f"“{shortened(text, _QUOTED)}”" if text else ""


def shown(name: str) -> str:
    """A name, readable: `Slate nightly v2.1` and `CAS: Applicants (2026/27)` stay as they are.

    Signs of shells, `//` and `@` become blanks, and a blank comes after each dot that would make a host.
    """
    name = _OF_COMMANDS.sub(" ", _plain(name[:_LOOKED_AT]))
    name = _SLASHES.sub(" ", _QUOTES.sub("'", name).replace("@", " "))
    name = _NUMERIC_ADDRESS.sub(lambda match: match[0].replace(".", ". "), name)
    return printable(_DOT_OF_HOST.sub(". ", name))


def with_stars(name: str) -> str:
    """A name as a pattern that still matches it, with `*` for all that `shown` would change."""
    signs = unicodedata.normalize("NFC", name[:_LOOKED_AT])
    name = "".join(sign if sign.isprintable() and _plain(sign) == sign else "*" for sign in signs)
    for unsafe in (_OF_COMMANDS, _QUOTES, _SLASHES, _NUMERIC_ADDRESS, _DOT_OF_HOST):
        name = unsafe.sub("*", name)
    return name if len(name) < _LOOKED_AT else f"{name}*"


def _plain(text: str) -> str:
    """The text without what only looks like something else: signs of other scripts, and signs that nobody sees.

    Marks that combine with no Latin letter go too: they would hide a dot, or the letter after it.
    """
    text = "…".join(unicodedata.normalize("NFKC", part) for part in text.split("…"))
    plain: list[str] = []
    for sign in text:
        category = unicodedata.category(sign)
        is_stray = category in ("Mn", "Me") and (not plain or plain[-1].isascii())
        if category != "Cf" and sign not in _INVISIBLE and not is_stray:
            plain.append("." if _is_full_stop(sign) else sign)
    return "".join(plain[:_LOOKED_AT])  # one sign may have become many


def _is_full_stop(sign: str) -> bool:
    return not sign.isascii() and "FULL STOP" in unicodedata.name(sign, "")
