"""Candidates against a baseline, by any metric."""

from __future__ import annotations

from typing import Any

import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.evals.answer_comparison import Contest, contest
from tierwright.evals.answer_scores import Metric
from tierwright.evals.slices import by_value
from tierwright.stats.intervals import wilson
from tierwright.stats.paired import tango

#: A contest that can be held.
ASKED: dict[str, Any] = {
    "rights": ["yes"] * 50,
    "candidates": {"new": ["yes"] * 50},
    "baseline": ["yes"] * 50,
    "margin": 0.02,
}


def right_on(flags: str) -> list[str]:
    """Answers that are right ("yes") where a flag is 1."""
    return ["yes" if flag == "1" else "no" for flag in flags]


def a_contest(candidates: dict[str, str], baseline: str, **changes: Any) -> Contest:
    """A contest on labels, from who is right on which example."""
    fields: dict[str, Any] = {
        "rights": ["yes"] * len(baseline),
        "candidates": {name: right_on(flags) for name, flags in candidates.items()},
        "baseline": right_on(baseline),
        "margin": 0.02,
    }
    return Contest(**fields | changes)


def test_accuracy_has_wilsons_and_tangos_intervals() -> None:
    """Counts by hand: 360 and 340 of 400 right, 30 gained and 10 lost."""
    candidate = "1" * 330 + "1" * 30 + "0" * 10 + "0" * 30
    baseline = "1" * 330 + "0" * 30 + "1" * 10 + "0" * 30
    (found,) = contest(a_contest({"new": candidate}, baseline))
    assert found.figures.candidate == wilson(360, 400)
    assert found.figures.baseline == wilson(340, 400)
    assert found.figures.difference == tango(30, 10, 400)
    assert found.verdict is Verdict.SUPERIOR
    assert 0 < found.outlook.power.value < 0.5
    assert found.outlook.needed is not None
    assert found.outlook.needed > 400


def test_clusters_are_counted_as_such() -> None:
    """The same outcomes by user: as many observations as users, and a wider interval."""
    candidate, baseline = ("1" * 8 + "0" * 2 + "1" * 10) * 20, ("1" * 10 + "0" * 2 + "1" * 8) * 20
    users = [f"u{n // 10}" for n in range(400)]
    (alone,) = contest(a_contest({"new": candidate}, baseline))
    (found,) = contest(a_contest({"new": candidate}, baseline, clusters=users))
    assert found.figures.difference.n == 40
    assert found.figures.difference.ci_low < alone.figures.difference.ci_low
    assert found.outlook.power.value < alone.outlook.power.value


def test_several_candidates_are_held_to_more() -> None:
    """What passes alone need not pass as one of five; the best stands first, and each has the level that it needed."""
    baseline = "1" * 388 + "0" * 12
    near = "1" * 386 + "0" * 14
    (alone,) = contest(a_contest({"near": near}, baseline, margin=0.02))
    assert alone.verdict is Verdict.NON_INFERIOR
    good = "1" * 400
    worse = "0" * 100 + "1" * 300
    found = contest(
        a_contest({"near": near, "w1": worse, "w2": worse, "w3": worse, "good": good}, baseline, margin=0.02)
    )
    by_name = {one.name: one for one in found}
    assert found[0].name == "good"
    assert by_name["good"].verdict is Verdict.SUPERIOR
    assert by_name["good"].figures.difference.level == pytest.approx(0.99)
    assert by_name["near"].figures.difference.level == pytest.approx(1 - 0.05 / 4)
    assert by_name["near"].verdict is Verdict.UNDECIDED
    assert by_name["w1"].verdict is Verdict.INFERIOR


def test_superior_takes_the_level_of_all_candidates() -> None:
    """A candidate that is superior alone, and in Holm's second step, is only non-inferior at the level of all."""
    baseline = "1" * 380 + "0" * 20
    slight = "1" * 372 + "0" * 8 + "1" * 19 + "0"
    (alone,) = contest(a_contest({"slight": slight}, baseline, margin=0.0005))
    assert alone.verdict is Verdict.SUPERIOR
    found = contest(a_contest({"slight": slight, "good": "1" * 400}, baseline, margin=0.0005))
    assert {one.name: one.figures.difference.level for one in found} == pytest.approx({"good": 0.975, "slight": 0.95})
    assert {one.name: one.verdict for one in found} == {"good": Verdict.SUPERIOR, "slight": Verdict.NON_INFERIOR}


def test_slices_belong_to_each_candidate() -> None:
    """Each slice has its own difference; a slice margin of its own is used."""
    baseline = "1" * 200 + "0" * 200
    candidate = "0" * 20 + "1" * 380
    slices = by_value("half", ["first"] * 200 + ["second"] * 200)
    (found,) = contest(a_contest({"new": candidate}, baseline, slices=slices, slice_margin=0.04))
    assert [(one.slice.value, one.verdict) for one in found.slices] == [
        ("first", Verdict.INFERIOR),
        ("second", Verdict.SUPERIOR),
    ]
    assert found.slices[0].figures is not None
    assert found.slices[0].figures.difference == tango(0, 20, 200, level=0.975)


