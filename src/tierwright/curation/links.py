"""Which request goes on from which: its messages begin with the other's messages and its answer.

Owns the two keys of a request by which that is told in any amount of traffic, sixteen bytes each request. Refuses to
know what follows from it (steps.py).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.calls import render_calls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tierwright.core.chat import ChatRequest

#: The request that one goes on from: there is none.
NOTHING = -1


class Links:
    """The keys of numbered requests, in order of time."""

    def __init__(self, count: int) -> None:
        #: Digests of all up to the last answer in a request, and of all with the answer it got; 0: none, or not read.
        self._said, self._answered = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.uint64)

    def note(self, number: int, request: ChatRequest, answer: str) -> None:
        """Reads one request with its answer."""
        told = blake2b(digest_size=8)
        for message in request.messages:
            told.update(_words(message.role, render_calls(message.calls) if message.calls else message.text))
            if message.role == "assistant":
                self._said[number] = _key(told.digest())
        told.update(_words("assistant", answer))
        self._answered[number] = _key(told.digest())

    def parents(self) -> NDArray[np.int64]:
        """Of each request the last one before it that it goes on from; `NOTHING`: none is known."""
        count = len(self._said)
        found = np.full(count, NOTHING, dtype=np.int64)
        read, later = np.flatnonzero(self._answered), np.flatnonzero(self._said)
        if not len(read) or not len(later):
            return found
        keys, codes = np.unique(self._answered[read], return_inverse=True)
        wanted = np.minimum(np.searchsorted(keys, self._said[later]), len(keys) - 1)
        later, wanted = later[same := keys[wanted] == self._said[later]], wanted[same]
        # Sorted by key, and those of one key by time: what stands before a request's own place is its parent.
        places = np.sort(codes.astype(np.int64) * count + read)
        before = np.searchsorted(places, wanted * count + later) - 1
        held = (before >= 0) & (places[before] // count == wanted)
        found[later[held]] = places[before[held]] % count
        return found


def has_answers(request: ChatRequest) -> bool:
    """Whether there are earlier answers in a request, be they those of a conversation or examples."""
    return any(message.role == "assistant" for message in request.messages)


def _key(digest: bytes) -> int:
    return int.from_bytes(digest, "little") or 1


def _words(role: str, text: str) -> bytes:
    return f"{role}\0{text.strip()}\1".encode("utf-8", "surrogatepass")
