"""What an experiment will most probably say, before it is made.

Owns the odds of each verdict and the number of labels that would do. Refuses to look at test examples: how far the two
sides differ is estimated on calibration examples, and its interval is carried into the odds.

By accuracy the odds are counted over 20,000 simulated experiments decided by Tango's test, as the experiment will be.
By agreement they are exact binomial. By a figure of sums (span F1, chrF, BLEU) they are normal, with the standard error
found on the calibration examples and scaled to the number of test examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, betaincinv, ndtr, ndtri

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.core.experiment import Plan, PlanStep
from tierwright.evals.judging import spread_of
from tierwright.evals.metrics import ACCURACY, AGREEMENT
from tierwright.stats.bounds import bounded_rate_power
from tierwright.stats.clusters import design_effect
from tierwright.stats.inputs import group_codes
from tierwright.stats.intervals import wilson_by_group
from tierwright.stats.paired import tango_excess
from tierwright.stats.power import PairedDesign, sample_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.experiment import Outcome
    from tierwright.evals.judging import Terms

_SIMULATED = 20_000
_ENOUGH = 0.8
#: Examples beyond which nobody is told to label more.
_MOST_EXAMPLES = 1_000_000
#: How many times the examples there are, for the steps of a plan.
_STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The probability of each verdict."""

    superior: float
    non_inferior: float
    inferior: float

    @property
    def promoted(self) -> float:
        """That the verdict allows promotion."""
        return self.superior + self.non_inferior

    @property
    def undecided(self) -> float:
        """The rest."""
        return max(0.0, 1.0 - self.promoted - self.inferior)

    @property
    def by_name(self) -> dict[str, float]:
        """By the verdict's name."""
        return {
            "superior": self.superior,
            "non_inferior": self.non_inferior,
            "undecided": self.undecided,
            "inferior": self.inferior,
        }


def plan(
    terms: Terms,
    calibration: Sequence[Outcome],
    groups: Sequence[str],
    *,
    difference: float | None = None,
    by_people: bool = True,
) -> Plan:
    """What an experiment on test examples of these groups will say if the true difference is `difference`.

    `calibration` are the outcomes on calibration examples; with `by_people` false they are by the incumbent's answers
    though the terms are by people's labels, and a changed answer counts as one that differs, which is the worst case.
    None as difference: equally good, or, by agreement, half of the margin changed. Raises NotEnoughData where there are
    no calibration outcomes, InputError for a difference that can't be.
    """
    if not calibration:
        raise NotEnoughData(
            "no calibration example has the incumbent's answer beside the right one, so how far the two differ is not "
            "known: build the dataset from more traffic"
        )
    assumed = difference if difference is not None else (-terms.margin / 2 if terms.metric == AGREEMENT else 0.0)
    # Copies of one another tell as much as one, by the same count as in the experiment.
    independent = max(1, math.floor(len(groups) / design_effect(group_codes(groups, len(groups)))))
    name, spread = _spread(terms, calibration)
    if terms.metric == ACCURACY and not by_people:
        name = "changed"
    odds_at = _odds_of(terms, assumed)
    likely = odds_at(independent, _middle(spread))
    ends = [odds_at(independent, end) for end in (spread.ci_low, spread.ci_high)]
    steps = sorted({max(1, math.floor(independent * times)) for times in _STEPS})
    tried = {n: odds_at(n, _middle(spread)) for n in steps}
    return Plan(
        examples=independent,
        assumed_difference=assumed,
        spread={name: spread},
        odds={
            verdict: _with_ends(value, [found.by_name[verdict] for found in ends], independent, terms)
            for verdict, value in likely.by_name.items()
        },
        examples_for_80_percent=_enough(terms, assumed, _middle(spread)),
        steps=tuple(PlanStep(examples=n, promoted=o.promoted, undecided=o.undecided) for n, o in tried.items()),
    )


def paired_odds(design: PairedDesign, n: int, generator: np.random.Generator, *, simulations: int = _SIMULATED) -> Odds:
    """The odds of n pairs decided by Tango's score interval, counted over simulated experiments."""
    shares = [design.candidate_only, design.baseline_only, 1 - design.discordance]
    drawn = generator.multinomial(n, shares, size=simulations)
    gained, lost, critical = drawn[:, 0], drawn[:, 1], design.critical
    better = tango_excess(gained, lost, n, 0.0, critical) > 0
    no_worse = tango_excess(gained, lost, n, -design.margin, critical) > 0
    worse = tango_excess(lost, gained, n, design.margin, critical) > 0
    return Odds(
        superior=float(better.mean()),
        non_inferior=float((no_worse & ~better).mean()),
        inferior=float(worse.mean()),
    )


