"""Tests of two samples: published and hand-computed examples, exact p-values, refusals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.permutation import Design
from tierwright.stats.two_sample import (
    classifier_test,
    discrepancy_test,
    distance_test,
    gaussian_kernel,
    mix_test,
    share_test,
)
from tierwright.stats.two_sample_sizes import area_under_curve, difference_of_shares, halves


def sides(late: int, early: int) -> Design:
    """That many late observations, then that many early ones, each its own block."""
    return Design.of(np.arange(late + early) < late)


def generator() -> np.random.Generator:
    """The same every time."""
    return np.random.default_rng(1)


@pytest.mark.parametrize(
    ("late", "early", "expected"),
    [
        ((56, 70), (48, 80), (0.2, 0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.6, 0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.5714, 0.0582, 0.8062)),
        ((5, 56), (0, 29), (0.0893, -0.0381, 0.1926)),
        ((0, 10), (0, 20), (0.0, -0.1611, 0.2775)),
        ((10, 10), (0, 10), (1.0, 0.6075, 1.0)),
    ],
)
def test_difference_of_shares_reproduces_newcombe(
    late: tuple[int, int], early: tuple[int, int], expected: tuple[float, float, float]
) -> None:
    """Newcombe (1998), table II, method 10: his contrasts (a), (b), (c), (d), (f) and (h)."""
    hits = [1.0] * late[0] + [0.0] * (late[1] - late[0]) + [1.0] * early[0] + [0.0] * (early[1] - early[0])
    found = difference_of_shares(hits, sides(late[1], early[1]), name="share")
    assert (found.value, found.ci_low, found.ci_high) == pytest.approx(expected, abs=6e-5)


def test_fisher_s_lady_tasting_tea() -> None:
    """All eight cups right: 1 of 70 arrangements is as it was, another one its mirror image (Fisher 1935)."""
    cups = Design.of([True] * 4 + [False] * 4)
    for found in (mix_test(list("mmmmtttt"), cups, generator()), share_test([1.0] * 4 + [0.0] * 4, cups, generator())):
        assert (found.p_value, found.assignments, found.exact) == (pytest.approx(2 / 70), 70, True)


def test_six_cups_right_of_eight() -> None:
    """One cup of each kind wrong: 34 of 70 arrangements are as extreme, both sides taken (Fisher's 0.243 doubled)."""
    cups = Design.of([True] * 4 + [False] * 4)
    assert share_test([1, 1, 1, 0, 1, 0, 0, 0], cups, generator()).p_value == pytest.approx(34 / 70)


def test_largest_distance_of_two_samples_of_five() -> None:
    """Samples of five that do not overlap: 2 of 252 arrangements have the Kolmogorov-Smirnov distance 1."""
    found = distance_test(np.arange(10.0), sides(5, 5), generator())
    assert (found.p_value, found.assignments) == (pytest.approx(2 / 252), 252)


def test_area_under_curve_by_hand() -> None:
    """DeLong's placements of 0.9, 0.8, 0.4 over 0.5, 0.3, 0.2: area 8/9, variance 2 x (1/27) / 3."""
    found = area_under_curve(np.array([0.9, 0.8, 0.4, 0.5, 0.3, 0.2]), sides(3, 3))
    assert found.value == pytest.approx(8 / 9)
    assert found.ci_low == pytest.approx(8 / 9 - 1.959964 * math.sqrt(2 / 81))
    assert found.ci_high == 1.0


def test_ties_count_half() -> None:
    """Equal predictions rank nothing: the area is one half."""
    assert area_under_curve(np.zeros(8), sides(4, 4)).value == 0.5


def test_gaussian_kernel_has_the_median_distance_as_its_width() -> None:
    """Points 0, 1 and 3 on a line: the median of the squared distances 1, 4 and 9 is 4."""
    points = np.array([[0.0], [1.0], [3.0]])
    kernel = gaussian_kernel(points @ points.T)
    assert kernel[0, 1:] == pytest.approx([math.exp(-1 / 8), math.exp(-9 / 8)])


def test_discrepancy_of_separate_samples_is_as_rare_as_can_be() -> None:
    """Two far groups of four: the arrangement observed and its mirror image, of 70."""
    points = np.concatenate([np.arange(4.0), 100 + np.arange(4.0)])[:, None]
    found = discrepancy_test(points @ points.T, sides(4, 4), generator())
    assert found.p_value == pytest.approx(2 / 70)


@pytest.mark.parametrize("test", [classifier_test, discrepancy_test])
def test_shifted_clouds_are_told_apart(test: type[classifier_test]) -> None:
    """A shift of one standard deviation in one of five directions is seen, with the area that theory says."""
    points = np.random.default_rng(2).normal(size=(400, 5))
    points[:200, 0] += 1.0
    found = test(points @ points.T, sides(200, 200), generator(), permutations=199)
    assert found.p_value == pytest.approx(1 / 200)
    assert found.size.ci_low < 0.7602 < found.size.ci_high  # the normal distribution at 1 / sqrt(2)


def test_moved_shares_are_measured_without_bias_towards_change() -> None:
    """A fifth of the requests takes another category: that share is inside the interval, zero is not."""
    rng = np.random.default_rng(3)
    early, late = rng.integers(0, 2, 1000), rng.integers(0, 2, 1000)
    late[:200] = 9
    found = mix_test(np.concatenate([late, early]), sides(1000, 1000), generator(), permutations=199)
    assert 0 < found.size.ci_low < 0.2 < found.size.ci_high


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_distance_is_measured_whichever_way_numbers_move(direction: float) -> None:
    """A shift up and the same shift down have the same size."""
    values = np.random.default_rng(4).normal(size=800)
    values[:400] += direction
    found = distance_test(values, sides(400, 400), generator(), permutations=199)
    assert found.size.value == pytest.approx(0.3829, abs=0.08)  # P(|Z| < 0.5)
    assert found.p_value == pytest.approx(1 / 200)


def test_blocks_change_sides_as_wholes_within_their_stratum() -> None:
    """Two strata of three blocks with one late each: nine assignments, in each of which blocks are whole."""
    blocks = np.repeat(np.arange(6), 4)
    design = Design.of(np.isin(blocks, (0, 3)), blocks=blocks.tolist(), strata=(blocks // 3).tolist())
    found = design.assignments(generator(), 100)
    assert (design.arrangements, found.exact, found.late.shape) == (9, True, (24, 9))
    by_block = found.late.reshape(6, 4, 9)
    assert (by_block == by_block[:, :1]).all()
    assert (by_block[:3, 0].sum(axis=0) == 1).all()
    assert (by_block[3:, 0].sum(axis=0) == 1).all()
    assert len({tuple(row) for row in found.late.T.tolist()}) == 9


def test_drawn_assignments_keep_the_number_of_late_blocks_of_each_stratum() -> None:
    """Where there are too many to list, each one drawn has as many late blocks of each stratum as were observed."""
    blocks = np.arange(40)
    design = Design.of(blocks % 4 == 0, blocks=blocks.tolist(), strata=(blocks // 20).tolist())
    found = design.assignments(generator(), 50)
    assert (found.exact, found.late.shape) == (False, (40, 50))
    assert (found.late[:20].sum(axis=0) == 5).all()
    assert (found.late[20:].sum(axis=0) == 5).all()


def test_exact_p_value_is_the_share_of_all_assignments() -> None:
    """Every p-value of a small exact test occurs as a share of assignments, and averages over them as it must."""
    values = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0])
    found = []
    for chosen in itertools.combinations(range(8), 4):
        late = np.isin(np.arange(8), chosen)
        found.append(distance_test(values, Design.of(late), generator()).p_value)
    for level in (0.05, 0.1, 0.5):
        assert np.mean(np.array(found) <= level) <= level


def test_interval_of_alike_blocks_is_wider_than_of_single_observations() -> None:
    """Blocks whose members all agree tell as much as one observation each."""
    hits = np.repeat(np.random.default_rng(5).integers(0, 2, 40), 25)
    late = np.arange(1000) < 500
    alone = difference_of_shares(hits, Design.of(late), name="share")
    blocks = difference_of_shares(hits, Design.of(late, blocks=(np.arange(1000) // 25).tolist()), name="share")
    assert blocks.ci_high - blocks.ci_low > 4 * (alone.ci_high - alone.ci_low)
    assert (alone.n, blocks.n) == (1000, 40)


def test_parts_share_no_block() -> None:
    """What finds a difference and what measures it have no block in common, and blocks of both sides each."""
    blocks = np.repeat(np.arange(12), 5)
    design = Design.of(blocks < 4, blocks=blocks.tolist())
    finding, measuring = halves(design, generator(), finding=0.5)
    assert not set(blocks[finding]) & set(blocks[measuring])
    assert sorted([*finding, *measuring]) == list(range(60))
    assert all(0 < design.late[part].sum() < len(part) for part in (finding, measuring))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Design.of([True, False, True, False], blocks=["a", "a", "b", "b"]), "early and late"),
        (lambda: Design.of([True] * 2 + [False] * 2, blocks=[1, 1, 2, 2], strata=[0, 1, 0, 0]), "two strata"),
        (lambda: Design.of([True] * 4 + [False] * 4, blocks=[1, 2]), "2 groups for 8"),
        (lambda: classifier_test(np.full((8, 8), np.nan), sides(4, 4), generator()), "NaN"),
        (lambda: classifier_test(np.eye(7), sides(4, 4), generator()), "shape"),
        (lambda: distance_test([1.0, math.nan] * 4, sides(4, 4), generator()), "NaN"),
        (lambda: share_test([0.5] * 8, sides(4, 4), generator()), "only 0"),
        (lambda: mix_test(["a"] * 7, sides(4, 4), generator()), "7 values for 8"),
    ],
)
def test_impossible_input_is_refused(make: object, what: str) -> None:
    """What makes no sense is an InputError that says so."""
    with pytest.raises(InputError, match=what):
        make()  # type: ignore[operator]  # parametrised as object


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Design.of([True, False, False]), "1 late blocks"),
        (lambda: Design.of([True] * 6, blocks=[1, 1, 2, 2, 3, 3]), "0 early"),
        (lambda: mix_test(list("aabb"), sides(2, 2), generator()), "4 are needed"),
        (lambda: classifier_test(np.ones((8, 8)), sides(4, 4), generator()), "equal"),
        (lambda: discrepancy_test(np.ones((8, 8)), sides(4, 4), generator()), "equal"),
    ],
)
def test_too_little_is_refused(make: object, what: str) -> None:
    """What is right but too little is NotEnoughData."""
    with pytest.raises(NotEnoughData, match=what):
        make()  # type: ignore[operator]  # parametrised as object
