"""The inverse power law of learning, and how far it is trusted."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.learning_curve import LearningCurve, Outlook, Repeat, fit_learning_curve

SIZES = [50, 100, 200, 400, 800, 1600]


def law(size: float, *, top: float, drop: float, exponent: float) -> float:
    """The law, with n in examples."""
    return float(top - drop * size**-exponent)


def a_curve(*, top: float, drop: float, exponent: float, judged: int = 4000, seed: int = 1) -> LearningCurve:
    """A curve through simulated outcomes of known parameters."""
    generator = np.random.default_rng(seed)
    repeats = []
    for _ in range(3):
        easy = generator.random(judged)
        right = [(easy < law(size, top=top, drop=drop, exponent=exponent)).astype(float) for size in SIZES]
        repeats.append(Repeat(right=np.stack(right), groups=list(range(judged))))
    return fit_learning_curve(SIZES, repeats, generator, resamples=300)


def test_known_law_is_found_again() -> None:
    """What was put in comes out: at sizes seen, at four times the largest, and at the asymptote."""
    curve = a_curve(top=0.95, drop=2.0, exponent=0.5)
    for size in (50, 1600, 6400):
        truth = law(size, top=0.95, drop=2.0, exponent=0.5)
        found = curve.at(size)
        assert found.ci_low <= truth <= found.ci_high
        assert found.value == pytest.approx(truth, abs=0.02)
    assert curve.foretold
    assert curve.asymptote.ci_low <= 0.95 <= curve.asymptote.ci_high


def test_labels_for_a_goal_that_is_near() -> None:
    """The number of examples that the law takes to 92 % lies in the interval of the need."""
    curve = a_curve(top=0.95, drop=2.0, exponent=0.5)
    need = curve.need(0.92)
    truth = (2.0 / 0.03) ** 2 - 1600
    assert need.outlook is Outlook.MORE
    assert need.fewest is not None
    assert need.likely is not None
    assert need.fewest <= need.likely
    assert need.fewest <= truth
    assert need.most is None or truth <= need.most
    assert "more examples" in need.why


def test_gain_of_more_examples_is_that_of_the_law() -> None:
    """From 800 to 3,200 examples the law gains 0.0354, and the interval of the difference holds that and not zero."""
    curve = a_curve(top=0.95, drop=2.0, exponent=0.5)
    truth = 2.0 * (800**-0.5 - 3200**-0.5)
    found = curve.gain(800, 3200)
    assert 0 < found.ci_low <= truth <= found.ci_high
    assert found.value == pytest.approx(curve.at(3200).value - curve.at(800).value)
    assert curve.gain(800, 800).value == 0
    with pytest.raises(InputError, match="lies outside"):
        curve.gain(800, 100_000)


def test_goal_that_is_reached_needs_nothing() -> None:
    """A goal below what is measured, by more than noise, is reached."""
    need = a_curve(top=0.95, drop=2.0, exponent=0.5).need(0.8)
    assert (need.outlook, need.likely, need.most) == (Outlook.REACHED, 0, 0)


def test_goal_above_the_asymptote_is_never_reached() -> None:
    """A curve that is flat at 60 % will not come to 95 %, and it is said that more labels will not help."""
    need = a_curve(top=0.6, drop=0.0, exponent=0.5).need(0.95)
    assert need.outlook is Outlook.NEVER
    assert "will not help" in need.why


def test_goal_too_far_is_refused() -> None:
    """What would take more than four times the data is not put into a number."""
    need = a_curve(top=0.99, drop=1.0, exponent=0.2).need(0.95)
    assert need.outlook is Outlook.BEYOND
    assert need.likely is None
    assert "no further can be foretold" in need.why


def test_curve_is_not_asked_beyond_its_limit() -> None:
    """Above four times the largest size and below the smallest there is an error, not a figure."""
    curve = a_curve(top=0.95, drop=2.0, exponent=0.5)
    assert curve.limit == 6400
    for size in (6401, 49):
        with pytest.raises(InputError, match="lies outside"):
            curve.at(size)


def test_law_that_did_not_hold_is_asked_only_twice_as_far() -> None:
    """A curve with a late jump, which small sizes do not foretell, is asked up to twice the data, and less surely."""
    generator = np.random.default_rng(0)
    levels = [0.5, 0.5, 0.5, 0.5, 0.7, 0.85]
    repeats = [
        Repeat(right=np.stack([(generator.random(2000) < p).astype(float) for p in levels]), groups=list(range(2000)))
        for _ in range(3)
    ]
    curve = fit_learning_curve(SIZES, repeats, generator, resamples=200)
    assert not curve.foretold
    assert curve.limit == 3200
    assert curve.slack > 0.05
    assert curve.at(3200).ci_high - curve.at(3200).value >= curve.slack


def test_copies_widen_the_interval() -> None:
    """The same outcomes in groups of ten say less than as many independent ones."""
    generator = np.random.default_rng(0)
    right = np.stack([(generator.random(100) < p).astype(float) for p in (0.5, 0.6, 0.65, 0.7)])
    copied = np.repeat(right, 10, axis=1)
    alone = fit_learning_curve(
        SIZES[:4], [Repeat(right=copied, groups=list(range(1000)))], np.random.default_rng(1), resamples=200
    )
    grouped = fit_learning_curve(
        SIZES[:4],
        [Repeat(right=copied, groups=np.repeat(np.arange(100), 10).tolist())],
        np.random.default_rng(1),
        resamples=200,
    )
    width = [curve.measured[-1].ci_high - curve.measured[-1].ci_low for curve in (alone, grouped)]
    assert width[1] > 2 * width[0]


def test_impossible_curves_are_refused() -> None:
    """Too few sizes, sizes that don't grow, rows that are missing: each is an error that says so."""
    right = Repeat(right=np.ones((4, 10)), groups=list(range(10)))
    generator = np.random.default_rng(0)
    with pytest.raises(NotEnoughData, match="4 sizes"):
        fit_learning_curve([1, 2, 3], [right], generator)
    with pytest.raises(InputError, match="increasing"):
        fit_learning_curve([1, 2, 2, 3], [right], generator)
    with pytest.raises(InputError, match="one row"):
        fit_learning_curve([1, 2, 3, 4, 5], [right], generator)
    with pytest.raises(NotEnoughData, match="no held-out"):
        fit_learning_curve([1, 2, 3, 4], [Repeat(right=np.ones((4, 0)), groups=[])], generator)
