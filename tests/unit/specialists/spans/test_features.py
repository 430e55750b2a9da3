from __future__ import annotations

import numpy as np

from tierwright.specialists.spans.features import FEATURES_PER_TOKEN, Features, hash_tokens
from tierwright.specialists.spans.text import tokenize

TEXT = "This Loan Agreement is made by ACME Ltd. (\u201cLender\u201d) on 27 January 1999.\n\nACME Ltd. lends."


def test_a_part_is_seen_in_its_whole_text() -> None:
    """The features of some tokens are those they have when all tokens are asked for."""
    tokens = tokenize(TEXT)
    every = hash_tokens(tokens, np.arange(len(tokens)))
    some = np.array([0, 5, 6, len(tokens) - 1])
    assert every.shape == (len(tokens), FEATURES_PER_TOKEN)
    np.testing.assert_array_equal(hash_tokens(tokens, some), every[some])


def test_each_feature_has_its_own_number() -> None:
    """Hashing keeps apart what differs: within one token no two features share a number."""
    tokens = tokenize(TEXT)
    rows = hash_tokens(tokens, np.arange(len(tokens)))
    assert all(len(set(row)) == FEATURES_PER_TOKEN for row in rows.tolist())


def test_unknown_features_are_not_seen() -> None:
    """A matrix has ones for the features known from training, and nothing for others."""
    tokens = tokenize(TEXT)
    rows = hash_tokens(tokens, np.arange(len(tokens)))
    features = Features.fit([rows], 2)
    values, counts = np.unique(rows, return_counts=True)
    assert features.columns.tolist() == values[counts >= 2].tolist()
    matrix = features.transform(rows)
    assert matrix.nnz == int(np.isin(rows, features.columns).sum())
    stranger = tokenize("\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439")
    assert features.transform(hash_tokens(stranger, np.arange(1))).nnz < FEATURES_PER_TOKEN / 2


def test_relevance_is_seen() -> None:
    """Scores of sentences add one feature each, which differs with the score."""
    tokens = tokenize(TEXT)
    rows = np.arange(len(tokens))
    scores = np.zeros((int(tokens.sentences[-1]) + 1, 2), dtype=np.float32)
    low = hash_tokens(tokens, rows, scores)
    high = hash_tokens(tokens, rows, scores + 3)
    assert low.shape[1] == FEATURES_PER_TOKEN + 2
    assert (low[:, -2:] != high[:, -2:]).all()
    np.testing.assert_array_equal(low[:, :-2], high[:, :-2])
