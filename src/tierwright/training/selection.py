"""Keeps the n-grams that tell answers apart, where there are more than can be learned from in minutes.

Owns which columns go; refuses to know what is learned from those that stay. Small training sets lose none.

Source: Yang and Pedersen (1997), A comparative study on feature selection in text categorization, for chi-squared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Entries of the matrix of n-grams, and weights (columns times members of all heads), that are kept at most.
MAX_ENTRIES, MAX_WEIGHTS = 20_000_000, 10_000_000
#: Columns that are kept however many members there are.
_MIN_COLUMNS = 1 << 15


def informative_columns(
    ngrams: sp.csr_matrix,
    labels: NDArray[np.int64],
    *,
    max_entries: int = MAX_ENTRIES,
    max_weights: int = MAX_WEIGHTS,
) -> NDArray[np.int64]:
    """The columns to keep, ascending: all, unless a limit is passed.

    `labels` has shape (n, heads). Where the weights are too many, those of the rarest n-grams go. Where the entries are
    too many, those n-grams go whose texts are spread over the answers as all texts are: least chi-squared for each
    text they occur in.
    """
    texts = np.bincount(ngrams.indices, minlength=ngrams.shape[1])
    members = int(sum(labels[:, head].max() + 1 for head in range(labels.shape[1])))
    kept = np.arange(ngrams.shape[1])
    room = max(_MIN_COLUMNS, max_weights // members)
    if len(kept) > room:
        kept = np.sort(np.argsort(-texts, kind="stable")[:room])
    if texts[kept].sum() <= max_entries:
        return kept
    worth = _chi_squared(ngrams, labels)[kept] / np.maximum(texts[kept], 1)
    order = np.argsort(-worth, kind="stable")
    return np.sort(kept[order[np.cumsum(texts[kept][order]) <= max_entries]])


def keep_columns(
    ngrams: sp.csr_matrix, kept: NDArray[np.int64], of_words: NDArray[np.bool_]
) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """The matrix with some of its columns, words and characters each of length 1 again, and how many each text has.

    `of_words`, of all columns, says which are of words. The counts have shape (n, 2): of characters, and of words.
    """
    part = ngrams[:, kept]
    rows = part.shape[0]
    kind = 2 * np.repeat(np.arange(rows), np.diff(part.indptr)) + of_words[kept][part.indices]
    length = np.sqrt(np.bincount(kind, part.data.astype(np.float64) ** 2, minlength=2 * rows))
    part.data = (part.data / length[kind]).astype(np.float32)
    return part, np.bincount(kind, minlength=2 * rows).reshape(-1, 2)


def _chi_squared(ngrams: sp.csr_matrix, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each column against the answers, the largest over the heads; shape (columns,)."""
    rows, columns = ngrams.shape
    seen = sp.csr_matrix((np.ones(ngrams.nnz, np.float32), ngrams.indices, ngrams.indptr), shape=ngrams.shape)
    texts = np.maximum(np.bincount(ngrams.indices, minlength=columns), 1).astype(np.float64)
    best = np.zeros(columns)
    for head in range(labels.shape[1]):
        label = labels[:, head]
        share = np.bincount(label) / rows
        whose = sp.csr_matrix((np.ones(rows, np.float32), (label, np.arange(rows))), shape=(len(share), rows))
        squared = np.zeros(columns)
        for member in range(len(share)):
            count = np.asarray((whose[member] @ seen).todense(), dtype=np.float64).ravel()
            squared += count**2 / max(share[member], 1e-12)
        best = np.maximum(best, squared / texts - texts)
    return best
