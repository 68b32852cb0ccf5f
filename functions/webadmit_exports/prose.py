"""How mails and reports put what they say. Pure."""

from collections.abc import Iterable

_SHOWN = 40  # lines of a list; a mail of hundreds is not read


def sentence(text: str) -> str:
    """The text with a capital letter first and a mark last."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def paragraphs(*texts: str) -> str:
    """A mail of those that are not empty."""
    return "\n\n".join(text for text in texts if text) + "\n"


def listing(heading: str, entries: Iterable[object]) -> str:
    """A heading and, indented, the first of the entries, and how many there are besides; empty where there are none."""
    lines = [f"  {entry}" for entry in entries]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([heading, *lines[:_SHOWN], *more]) if lines else ""
