from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tierwright.training.votes import Features, Scores, VoteConfig, fit_scales, fit_votes, out_of_fold


def a_problem(count: int = 240, members: int = 3) -> tuple[Features, np.ndarray, Features]:
    """Examples with one n-gram and one direction of the embedding for each member, and the members' names."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, members, count)
    signal = np.eye(members)
    ngrams = sp.csr_matrix((signal[labels] + 0.3 * rng.random((count, members))).astype(np.float32))
    embeddings = (signal[labels] + 0.5 * rng.normal(size=(count, members))).astype(np.float32)
    names = Features(ngrams=sp.csr_matrix(signal.astype(np.float32)), embeddings=signal.astype(np.float32))
    return Features(ngrams=ngrams, embeddings=embeddings), labels, names


def test_left_out_examples_teach_nothing() -> None:
    """Examples of weight 0 change nothing, whatever their labels."""
    features, labels, names = a_problem()
    weights = (np.arange(len(labels)) % 4 > 0).astype(float)
    wrong = np.where(weights > 0, labels, (labels + 1) % 3)
    one, other = (fit_votes(features, y, weights, names, config=VoteConfig(), seed=1) for y in (labels, wrong))
    assert np.array_equal(one.ngram_weights, other.ngram_weights)
    assert one.embedding_weights is not None
    assert other.embedding_weights is not None
    assert np.array_equal(one.embedding_weights, other.embedding_weights)


@pytest.mark.parametrize("members", [2, 3])
def test_votes_of_few_members(members: int) -> None:
    """Two members, where a linear SVM has one hyperplane, are told apart the right way round, as three are."""
    features, labels, names = a_problem(members=members)
    votes = fit_votes(features, labels, np.ones(len(labels)), names, config=VoteConfig(), seed=1)
    found = votes.scores(features)
    assert (found.ngrams.argmax(axis=1) == labels).mean() > 0.95
    assert found.embeddings is not None
    assert (found.embeddings.argmax(axis=1) == labels).mean() > 0.8


def test_member_known_by_name_only() -> None:
    """A member without examples in a fold can still be recognised by its name."""
    features, labels, names = a_problem()
    votes = fit_votes(features, labels, (labels != 2).astype(float), names, config=VoteConfig(), seed=1)
    assert votes.scores(names).ngrams[2].argmax() == 2


def test_out_of_fold_has_not_seen() -> None:
    """Random labels can't be predicted out of fold, though the features tell every example apart."""
    count = 240
    labels = np.random.default_rng(0).integers(0, 2, count)
    features = Features(ngrams=sp.identity(count, dtype=np.float32, format="csr"), embeddings=None)
    names = Features(ngrams=sp.csr_matrix((2, count), dtype=np.float32), embeddings=None)
    folds = np.arange(count) % 3
    scores = out_of_fold(features, labels, np.ones(count), names, folds, config=VoteConfig(), seed=1)
    seen = fit_votes(features, labels, np.ones(count), names, config=VoteConfig(), seed=1).scores(features)
    assert (seen.ngrams.argmax(axis=1) == labels).all()
    assert (scores.ngrams.argmax(axis=1) == labels).mean() < 0.65


def test_a_tuned_head_votes_as_it_is() -> None:
    """What was learned together with the encoder is not fitted again; what it has learned from gets no score."""
    features, labels, names = a_problem()
    tuned = (np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32), np.array([0.1, 0.2, 0.3], np.float32))
    everything, folds = np.ones(len(labels)), np.where(np.arange(len(labels)) % 4, -1, 0)
    votes = fit_votes(features, labels, everything, names, config=VoteConfig(), seed=1, tuned=tuned)
    assert votes.embedding_weights is tuned[0]
    assert votes.embedding_bias is tuned[1]
    scores = out_of_fold(features, labels, everything, names, folds, config=VoteConfig(), seed=1, tuned=tuned)
    assert features.embeddings is not None
    assert scores.embeddings is not None
    expected = np.where(folds[:, None] == 0, features.embeddings @ tuned[0] + tuned[1], 0)
    assert np.allclose(scores.embeddings, expected)


def test_out_of_fold_is_the_same_every_time() -> None:
    """Fitting the two votes side by side changes no number from one time to the next."""
    features, labels, names = a_problem()
    folds = np.arange(len(labels)) % 3
    one, two = (
        out_of_fold(features, labels, np.ones(len(labels)), names, folds, config=VoteConfig(), seed=1) for _ in range(2)
    )
    assert np.array_equal(one.ngrams, two.ngrams)
    assert one.embeddings is not None
    assert two.embeddings is not None
    assert np.array_equal(one.embeddings, two.embeddings)


def test_scales_prefer_the_better_vote() -> None:
    """A vote that is noise is turned down, the one that knows is turned up."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    knows = 0.5 * np.eye(3)[labels] + 0.2 * rng.normal(size=(600, 3))
    noise = rng.normal(size=(600, 3))
    useful, useless = fit_scales(Scores(ngrams=knows, embeddings=noise), labels)
    assert useful > 5 * useless


def test_rare_members_count_more() -> None:
    """Balanced votes give a rare member more of the doubtful examples; with members alike nothing changes."""
    rng = np.random.default_rng(0)
    labels = (np.arange(600) % 20 == 0).astype(int)
    columns = np.stack([np.ones(600), labels + rng.normal(0, 0.7, 600)], axis=1).astype(np.float32)
    names = Features(ngrams=sp.csr_matrix((2, 2), dtype=np.float32), embeddings=None)

    def found(rows: np.ndarray, balance: float) -> np.ndarray:
        features = Features(ngrams=sp.csr_matrix(columns[rows]), embeddings=None)
        config = VoteConfig(balance=balance)
        votes = fit_votes(features, labels[rows], np.ones(len(rows)), names, config=config, seed=1)
        return votes.scores(features).ngrams.argmax(axis=1)

    everything = np.arange(600)
    assert (found(everything, 1.0) == 1).sum() > (found(everything, 0.0) == 1).sum()
    alike = np.concatenate([np.flatnonzero(labels), np.flatnonzero(labels == 0)[:30]])
    assert np.array_equal(found(alike, 1.0), found(alike, 0.0))
