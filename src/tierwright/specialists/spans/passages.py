"""Which parts of a long text are worth reading closely: the sentences that look as if they held an answer.

Owns the choice, by a linear model over the words of a sentence and its place. Refuses to know what is then found there.
A text that is short enough is read whole, in ranges of bounded length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tierwright.specialists.spans.features import mixed, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.spans.text import TokenText

#: Tokens up to which a text is read whole.
LONG = 800
#: Sentences read of a long text for each field.
PER_FIELD = 8
#: Tokens of one range at most: bounds the walk over it and what the encoder reads at once.
_LONGEST = 400
#: Tokens that are read of a text at most where there is no model to choose them.
_MOST = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """Scores of sentences: positive where it is more likely than not that an answer stands there."""

    #: Sorted numbers of the features, shape (columns,).
    columns: NDArray[np.uint32]
    #: Shapes (columns, fields) and (fields,).
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, tokens: TokenText) -> NDArray[np.float32]:
        """Shape (sentences, fields)."""
        return np.asarray(sentence_matrix(tokens, self.columns) @ self.weights + self.bias, dtype=np.float32)


def sentence_features(tokens: TokenText) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Words, pairs of words and places as numbers, and the sentence of each of them."""
    kinds: dict[str, int] = {}
    places = np.array([kinds.setdefault(word.lower(), len(kinds)) for word in tokens.words], dtype=np.int64)
    words = np.array([number_of(word) for word in kinds], dtype=np.uint64)[places]
    sentences = tokens.sentences
    total = int(sentences[-1]) + 1 if len(sentences) else 0
    same = sentences[1:] == sentences[:-1]
    numbers = np.arange(total)
    place = np.minimum(np.log2(numbers + 1) * 2, 20).astype(np.uint64)
    from_end = np.minimum(np.log2(total - numbers) * 2, 20).astype(np.uint64)
    found = [
        mixed(words, 1),
        mixed(words[:-1] * np.uint64(31) + words[1:] * np.uint64(1_000_003), 2)[same],
        mixed(place, 3),
        mixed(from_end, 4),
    ]
    return np.concatenate(found), np.concatenate([sentences, sentences[1:][same], numbers, numbers])


def sentence_matrix(tokens: TokenText, columns: NDArray[np.uint32]) -> sp.csr_matrix:
    """Ones where a sentence has a feature, each row of length 1: shape (sentences, columns)."""
    numbers, sentences = sentence_features(tokens)
    places = np.searchsorted(columns, numbers)
    places[places == len(columns)] = 0
    known = columns[places] == numbers if len(columns) else np.zeros(len(numbers), dtype=np.bool_)
    rows, cols = sentences[known], places[known]
    total = int(tokens.sentences[-1]) + 1 if len(tokens) else 0
    matrix = sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, cols)), shape=(total, len(columns)))
    matrix.data[:] = 1.0
    norms = np.sqrt(np.maximum(np.diff(matrix.indptr), 1))
    matrix.data /= np.repeat(norms, np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def read_ranges(
    tokens: TokenText, scores: NDArray[np.float32] | None, also: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Ranges of tokens (first, after the last) to read, in the order of the text, none longer than a bound.

    `scores` are those of the text's sentences; None: there is no model. `also` are sentences to read in any case.
    """
    count = len(tokens)
    if count <= LONG or scores is None:
        return _cut([(0, min(count, _MOST))])
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[list(also)] = True
    for field in range(scores.shape[1]):
        chosen[np.argsort(-scores[:, field], kind="stable")[:PER_FIELD]] = True
    wanted = chosen[tokens.sentences]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(np.int8), [0]])))
    return _cut([(int(first), int(after)) for first, after in zip(edges[::2], edges[1::2], strict=True)])


def _cut(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        (at, min(at + _LONGEST, after)) for first, after in ranges for at in range(first, after, _LONGEST) if after > at
    ]
