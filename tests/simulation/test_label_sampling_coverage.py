"""How often the intervals from few labels cover the truth, counted over simulated samples with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tierwright.stats.prediction_powered import ppi_mean, ppi_of_disagreements
from tierwright.stats.sampling import Stratum, disagreement_ends, hajek_mean, stratified_proportion

LEVEL = 0.95
SIMULATIONS = 2_000
#: Three standard deviations of a coverage counted over that many simulations.
NOISE = 3 * math.sqrt(LEVEL * (1 - LEVEL) / SIMULATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gold", "accuracy", "lenient"), [(30, 0.9, 0.5), (50, 0.97, 0.7), (100, 0.97, 0.9), (200, 0.7, 0.2)]
)
def test_prediction_powered_share_covers(gold: int, accuracy: float, lenient: float) -> None:
    """PPI++ covers 95 % within noise from 30 gold labels on, near 1 too; a lenient judge alone covers in under half."""
    generator = np.random.default_rng(301)
    covers = alone = 0
    for _ in range(SIMULATIONS):
        right = generator.random(gold + 1000) < accuracy
        says = (right | (generator.random(right.size) < lenient)).astype(float)
        found = ppi_mean(right[:gold].astype(float), says[:gold], says[gold:])
        covers += found.ci_low <= accuracy <= found.ci_high
        half = 1.96 * math.sqrt(says.var() / says.size)
        alone += abs(says.mean() - accuracy) <= half
    assert covers / SIMULATIONS >= LEVEL - NOISE
    assert alone / SIMULATIONS < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gold", "shares", "judge"),
    [(30, (0.45, 0.45), 0.8), (50, (0.85, 0.05), 0.95), (100, (0.1, 0.1), 0.9), (100, (0.6, 0.2), 0.4)],
)
def test_prediction_powered_difference_covers(gold: int, shares: tuple[float, float], judge: float) -> None:
    """The paired difference on disagreements covers 95 % within noise, with good and with bad judges."""
    generator = np.random.default_rng(302)
    covers = 0
    for _ in range(SIMULATIONS):
        truth = generator.choice([1.0, -1.0, 0.0], p=[*shares, 1 - sum(shares)], size=gold + 300)
        says = np.where(generator.random(truth.size) < judge, truth, generator.choice([1.0, -1.0, 0.0], truth.size))
        found = ppi_mean(truth[:gold], says[:gold], says[gold:], bounds=(-1.0, 1.0))
        covers += found.ci_low <= shares[0] - shares[1] <= found.ci_high
    assert covers / SIMULATIONS >= LEVEL - NOISE


@pytest.mark.parametrize(
    ("n", "disagreement", "shares", "labels"),
    [
        (1000, 0.1, (0.4, 0.4), 50),
        (2000, 0.03, (0.5, 0.4), 20),
        (500, 0.05, (0.3, 0.6), 10),
        (1000, 0.3, (0.1, 0.1), 30),
        (1000, 0.2, (0.6, 0.2), 60),
        (300, 0.5, (0.8, 0.1), 150),
    ],
)
def test_difference_from_labels_of_disagreements_covers(
    n: int, disagreement: float, shares: tuple[float, float], labels: int
) -> None:
    """Coverage lies within noise and one point of 95 % from below; strong differences cover more often, as stated."""
    generator = np.random.default_rng(303)
    differ = np.maximum(generator.binomial(n, disagreement, SIMULATIONS), 1)
    labelled = np.minimum(differ, labels)
    gained = generator.binomial(labelled, shares[0])
    lost = generator.binomial(labelled - gained, shares[1] / (1 - shares[0]))
    low, high = disagreement_ends(gained, lost, labelled, n / differ, 1.0, float(stats.norm.ppf(0.975)))
    truth = disagreement * (shares[0] - shares[1])
    assert ((low <= truth) & (truth <= high)).mean() >= LEVEL - NOISE - 0.01


@pytest.mark.parametrize("disagreement", [0.05, 0.2])
def test_candidate_at_the_margin_seldom_passes_by_labels_of_disagreements(disagreement: float) -> None:
    """A candidate one point worse passes a margin of one point in at most 2.5 % of sheets, within noise."""
    generator = np.random.default_rng(304)
    differ = generator.binomial(1000, disagreement, SIMULATIONS)
    labelled = np.minimum(differ, 40)
    worse = 0.01 / disagreement
    gained = generator.binomial(labelled, (0.9 - worse) / 2)
    lost = generator.binomial(labelled - gained, (0.9 + worse) / 2 / (1 - (0.9 - worse) / 2))
    low, _ = disagreement_ends(gained, lost, labelled, 1000 / differ, 1.0, float(stats.norm.ppf(0.975)))
    noise = 3 * math.sqrt(0.025 * 0.975 / SIMULATIONS)
    # What is missed besides is the score test's own discreteness at so few labels.
    assert (low > -0.01).mean() <= 0.025 + noise + 0.005


@pytest.mark.slow
def test_stratified_share_covers() -> None:
    """Wilson's interval of the effective number covers 95 % within noise and one point, strata drawn unequally."""
    generator = np.random.default_rng(305)
    for share, rates, drawn in (
        (0.1, (0.98, 0.5), (20, 50)),
        (0.3, (0.9, 0.6), (30, 100)),
        (0.05, (0.8, 0.3), (25, 25)),
    ):
        covers = 0
        for _ in range(SIMULATIONS):
            differ = int(generator.binomial(1000, share))
            sizes = (1000 - differ, differ)
            strata = [
                Stratum(size=size, values=(generator.random(min(n, size)) < rate).astype(float))
                for size, rate, n in zip(sizes, rates, drawn, strict=True)
            ]
            found = stratified_proportion(strata)
            covers += found.ci_low <= (1 - share) * rates[0] + share * rates[1] <= found.ci_high
        assert covers / SIMULATIONS >= LEVEL - NOISE - 0.01


