"""Intervals of one proportion and of one mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.intervals import (
    bootstrap_mean,
    clopper_pearson,
    clopper_pearson_by_group,
    wilson,
    wilson_by_group,
)

#: Newcombe (1998), Statistics in Medicine 17:857-872, Table I: successes, n, Wilson (method 3), Clopper-Pearson (5).
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("successes", "n", "published", "_exact"), NEWCOMBE)
def test_wilson_interval_of_newcombes_examples(
    successes: int, n: int, published: tuple[float, float], _exact: object
) -> None:
    """The Wilson interval agrees with Newcombe's Table I to the four decimals printed."""
    found = wilson(successes, n)
    assert (found.ci_low, found.ci_high) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(("successes", "n", "_score", "published"), NEWCOMBE)
def test_clopper_pearson_interval_of_newcombes_examples(
    successes: int, n: int, _score: object, published: tuple[float, float]
) -> None:
    """The Clopper-Pearson interval agrees with Newcombe's Table I to the four decimals printed."""
    found = clopper_pearson(successes, n)
    assert (found.ci_low, found.ci_high) == pytest.approx(published, abs=5e-5)


@given(n=st.integers(1, 500), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_proportion_intervals_agree_with_scipy(n: int, share: float, level: float) -> None:
    """Wilson and Clopper-Pearson are scipy's for every count, size and level."""
    successes = round(share * n)
    test = stats.binomtest(successes, n)
    for method, found in (("wilson", wilson), ("exact", clopper_pearson)):
        wanted = test.proportion_ci(level, method=method)
        ours = found(successes, n, level=level)
        assert (ours.ci_low, ours.ci_high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
        assert ours.value == successes / n
        assert (ours.n, ours.level) == (n, level)


def test_proportion_interval_at_the_ends() -> None:
    """No success gives exactly 0 below and none missed exactly 1 above, and both intervals still have a width."""
    for method in (wilson, clopper_pearson):
        assert method(0, 30).ci_low == 0.0
        assert method(0, 30).ci_high > 0.05
        assert method(30, 30).ci_high == 1.0
        assert method(30, 30).ci_low < 0.95


@pytest.mark.parametrize("counts", [(-1, 10), (11, 10), (0, -1)])
def test_proportion_of_impossible_counts_is_refused(counts: tuple[int, int]) -> None:
    """Counts that can't be are an InputError that names them."""
    with pytest.raises(InputError, match=str(counts[0])):
        wilson(*counts)


def test_proportion_of_nothing_is_refused() -> None:
    """No observation is not a proportion of zero."""
    with pytest.raises(NotEnoughData, match="at least one"):
        clopper_pearson(0, 0)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_level_outside_its_range_is_refused(level: float) -> None:
    """A level in percent or beyond certainty is refused with an example of a right one."""
    with pytest.raises(InputError, match=r"0\.95"):
        wilson(1, 2, level=level)


def test_grouped_proportion_with_single_members_is_the_plain_one() -> None:
    """Groups of one change nothing, not even the method's name."""
    values, groups = [1, 0, 1, 1], ["a", "b", "c", "d"]
    assert wilson_by_group(values, groups) == wilson(3, 4)
    assert clopper_pearson_by_group(values, groups) == clopper_pearson(3, 4)


def test_grouped_proportion_of_copies_is_that_of_the_originals() -> None:
    """Three copies of every observation say exactly as much as one, whatever order they come in."""
    values = [1, 0, 1, 1, 0, 1, 1, 1]
    groups = [f"g{i}" for i in range(8)]
    order = np.random.default_rng(5).permutation(24)
    tripled = np.array(values * 3)[order], [(groups * 3)[i] for i in order]
    for grouped, plain in ((wilson_by_group, wilson), (clopper_pearson_by_group, clopper_pearson)):
        found, wanted = grouped(*tripled), plain(6, 8)
        assert (found.ci_low, found.ci_high) == pytest.approx((wanted.ci_low, wanted.ci_high))
        assert found.n == 8
        assert "groups as copies" in found.method


def test_grouped_proportion_of_other_than_outcomes_is_refused() -> None:
    """A score between 0 and 1 is no outcome, and a group is needed for each."""
    with pytest.raises(InputError, match=r"0\.5 at position 1"):
        wilson_by_group([1, 0.5], ["a", "b"])
    with pytest.raises(InputError, match="1 groups for 2 observations"):
        wilson_by_group([1, 0], ["a"])


def test_bootstrap_of_a_mean_agrees_with_scipys_bca() -> None:
    """Both ends agree with scipy's BCa of the same data up to the noise of resampling."""
    values = np.random.default_rng(1).exponential(size=60)
    ours = bootstrap_mean(values, np.random.default_rng(2), resamples=40_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(3)
    ).confidence_interval
    assert (ours.ci_low, ours.ci_high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert ours.value == pytest.approx(values.mean())
    assert ours.n == 60


def test_bootstrap_depends_on_the_generator_alone() -> None:
    """The same seed gives the same interval, and another seed another one."""
    values = np.arange(20.0)
    first, again, other = (bootstrap_mean(values, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_bootstrap_of_copies_in_groups_is_as_wide_as_that_of_the_originals() -> None:
    """Resampling whole groups sees through copies, resampling rows does not."""
    values = np.random.default_rng(4).normal(size=40)
    copies, groups = np.repeat(values, 4), [i // 4 for i in range(160)]
    plain = bootstrap_mean(values, np.random.default_rng(1))
    grouped = bootstrap_mean(copies, np.random.default_rng(1), groups=groups)
    naive = bootstrap_mean(copies, np.random.default_rng(1))
    assert grouped.n == 40
    assert grouped.ci_high - grouped.ci_low == pytest.approx(plain.ci_high - plain.ci_low, rel=1e-9)
    assert naive.ci_high - naive.ci_low < 0.6 * (plain.ci_high - plain.ci_low)


def test_bootstrap_of_equal_values_is_refused() -> None:
    """Equal values have no spread to resample, so no interval of width zero is claimed."""
    with pytest.raises(NotEnoughData, match="equal"):
        bootstrap_mean([1.0] * 50, np.random.default_rng(1))
    with pytest.raises(NotEnoughData, match="equal"):
        bootstrap_mean([0.0, 1.0, 0.0, 1.0], np.random.default_rng(1), groups=["a", "a", "b", "b"])


def test_bootstrap_of_nan_says_how_many_and_where() -> None:
    """NaN is never averaged over; the message counts them and points at the first."""
    with pytest.raises(InputError, match="2 of 4 values are NaN or infinite, the first at position 1"):
        bootstrap_mean([1.0, float("nan"), 2.0, float("inf")], np.random.default_rng(1))


def test_bootstrap_of_nothing_or_of_a_table_is_refused() -> None:
    """No value is too little data; a matrix is wrong data."""
    with pytest.raises(NotEnoughData, match="no values"):
        bootstrap_mean([], np.random.default_rng(1))
    with pytest.raises(InputError, match="2 dimensions"):
        bootstrap_mean([[1.0, 2.0]], np.random.default_rng(1))
