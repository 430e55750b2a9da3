from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tierwright.training.selection import informative_columns, keep_columns


def some_ngrams() -> tuple[sp.csr_matrix, np.ndarray]:
    """Four columns: one in every text, one that tells the two labels apart, one at random, one in a single text."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    columns = np.stack([np.ones(200), labels, rng.integers(0, 2, 200), np.arange(200) == 7], axis=1)
    return sp.csr_matrix(columns.astype(np.float32)), labels[:, None]


def test_small_sets_lose_nothing() -> None:
    """Under the limits every column stays."""
    ngrams, labels = some_ngrams()
    assert informative_columns(ngrams, labels).tolist() == [0, 1, 2, 3]


def test_what_tells_answers_apart_stays() -> None:
    """Where entries are too many, the n-gram of every text goes before the one that decides."""
    ngrams, labels = some_ngrams()
    assert 1 in informative_columns(ngrams, labels, max_entries=120)
    assert 0 not in informative_columns(ngrams, labels, max_entries=120)


def test_kept_columns_have_length_one() -> None:
    """After columns went, the words and the characters of each text have length 1 again, and are counted."""
    ngrams, _ = some_ngrams()
    of_words = np.array([False, True, False, True])
    part, counts = keep_columns(ngrams, np.array([0, 1, 2]), of_words)
    chars = part[:, [0, 2]].power(2).sum(axis=1)
    assert np.asarray(chars).ravel() == pytest.approx(np.ones(200))
    assert counts.sum() == part.nnz
