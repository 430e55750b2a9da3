"""Whether early and late traffic are of one kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fakes import NOON
from tests.unit.training.problems import LABELS, label_examples
from tierwright.core.triage import Severity
from tierwright.training.drift import drift, tell_apart

if TYPE_CHECKING:
    from tierwright.core.dataset import Example


def timed(count: int, *, word: str = "", share: float = 1.0) -> list[Example]:
    """Examples a minute apart; a word is put into a share of the later half."""
    rng = np.random.default_rng(0)
    examples = label_examples(count, human=0.0)
    return [
        replace(
            one,
            created_at=NOON + timedelta(minutes=n),
            # Without the running number, which tells early from late by itself.
            input=" ".join([word if n >= count // 2 and rng.random() < share else "", *one.input.split()[:-1]]),
        )
        for n, one in enumerate(examples)
    ]


def test_new_word_is_drift() -> None:
    """A word that half of the later inputs have is seen, with an area under the curve near three quarters."""
    inputs, answers = drift(timed(400, word="refurbished", share=0.5), LABELS, seed=1)
    assert inputs.severity is Severity.WARNING
    assert inputs.p_value is not None
    assert inputs.p_value < 1e-6
    assert inputs.estimate is not None
    assert inputs.estimate.ci_low < 0.75 < inputs.estimate.ci_high
    assert answers.severity is Severity.NOTE


def test_changed_mix_of_answers_is_drift() -> None:
    """Where one label becomes rare, the spread of answers is seen to change."""
    examples = timed(600)
    kept = [e for n, e in enumerate(examples) if n < 300 or e.output != "billing" or n % 5 == 0]
    answers = drift(kept, LABELS, seed=1)[1]
    assert answers.severity is Severity.WARNING
    assert answers.p_value == pytest.approx(1 / 2000)


def test_near_duplicates_count_once() -> None:
    """Three hundred copies of one input are one unit: too few to compare, and not a difference."""
    examples = [replace(one, group="same") for one in timed(300, word="late")]
    (found,) = drift(examples, LABELS, seed=1)
    assert (found.severity, found.n) == (Severity.SKIPPED, 1)


def test_examples_without_an_order_of_time_are_skipped() -> None:
    """Imported history with one and the same instant says nothing about drift."""
    assert [one.severity for one in drift(label_examples(300), LABELS, seed=1)] == [Severity.SKIPPED]


@pytest.mark.slow
def test_false_alarms_come_as_often_as_the_level_says() -> None:
    """Over 200 exchangeable samples the p-value is below 10 % about as often, and below 1 % hardly ever."""
    rng = np.random.default_rng(5)
    words = [f"w{n}" for n in range(60)]
    found = []
    for seed in range(200):
        texts = [" ".join(rng.choice(words, size=8)) for _ in range(120)]
        found.append(tell_apart(texts, np.arange(120) >= 60, seed=seed)[1])
    assert 0.04 <= np.mean(np.array(found) < 0.1) <= 0.17
    assert np.mean(np.array(found) < 0.01) <= 0.04
