"""Tests of learning which templates are preferred."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.specialists.composing import Candidate
from tierwright.specialists.template import probability_of
from tierwright.training.preference import START, Choice, learn_preference, learn_signals


def candidate(words: int, fluency: float, shared: float) -> Candidate:
    """A template of that many words."""
    return Candidate(tokens=tuple(range(words)), score=0.0, fluency=fluency, shared=(shared,) * 4, seen=0)


def choice(right: str) -> Choice:
    """A long text that the model finds unlikely, and a short likely one."""
    return Choice(
        candidates=(candidate(8, -4.0, 2.0), candidate(4, -2.0, 2.0)),
        texts=("it comes in green and weighs two kilograms", "green , two kilograms"),
        rights=(right,),
    )


@pytest.mark.parametrize("right", ["it comes in green and weighs two kilograms", "green , two kilograms"])
def test_follows_the_right_answers(right: str) -> None:
    """Weights are found with which the text that the writer would have chosen has the higher score."""
    choices = [choice(right)] * 3
    found = learn_preference(choices)

    def score(one: Candidate) -> float:
        shared = sum(weight * share for weight, share in zip(found.shared, one.shared, strict=True))
        return found.fluency * one.fluency + shared + found.length * len(one.tokens)

    best = max(range(2), key=lambda place: score(choices[0].candidates[place]))
    assert choices[0].texts[best] == right


def test_nothing_to_choose_from() -> None:
    """Without a choice the weights stay where they were."""
    assert learn_preference([]) == START


def test_signals() -> None:
    """A signal that tells right from wrong moves the probability; one that is constant does not break the fit."""
    rng = np.random.default_rng(0)
    telling = rng.normal(size=300)
    rows = np.column_stack([telling, np.ones(300)])
    right = telling + 0.3 * rng.normal(size=300) > 0
    probability = probability_of(learn_signals(rows, right), rows)
    assert probability[telling > 1].min() > 0.8
    assert probability[telling < -1].max() < 0.2
    assert np.isfinite(learn_signals(rows, np.ones(300, dtype=np.bool_))).all()
