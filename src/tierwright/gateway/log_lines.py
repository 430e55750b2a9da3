"""Numbered lines out of a file that may be gzip and may break off half-way.

Owns reading, inflating and splitting. Refuses to know what stands in a line.
"""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING, NamedTuple

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 18
#: What one chunk may become at a time; a few bytes of gzip can be gigabytes of text.
_INFLATED_BYTES = 1 << 22
#: What a longer line keeps, so that it can be found again.
_KEPT_BYTES = 1 << 10
#: Longest line that is read: more than any provider takes as one request.
LONGEST_LINE_BYTES = 1 << 26

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Makes zlib read a gzip member with its header and check sum.
_GZIP_FORMAT = 31


class Line(NamedTuple):
    """One line of a file."""

    #: From 1.
    number: int
    #: Without its end; of a line that is too long only the beginning.
    raw: bytes
    #: Whether it has more than `LONGEST_LINE_BYTES`.
    too_long: bool = False


class LineReader:
    """The lines of one file, gzip recognised by its first bytes; may be iterated once.

    A gzip stream that breaks off or is damaged ends the iteration after the last whole line that could be read, and
    `broken` says why: what was read is good, and whoever reads decides what to do about the rest.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file is missing, a directory, not readable or empty."""
        try:
            self._file: IO[bytes] = path.open("rb")
            self.bytes_total = path.stat().st_size
            self._head = self._file.read(_CHUNK_BYTES)
        except FileNotFoundError as error:
            raise InputError(f"there is no file {path}; check the path") from error
        except IsADirectoryError as error:
            raise InputError(f"{path} is a directory; name a file in it") from error
        except OSError as error:
            raise InputError(f"{path} can't be read ({error.strerror}); check the file and its permissions") from error
        if not self._head:
            self._file.close()
            raise InputError(f"{path} is empty; there is nothing to import")
        self._path = path
        #: Bytes of the file read so far.
        self.bytes_done = len(self._head)
        #: Lines handed out so far.
        self.lines = 0
        #: Why the file can't be read to its end; None: it can, as far as was read.
        self.broken: str | None = None

    def __iter__(self) -> Iterator[Line]:
        """Raises InputError where the file can't be read any more."""
        try:
            for raw, too_long in _split(self._chunks()):
                if self.broken is not None:
                    return
                self.lines += 1
                yield Line(self.lines, raw.removeprefix(_BYTE_ORDER_MARK) if self.lines == 1 else raw, too_long)
        except OSError as error:
            raise InputError(
                f"{self._path} can't be read any further than line {self.lines} ({error.strerror}); check the disk"
            ) from error
        finally:
            self._file.close()

    def _chunks(self) -> Iterator[bytes]:
        if not self._head.startswith(_GZIP_MAGIC):
            yield self._head
            while chunk := self._more():
                yield chunk
            return
        # A file may hold several gzip members, one after the other, and zeros after the last.
        inflater, begun, data = zlib.decompressobj(_GZIP_FORMAT), False, self._head
        while data:
            begun = True
            try:
                yield inflater.decompress(data, _INFLATED_BYTES)
            except zlib.error:
                self.broken = "its gzip data is damaged"
                return
            data = inflater.unconsumed_tail
            if inflater.eof:
                data = inflater.unused_data.lstrip(b"\x00")
                inflater, begun = zlib.decompressobj(_GZIP_FORMAT), False
            data = data or self._more()
        if begun:
            self.broken = "its gzip data breaks off before its end"

    def _more(self) -> bytes:
        chunk = self._file.read(_CHUNK_BYTES)
        self.bytes_done += len(chunk)
        return chunk


def _split(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each line and whether it was too long to be kept; the last one need not end in a newline."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        if size <= LONGEST_LINE_BYTES:
            pending.append(first)
        size += len(first)
        if others:
            yield _joined(pending, size)
            for line in others[:-1]:
                yield line, False
            pending, size = [others[-1]], len(others[-1])
    if size:
        yield _joined(pending, size)


def _joined(pending: list[bytes], size: int) -> tuple[bytes, bool]:
    line = b"".join(pending)
    return (line[:_KEPT_BYTES], True) if size > LONGEST_LINE_BYTES else (line, False)
