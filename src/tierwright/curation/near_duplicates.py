"""Finds texts that are nearly the same.

Owns MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3) and the
grouping that follows from it; refuses to decide what is kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
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
_PRIME = np.uint64((1 << 61) - 1)
_SPACE = re.compile(r"\s+")


def normalise(text: str) -> str:
    """The text without what does not make it another one: case, width of characters, amount of white space."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def near_duplicate_groups(texts: Sequence[str], *, threshold: float, seed: int) -> NDArray[np.int64]:
    """For each text the index of the first text of its group; groups are joined by pairs at least this similar.

    Similarity is the Jaccard index of the sets of 5-character shingles of the normalised texts. Shape (n,).
    """
    sets = [_shingles(normalise(text)) for text in texts]
    parent = list(range(len(texts)))
    for one, other in _candidates(_signatures(sets, seed)):
        a, b = _root(parent, one), _root(parent, other)
        if a != b and jaccard(sets[one], sets[other]) >= threshold:
            parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, i) for i in range(len(texts))], dtype=np.int64)


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """The Jaccard index of two sorted sets; two empty sets are equal."""
    if not len(one) and not len(other):
        return 1.0
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _shingles(text: str) -> NDArray[np.uint64]:
    """The sorted set of hashed shingles of a normalised text; a text shorter than a shingle is one shingle."""
    codes = np.frombuffer(text[: _SHINGLES + _SHINGLE].encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    width = min(_SHINGLE, max(1, len(codes)))
    if not len(codes):
        return np.zeros(0, dtype=np.uint64)
    hashed = np.zeros(len(codes) - width + 1, dtype=np.uint64)
    for offset in range(width):
        hashed = hashed * np.uint64(0x100000001B3) + codes[offset : len(codes) - width + 1 + offset]
    hashed ^= hashed >> np.uint64(29)
    return np.unique(hashed * np.uint64(0xBF58476D1CE4E5B9))


def _signatures(sets: Sequence[NDArray[np.uint64]], seed: int) -> NDArray[np.uint64]:
    """MinHash signatures, shape (n, bands * rows); an empty set has the greatest values."""
    rng = np.random.default_rng(seed)
    factor = rng.integers(1, 1 << 32, size=_BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
    offset = rng.integers(0, 1 << 61, size=_BANDS * _ROWS, dtype=np.uint64)
    result = np.full((len(sets), _BANDS * _ROWS), np.iinfo(np.uint64).max, dtype=np.uint64)
    for row, members in enumerate(sets):
        if len(members):
            mixed = (members[:, None] >> np.uint64(32)) * factor + (members[:, None] & np.uint64(0xFFFFFFFF)) * (
                factor >> np.uint64(7) | np.uint64(1)
            )
            result[row] = ((mixed + offset) % _PRIME).min(axis=0)
    return result


def _candidates(signatures: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Pairs that agree in a whole band: each member of a bucket with the bucket's first."""
    for band in range(_BANDS):
        buckets: dict[bytes, int] = {}
        rows = np.ascontiguousarray(signatures[:, band * _ROWS : (band + 1) * _ROWS])
        for index in range(len(rows)):
            first = buckets.setdefault(rows[index].tobytes(), index)
            if first != index:
                yield first, index


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
