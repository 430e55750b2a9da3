"""Differences between two answerers on the same examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.paired import differences, mcnemar_exact, paired_difference, tango

#: (candidate only, baseline only, n), level, (lower end, upper end; None: not printed).
PUBLISHED = [
    pytest.param((0, 1, 44), 0.90, (-0.096, None), id="Tango 1998, section 6.1, soft contact lenses"),
    pytest.param((9, 3, 32), 0.95, (-0.027, 0.390), id="Tango 1998, section 6.2, sleeping difficulties"),
    pytest.param((1, 7, 21), 0.95, (-0.517, -0.026), id="Fagerland et al. 2014, Stat. Med. 33:2850-2875, airways"),
]


@pytest.mark.parametrize(("counts", "level", "printed"), PUBLISHED)
def test_tango_interval_of_published_examples(
    counts: tuple[int, int, int], level: float, printed: tuple[float, float | None]
) -> None:
    """Tango's interval agrees with the worked examples to the three decimals printed."""
    found = tango(*counts, level=level)
    assert round(found.ci_low, 3) == printed[0]
    assert printed[1] is None or round(found.ci_high, 3) == printed[1]


def _score_statistic(gained: int, lost: int, n: int, delta: float) -> float:
    """The score test from first principles: the likelihood is maximised by search, not by formula."""

    def minus_log_likelihood(share: float) -> float:
        parts = ((gained, share + delta), (lost, share), (n - gained - lost, 1 - 2 * share - delta))
        return -sum(count * np.log(p) for count, p in parts if count) if min(p for c, p in parts if c) > 0 else np.inf

    lowest, highest = max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12
    share = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(lowest, highest), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = (2 * share + delta - delta * delta) / n
    return float(((gained - lost) / n - delta) / np.sqrt(variance))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 200)),
    level=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_tango_ends_are_where_the_score_test_just_rejects(counts: tuple[int, int, int], level: float) -> None:
    """At both ends the score statistic, its likelihood maximised numerically, equals the critical value."""
    gained, lost, rest = counts
    n = gained + lost + rest
    found = tango(gained, lost, n, level=level)
    critical = float(stats.norm.ppf(0.5 + level / 2))
    assert _score_statistic(gained, lost, n, found.ci_low) == pytest.approx(critical, abs=2e-3)
    assert _score_statistic(gained, lost, n, found.ci_high) == pytest.approx(-critical, abs=2e-3)


@given(
    counts=st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 30_000)).filter(lambda c: sum(c) > 0)
)
def test_tango_interval_is_sound_for_every_table(counts: tuple[int, int, int]) -> None:
    """The interval holds the estimate, stays in [-1, 1], has a width, and mirrors when the roles are exchanged."""
    gained, lost, rest = counts
    n = gained + lost + rest
    found, mirrored = tango(gained, lost, n), tango(lost, gained, n)
    assert -1.0 <= found.ci_low <= found.value <= found.ci_high <= 1.0
    assert found.ci_low < found.ci_high
    assert (mirrored.ci_low, mirrored.ci_high) == pytest.approx((-found.ci_high, -found.ci_low), abs=1e-12)


@pytest.mark.parametrize("n", [1, 10, 400, 100_000])
def test_tango_interval_without_discordant_pairs(n: int) -> None:
    """Where no pair differs the ends are plus and minus z^2/(n + z^2), the closed form of the score test there."""
    square = stats.norm.ppf(0.975) ** 2
    found = tango(0, 0, n)
    assert found.value == 0.0
    assert (found.ci_low, found.ci_high) == pytest.approx((-square / (n + square), square / (n + square)), rel=1e-9)


