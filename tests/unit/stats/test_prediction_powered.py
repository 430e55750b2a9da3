"""Means from few gold labels and many cheap ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.prediction_powered import (
    MIN_GOLD,
    cross_fitted_mean,
    ppi_difference,
    ppi_mean,
    ppi_of_disagreements,
)

#: 40 gold labels and their cheap ones: means 3/4 and 1/2, covariance 1/8; 60 of 100 other cheap labels are 1.
GOLD = [1.0, 0.0, 1.0, 1.0] * 10
CHEAP = [1.0, 0.0, 0.0, 1.0] * 10
ELSEWHERE = [1.0] * 60 + [0.0] * 40


def test_ppi_as_algorithm_1_of_the_paper_by_hand() -> None:
    """Cheap mean elsewhere plus the mean of gold minus cheap: 0.6 + 10/40 = 0.85, each variance over its own count."""
    found = ppi_mean(GOLD, CHEAP, ELSEWHERE, weight=1.0)
    elsewhere = 100 * 0.24 / 99 / 100
    # Residuals are 1 ten times of 40: squares about their mean 40 * 3/16; the two imagined ones add 2.
    residual = (40 * 3 / 16 + 2) / 41 / 40
    half = stats.t.ppf(0.975, 39) * math.sqrt(elsewhere + residual)
    assert found.value == pytest.approx(0.85)
    assert found.ci_low == pytest.approx(0.85 - half)
    assert found.ci_high == pytest.approx(min(1.0, 0.85 + half))
    assert (found.n, found.method) == (40, "PPI, t")


def test_tuned_weight_by_hand() -> None:
    """PPI++: weight = (10/39) * 0.5 / (1.4 * pooled variance), and the value follows from it."""
    pooled = 140 * (80 / 140) * (60 / 140) / 139
    weight = (40 / 8 / 39) / (1.4 * pooled)
    found = ppi_mean(GOLD, CHEAP, ELSEWHERE)
    assert found.value == pytest.approx(0.75 + weight * (0.6 - 0.5))
    assert found.method == "PPI++, t"


def test_useless_cheap_labels_leave_the_gold_mean() -> None:
    """Constant or contrary cheap labels get the weight 0: the value is that of the gold labels alone."""
    assert ppi_mean(GOLD, [1.0] * 40, [1.0] * 100).value == 0.75
    assert ppi_mean(GOLD, [1.0 - label for label in GOLD], ELSEWHERE).value == 0.75


def test_good_cheap_labels_shorten_the_interval_and_lies_do_not_shift_it_unseen() -> None:
    """A faithful judge halves the width against weight 0; one that flatters everywhere leaves the gold value inside."""
    generator = np.random.default_rng(7)
    gold, rest = (generator.random(200) < 0.7).astype(float), (generator.random(4000) < 0.7).astype(float)
    alone, with_judge = ppi_mean(gold, gold, rest, weight=0.0), ppi_mean(gold, gold, rest)
    assert with_judge.ci_high - with_judge.ci_low < (alone.ci_high - alone.ci_low) / 2
    flattered = ppi_mean(gold, np.ones(200), np.ones(4000), weight=1.0)
    assert flattered.value == pytest.approx(gold.mean())


def test_paired_difference_is_the_mean_of_differences() -> None:
    """Candidate minus baseline, example by example, within [-1, 1]; the weight is that of the difference."""
    zeros = [0.0] * 40
    found = ppi_difference((zeros, GOLD), (zeros, CHEAP), ([0.0] * 100, ELSEWHERE), weight=1.0)
    assert found.value == pytest.approx(-0.85)


def test_cross_fitted_mean_averages_the_fits() -> None:
    """Two fits that say 0.5 and 0.7 elsewhere count as 0.6; one fit alone is refused."""
    folds = np.stack([[1.0] * 50 + [0.0] * 50, [1.0] * 70 + [0.0] * 30])
    found = cross_fitted_mean(GOLD, CHEAP, folds)
    assert found.value == pytest.approx(0.85)
    assert found.method == "cross-PPI of 2 folds, t"
    with pytest.raises(InputError, match="two or more fits"):
        cross_fitted_mean(GOLD, CHEAP, folds[:1])


def test_too_few_gold_labels_are_refused() -> None:
    """One gold label under the bound is refused with what to do instead; equal ones are not taken for certainty."""
    with pytest.raises(NotEnoughData, match=f"needs {MIN_GOLD}.*gold labels alone"):
        ppi_mean([1.0] * (MIN_GOLD - 1), [1.0] * (MIN_GOLD - 1), ELSEWHERE)
    sure = ppi_mean([1.0] * MIN_GOLD, [1.0] * MIN_GOLD, [1.0] * 500)
    assert sure.ci_high == 1.0
    assert sure.ci_low < 0.91


@pytest.mark.parametrize(
    ("gold", "cheap", "elsewhere", "says"),
    [
        ([math.nan] * 40, CHEAP, ELSEWHERE, "NaN"),
        (GOLD, CHEAP[:-1], ELSEWHERE, "differ in length"),
        (GOLD, CHEAP, [2.0] * 100, "outside of 0 to 1"),
    ],
)
def test_bad_labels_are_refused(gold: list[float], cheap: list[float], elsewhere: list[float], says: str) -> None:
    """NaN, unequal lengths and labels out of bounds are refused with the reason."""
    with pytest.raises(InputError, match=says):
        ppi_mean(gold, cheap, elsewhere)


def test_bad_parameters_are_refused() -> None:
    """A weight above 1, bounds the wrong way round and an empty rest are refused."""
    with pytest.raises(InputError, match="weight"):
        ppi_mean(GOLD, CHEAP, ELSEWHERE, weight=1.5)
    with pytest.raises(InputError, match="smaller"):
        ppi_mean(GOLD, CHEAP, ELSEWHERE, bounds=(1.0, 0.0))
    with pytest.raises(NotEnoughData, match="elsewhere"):
        ppi_mean(GOLD, CHEAP, [])


def test_difference_of_all_from_labels_of_disagreements_by_hand() -> None:
    """50 disagreements among 200: a quarter of their mean, its error and that of the share added in squares."""
    gold, cheap, elsewhere = [1.0, -1.0, 1.0, 1.0] * 8, [1.0, -1.0, -1.0, 1.0] * 8, [1.0] * 10 + [-1.0] * 8
    inside = ppi_mean(gold, cheap, elsewhere, bounds=(-1.0, 1.0))
    found = ppi_of_disagreements(gold, cheap, elsewhere, disagreements=50, n=200)
    share = stats.t.ppf(0.975, 31) * inside.value * math.sqrt(0.25 * 0.75 / 200)
    assert found.value == pytest.approx(inside.value / 4)
    assert found.value - found.ci_low == pytest.approx(math.hypot((inside.value - inside.ci_low) / 4, share))
    copies = ppi_of_disagreements(gold, cheap, elsewhere, disagreements=50, n=200, effect=4.0)
    assert copies.value - copies.ci_low == pytest.approx(2 * (found.value - found.ci_low))
