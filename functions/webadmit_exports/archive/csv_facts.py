"""What can be told about a CSV: the facts that break loads downstream. Pure.

Python's csv module decides what a record is: a quoted line break does not end it, and blank lines are none. Bytes are
read as ISO 8859-1 for that: delimiters, quotes and line ends are the same bytes in all of the charsets.
"""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_BUFFER = 1024 * 1024
_LONGEST_LINE = 1024 * 1024  # characters; a longer one is no CSV, and would have to be held whole
_BYTE_ORDER_MARK = codecs.BOM_UTF8.decode("latin-1")
_NOT_0X80_TO_0X9F = bytes(byte for byte in range(256) if not 0x80 <= byte <= 0x9F)
_UNDEFINED_IN_WINDOWS_1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFacts:
    """`rows`: records after the header. `header_sha256`: of the raw header, without byte-order mark and line end.

    Both are None where the bytes cannot be read as a CSV.
    """

    charset: str
    rows: int | None
    header_sha256: str | None


def is_csv(media_type: str, file_name: str) -> bool:
    """Whether a file says that it is a CSV; storages that do not know call everything application/octet-stream."""
    return media_type.casefold() == "text/csv" or re.search(r"\.csv$", file_name, re.IGNORECASE) is not None


def csv_facts(content: IO[bytes]) -> CsvFacts:
    """Reads a file from its beginning, holding a line of it at most."""
    charset = _charset(content)
    content.seek(0)
    text = io.TextIOWrapper(content, encoding="latin-1", newline="")
    try:
        rows, header = _count(_lines(text))
    except csv.Error:
        return CsvFacts(charset=charset, rows=None, header_sha256=None)
    finally:
        text.detach()  # else it would close the file
    return CsvFacts(charset=charset, rows=rows, header_sha256=hashlib.sha256(header).hexdigest())


def _count(lines: Iterator[str]) -> tuple[int, bytes]:
    """The number of records after the header, and the raw header; raises csv.Error."""
    header: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            header.append(line)
            yield line

    for record in csv.reader(noted()):
        if record:
            break
        header.clear()  # a blank line before the header
    rows = sum(1 for record in csv.reader(lines) if record)
    return rows, "".join(header).rstrip("\r\n").encode("latin-1")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a file, without a byte-order mark; raises csv.Error where one is too long."""
    is_first = True
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error("a line is too long")
        yield line.removeprefix(_BYTE_ORDER_MARK) if is_first else line
        is_first = False


def _charset(content: IO[bytes]) -> str:
    """WebAdMIT declares ISO 8859-1 and often sends Windows-1252.

    UTF-8 if all bytes decode; else Windows-1252 if it has signs where ISO 8859-1 has none.
    """
    decoder, is_utf8 = codecs.getincrementaldecoder("utf-8")(), True
    between_0x80_and_0x9f: set[int] = set()
    while chunk := content.read(_BUFFER):
        if not chunk.isascii():
            between_0x80_and_0x9f.update(chunk.translate(None, _NOT_0X80_TO_0X9F))
        is_utf8 = is_utf8 and _decodes(decoder, chunk)
    if is_utf8 and _decodes(decoder, b"", final=True):
        return "utf-8"
    found = between_0x80_and_0x9f
    return "windows-1252" if found and not found & _UNDEFINED_IN_WINDOWS_1252 else "iso-8859-1"


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
