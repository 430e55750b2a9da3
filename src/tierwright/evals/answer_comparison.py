"""Answers of several candidates and a baseline on the same examples, compared by any metric.

Owns which interval fits which metric, what several candidates cost, the verdicts and the outlook. Refuses to know where
the answers come from (`app.comparison`).

| figure | interval |
|---|---|
| right or wrong | Wilson and Tango; with clusters see `stats.cluster_robust` |
| mean of scores | BCa bootstrap, of whole clusters; where all are equal an exact bound on how many others there are |
| F1, BLEU, chrF | paired BCa bootstrap of sums, of whole clusters |

Several candidates: `non_inferior` is claimed by Holm's procedure, `superior` only where the interval at Bonferroni's
level lies above zero. So with probability `level` or more no candidate is called either falsely. Slices are a family of
their own, over all candidates, whose intervals hold together.

What is resampled takes 50 independent examples, in a slice, too: with fewer the bootstrap misses too often, most of all
at the high levels that many slices need (`benchmarks/resampling.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.core.evaluation import Verdict
from tierwright.evals.answer_scores import Measured, Metric, measure
from tierwright.evals.compare import verdict_of
from tierwright.evals.slices import MIN_SLICE, SliceComparison, compare_slices
from tierwright.stats.cluster_robust import clustered_difference, clustered_share
from tierwright.stats.intervals import bootstrap_mean
from tierwright.stats.multiplicity import simultaneous_level, step_down
from tierwright.stats.paired import differences
from tierwright.stats.power import PairedDesign, power, sample_size
from tierwright.stats.resampling import PairedFigures, equal_mean, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.evals.slices import Slice

#: Probability of an answer that a plan aims at.
_TARGET_POWER = 0.8
#: Labels beyond which nobody is told how many would decide.
_MOST_LABELS = 10_000_000
#: Independent examples that a bootstrap takes.
_ENOUGH_TO_RESAMPLE = 50
#: Of a bootstrap at level 0.95, and of the highest level.
_RESAMPLES, _MOST_RESAMPLES = 2_000, 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What is compared, and what would prove it. Raises InputError where a number makes no sense."""

    #: The right answers.
    rights: Sequence[str]
    #: By the candidate's name, in parallel with `rights`; at least one.
    candidates: Mapping[str, Sequence[str]]
    baseline: Sequence[str]
    margin: float
    metric: Metric = Metric.ACCURACY
    #: Confidence level of the statements, two-sided.
    level: float = 0.95
    #: What was asked, for the metrics that look at it; None: not known.
    inputs: Sequence[str] | None = None
    #: The conversation or user of each example; None: all are independent.
    clusters: Sequence[str] | None = None
    slices: Sequence[Slice] = ()
    #: Of each slice; None: `margin`.
    slice_margin: float | None = None
    #: Examples below which a slice is not judged.
    min_slice: int = MIN_SLICE
    #: Of the resampling.
    seed: int = 0

    def __post_init__(self) -> None:
        for name, margin in (("margin", self.margin), ("slices' margin", self.slice_margin)):
            if margin is not None and not 0.0 < margin < 1.0:
                raise InputError(f"the {name} is {margin}; give a number between 0 and 1, for example 0.01")
        if not 0.0 < self.level < 1.0:
            raise InputError(f"the confidence level is {self.level}; give a number between 0 and 1, for example 0.95")
        if not self.candidates:
            raise InputError("there is no candidate to compare; name at least one")
        if len(self.rights) < 2:
            raise NotEnoughData(
                f"{len(self.rights)} example has answers of all arms; a comparison takes at least 2, and some hundred "
                "to tell a point"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How likely the same comparison is to come out non-inferior, if the two are equally good."""

    power: Estimate
    #: Examples with which 80 of 100 such comparisons would; None: no number can be said.
    needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One candidate, compared."""

    name: str
    verdict: Verdict
    #: The difference's level is the one that several candidates require.
    figures: PairedFigures
    outlook: Outlook
    slices: Sequence[SliceComparison] = field(default=())


class _Arm:
    """A candidate beside the baseline, measured once and compared at any level and on any examples."""

    def __init__(self, contest: Contest, name: str, baseline: Measured) -> None:
        self._contest = contest
        self._candidate = measure(contest.metric, contest.rights, contest.candidates[name], contest.inputs)
        self._baseline = baseline
        self._kept: dict[float, PairedFigures] = {}

    def at(self, level: float) -> PairedFigures:
        """All examples."""
        if level not in self._kept:
            self._kept[level] = self.on(np.arange(len(self._contest.rights)), level)
        return self._kept[level]

    def on(self, places: NDArray[np.int64], level: float) -> PairedFigures:
        """Some examples."""
        clusters = self._contest.clusters
        return compare_measured(
            self._candidate.of(places),
            self._baseline.of(places),
            None if clusters is None else [clusters[place] for place in places.tolist()],
            level=level,
            seed=self._contest.seed,
        )

    def outlook(self) -> Outlook:
        """Of the comparison of this candidate alone."""
        figures = self.at(self._contest.level)
        if not self._candidate.binary:
            return _outlook_by_width(figures.difference, len(self._contest.rights), self._contest.margin)
        assert self._candidate.scores is not None
        assert self._baseline.scores is not None
        discordance = float((self._candidate.scores != self._baseline.scores).mean())
        return _outlook_of_outcomes(figures.difference, len(self._contest.rights), discordance, self._contest.margin)


def contest(asked: Contest) -> list[Outcome]:
    """Every candidate's outcome, the best first: by verdict, then by the difference.

    Raises InputError where sequences differ in length, NotEnoughData where a metric can't be had from these answers.
    """
    baseline = measure(asked.metric, asked.rights, asked.baseline, asked.inputs)
    arms = {name: _Arm(asked, name, baseline) for name in asked.candidates}
    many = len(arms)
    proved = step_down(
        list(arms),
        lambda name, level: verdict_of(arms[name].at(level).difference, asked.margin).allows_promotion,
        level=asked.level,
    )
    open_level = simultaneous_level(asked.level, max(1, many - len(proved)))
    together = simultaneous_level(asked.level, many)
    found = []
    for name, arm in arms.items():
        figures = arm.at(proved.get(name, open_level))
        verdict = verdict_of(figures.difference, asked.margin)
        if verdict is Verdict.SUPERIOR and arm.at(together).difference.ci_low <= 0:
            verdict = Verdict.NON_INFERIOR
        slices = compare_slices(
            asked.slices,
            arm.on,
            margin=asked.slice_margin or asked.margin,
            level=asked.level,
            min_n=asked.min_slice,
            families=many,
        )
        found.append(Outcome(name=name, verdict=verdict, figures=figures, outlook=arm.outlook(), slices=slices))
    return sorted(found, key=lambda one: (_RANK[one.verdict], -one.figures.difference.value))


def compare_measured(
    candidate: Measured, baseline: Measured, clusters: Sequence[str] | None, *, level: float, seed: int
) -> PairedFigures:
    """Both arms and their difference by the interval that fits the metric. Raises NotEnoughData where none does."""
    if candidate.scores is None or baseline.scores is None:
        assert candidate.counts is not None
        assert baseline.counts is not None
        assert candidate.figure is not None
        _check_resampling(len(candidate.counts), clusters)
        return paired_bootstrap(
            candidate.counts,
            baseline.counts,
            candidate.figure,
            np.random.default_rng(seed),
            clusters=clusters,
            level=level,
            resamples=_resamples(level),
        )
    first, second = candidate.scores, baseline.scores
    if candidate.binary:
        codes = list(range(first.size)) if clusters is None else clusters
        return PairedFigures(
            candidate=clustered_share(first, codes, level=level),
            baseline=clustered_share(second, codes, level=level),
            difference=clustered_difference(first, second, codes, level=level),
        )
    return PairedFigures(
        candidate=_mean(first, clusters, (0.0, 1.0), level=level, seed=seed),
        baseline=_mean(second, clusters, (0.0, 1.0), level=level, seed=seed),
        difference=_mean(differences(first, second), clusters, (-1.0, 1.0), level=level, seed=seed),
    )


def _check_resampling(n: int, clusters: Sequence[str] | None) -> None:
    independent = n if clusters is None else len(set(clusters))
    if independent < _ENOUGH_TO_RESAMPLE:
        raise NotEnoughData(
            f"{independent} independent examples are too few to resample, {_ENOUGH_TO_RESAMPLE} are needed; collect "
            "more, or compare whole answers by accuracy"
        )


def _mean(
    values: NDArray[np.float64],
    clusters: Sequence[str] | None,
    limits: tuple[float, float],
    *,
    level: float,
    seed: int,
) -> Estimate:
    if np.ptp(values) == 0.0:
        return equal_mean(values, limits, clusters=clusters, level=level)
    _check_resampling(values.size, clusters)
    return bootstrap_mean(
        values, np.random.default_rng(seed), groups=clusters, level=level, resamples=_resamples(level)
    )


def _resamples(level: float) -> int:
    """So many that some ten lie beyond each end of the interval."""
    return min(_MOST_RESAMPLES, max(_RESAMPLES, math.ceil(20 / (1 - level))))


def _outlook_of_outcomes(difference: Estimate, n: int, discordance: float, margin: float) -> Outlook:
    """By the score test, with as many examples as the clustered ones are worth."""
    plain = PairedDesign(discordance=discordance, margin=margin, level=difference.level)
    worth = n
    if difference.n < n:
        independent = _width(discordance, n, difference.level)
        worth = max(1, min(n, round(n * min(1.0, independent / (difference.ci_high - difference.ci_low)) ** 2)))
    needed = sample_size(plain, target=_TARGET_POWER)
    return Outlook(power=power(plain, worth), needed=math.ceil(needed * n / worth))


def _outlook_by_width(difference: Estimate, n: int, margin: float) -> Outlook:
    """By normal approximation, with the spread that the interval shows."""
    critical, wanted = float(ndtri(0.5 + difference.level / 2)), float(ndtri(_TARGET_POWER))
    error = (difference.ci_high - difference.ci_low) / (2 * critical)
    value = float(ndtr(margin / error - critical)) if error > 0 else 1.0
    needed = n * ((critical + wanted) * error / margin) ** 2
    found = Estimate(
        value=value,
        ci_low=value,
        ci_high=value,
        level=difference.level,
        n=n,
        method="normal approximation with the spread observed",
    )
    return Outlook(power=found, needed=max(2, math.ceil(needed)) if needed < _MOST_LABELS else None)


def _width(discordance: float, n: int, level: float) -> float:
    """Of the score interval of no difference, were the examples independent."""
    square = float(ndtri(0.5 + level / 2)) ** 2
    return 2 * math.sqrt(square * max(discordance, square / (n + square)) / n)


_RANK = {Verdict.SUPERIOR: 0, Verdict.NON_INFERIOR: 1, Verdict.UNDECIDED: 2, Verdict.INFERIOR: 3}
