from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tierwright.training.descent import descend
from tierwright.training.votes import Features, VoteConfig, fit_votes


def a_problem(count: int = 3000, members: int = 6) -> tuple[sp.csr_matrix, np.ndarray]:
    """Sparse texts of 200 n-grams, some of which each member prefers."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, members, count)
    rows = rng.random((count, 200)) < 0.05
    for own in range(5):
        rows[np.arange(count), 20 * labels + own] |= rng.random(count) < 0.4
    values = rows / np.maximum(np.sqrt(rows.sum(axis=1, keepdims=True)), 1)
    return sp.csr_matrix(values.astype(np.float32)), labels


def test_close_to_the_exact_solver() -> None:
    """On unseen examples the steps are right nearly as often as the exact solution."""
    ngrams, labels = a_problem()
    seen = np.arange(len(labels)) < 2000
    names = Features(ngrams=sp.csr_matrix((6, 200), dtype=np.float32), embeddings=None)
    features = Features(ngrams=ngrams[seen], embeddings=None)
    shares = []
    for work in (10**9, 0):
        config = VoteConfig(exact_work=work)
        votes = fit_votes(features, labels[seen], np.ones(2000), names, config=config, seed=1)
        found = votes.scores(Features(ngrams=ngrams[~seen], embeddings=None)).ngrams.argmax(axis=1)
        shares.append(np.mean(found == labels[~seen]))
    assert shares[1] > shares[0] - 0.03


def test_same_seed_same_weights() -> None:
    """The same seed gives the same weights, bit for bit; another one does not."""
    ngrams, labels = a_problem(600)
    one, two, other = (descend(ngrams, labels, np.ones(600), 6, strength=0.5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
    assert not np.array_equal(one[0], other[0])


def test_weights_count() -> None:
    """An example of weight 0 changes nothing, whatever its label."""
    ngrams, labels = a_problem(600)
    weights = (np.arange(600) % 3 > 0).astype(float)
    wrong = np.where(weights > 0, labels, (labels + 1) % 6)
    one, other = (descend(ngrams, y, weights, 6, strength=0.5, seed=1) for y in (labels, wrong))
    assert np.array_equal(one[0], other[0])