@pytest.mark.parametrize("metric", [Metric.MACRO_F1, Metric.MICRO_F1, Metric.BLEU, Metric.CHRF, Metric.SPAN_F1])
def test_figures_of_sums_are_resampled_in_pairs(metric: Metric) -> None:
    """A candidate that is right where the baseline is and on 60 more examples is superior by every metric of sums."""
    rights = [f"label number {n % 5} of those there are" for n in range(300)]
    baseline = ["another text altogether"] * 80 + rights[80:]
    candidate = ["another text altogether"] * 20 + rights[20:]
    (found,) = contest(
        Contest(rights=rights, candidates={"new": candidate}, baseline=baseline, margin=0.02, metric=metric)
    )
    assert found.verdict is Verdict.SUPERIOR
    assert found.figures.difference.method == "paired BCa bootstrap"
    assert found.figures.difference.value == pytest.approx(found.figures.candidate.value - found.figures.baseline.value)


def test_mean_scores_that_are_all_equal_have_an_exact_bound() -> None:
    """Both arms with the same half of the fields right: no difference, and room for those that were not seen."""
    rights, said = ['{"a": 1, "b": 2}'] * 100, ['{"a": 1, "b": 3}'] * 100
    (found,) = contest(
        Contest(rights=rights, candidates={"new": said}, baseline=said, margin=0.05, metric=Metric.FIELD_ACCURACY)
    )
    room = 1 - 0.025 ** (1 / 100)
    assert found.figures.candidate.value == 0.5
    assert (found.figures.difference.ci_low, found.figures.difference.ci_high) == pytest.approx((-room, room))
    assert found.verdict is Verdict.NON_INFERIOR


def test_mean_scores_are_resampled() -> None:
    """Shares of fields right are compared by the bootstrap of their differences."""
    rights = ['{"a": 1, "b": 2}'] * 200
    baseline = ['{"a": 1, "b": 3}'] * 100 + rights[100:]
    candidate = ['{"a": 1, "b": 3}'] * 40 + rights[40:]
    (found,) = contest(
        Contest(
            rights=rights, candidates={"new": candidate}, baseline=baseline, margin=0.02, metric=Metric.FIELD_ACCURACY
        )
    )
    assert found.figures.difference.value == pytest.approx(60 / 200 / 2)
    assert found.verdict is Verdict.SUPERIOR


def test_too_few_to_resample_are_refused_as_a_whole_and_as_a_slice() -> None:
    """49 examples have no F1 with an interval one may trust, and neither has a slice or 40 users; accuracy has."""
    few = {"rights": ["yes", "no"] * 24 + ["no"], "metric": Metric.MACRO_F1}
    with pytest.raises(NotEnoughData, match="49 independent examples are too few"):
        contest(a_contest({"new": "10" * 24 + "1"}, "01" * 24 + "0", **few))
    users = [f"u{n % 40}" for n in range(200)]
    with pytest.raises(NotEnoughData, match="40 independent"):
        contest(a_contest({"new": "1" * 150 + "0" * 50}, "1" * 100 + "0" * 100, metric=Metric.BLEU, clusters=users))
    slices = by_value("part", ["small"] * 40 + ["large"] * 160)
    (found,) = contest(
        a_contest({"new": "1" * 150 + "0" * 50}, "1" * 100 + "0" * 100, metric=Metric.MICRO_F1, slices=slices)
    )
    assert [(one.slice.value, one.verdict is None) for one in found.slices] == [("large", False), ("small", True)]
    assert "40 independent examples are too few" in found.slices[1].reason
    contest(a_contest({"new": "10" * 24 + "1"}, "01" * 24 + "0"))


def test_same_answers_by_a_metric_of_sums_are_refused_with_the_reason() -> None:
    """Resampling two arms that never differ can't say how far apart they may be."""
    with pytest.raises(NotEnoughData, match="score the same on all 100"):
        contest(a_contest({"new": "1" * 90 + "0" * 10}, "1" * 90 + "0" * 10, metric=Metric.MACRO_F1))
    (found,) = contest(a_contest({"new": "1" * 90 + "0" * 10}, "1" * 90 + "0" * 10))
    assert found.verdict is Verdict.UNDECIDED
    assert found.figures.difference == tango(0, 0, 100)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"margin": 0.0}, InputError, "the margin is 0.0"),
        ({"margin": float("nan")}, InputError, "margin"),
        ({"slice_margin": 1.0}, InputError, "slices' margin"),
        ({"level": 95.0}, InputError, "confidence level"),
        ({"candidates": {}}, InputError, "no candidate"),
        ({"rights": ["yes"]}, NotEnoughData, "at least 2"),
        ({"baseline": ["yes"]}, InputError, "50 right answers and 1 answers"),
    ],
)
def test_contests_that_make_no_sense_are_refused(change: dict[str, Any], error: type[Exception], says: str) -> None:
    """Margins, levels, no candidate, too few examples and unequal lengths, each with its reason."""
    with pytest.raises(error, match=says):
        contest(Contest(**ASKED | change))


def test_seed_decides_the_resampling() -> None:
    """The same seed gives the same figures, another one others."""
    flags = "1" * 60 + "0" * 40
    asked = {"candidates": {"new": flags}, "baseline": flags[::-1], "metric": Metric.MACRO_F1}
    labels = {"rights": ["yes", "no"] * 50}
    first, again = (contest(a_contest(**asked, **labels))[0].figures for _ in range(2))
    other = contest(a_contest(**asked, **labels, seed=1))[0].figures
    assert first == again
    assert first.difference.ci_low != other.difference.ci_low
