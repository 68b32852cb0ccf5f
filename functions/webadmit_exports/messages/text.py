"""How texts are written for people, and how the texts of strangers are repeated."""

import re
from collections.abc import Iterable, Mapping

_SHOWN = 40  # lines of a list; a mail of hundreds is not read
_LOOKED_AT = 1000  # characters of a stranger's text; what is cleaned is cut first, so that cleaning has a bounded cost
_QUOTED = 200  # characters of it that are repeated
_ADDRESS_OR_KEY = re.compile(
    r"\S*//\S*"  # a URL, or what is left of one
    r"|\S*@\S*"  # a mail address
    r"|\S*\w\.[^\W\d_]{2}\S*"  # a host, perhaps with a path: a dot between a letter or digit and two letters
    r"|[\w-]{24,}"  # a key, a token
)
_OF_COMMANDS = re.compile(r"[`$|;<>\\“”]")


def sentence(text: str) -> str:
    """The text with a capital letter first and a mark last."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ".”", "!”", "?”")) else f"{text}."


def printable(text: str) -> str:
    """The text as one line, with a blank for each run of blanks, line ends and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, length: int) -> str:
    """The text, cut to that length where it is longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def quoted(text: str) -> str:
    """What a stranger said, as a quotation that can neither be clicked nor pasted as a command; empty if it is empty.

    Addresses, keys and signs of shells are taken out; at most 200 characters, and the marks.
    """
    if len(text) > _LOOKED_AT:
        text = text[:_LOOKED_AT].rpartition(" ")[0]  # what is cut in two might not be known again
    text = printable(_OF_COMMANDS.sub(" ", _ADDRESS_OR_KEY.sub("…", text)))
    return f"“{shortened(text, _QUOTED)}”" if text else ""


def paragraphs(*texts: str) -> str:
    """A mail of those that are not empty."""
    return "\n\n".join(text for text in texts if text) + "\n"


def counted(number: int, noun: str) -> str:
    """`1 export`, `2 exports`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def named(what: object, name: str, length: int = 120) -> str:
    """`86446 "Nursing applicants"`: with the name, where there is one, cut to that length."""
    if len(name) > length:
        name = f"{name[: length - 3]}..."
    return f'{what} "{name}"' if name else str(what)


def table(rows: Mapping[str, str]) -> str:
    """A line for each row that is not empty."""
    return "\n".join(f"{name + ':':<11}{text}" for name, text in rows.items() if text)


def listing(heading: str, entries: Iterable[object]) -> str:
    """A heading and, indented, the first of the entries, and how many there are besides; empty where there are none."""
    lines = [f"  {entry}" for entry in entries]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([heading, *lines[:_SHOWN], *more]) if lines else ""
