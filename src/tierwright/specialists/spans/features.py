"""What a chain sees of each token: sparse features as columns of a matrix.

Owns how tokens become features; refuses to know what is learned from them. No feature assumes a language: words,
shapes, affixes, neighbours, borders, quotation and brackets, and how often a word stands in the text.

A feature is a 32-bit number made by hashing (Weinberger et al. 2009, Feature hashing for large scale multitask
learning). Those seen often enough in training are the columns; with some 10^5 of 2^32 numbers in use, two features
hardly ever share one.
"""

from __future__ import annotations

import unicodedata
import zlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tierwright.specialists.spans.text import SPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.spans.text import TokenText

#: Slots of a word's own features.
_LOWER, _EXACT, _SHAPE, _SHORT, _PREFIX2, _PREFIX3, _PREFIX4, _SUFFIX1, _SUFFIX2, _SUFFIX3, _SUFFIX4, _KIND = range(12)
_SLOTS = 12
#: (offset, slot) of what is seen of the neighbours.
_NEIGHBOURS = tuple(
    (offset, slot)
    for offset, slots in (
        (-1, (_LOWER, _EXACT, _SHAPE, _SHORT, _PREFIX3, _SUFFIX3, _KIND)),
        (1, (_LOWER, _EXACT, _SHAPE, _SHORT, _PREFIX3, _SUFFIX3, _KIND)),
        (-2, (_LOWER, _SHORT)),
        (2, (_LOWER, _SHORT)),
        (-3, (_LOWER,)),
        (3, (_LOWER,)),
    )
    for slot in slots
)
#: Features that are seen together.
_TOGETHER = (
    ((-1, _LOWER), (0, _LOWER)),
    ((0, _LOWER), (1, _LOWER)),
    ((-2, _LOWER), (-1, _LOWER)),
    ((1, _LOWER), (2, _LOWER)),
    ((-1, _LOWER), (0, _SHORT)),
    ((0, _SHORT), (1, _LOWER)),
    ((-1, _SHORT), (0, _SHORT)),
    ((0, _SHORT), (1, _SHORT)),
    ((-1, _LOWER), (1, _LOWER)),
)
#: How far a token's features look.
_REACH = 3
_TRIPLE = ((-1, _SHORT), (0, _SHORT), (1, _SHORT))
#: Salts: 32-bit multipliers with no structure to speak of.
_MIX = np.uint64(0x9E3779B97F4A7C15)
_OPENING = frozenset("([{\uff08\uff3b\u300c\u300e\u300a\u201c")
_CLOSING = frozenset(")]}\uff09\uff3d\u300d\u300f\u300b\u201d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The features known from training; a feature that is not known is not seen."""

    #: Sorted numbers of the features, shape (columns,), uint32: one column each.
    columns: NDArray[np.uint32]

    @classmethod
    def fit(cls, hashed: Sequence[NDArray[np.uint32]], min_count: int) -> Features:
        """Those that occur at least so often in hashed tokens, each of shape (n, features)."""
        numbers, counts = np.unique(np.concatenate([part.ravel() for part in hashed]), return_counts=True)
        return cls(columns=numbers[counts >= min_count])

    def transform(self, hashed: NDArray[np.uint32]) -> sp.csr_matrix:
        """Ones where a token has a feature: shape (n, columns), float32."""
        rows, width = hashed.shape
        flat = hashed.ravel()
        places = np.searchsorted(self.columns, flat)
        places[places == len(self.columns)] = 0
        known = self.columns[places] == flat if len(self.columns) else np.zeros(len(flat), np.bool_)
        counts = known.reshape(rows, width).sum(axis=1)
        return sp.csr_matrix(
            (
                np.ones(int(known.sum()), dtype=np.float32),
                places[known].astype(np.int32),
                np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            ),
            shape=(rows, len(self.columns)),
        )


def hash_tokens(
    tokens: TokenText, rows: NDArray[np.int64], relevance: NDArray[np.float32] | None = None
) -> NDArray[np.uint32]:
    """The features of some tokens, their places in increasing order, shape (rows, features): each in its whole text.

    `relevance` are the scores of the text's sentences, shape (sentences, fields), where a model has judged them.
    """
    count = len(tokens)
    judged = 0 if relevance is None else relevance.shape[1]
    if len(rows) == 0:
        return np.zeros((0, FEATURES_PER_TOKEN + judged), dtype=np.uint32)
    padded = np.zeros((count + 2 * _REACH, _SLOTS), dtype=np.uint64)
    near = np.unique(rows[:, None] + np.arange(-_REACH, _REACH + 1)[None, :])
    near = near[(near >= 0) & (near < count)]
    padded[near + _REACH] = _own([tokens.words[at] for at in near.tolist()])
    own = padded[rows + _REACH]

    def seen(offset: int, slot: int) -> NDArray[np.uint64]:
        return np.asarray(padded[rows + _REACH + offset, slot], dtype=np.uint64)

    found = [mixed(own[:, slot], slot) for slot in range(_SLOTS)]
    salt = _SLOTS
    for offset, slot in _NEIGHBOURS:
        found.append(mixed(seen(offset, slot), salt))
        salt += 1
    for (offset, slot), (other, second) in _TOGETHER:
        found.append(mixed(seen(offset, slot) * np.uint64(31) + seen(other, second) * _MIX, salt))
        salt += 1
    (a, b), (c, d), (e, f) = _TRIPLE
    found.append(mixed(seen(a, b) * np.uint64(31) + seen(c, d) * _MIX + seen(e, f) * np.uint64(1_000_003), salt))
    for number in _situation(tokens):
        salt += 1
        found.append(mixed(number[rows], salt))
        salt += 1
        found.append(mixed(number[rows] * _MIX + own[:, _SHORT], salt))
    for field in range(judged):
        assert relevance is not None
        level = np.clip(np.floor(relevance[tokens.sentences[rows], field] * 2), -8, 8) + 8
        found.append(mixed(level.astype(np.uint64), 1000 + field))
    return np.stack(found, axis=1)


def _situation(tokens: TokenText) -> list[NDArray[np.uint64]]:
    """Where each token stands: borders, quotation and brackets, the sentence's case, the word's other occurrences."""
    count = len(tokens)
    lowers: dict[str, int] = {}
    lower = np.array([lowers.setdefault(word.lower(), len(lowers)) for word in tokens.words])
    breaks = tokens.breaks
    after = np.append(breaks[1:], 3)
    first = np.append([1], np.diff(tokens.sentences) > 0).astype(np.int64)
    last = np.append(first[1:], 1)
    upper = np.array([word.isupper() for word in tokens.words])
    lettered = np.array([word[:1].isalpha() for word in tokens.words])
    titled = np.array([word[:1].isupper() for word in tokens.words])
    sentences = tokens.sentences
    letters = np.maximum(np.bincount(sentences, weights=lettered), 1)
    shouted = (np.bincount(sentences, weights=upper) / letters)[sentences] > 0.7
    capital = (np.bincount(sentences, weights=titled) / letters)[sentences] > 0.7
    occurrences = np.minimum(np.bincount(lower)[lower], 4)
    seen_before = np.minimum(_earlier(lower), 2)
    small_elsewhere = np.bincount(lower, weights=lettered & ~titled)[lower] > 0
    inner_capital = np.bincount(lower, weights=titled & (first == 0) & ~shouted)[lower] > 0
    quoted, bracketed = _enclosed(tokens.words)
    place = np.minimum(np.log2(np.arange(count) + 1).astype(np.int64), 12)
    numbers = (
        breaks * 4 + after,
        first * 2 + last,
        shouted * 2 + capital,
        occurrences,
        seen_before,
        small_elsewhere * 2 + inner_capital,
        quoted * 2 + bracketed,
        place,
        np.minimum(sentences, 3) * 2 + (breaks == SPACE),
    )
    return [np.asarray(number, dtype=np.int64).astype(np.uint64) for number in numbers]


#: Where in a row stand the word itself and its pairs with both neighbours.
NOVELTY_SLOTS = [_LOWER, _SLOTS + len(_NEIGHBOURS), _SLOTS + len(_NEIGHBOURS) + 1]
#: Width of what `hash_tokens` returns.
FEATURES_PER_TOKEN = _SLOTS + len(_NEIGHBOURS) + len(_TOGETHER) + 1 + 2 * 9


def _own(words: Sequence[str]) -> NDArray[np.uint64]:
    """The features each token has by itself, shape (n, slots)."""
    kinds: dict[str, int] = {}
    places = np.array([kinds.setdefault(word, len(kinds)) for word in words], dtype=np.int64)
    return np.array([_word_features(word) for word in kinds], dtype=np.uint64).reshape(-1, _SLOTS)[places]


def _word_features(word: str) -> list[int]:
    lower = word.lower()
    if lower.isdigit():
        lower = "0" * min(len(lower), 6) if len(lower) != 4 else f"{lower[:2]}00"
    shape = "".join(map(_letter_class, word[:12]))
    return [
        number_of(lower),
        number_of(word),
        number_of(shape),
        number_of("".join(letter for letter, _ in groupby(shape))),
        *(number_of(f"{size}{lower[:size]}") for size in (2, 3, 4)),
        *(number_of(f"{size}{lower[-size:]}") for size in (1, 2, 3, 4)),
        number_of(f"{unicodedata.category(word[0])}{min(len(word), 5)}"),
    ]


def _letter_class(character: str) -> str:
    if character.isupper():
        return "A"
    if character.islower():
        return "a"
    if character.isdigit():
        return "0"
    return "x" if character.isalpha() else character


def number_of(text: str) -> int:
    """A text as 32 bits."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def mixed(numbers: NDArray[np.uint64], salt: int) -> NDArray[np.uint32]:
    """32 well-mixed bits of numbers and of what they stand for (the finaliser of MurmurHash3)."""
    # Multiplied by two different numbers, so that no sum of a number and a salt equals another one.
    found = numbers + np.uint64((salt + 1) * 0xD6E8FEB86659FD93 % 2**64)
    found ^= found >> np.uint64(33)
    found *= np.uint64(0xFF51AFD7ED558CCD)
    found ^= found >> np.uint64(33)
    return (found >> np.uint64(16)).astype(np.uint32)


def _earlier(lower: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each token's word stands before it."""
    order = np.argsort(lower, kind="stable")
    ranked = lower[order]
    begins = np.concatenate([[0], np.flatnonzero(np.diff(ranked)) + 1])
    sizes = np.diff(np.append(begins, len(ranked)))
    ranks = np.arange(len(ranked)) - np.repeat(begins, sizes)
    result = np.empty(len(lower), dtype=np.int64)
    result[order] = ranks
    return result


def _enclosed(words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whether each token stands in quotation marks and in brackets, as far as the last 30 tokens tell."""
    quoted = np.zeros(len(words), dtype=np.int64)
    bracketed = np.zeros(len(words), dtype=np.int64)
    quote = bracket = -100
    for at, word in enumerate(words):
        if word in _CLOSING:
            if word == "\u201d":
                quote = -100
            else:
                bracket = -100
        quoted[at] = at - quote <= 30 and word != '"'
        bracketed[at] = at - bracket <= 30
        if word in _OPENING:
            if word == "\u201c":
                quote = at
            else:
                bracket = at
        elif word == '"':
            quote = -100 if at - quote <= 30 else at
    return quoted, bracketed
