"""How texts are written for people."""

from collections.abc import Iterable, Mapping

from webadmit_exports.domain.foreign_text import shown

_SHOWN = 40  # lines of a list; a mail of hundreds is not read


def sentence(text: str) -> str:
    """The text with a capital letter first and a mark last."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ".”", "!”", "?”")) else f"{text}."


def paragraphs(*texts: str) -> str:
    """A mail of those that are not empty."""
    return "\n\n".join(text for text in texts if text) + "\n"


def counted(number: int, noun: str) -> str:
    """`1 export`, `2 exports`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def named(what: object, name: str, length: int = 120) -> str:
    """`86446 "Nursing applicants"`: with the name as `shown`, where there is one, cut to that length."""
    name = shown(name)
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
