"""Bodies that a server has compressed, decompressed as they arrive and never faster than they are read."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The codings that are asked for.
ACCEPTED = "gzip, deflate"
#: The most that one step yields, whatever a few bytes may become.
_STEP_BYTES = 256 * 1024
#: zlib's window sizes: gzip or zlib by the data's own head, and neither.
_BY_HEAD, _RAW = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class Inflater:
    """One body in gzip or deflate (RFC 9110, section 8.4.1)."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_BY_HEAD)
        self._begun = False

    def steps(self, data: bytes) -> Iterator[bytes]:
        """What these bytes become, in pieces of bounded size; raises zlib.error where they are damaged."""
        while data:
            if self._inner.eof:
                # Another member, as RFC 1952 allows.
                self._inner = zlib.decompressobj(_BY_HEAD)
            found = self._step(data)
            data = self._inner.unconsumed_tail or self._inner.unused_data
            if found:
                yield found

    def finished(self) -> bool:
        """Whether the body may end here."""
        return self._inner.eof or not self._begun

    def _step(self, data: bytes) -> bytes:
        try:
            return self._inner.decompress(data, _STEP_BYTES)
        except zlib.error:
            if self._begun:
                raise
            # Some servers send deflate without the head that the standard asks for.
            self._inner = zlib.decompressobj(_RAW)
            return self._inner.decompress(data, _STEP_BYTES)
        finally:
            self._begun = True
