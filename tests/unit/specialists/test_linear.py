from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tierwright.specialists.linear import Confidence, LinearHead, decode, log_odds, log_softmax


def a_head(*, embedded: bool = False) -> LinearHead:
    """A head of two members over two n-grams and, if wanted, an embedding of one number."""
    return LinearHead(
        ngram_weights=np.array([[1, -1], [-1, 1]], dtype=np.float32),
        ngram_bias=np.zeros(2, dtype=np.float32),
        embedding_weights=np.array([[3, -3]], dtype=np.float32) if embedded else None,
        embedding_bias=np.array([0.5, -0.5], dtype=np.float32) if embedded else None,
        ngram_scale=2.0,
        embedding_scale=0.5,
    )


def test_log_probabilities_by_hand() -> None:
    """The scores are the two votes, each times its factor, and the softmax is taken of their sum."""
    found = a_head(embedded=True).log_probabilities(
        sp.csr_matrix(np.array([[1.0, 0.0]], dtype=np.float32)), np.array([[1.0]], dtype=np.float32)
    )
    score = 2.0 * 1.0 + 0.5 * (3.0 + 0.5)
    assert found[0] == pytest.approx([-np.log1p(np.exp(-2 * score)), -2 * score - np.log1p(np.exp(-2 * score))])


def test_log_probabilities_batch() -> None:
    """An input has the same probabilities alone and in a batch."""
    rows = sp.csr_matrix(np.random.default_rng(0).random((50, 2)).astype(np.float32))
    together = a_head().log_probabilities(rows, None)
    alone = np.concatenate([a_head().log_probabilities(rows[n], None) for n in range(50)])
    assert np.array_equal(together, alone)


def test_decode_without_combinations() -> None:
    """Each head decides for itself, and the answer is as probable as all its parts together."""
    heads = [np.log(np.array([[0.7, 0.3]])), np.log(np.array([[0.4, 0.6]]))]
    best, probability = decode(heads, None)
    assert best.tolist() == [[0, 1]]
    assert probability == pytest.approx([0.42])


def test_decode_with_combinations() -> None:
    """Of the combinations seen the likeliest is taken, though no head alone would choose all its parts."""
    heads = [np.log(np.array([[0.6, 0.4]])), np.log(np.array([[0.1, 0.9]]))]
    best, probability = decode(heads, np.array([[0, 0], [1, 1]]))
    assert best.tolist() == [[1, 1]]
    assert probability == pytest.approx([0.36 / (0.36 + 0.06)])


def test_confidence_by_hand() -> None:
    """The line is taken in log-odds: slope 2 squares the odds."""
    found = Confidence(slope=2.0, intercept=0.0).calibrated(np.array([0.75]))
    assert found == pytest.approx([0.9])


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
    st.floats(0, 5),
    st.floats(-5, 5),
)
def test_confidence_order(probabilities: list[float], slope: float, intercept: float) -> None:
    """Confidence is a probability, 0 and 1 included, and never turns the order round."""
    found = Confidence(slope=slope, intercept=intercept).calibrated(np.sort(np.array(probabilities)))
    assert np.all(np.diff(found) >= 0)
    assert np.all((found >= 0) & (found <= 1))


def test_log_softmax_extreme_scores() -> None:
    """Scores far apart neither overflow nor lose the sum of one."""
    found = log_softmax(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]]))
    assert np.exp(found).sum(axis=1) == pytest.approx([1, 1])


def test_log_odds_edges() -> None:
    """Certainty has finite odds, the same to both sides."""
    low, high = log_odds(np.array([0.0, 1.0]))
    assert np.isfinite(high)
    assert low == pytest.approx(-high)
