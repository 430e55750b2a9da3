"""Finds texts that are nearly the same.

Owns MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3) and the
grouping that follows from it; refuses to decide what is kept.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

#: Characters per shingle.
_SHINGLE = 5
#: Shingles of a text that are compared at most, so that one long text costs no more than a page.
_SHINGLES = 4000
#: Bands and rows: texts of similarity 0.8 meet with probability 1 - (1 - 0.8**5)**20 > 0.999, of 0.5 with 0.47.
_BANDS, _ROWS = 20, 5
#: Standard deviations by which an estimate from all rows may miss the similarity: one pair in 30,000 is out by more.
_DEVIATIONS = 4.0
#: Shingles hashed at a time: their hashes stay in a core's own cache.
_CHUNK = 1 << 16
#: Sets of shingles that are remembered while pairs are compared.
_REMEMBERED = 1 << 16
_SPACE = re.compile(r"\s+")


def normalise(text: str) -> str:
    """The text without what does not make it another one: case, width of characters, amount of white space."""
    if text.isascii():
        return " ".join(text.split()).lower()
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def near_duplicate_groups(texts: Sequence[str], *, threshold: float, seed: int) -> NDArray[np.int64]:
    """For each text the index of the first text of its group; groups are joined by pairs at least this similar.

    Similarity is the Jaccard index of the sets of 5-character shingles of the normalised texts. Shape (n,). Takes time
    in proportion to the texts' length, and 400 bytes of memory for each besides a normalised copy.
    """
    normalised = [normalise(text) for text in texts]
    signatures = _signatures(normalised, seed)
    parent = list(range(len(texts)))
    shingles = lru_cache(maxsize=_REMEMBERED)(lambda index: _shingles(normalised[index]))
    doubt = _DEVIATIONS * math.sqrt(threshold * (1 - threshold) / (_BANDS * _ROWS))
    for one, other in _candidates(signatures, threshold - doubt):
        a, b = _root(parent, one), _root(parent, other)
        if a != b and (normalised[one] == normalised[other] or jaccard(shingles(one), shingles(other)) >= threshold):
            parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, i) for i in range(len(texts))], dtype=np.int64)


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """The Jaccard index of two sorted sets; two empty sets are equal."""
    if not len(one) and not len(other):
        return 1.0
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _shingles(text: str) -> NDArray[np.uint64]:
    """The sorted set of hashed shingles of a normalised text."""
    return np.unique(_hashed(text))


def _hashed(text: str) -> NDArray[np.uint64]:
    """The hashed shingles of a normalised text, in order; a text shorter than a shingle is one shingle."""
    codes = np.frombuffer(text[: _SHINGLES + _SHINGLE].encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    width = min(_SHINGLE, max(1, len(codes)))
    if not len(codes):
        return np.zeros(0, dtype=np.uint64)
    hashed = np.zeros(len(codes) - width + 1, dtype=np.uint64)
    for offset in range(width):
        hashed = hashed * np.uint64(0x100000001B3) + codes[offset : len(codes) - width + 1 + offset]
    hashed ^= hashed >> np.uint64(29)
    return hashed * np.uint64(0xBF58476D1CE4E5B9)


def _signatures(normalised: Sequence[str], seed: int) -> NDArray[np.uint32]:
    """MinHash signatures, shape (n, bands * rows); an empty text has the greatest values.

    Each row is the least of a multiplicative hash of the text's shingles. Texts are hashed many at a time.
    """
    rng = np.random.default_rng(seed)
    factors = rng.integers(1, 1 << 32, size=_BANDS * _ROWS, dtype=np.uint32) | np.uint32(1)
    offsets = rng.integers(0, 1 << 32, size=_BANDS * _ROWS, dtype=np.uint32)
    result = np.full((len(normalised), _BANDS * _ROWS), np.iinfo(np.uint32).max, dtype=np.uint32)
    places: list[int] = []
    pending: list[NDArray[np.uint32]] = []
    size = 0
    for place, text in enumerate(normalised):
        if text:
            hashed = (_hashed(text) >> np.uint64(32)).astype(np.uint32)
            places.append(place)
            pending.append(hashed)
            size += len(hashed)
        if pending and (size >= _CHUNK or place == len(normalised) - 1):
            members = np.concatenate(pending)
            begins = np.concatenate(([0], np.cumsum([len(one) for one in pending])[:-1]))
            for row, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
                result[places, row] = np.minimum.reduceat(members * factor + offset, begins)
            places, pending, size = [], [], 0
    return result


def _candidates(signatures: NDArray[np.uint32], least: float) -> Iterator[tuple[int, int]]:
    """Pairs that agree in a whole band, and in at least this share of all rows: each with its bucket's first."""
    seen: list[NDArray[np.int64]] = []
    count = len(signatures)
    if not count:
        return
    for band in range(_BANDS):
        keys = np.zeros(count, dtype=np.uint64)
        for row in range(band * _ROWS, (band + 1) * _ROWS):
            keys = (keys ^ signatures[:, row]) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(32)
        order = np.argsort(keys, kind="stable")
        begins = np.flatnonzero(np.append(True, keys[order][1:] != keys[order][:-1]))
        firsts = np.repeat(order[begins], np.diff(begins, append=count))
        paired = firsts != order
        seen.append(firsts[paired] * count + order[paired])
    pairs = np.unique(np.concatenate(seen))
    ones, others = pairs // count, pairs % count
    for begin in range(0, len(pairs), _CHUNK):
        one, other = ones[begin : begin + _CHUNK], others[begin : begin + _CHUNK]
        alike = (signatures[one] == signatures[other]).mean(axis=1) >= least
        yield from zip(one[alike].tolist(), other[alike].tolist(), strict=True)


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def members_of(groups: NDArray[np.int64]) -> dict[int, list[int]]:
    """The indices of each group, by the group's first index."""
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups.tolist()):
        members[group].append(index)
    return dict(members)
