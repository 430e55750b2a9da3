from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.specialists.novelty import (
    NoveltyConfig,
    Prototypes,
    gather,
    known_share,
    mean_margin,
    mean_similarity,
    weigh,
)

CONFIG = NoveltyConfig(lows=[0.0, 0.2, 0.5], spreads=[1.0, 0.5, 0.25])


def evidence(probability: float, margin: float, known: float) -> np.ndarray:
    """That of one answer, without an encoder."""
    return gather(np.array([probability]), np.array([margin]), np.array([known]), None)


def test_ordinary_evidence_leaves_the_probability() -> None:
    """An input like the training data keeps the probability that the votes gave its answer."""
    assert weigh(evidence(0.9, 0.2, 0.5), CONFIG) == pytest.approx([0.9])


def test_a_step_of_missing_evidence() -> None:
    """One step less than is ordinary divides the odds by e to the fourth; steps of several kinds add up."""
    assert weigh(evidence(0.5, 0.2, 0.25), CONFIG) == pytest.approx([1 / (1 + np.exp(4))])
    assert weigh(evidence(0.5, -0.3, 0.25), CONFIG) == pytest.approx([1 / (1 + np.exp(8))])


kinds = st.tuples(st.floats(0, 1), st.floats(-3, 3), st.floats(0, 1))


@given(kinds, kinds)
def test_more_evidence_never_makes_an_answer_less_probable(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    """The map is monotone in each kind of evidence, and its result a probability."""
    less = evidence(*(min(pair) for pair in zip(one, other, strict=True)))
    more = evidence(*(max(pair) for pair in zip(one, other, strict=True)))
    low, high = float(weigh(less, CONFIG)[0]), float(weigh(more, CONFIG)[0])
    assert 0.0 <= low <= high <= 1.0


def test_known_share_by_hand() -> None:
    """Words and characters count alike, and a text without any n-gram is wholly unknown."""
    found = known_share(np.array([[3, 1], [0, 0]]), np.array([[4, 4], [0, 0]]))
    assert found.tolist() == [0.5, 0.0]


def test_similarity_is_to_the_chosen_members_nearest_prototype() -> None:
    """Prototypes of other members don't count; a member without one is like nothing."""
    prototypes = Prototypes(
        vectors=np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32), members=np.array([0, 0, 1])
    )
    text = np.tile(np.array([[0, 1]], dtype=np.float32), (3, 1))
    assert prototypes.similarity(text, np.array([0, 1, 2])).tolist() == pytest.approx([0.8, 1.0, -1.0])


def test_means_over_the_heads() -> None:
    """The evidence of an answer with two fields is the mean of the fields' evidence."""
    margins = [np.array([[1.0, 2.0]]), np.array([[4.0, 8.0, 6.0]])]
    assert mean_margin(margins, np.array([[1, 2]])).tolist() == [4.0]
    one = Prototypes(vectors=np.array([[1, 0]], dtype=np.float32), members=np.array([0]))
    other = Prototypes(vectors=np.array([[0, 1]], dtype=np.float32), members=np.array([0]))
    found = mean_similarity([one, other], np.array([[1, 0]], dtype=np.float32), np.array([[0, 0]]))
    assert found.tolist() == [0.5]