@pytest.mark.parametrize("n", [1, 7, 500])
def test_tango_interval_where_every_pair_is_discordant(n: int) -> None:
    """All pairs one way end exactly at 1 or -1, and the other end is Wilson's for n of n, doubled to the difference."""
    square = stats.norm.ppf(0.975) ** 2
    wilson_low = n / (n + square)
    assert tango(n, 0, n).ci_high == pytest.approx(1.0, abs=1e-15)
    assert tango(n, 0, n).ci_low == pytest.approx(2 * wilson_low - 1, abs=1e-9)
    assert tango(0, n, n).ci_low == -1.0


@pytest.mark.parametrize("counts", [(-1, 0, 5), (3, 3, 5), (0, 6, 5)])
def test_tango_of_impossible_counts_is_refused(counts: tuple[int, int, int]) -> None:
    """More discordant pairs than pairs, or fewer than none, are an InputError."""
    with pytest.raises(InputError, match="counts must satisfy"):
        tango(*counts)


def test_paired_difference_counts_the_discordant_pairs() -> None:
    """From outcomes the same interval comes as from their counts."""
    candidate = [1] * 9 + [0] * 3 + [1] * 20
    baseline = [0] * 9 + [1] * 3 + [1] * 20
    assert paired_difference(candidate, baseline) == tango(9, 3, 32)
    assert paired_difference(candidate, baseline, [str(i) for i in range(32)]) == tango(9, 3, 32)


def test_paired_difference_of_copies_is_that_of_the_originals() -> None:
    """Five copies of each example in one group give the interval of the originals and count the groups."""
    candidate, baseline = np.array([1] * 9 + [0] * 3 + [1] * 20), np.array([0] * 9 + [1] * 3 + [1] * 20)
    found = paired_difference(np.repeat(candidate, 5), np.repeat(baseline, 5), [i // 5 for i in range(160)])
    wanted = tango(9, 3, 32)
    assert (found.ci_low, found.ci_high) == pytest.approx((wanted.ci_low, wanted.ci_high), abs=1e-12)
    assert found.n == 32


def test_paired_difference_within_one_group_tells_nearly_nothing() -> None:
    """A hundred examples of one group weigh as one, so the interval reaches far below any margin."""
    found = paired_difference([1] * 100, [1] * 100, ["same"] * 100)
    assert found.n == 1
    assert found.ci_low < -0.7


def test_paired_difference_of_unequal_lengths_is_refused() -> None:
    """Both sides must have answered every example."""
    with pytest.raises(InputError, match="differ in length, 3 and 2"):
        paired_difference([1, 0, 1], [1, 0])


def test_paired_difference_of_nan_or_nothing_is_refused() -> None:
    """NaN is named with its side, nothing is too little."""
    with pytest.raises(InputError, match="baseline's outcomes are NaN"):
        paired_difference([1, 0], [1, float("nan")])
    with pytest.raises(NotEnoughData, match="candidate's outcomes"):
        paired_difference([], [])


def test_differences_are_candidate_minus_baseline() -> None:
    """Scores that are not 0 or 1 are subtracted in that order."""
    assert differences([0.5, 1.0], [0.25, 2.0]).tolist() == [0.25, -1.0]
    with pytest.raises(InputError, match="differ in length"):
        differences([0.5], [0.5, 0.5])


def test_mcnemar_of_a_published_example() -> None:
    """Airways example, 1 against 7 discordant: two-sided exact p = 0.070 (Fagerland et al. 2013, BMC MRM 13:91)."""
    found = mcnemar_exact(1, 7)
    assert round(found.p_value, 3) == 0.070
    assert found.n == 8


@given(gained=st.integers(0, 300), lost=st.integers(0, 300))
def test_mcnemar_agrees_with_scipys_binomial_test(gained: int, lost: int) -> None:
    """The exact test is a binomial test of the discordant pairs; without any it can't reject."""
    wanted = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar_exact(gained, lost).p_value == pytest.approx(wanted, rel=1e-9)


def test_mcnemar_of_negative_counts_is_refused() -> None:
    """A negative count is an InputError."""
    with pytest.raises(InputError, match="negative"):
        mcnemar_exact(-1, 2)
