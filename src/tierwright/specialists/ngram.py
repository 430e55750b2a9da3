"""Turns texts into hashed word and character n-grams, in any language, without a vocabulary of words.

Owns the normalisation, the hashing and the weights (idf) of what was seen in training. The same text gives the same
features on every machine and in every process. All n-grams of all texts are hashed at once: with prefix sums of a
polynomial hash any stretch of characters costs the same.

References:
    Weinberger et al. (2009), Feature Hashing for Large Scale Multitask Learning (the hashing trick).
    Karp and Rabin (1987), Efficient randomized pattern-matching algorithms (the rolling hash).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

#: Characters of a text that are looked at, at most: from its beginning, and from its end.
_HEAD, _TAIL = 12_000, 4_000
#: Characters hashed at a time: bounds the memory of any number of texts.
_PIECE = 1 << 18
#: An odd multiplier and its inverse modulo 2**64: the base of the polynomial hash.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_SPACE = 32
#: Scripts written without spaces, where a character stands for a word: kana, Thai, Han.
_UNSPACED = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0x0E00, 0x0E7F), (0x20000, 0x3FFFF))
#: The first of them.
_UNSPACED_FROM = min(low for low, _ in _UNSPACED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramConfig:
    """What is counted."""

    #: Characters per character n-gram, within words and their neighbouring spaces.
    char_low: int = 2
    char_high: int = 5
    #: Neighbouring words per word n-gram, at most.
    words: int = 2
    #: Pairs of words with up to so many others between them.
    skip: int = 3
    #: Texts of the training set in which an n-gram must occur.
    min_texts: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Features of many texts before weighting, sorted by text and feature; the feature's low bit says word or not."""

    text: NDArray[np.int64]
    feature: NDArray[np.uint32]
    count: NDArray[np.int64]
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Weighted features of many texts, and the counts of a `Reading`."""

    values: NDArray[np.float32]
    columns: NDArray[np.int32]
    known: NDArray[np.int64]
    total: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What of n texts is known, and how much of them that is."""

    #: Shape (n, columns), float32.
    ngrams: sp.csr_matrix
    #: Different features of characters and of words that training has seen, shape (n, 2).
    known: NDArray[np.int64]
    #: All different features of characters and of words, shape (n, 2).
    total: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramFeaturiser:
    """The features that were seen in training, with their weights."""

    config: NgramConfig
    #: Sorted hashes of the features, shape (columns,).
    features: NDArray[np.uint32]
    #: Inverse document frequency of each, shape (columns,).
    idf: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Sequence[str], config: NgramConfig | None = None) -> NgramFeaturiser:
        """The featuriser of a training set."""
        config = config or NgramConfig()
        found = [np.unique(counts.feature, return_counts=True) for counts in _counts(texts, config)]
        features, place = np.unique(
            np.concatenate([np.zeros(0, np.uint32), *(seen for seen, _ in found)]), return_inverse=True
        )
        spread = np.zeros(len(features), dtype=np.int64)
        np.add.at(spread, place, np.concatenate([np.zeros(0, np.int64), *(times for _, times in found)]))
        kept = spread >= config.min_texts
        idf = np.log((1 + len(texts)) / (1 + spread[kept])) + 1
        return cls(config=config, features=features[kept], idf=idf.astype(np.float32))

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        """Weights of the known features: sublinear counts times idf, words and characters each of length 1.

        Shape (n, columns), float32. A text without a known feature is a row of zeros.
        """
        return self.read(texts).ngrams

    def read(self, texts: Sequence[str]) -> Reading:
        """The same, with how many features of characters and of words each text has and how many of them are known."""
        rows = [self._weighted(counts) for counts in _counts(texts, self.config)]
        values = np.concatenate([np.zeros(0, np.float32), *(row.values for row in rows)])
        columns = np.concatenate([np.zeros(0, np.int32), *(row.columns for row in rows)])
        known = np.concatenate([np.zeros((0, 2), np.int64), *(row.known for row in rows)])
        total = np.concatenate([np.zeros((0, 2), np.int64), *(row.total for row in rows)])
        ends = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        ngrams = sp.csr_matrix((values, columns, ends), shape=(len(texts), len(self.features)))
        return Reading(ngrams=ngrams, known=known, total=total)

    def _weighted(self, counts: _Counts) -> _Rows:
        """Weights and columns of the known features, in order of text and column."""
        total = _by_kind(counts.text, counts.feature, counts.texts)
        if not len(self.features):
            nothing = np.zeros((counts.texts, 2), np.int64)
            return _Rows(values=np.zeros(0, np.float32), columns=np.zeros(0, np.int32), known=nothing, total=total)
        column = np.minimum(np.searchsorted(self.features, counts.feature), len(self.features) - 1)
        found = self.features[column] == counts.feature
        row, column, count = counts.text[found], column[found], counts.count[found]
        value = (1 + np.log(count)) * self.idf[column]
        kind = 2 * row + (self.features[column] & 1)
        value /= np.sqrt(np.bincount(kind, value * value, minlength=2 * counts.texts))[kind]
        known = np.bincount(kind, minlength=2 * counts.texts).reshape(-1, 2)
        return _Rows(values=value.astype(np.float32), columns=column.astype(np.int32), known=known, total=total)


def _by_kind(text: NDArray[np.int64], feature: NDArray[np.uint32], texts: int) -> NDArray[np.int64]:
    """How many features of characters and of words each text has, shape (texts, 2)."""
    return np.bincount(2 * text + (feature & 1), minlength=2 * texts).reshape(-1, 2)


