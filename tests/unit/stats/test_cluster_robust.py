"""Intervals that are robust to clusters."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.cluster_robust import cluster_design, clustered_difference, clustered_share
from tierwright.stats.intervals import wilson, wilson_by_group
from tierwright.stats.paired import paired_difference, tango


def clusters_of(counts: list[tuple[int, int, int]]) -> tuple[list[float], list[float], list[int]]:
    """Outcomes of both arms and clusters, from (only candidate right, only baseline right, both right) of each."""
    candidate: list[float] = []
    baseline: list[float] = []
    clusters: list[int] = []
    for number, (gained, lost, both) in enumerate(counts):
        candidate += [1.0] * gained + [0.0] * lost + [1.0] * both
        baseline += [0.0] * gained + [1.0] * lost + [1.0] * both
        clusters += [number] * (gained + lost + both)
    return candidate, baseline, clusters


def test_design_effect_is_that_of_rao_and_scott_by_hand() -> None:
    """Four clusters of two with totals 2, 2, 0, 0: between 4/3 * 4 / 8 over 1/4, so 8/3; copies would be 2."""
    design = cluster_design([2, 2, 2, 2], [2, 2, 0, 0], [True, True, False, False], 0.25)
    assert float(design.estimated) == pytest.approx(8 / 3)
    assert float(design.copies) == 2.0
    assert float(design.evident) == pytest.approx(2.0)


def test_clusters_of_one_change_nothing() -> None:
    """With one member in each cluster the intervals are Tango's and Wilson's."""
    candidate, baseline = [1.0] * 30 + [0.0] * 10, [1.0] * 25 + [0.0] * 15
    assert clustered_difference(candidate, baseline, range(40)) == tango(5, 0, 40)
    assert clustered_share(candidate, range(40)) == wilson(30, 40)


def test_unlike_members_cost_little() -> None:
    """Where clusters differ no more than chance has it, the interval is near that of independent examples."""
    candidate, baseline, clusters = clusters_of([(1, 1, 18), (1, 0, 19), (0, 1, 19)] * 20)
    robust = clustered_difference(candidate, baseline, clusters)
    apart = paired_difference(candidate, baseline)
    copies = paired_difference(candidate, baseline, clusters)
    assert robust.n == 60
    assert "design effect 1.00" in robust.method
    assert robust.ci_high - robust.ci_low < 1.1 * (apart.ci_high - apart.ci_low)
    assert copies.ci_high - copies.ci_low > 3 * (robust.ci_high - robust.ci_low)
    assert robust.value == pytest.approx(0.0)


def test_members_that_agree_cost_as_much_as_copies() -> None:
    """Where all members of a cluster fall alike, the interval is the one that counts them as copies."""
    candidate, baseline, clusters = clusters_of([(10, 0, 0), (0, 10, 0), *[(0, 0, 10)] * 4] * 10)
    robust = clustered_difference(candidate, baseline, clusters)
    copies = paired_difference(candidate, baseline, clusters)
    assert (robust.ci_low, robust.ci_high) == pytest.approx((copies.ci_low, copies.ci_high), abs=1e-9)


def test_large_clusters_without_an_event_count_as_copies() -> None:
    """Events in small clusters alone say nothing about the large ones, so the worst case is taken."""
    candidate, baseline, clusters = clusters_of([(0, 1, 0)] * 10 + [(0, 0, 1)] * 200 + [(0, 0, 50)] * 10)
    robust = clustered_difference(candidate, baseline, clusters)
    assert robust.method == "Tango score, clusters' members as copies"
    copies = paired_difference(candidate, baseline, clusters)
    assert (robust.ci_low, robust.ci_high) == (copies.ci_low, copies.ci_high)
    share = clustered_share(candidate, clusters)
    by_group = wilson_by_group(candidate, clusters)
    assert (share.ci_low, share.ci_high) == (by_group.ci_low, by_group.ci_high)


def test_arms_that_never_differ_have_an_interval_with_a_width() -> None:
    """All-equal outcomes are answered by the worst case, one cluster as one observation."""
    robust = clustered_difference([1.0] * 40, [1.0] * 40, [n // 10 for n in range(40)])
    assert (robust.ci_low, robust.ci_high) == pytest.approx((tango(0, 0, 4).ci_low, tango(0, 0, 4).ci_high))
    alone = clustered_share([1.0] * 5, ["a"] * 5)
    assert (alone.n, alone.ci_low) == (1, pytest.approx(wilson(1, 1).ci_low))


def test_bad_outcomes_are_refused() -> None:
    """NaN, numbers besides 0 and 1, unequal lengths and nothing at all."""
    with pytest.raises(InputError, match="NaN"):
        clustered_difference([np.nan, 1.0], [1.0, 1.0], [0, 1])
    with pytest.raises(InputError, match="only 0"):
        clustered_share([0.5, 1.0], [0, 1])
    with pytest.raises(InputError, match="differ in length"):
        clustered_difference([1.0], [1.0, 0.0], [0])
    with pytest.raises(InputError, match="groups"):
        clustered_share([1.0, 0.0], [0])
    with pytest.raises(NotEnoughData):
        clustered_share([], [])