@pytest.mark.slow
def test_inverse_probability_mean_covers_where_the_plain_mean_does_not() -> None:
    """Drawn more often where answers are worse, Hajek covers within two points; the plain mean is far off."""
    generator = np.random.default_rng(306)
    covers = plain = 0
    for _ in range(SIMULATIONS):
        hard = generator.random(2000) < 0.3
        right = (generator.random(2000) < np.where(hard, 0.5, 0.9)).astype(float)
        probability = np.where(hard, 0.25, 0.05)
        drawn = generator.random(2000) < probability
        found = hajek_mean(right[drawn], probability[drawn])
        truth = 0.3 * 0.5 + 0.7 * 0.9
        covers += found.ci_low <= truth <= found.ci_high
        plain += found.ci_low <= right[drawn].mean() <= found.ci_high and abs(right[drawn].mean() - truth) < 0.06
    assert covers / SIMULATIONS >= LEVEL - NOISE - 0.02
    assert plain / SIMULATIONS < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("disagreement", "shares", "judge"), [(0.1, (0.5, 0.3), 0.8), (0.2, (0.2, 0.6), 0.6)])
def test_judged_disagreements_cover_where_the_judge_alone_fails(
    disagreement: float, shares: tuple[float, float], judge: float
) -> None:
    """40 labels and a judge who favours the candidate: 95 % within noise, and under half by the judge alone."""
    generator = np.random.default_rng(307)
    truth_of_all = disagreement * (shares[0] - shares[1])
    covers = alone = 0
    for _ in range(SIMULATIONS):
        differ = int(generator.binomial(1500, disagreement))
        truth = generator.choice([1.0, -1.0, 0.0], p=[*shares, 1 - sum(shares)], size=differ)
        says = np.where(generator.random(differ) < judge, truth, 1.0)
        found = ppi_of_disagreements(truth[:40], says[:40], says[40:], disagreements=differ, n=1500)
        covers += found.ci_low <= truth_of_all <= found.ci_high
        told = np.zeros(1500)
        told[:differ] = says
        alone += abs(told.mean() - truth_of_all) <= 1.96 * told.std() / math.sqrt(1500)
    assert covers / SIMULATIONS >= LEVEL - NOISE
    assert alone / SIMULATIONS < 0.5
