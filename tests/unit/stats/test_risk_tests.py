"""Tests of a risk against a limit: values computed by hand and published ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats import risk_tests
from tierwright.stats.bounds import error_upper_bound
from tierwright.stats.risk_tests import (
    betting_p_value,
    error_p_value,
    fewest_without_loss,
    regret_p_value,
    wealth,
)


def test_error_p_values_are_binomial_sums() -> None:
    """One head among ten throws of a coin: 11 in 1,024; no error among three at 10 %: 0.9 cubed; nothing seen: 1."""
    found = error_p_value([1, 0, 0], [10, 3, 0], np.float64(0.5))
    assert found[0] == pytest.approx(11 / 1024)
    assert error_p_value(0, 3, 0.1) == pytest.approx(0.729)
    assert found[2] == 1.0


@pytest.mark.parametrize(("errors", "n", "limit"), [(0, 59, 0.05), (0, 58, 0.05), (10, 200, 0.1), (13, 200, 0.1)])
def test_the_binomial_test_is_the_clopper_pearson_bound(errors: int, n: int, limit: float) -> None:
    """It passes exactly where the one-sided bound at 1 - delta is at most the limit: 59 error-free ones for 5 %."""
    bounded = error_upper_bound(errors, n, level=0.95).ci_high <= limit
    assert bool(error_p_value(errors, n, limit) <= 0.05) is bounded


def test_the_paired_statistic_is_tangos() -> None:
    """Tango (1998), contact lenses: 1 of 44 patients right by the baseline alone, margin 0.1: Z = 1.709."""
    assert float(risk_tests._statistic(1, 0, 44, 0.1)) == pytest.approx(1.709, abs=5e-4)


def test_the_exact_p_value_is_no_smaller_than_any_nuisance_makes_it() -> None:
    """The same patients: with no gain possible at most one loss has probability 0.0571, above the asymptotic 0.044."""
    by_hand = 0.9**44 + 44 * 0.1 * 0.9**43
    assert by_hand == pytest.approx(0.0571, abs=5e-5)
    assert by_hand <= regret_p_value(1, 0, 44, 0.1) <= 1.1 * by_hand


@pytest.mark.parametrize(("limit", "fewest"), [(0.01, 299), (0.02, 149), (0.03, 99), (0.05, 59)])
def test_without_any_loss_the_paired_test_needs_what_a_binomial_needs(limit: float, fewest: int) -> None:
    """(1 - limit)^n: 299 examples for one point; one fewer does not pass."""
    assert fewest_without_loss(limit, 0.05) == fewest
    assert regret_p_value(0, 0, fewest, limit) <= 0.0501
    assert regret_p_value(0, 0, fewest - 1, limit) > 0.05


@pytest.mark.parametrize(("n", "limit"), [(60, 0.05), (169, 0.02)])
def test_the_largest_tail_is_found(n: int, limit: float) -> None:
    """No share of gains on a grid several times as fine gives a larger probability than the p-value."""
    for statistic in (1.5, 1.7, 2.5):
        place = math.floor(statistic / risk_tests._CLASS)
        most = risk_tests._most_losses(np.arange(n + 1), n, limit, place * risk_tests._CLASS)
        gains = np.arange(n + 1)
        largest = 0.0
        for share in (1 - limit) / 2 * np.sin(np.linspace(0.0, math.pi / 2, 700)) ** 2:
            rate = min(1.0, (share + limit) / (1 - share))
            largest = max(largest, float(binom.pmf(gains, n, share) @ binom.cdf(most, n - gains, rate)))
        assert largest <= risk_tests._largest_tail(n, limit, place) <= 1.01 * largest


def test_the_paired_p_value_falls_with_gains_and_rises_with_losses() -> None:
    """In every direction, and it is 1 where the difference is on the wrong side of the limit."""
    table = np.array([[regret_p_value(losses, gains, 200, 0.03) for gains in range(12)] for losses in range(12)])
    assert (np.diff(table, axis=1) <= 0).all()
    assert (np.diff(table, axis=0) >= 0).all()
    assert regret_p_value(10, 0, 200, 0.03) == 1.0


def test_bets_computed_by_hand() -> None:
    """Limit 1/2: stakes are capped at 0.9 of 2; a loss of 0 makes 1.9 of 1, two make 3.61, a loss of 1 leaves 0.1."""
    found = wealth(np.array([[0.0, 0.0], [1.0, 0.0]]), 0.5, low=0.0, delta=0.05)
    assert found == pytest.approx(np.array([[1.9, 3.61], [0.1, 0.19]]))
    assert betting_p_value([0.0, 0.0], 0.5, low=0.0, delta=0.05) == pytest.approx(1 / 3.61)
    assert betting_p_value([1.0, 0.0], 0.5, low=0.0, delta=0.05) == 1.0


@pytest.mark.parametrize(("limit", "fewest"), [(0.01, 347), (0.02, 173), (0.03, 115), (0.05, 68)])
def test_betting_needs_the_published_number_of_examples(limit: float, fewest: int) -> None:
    """Of examples that show no regret, by `routing.md` 3.1 (c) of the data kit; the exact test needs fewer."""
    needed = next(n for n in range(50, 400) if betting_p_value(np.zeros(n), limit, low=-1.0, delta=0.05) <= 0.05)
    assert needed == fewest
    assert fewest_without_loss(limit, 0.05) < needed


def test_bad_input_is_refused() -> None:
    """NaN, losses out of range, impossible counts and limits, and nothing at all."""
    with pytest.raises(InputError, match="NaN"):
        betting_p_value([0.1, math.nan], 0.5, low=0.0, delta=0.05)
    with pytest.raises(InputError, match="must lie in"):
        betting_p_value([0.1, -0.5], 0.5, low=0.0, delta=0.05)
    with pytest.raises(NotEnoughData):
        betting_p_value([], 0.5, low=0.0, delta=0.05)
    with pytest.raises(InputError, match="counts must satisfy"):
        regret_p_value(3, 2, 4, 0.1)
    for limit in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match="risk level"):
            error_p_value(0, 10, limit)
