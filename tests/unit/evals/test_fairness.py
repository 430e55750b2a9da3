"""Gaps between groups."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError
from tierwright.evals.fairness import OTHERS, Fair, fairness
from tierwright.evals.slices import Slice, by_value
from tierwright.stats.two_samples import newcombe


def errors(*counts: tuple[int, int]) -> tuple[list[Slice], np.ndarray]:
    """Groups a, b, c ... of so many examples with so many errors."""
    names, wrong = [], []
    for name, (bad, n) in zip("abcdef", counts, strict=False):
        names += [name] * n
        wrong += [True] * bad + [False] * (n - bad)
    return by_value("group", names), np.array(wrong)


def test_gap_shown_above_the_allowed_one_is_an_objection() -> None:
    """Errors of 10 % and 30 % in 400 each: the interval is Newcombe's, the worse group comes first."""
    groups, wrong = errors((40, 400), (120, 400))
    found = fairness(groups, wrong, max_gap=0.05)
    assert found.verdict is Fair.OBJECTION
    assert found.gaps[0].groups == ("b", "a")
    expected = newcombe(120, 400, 40, 400)
    assert found.gaps[0].gap is not None
    assert (found.gaps[0].gap.ci_low, found.gaps[0].gap.ci_high) == (expected.ci_low, expected.ci_high)


def test_gap_within_the_allowed_one_is_fine_and_between_undecided() -> None:
    """Equal rates in 4,000 are within five points; the same in 100 can't be told."""
    assert fairness(*errors((400, 4000), (400, 4000)), max_gap=0.05).verdict is Fair.WITHIN
    assert fairness(*errors((10, 100), (10, 100)), max_gap=0.05).verdict is Fair.UNDECIDED


def test_gaps_hold_together() -> None:
    """Three groups are three pairs, each at 98.3 %; a group of too few is named and takes no part of the level."""
    found = fairness(*errors((10, 100), (20, 100), (30, 100), (1, 5)), max_gap=0.05)
    assert found.level == pytest.approx(1 - 0.05 / 3)
    assert [gap.verdict is Fair.TOO_FEW for gap in found.gaps] == [False, False, False, True, True, True]
    assert found.gaps[0].groups == ("c", "a")


def test_false_positives_are_looked_at_among_the_negatives() -> None:
    """Of 200 negatives in each group 60 and 10 get the positive label: an objection, though errors alone are even."""
    groups = by_value("group", ["a"] * 400 + ["b"] * 400)
    negative = np.array(([True] * 200 + [False] * 200) * 2)
    wrong = np.array([True] * 60 + [False] * 340 + [True] * 10 + [False] * 190 + [True] * 50 + [False] * 150)
    given = np.where(negative, wrong, ~wrong)
    alone = fairness(groups, wrong, max_gap=0.1)
    assert alone.verdict is Fair.WITHIN
    found = fairness(groups, wrong, max_gap=0.1, false_positive=(negative, given))
    assert found.verdict is Fair.OBJECTION
    assert (found.gaps[0].rate, found.gaps[0].sizes) == ("false_positive_rate", (200, 200))


def test_terms_are_held_against_all_other_texts() -> None:
    """Lists of terms may overlap, so each is compared with the texts that name none of it."""
    members = tuple(range(100))
    wrong = np.array([True] * 50 + [False] * 450)
    found = fairness([Slice(dimension="term", value="women", members=members)], wrong, max_gap=0.05)
    assert found.gaps[0].groups == ("women", OTHERS)
    assert found.gaps[0].sizes == (100, 400)
    assert found.verdict is Fair.OBJECTION


def test_examples_without_a_value_are_no_group() -> None:
    """Those that the column says nothing of are not held against anybody."""
    wrong = np.array([False] * 100 + [False] * 100 + [True] * 100)
    found = fairness(by_value("group", ["a"] * 100 + ["b"] * 100 + [""] * 100), wrong, max_gap=0.05)
    assert [gap.groups for gap in found.gaps] == [("a", "b")]


def test_clusters_widen_the_gap() -> None:
    """Errors that come by user are fewer observations than errors that come alone."""
    groups, wrong = errors((100, 400), (160, 400))
    clusters = [f"u{n // 20}" for n in range(800)]
    alone, clustered = fairness(groups, wrong, max_gap=0.05), fairness(groups, wrong, max_gap=0.05, clusters=clusters)
    assert alone.verdict is Fair.OBJECTION
    assert clustered.verdict is Fair.UNDECIDED


def test_nothing_to_hold_against_each_other_is_refused() -> None:
    """One group, and a gap that is no share."""
    with pytest.raises(InputError, match="only one group"):
        fairness(*errors((1, 50)), max_gap=0.05)
    with pytest.raises(InputError, match="gap that is allowed"):
        fairness(*errors((1, 50), (1, 50)), max_gap=1.5)


def test_only_small_groups_are_too_few_to_say() -> None:
    """Where no pair has enough examples the answer is that, and no objection."""
    assert fairness(*errors((5, 10), (0, 10)), max_gap=0.05).verdict is Fair.TOO_FEW