def agreement_odds(n: int, *, rate: float, margin: float, level: float) -> Odds:
    """The odds where answers change at a rate, exactly, by the interval of Clopper and Pearson."""
    tail = 0.5 + level / 2
    low, high = 0, n + 1  # fewest changes by which the lower end lies above the margin
    while high - low > 1:
        middle = (low + high) // 2
        if float(betaincinv(middle, n - middle + 1, 1 - tail)) > margin:
            high = middle
        else:
            low = middle
    worse = 0.0 if high > n else 1.0 - float(bdtr(high - 1, n, rate))
    return Odds(
        superior=0.0,
        non_inferior=bounded_rate_power(n, rate=rate, limit=margin, level=tail).value,
        inferior=worse,
    )


def normal_odds(standard_error: float, *, difference: float, margin: float, level: float) -> Odds:
    """The odds where the estimate of the difference is normal with a known standard error."""
    critical = float(ndtri(0.5 + level / 2))

    def above(limit: float) -> float:
        return float(ndtr((difference - limit) / standard_error - critical)) if standard_error > 0 else 0.0

    better, no_worse = above(0.0), above(-margin)
    worse = float(ndtr((-margin - difference) / standard_error - critical)) if standard_error > 0 else 0.0
    return Odds(superior=better, non_inferior=no_worse - better, inferior=worse)


def _odds_of(terms: Terms, assumed: float) -> Callable[[int, float], Odds]:
    """The odds by number of independent examples and spread."""
    if terms.metric == AGREEMENT:
        if not -1.0 <= assumed <= 0.0:
            raise InputError(
                f"a difference of {assumed} can't be: by agreement the incumbent is right by definition, so the "
                "difference is minus the share of answers that change; give a number from -1 to 0"
            )
        return lambda n, _: agreement_odds(n, rate=-assumed, margin=terms.margin, level=terms.level)
    if terms.metric == ACCURACY:
        return lambda n, discordance: paired_odds(
            PairedDesign(
                discordance=max(discordance, abs(assumed)),
                margin=terms.margin,
                difference=assumed,
                level=terms.level,
            ),
            n,
            np.random.default_rng(terms.seed),
        )
    return lambda n, each: normal_odds(each / math.sqrt(n), difference=assumed, margin=terms.margin, level=terms.level)


def _spread(terms: Terms, calibration: Sequence[Outcome]) -> tuple[str, Estimate]:
    """How far the sides differ: the share of examples on which exactly one is right, or the spread of one example."""
    groups = [one.group for one in calibration]
    if terms.metric in {ACCURACY, AGREEMENT}:
        apart = [float(one.candidate != one.baseline) for one in calibration]
        name = "discordance" if terms.metric == ACCURACY else "changed"
        return name, wilson_by_group(apart, groups, level=0.95)
    number = len(set(groups))
    error = spread_of(terms, calibration)
    freedom = max(number - 1, 1)
    # Of a standard deviation, by its normal approximation.
    half = 1.96 * error / math.sqrt(2 * freedom)
    scale = math.sqrt(number)
    return "spread_of_one_example", Estimate(
        value=error * scale,
        ci_low=max(0.0, error - half) * scale,
        ci_high=(error + half) * scale,
        n=number,
        method="paired BCa bootstrap of clusters, scaled",
    )


def _middle(spread: Estimate) -> float:
    """The spread to plan with: the middle of its interval, so that few calibration examples never promise certainty."""
    return (spread.ci_low + spread.ci_high) / 2


def _with_ends(value: float, ends: Sequence[float], n: int, terms: Terms) -> Estimate:
    method = {ACCURACY: "simulation of the Tango score test", AGREEMENT: "exact binomial"}.get(
        terms.metric, "normal approximation"
    )
    return Estimate(value=value, ci_low=min(value, *ends), ci_high=max(value, *ends), n=n, method=method)


def _enough(terms: Terms, assumed: float, spread: float) -> int | None:
    """Independent examples that allow promotion in 80 % of experiments, by bisection or formula."""
    if assumed + terms.margin <= 0:
        return None
    if terms.metric == ACCURACY:
        design = PairedDesign(
            discordance=max(spread, abs(assumed)), margin=terms.margin, difference=assumed, level=terms.level
        )
        found = sample_size(design, target=_ENOUGH)
        return found if found <= _MOST_EXAMPLES else None
    if terms.metric != AGREEMENT:
        critical = float(ndtri(0.5 + terms.level / 2)) + float(ndtri(_ENOUGH))
        needed = math.ceil((critical * spread / (assumed + terms.margin)) ** 2)
        return max(needed, 2) if needed <= _MOST_EXAMPLES else None
    low, high = 1, 2
    while agreement_odds(high, rate=-assumed, margin=terms.margin, level=terms.level).promoted < _ENOUGH:
        low, high = high, 2 * high
        if high > _MOST_EXAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if agreement_odds(middle, rate=-assumed, margin=terms.margin, level=terms.level).promoted < _ENOUGH:
            low = middle
        else:
            high = middle
    return high
