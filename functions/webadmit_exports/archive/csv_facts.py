"""What can be told about a CSV while it passes: the facts that break loads downstream. Pure.

What a record is says Python's csv module: a quoted line break does not end it, and blank lines are none. Bytes are read
as ISO 8859-1 for that, whatever they mean: delimiters, quotes and line ends are the same bytes in all of the charsets.
"""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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


def passing(chunks: Iterable[bytes], *takers: Callable[[bytes], object]) -> Iterator[bytes]:
    """The chunks, after each taker has taken them."""
    for chunk in chunks:
        for take in takers:
            take(chunk)
        yield chunk


def csv_facts(chunks: Iterator[bytes]) -> CsvFacts:
    """Reads all chunks, holding none of them for long."""
    charset = _Charset()
    remaining = passing(chunks, charset.take)
    try:
        rows, header = _count(remaining)
    except csv.Error:
        rows, header = None, None
        for _ in remaining:
            pass
    header_sha256 = None if header is None else hashlib.sha256(header).hexdigest()
    return CsvFacts(charset=charset.name(), rows=rows, header_sha256=header_sha256)


def _count(chunks: Iterator[bytes]) -> tuple[int, bytes]:
    """The number of records after the header, and the raw header; raises csv.Error."""
    lines = _Lines(chunks)
    records = csv.reader(lines)
    for record in records:
        if record:
            break
        lines.read.clear()  # a blank line before the header
    header = "".join(lines.read).rstrip("\r\n").encode("latin-1")
    lines.is_header = False
    return sum(1 for record in records if record), header


class _Lines:
    """The lines of a file, without a byte-order mark; `read` keeps them as long as the header lasts."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        reader = io.BufferedReader(_Chunks(chunks), _BUFFER)
        self._text = io.TextIOWrapper(reader, encoding="latin-1", newline="")
        self.read: list[str] = []
        self.is_header = True

    def __iter__(self) -> Iterator[str]:
        is_first = True
        while line := self._text.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise csv.Error("a line is too long")
            if is_first:
                line, is_first = line.removeprefix(_BYTE_ORDER_MARK), False
            if self.is_header:
                self.read.append(line)
            yield line


class _Chunks(io.RawIOBase):
    """Chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._rest))
        target[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class _Charset:
    """Which of the three charsets the bytes are in: WebAdMIT declares ISO 8859-1 and often sends Windows-1252."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8 = True
        self._between_0x80_and_0x9f: set[int] = set()

    def take(self, chunk: bytes) -> None:
        self._decode(chunk, final=False)
        if not chunk.isascii():
            self._between_0x80_and_0x9f.update(chunk.translate(None, _NOT_0X80_TO_0X9F))

    def name(self) -> str:
        """UTF-8 if all bytes decode; else Windows-1252 if it has signs where ISO 8859-1 has none."""
        self._decode(b"", final=True)
        if self._is_utf8:
            return "utf-8"
        found = self._between_0x80_and_0x9f
        return "windows-1252" if found and not found & _UNDEFINED_IN_WINDOWS_1252 else "iso-8859-1"

    def _decode(self, chunk: bytes, *, final: bool) -> None:
        if not self._is_utf8:
            return
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            self._is_utf8 = False
