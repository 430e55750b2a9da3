"""How often certificates are broken, counted over simulated populations whose risk is known at every threshold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tierwright.stats.risk_control import Outcomes, p_values_of
from tierwright.stats.risk_tests import error_p_value, regret_p_value, wealth
from tierwright.stats.thresholds import Plan, error_plan, grid_of, own_grid, passed, regret_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.slow

DELTA = 0.05
SIMULATIONS = 2_000
#: Three standard deviations of a share of 5 % counted over that many simulations.
NOISE = 3 * math.sqrt(DELTA * (1 - DELTA) / SIMULATIONS)
#: Scores are uniform, and an answer with score u is wrong with probability `worst` times (1 - u) to the power `bend`.
CURVES = [(0.5, 1.0, 0.1, 300), (0.3, 2.0, 0.05, 300), (0.8, 0.5, 0.3, 100)]
GENERATOR = np.random.default_rng(0)
EVERYWHERE = np.linspace(0.0, 1.0, 2_001)


def counted(flags: NDArray[np.bool_], scores: NDArray[np.float64], plan: Plan) -> NDArray[np.int64]:
    """How many flagged examples each threshold accepts, in each simulation; shape (simulations, k)."""
    return np.stack([(flags & (scores >= threshold)).sum(axis=1) for threshold in plan.grid.thresholds], axis=1)


def broken(p_values: NDArray[np.float64], weights: NDArray[np.float64], bad: NDArray[np.bool_]) -> float:
    """The share of simulations whose lowest certified threshold is a bad one."""
    levels = passed(p_values, weights, DELTA) > 0
    last = levels.shape[1] - 1 - levels[:, ::-1].argmax(axis=1)
    bad = np.broadcast_to(bad, levels.shape)
    return float((levels.any(axis=1) & bad[np.arange(len(last)), last]).mean())


def errors_drawn(curve: tuple[float, float, float, int], seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores, falling, and whether the answer is wrong; shape (simulations, n)."""
    worst, bend, _, n = curve
    generator = np.random.default_rng(seed)
    scores = -np.sort(-generator.random((SIMULATIONS, n)), axis=1)
    return scores, generator.random(scores.shape) < worst * (1 - scores) ** bend


def error_breaks(plan: Plan, curve: tuple[float, float, float, int], seed: int) -> float:
    """How often certificates of errors by a plan are broken; the first simulation's p-values are `p_values_of`."""
    worst, bend, limit, _ = curve
    scores, wrong = errors_drawn(curve, seed)
    p_values = error_p_value(counted(wrong, scores, plan), counted(np.ones_like(wrong), scores, plan), limit)
    first = p_values_of(Outcomes.of(scores[0], ~wrong[0]), plan, limit=limit, delta=DELTA, generator=GENERATOR)
    assert p_values[0] == pytest.approx(first)
    rates = worst * np.maximum(1 - plan.grid.thresholds, 0.0) ** bend / (bend + 1)
    return broken(p_values, plan.weights, rates > limit)


@pytest.mark.parametrize("curve", CURVES)
def test_certificates_of_errors_are_seldom_broken(curve: tuple[float, float, float, int]) -> None:
    """In at most 5 % of samples within noise, with thresholds from unlabelled scores and none to guide the start."""
    plan = error_plan(grid_of(EVERYWHERE), curve[3], curve[2], DELTA)
    assert error_breaks(plan, curve, 1) <= DELTA + NOISE


