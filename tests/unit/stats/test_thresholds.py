"""Which thresholds are tried and how delta is split among them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.thresholds import (
    Grid,
    broken_ties,
    error_plan,
    fewest_for_errors,
    grid_of,
    own_grid,
    passed,
    regret_plan,
)


def test_a_grid_accepts_blocks_of_equal_scores_whole() -> None:
    """Each threshold is a score, each share counts all that have it, and the last one accepts everything."""
    found = grid_of([0.9, 0.9, 0.9, 0.5, 0.5, 0.2], step=0.1)
    assert found.thresholds.tolist() == [0.9, 0.5, 0.2]
    assert found.shares == pytest.approx([0.5, 5 / 6, 1.0])


def test_the_own_grid_lies_just_above_its_boundaries() -> None:
    """The boundary itself is not accepted, all scores above it are; the last threshold accepts whatever comes."""
    scores = np.linspace(0.1, 1.0, 10)
    found = own_grid(scores, step=0.1)
    assert found.shares == pytest.approx(np.arange(1, 11) / 10)
    assert scores[-2] < found.thresholds[0] <= scores[-1]
    assert found.thresholds[-1] == 0.0
    assert own_grid([0.5] * 7).shares.tolist() == [1.0]


@pytest.mark.parametrize(
    ("limit", "delta", "fewest"),
    [
        (0.05, 0.05, 59),
        (0.05, 0.0125, 86),
        (0.10, 0.05, 29),
        (0.10, 0.0125, 42),
        (0.15, 0.05, 19),
        (0.15, 0.0125, 27),
        (0.20, 0.05, 14),
        (0.20, 0.0125, 20),
    ],
)
def test_the_fewest_error_free_examples_are_the_published_ones(limit: float, delta: float, fewest: int) -> None:
    """`routing.md` 3.1 of the data kit, the power fix: for one start and for four."""
    assert fewest_for_errors(limit, delta) == fewest


def test_starts_that_can_certify_nothing_are_dropped_before_delta_is_split() -> None:
    """With 300 examples at 5 %: 30 are too few at any delta, 60 and 105 at a third, so two starts share it."""
    found = error_plan(grid_of(np.linspace(0, 1, 4000)), 300, 0.05, 0.05)
    assert found.weights[found.weights > 0].tolist() == [0.5, 0.5]
    assert found.grid.shares[found.weights > 0] == pytest.approx([0.35, 0.5], abs=0.001)


def test_where_no_usual_start_is_large_enough_the_first_that_is_has_all() -> None:
    """100 examples at 5 %: 59 are accepted from 60 % on; 50 examples can certify nothing."""
    grid = grid_of(np.linspace(0, 1, 4000))
    found = error_plan(grid, 100, 0.05, 0.05)
    assert found.weights.sum() == 1.0
    assert grid.shares[found.weights > 0] == pytest.approx([0.6], abs=0.001)
    assert not error_plan(grid, 50, 0.05, 0.05).weights.any()


def test_confidences_move_half_of_delta_to_where_they_expect_most() -> None:
    """Errors nowhere but in the lower half: half of delta starts where the accepted are enough and all right."""
    sure = np.concatenate([np.full(1000, 0.5), np.linspace(0.995, 1.0, 1000)])
    grid = grid_of(sure)
    found = error_plan(grid, 200, 0.05, 0.05, confidences=sure, generator=np.random.default_rng(1))
    plain = error_plan(grid, 200, 0.05, 0.025)
    assert found.weights.sum() == pytest.approx(1.0)
    best = int((found.weights - plain.weights / 2).argmax())
    assert 0.3 <= grid.shares[best] <= 0.5


def test_regret_starts_at_the_most_confident_and_a_tenth_of_delta_at_everything() -> None:
    """So that a specialist that is the better model is not stopped by one unlucky early loss."""
    found = regret_plan(grid_of(np.linspace(0, 1, 1000)))
    assert found.weights[found.weights > 0] == pytest.approx([0.9, 0.1])
    assert found.grid.shares[found.weights > 0] == pytest.approx([0.05, 1.0], abs=0.001)
    assert regret_plan(Grid(thresholds=np.array([0.5]), shares=np.array([1.0]))).weights == pytest.approx([1.0])


def test_the_fallback_procedure_by_hand() -> None:
    """Parts 1/2, 1/4, 1/4 of 5 %: what a hypothesis is rejected at is passed on, what fails keeps its part."""
    weights = np.array([0.5, 0.25, 0.25])
    found = passed(np.array([[0.02, 0.03, 0.01], [0.03, 0.03, 0.01], [0.03, 0.01, 0.025]]), weights, 0.05)
    assert found == pytest.approx(np.array([[0.025, 0.0375, 0.05], [0, 0, 0.0125], [0, 0.0125, 0.025]]))


def test_a_hypothesis_without_delta_is_never_rejected() -> None:
    """Not even with a p-value of zero."""
    assert passed(np.zeros(3), np.array([0.0, 1.0, 0.0]), 0.05).tolist() == [0.0, 0.05, 0.05]


def test_a_second_signal_breaks_ties_and_nothing_else() -> None:
    """The order of the first score stays; equal ones are ordered by the second; equal pairs stay equal."""
    found = broken_ties([1.0, 1.0, 0.5, 1.0, 0.2], [0.3, 0.9, 1.0, 0.3, 0.0])
    assert found == pytest.approx([0.75, 1.0, 0.5, 0.75, 0.25])


def test_bad_scores_are_refused() -> None:
    """NaN, none at all, and a step that is no share."""
    with pytest.raises(InputError, match="NaN"):
        grid_of([0.1, math.nan])
    with pytest.raises(NotEnoughData):
        own_grid([])
    with pytest.raises(InputError, match="step"):
        grid_of([0.1], step=0.0)
    with pytest.raises(InputError, match="differ in length"):
        broken_ties([0.1], [0.1, 0.2])