def normalise(text: str) -> str:
    """The text as it is counted: compatibility forms, case folded, single spaces, the middle of very long ones cut."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]} {text[-_TAIL:]}"
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _counts(texts: Sequence[str], config: NgramConfig) -> Iterator[_Counts]:
    """Every feature of every text with its count, in pieces of texts of bounded length."""
    piece: list[str] = []
    characters = 0
    for text in texts:
        padded = f" {normalise(text)} "
        if piece and characters + len(padded) > _PIECE:
            yield _counts_of_piece(piece, config)
            piece, characters = [], 0
        piece.append(padded)
        characters += len(padded)
    if piece:
        yield _counts_of_piece(piece, config)


def _counts_of_piece(padded: list[str], config: NgramConfig) -> _Counts:
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    row = np.repeat(np.arange(len(padded)), lengths)
    stretch = _Stretches(codes)
    chars = _char_features(stretch, row, np.cumsum(lengths)[row], config)
    words = _word_features(stretch, row, config)
    rows = np.concatenate([*(r for r, _ in chars), *(r for r, _ in words)])
    hashes = np.concatenate([h for _, h in (*chars, *words)]) >> np.uint64(33) << np.uint64(1)
    hashes[sum(len(h) for _, h in chars) :] |= np.uint64(1)
    keys = (rows.astype(np.uint64) << np.uint64(32)) | hashes
    keys.sort()
    begin = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.bool_))
    count = np.diff(begin, append=len(keys))
    keys = keys[begin]
    return _Counts(
        text=(keys >> np.uint64(32)).astype(np.int64),
        feature=(keys & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        count=count,
        texts=len(padded),
    )


class _Stretches:
    """Hashes of any stretches of a sequence of characters."""

    def __init__(self, codes: NDArray[np.uint32]) -> None:
        self.codes = codes
        powers = np.full(len(codes) + 1, _BASE, dtype=np.uint64)
        powers[:1] = 1
        inverse = np.full(len(codes) + 1, _INVERSE, dtype=np.uint64)
        inverse[:1] = 1
        mixed = _mix(codes.astype(np.uint64) + np.uint64(0x1234567))
        self._inverse = np.multiply.accumulate(inverse)
        self._sums = np.concatenate(
            [np.zeros(1, np.uint64), np.cumsum(mixed * np.multiply.accumulate(powers)[:-1], dtype=np.uint64)]
        )

    def hashes(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.uint64]:
        """One hash for each stretch, the same wherever the stretch stands."""
        found: NDArray[np.uint64] = (self._sums[end] - self._sums[begin]) * self._inverse[begin]
        return found


def _char_features(
    stretch: _Stretches, row: NDArray[np.int64], end: NDArray[np.int64], config: NgramConfig
) -> list[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """(text, hash) of the character n-grams that cross no space, but may begin or end with one."""
    space = stretch.codes == _SPACE
    spaces = np.concatenate([[0], np.cumsum(space)])
    place = np.arange(len(stretch.codes))
    found = []
    for size in range(config.char_low, config.char_high + 1):
        begin = place[place + size <= end]
        begin = begin[spaces[begin + size - 1] == spaces[begin + 1]]
        found.append((row[begin], _mix(stretch.hashes(begin, begin + size) ^ np.uint64(0xC0FFEE))))
    return found


def _word_features(
    stretch: _Stretches, row: NDArray[np.int64], config: NgramConfig
) -> list[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """(text, hash) of words, of runs of words and of pairs of words with others between them."""
    kind = _kinds(stretch.codes)
    before, after = np.concatenate([[0], kind[:-1]]), np.concatenate([kind[1:], [0]])
    begin = np.flatnonzero((kind > 0) & ((before != kind) | (kind == _ALONE)))
    end = np.flatnonzero((kind > 0) & ((after != kind) | (kind == _ALONE))) + 1
    word, text = stretch.hashes(begin, end), row[begin]
    found = [(text, _mix(word ^ np.uint64(0xF00D)))]
    for size in range(2, config.words + 1):
        run = word[: max(0, len(word) - size + 1)]
        for step in range(1, size):
            run = _mix(run) + word[step : len(run) + step]
        same = text[: len(run)] == text[size - 1 : size - 1 + len(run)]
        found.append((text[: len(run)][same], _mix(run[same] ^ np.uint64(0xBEEF))))
    for gap in range(2, 2 + config.skip):
        count = max(0, len(word) - gap)
        pair = _mix(_mix(word[:count]) + word[gap : gap + count] + np.uint64(7))
        same = text[:count] == text[gap : gap + count]
        found.append((text[:count][same], _mix(pair[same] ^ np.uint64(0xABCD))))
    return found


#: Kinds of characters: a part of a word, and a word of its own.
_PART, _ALONE = 1, 2


def _kinds(codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The kind of each character; 0: between words."""
    distinct, place = np.unique(codes, return_inverse=True)
    return np.array([_kind(code) for code in distinct.tolist()], dtype=np.int64)[place]


def _kind(code: int) -> int:
    if code >= _UNSPACED_FROM and any(low <= code <= high for low, high in _UNSPACED):
        return _ALONE
    character = chr(code)
    return _PART if character.isalnum() or character == "_" or unicodedata.combining(character) else 0


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection that spreads every bit over all others (splitmix64's finaliser, Steele et al. 2014)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