@pytest.mark.parametrize("curve", CURVES)
def test_certificates_on_the_calibrating_scores_are_seldom_broken(curve: tuple[float, float, float, int]) -> None:
    """The same where the thresholds are made of the calibrating examples' own scores: each sample has its own."""
    worst, bend, limit, n = curve
    scores, wrong = errors_drawn(curve, 2)
    plan = error_plan(own_grid(scores[0]), n, limit, DELTA)
    counts = np.round(plan.grid.shares * n).astype(np.int64)
    p_values = error_p_value(np.cumsum(wrong, axis=1)[:, counts - 1], counts, limit)
    first = p_values_of(Outcomes.of(scores[0], ~wrong[0]), plan, limit=limit, delta=DELTA, generator=GENERATOR)
    assert p_values[0] == pytest.approx(first)
    # The boundary is the next score below those accepted; below the last there is none.
    boundary = np.column_stack([scores, np.zeros(SIMULATIONS)])[:, counts]
    rates = worst * (1 - boundary) ** bend / (bend + 1)
    assert broken(p_values, plan.weights, rates > limit) <= DELTA + NOISE


@pytest.mark.parametrize("belief", [0.25, 1.0, 3.0])
def test_wrong_confidences_cost_no_validity(belief: float) -> None:
    """Whether they promise a quarter or three times of the true errors: they only choose where delta starts."""
    curve = CURVES[0]
    sure = 1 - np.minimum(belief * curve[0] * (1 - EVERYWHERE) ** curve[1], 1.0)
    plan = error_plan(
        grid_of(EVERYWHERE), curve[3], curve[2], DELTA, confidences=sure, generator=np.random.default_rng(3)
    )
    assert error_breaks(plan, curve, 4) <= DELTA + NOISE


@pytest.mark.parametrize(("limit", "n", "baseline_wrong"), [(0.02, 200, 0.1), (0.05, 200, 0.0), (0.03, 350, 0.2)])
def test_certificates_of_regret_are_seldom_broken(limit: float, n: int, baseline_wrong: float) -> None:
    """In at most 5 % of samples within noise, whatever share of what the candidate misses the baseline misses too."""
    generator = np.random.default_rng(5)
    plan = regret_plan(grid_of(EVERYWHERE, step=0.05))
    scores = generator.random((SIMULATIONS, n))
    missed, misses = (
        generator.random(scores.shape) < 0.6 * (1 - scores),
        generator.random(scores.shape) < baseline_wrong,
    )
    losses, gains = counted(missed & ~misses, scores, plan), counted(~missed & misses, scores, plan)
    pairs, place = np.unique(losses * (n + 1) + gains, return_inverse=True)
    found = np.array([regret_p_value(int(pair // (n + 1)), int(pair % (n + 1)), n, limit) for pair in pairs])
    # Wrong at u with probability 0.6 (1 - u), and the baseline independently of that: the regret of accepting u >= t.
    kept = 1 - plan.grid.thresholds
    regret = 0.3 * kept**2 - baseline_wrong * kept
    assert broken(found[place].reshape(losses.shape), plan.weights, regret > limit + 1e-9) <= DELTA + NOISE


@pytest.mark.parametrize("gains", [0.0, 0.02, 0.15, 0.4])
def test_the_paired_test_holds_its_level_on_the_limit(gains: float) -> None:
    """At a regret of exactly the limit at most 5 % of samples pass, and no fewer than the discreteness takes away."""
    n, limit = 300, 0.04
    drawn = np.random.default_rng(6).multinomial(n, [gains + limit, gains, 1 - 2 * gains - limit], size=SIMULATIONS)
    rejected = np.mean([regret_p_value(int(lost), int(gained), n, limit) <= DELTA for lost, gained, _ in drawn])
    assert 0.01 <= rejected <= DELTA + NOISE


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_wealth_seldom_reaches_its_bar_under_the_null(low: float) -> None:
    """At any time: with losses of any shape between the ends and a mean at the limit, in at most 5 % of sequences."""
    generator = np.random.default_rng(7)
    losses = low + (1 - low) * generator.beta(0.4, 1.6, size=(SIMULATIONS, 300))
    limit = low + (1 - low) * 0.2
    assert (wealth(losses, limit, low=low, delta=DELTA).max(axis=1) >= 1 / DELTA).mean() <= DELTA + NOISE
