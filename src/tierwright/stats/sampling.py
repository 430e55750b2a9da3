"""Estimates from labels that were not drawn alike: some observations more likely than others, by a design kept.

Owns the stratified, Horvitz-Thompson and Hajek estimators, the allocation of a budget, and the paired difference from
labels of disagreements alone. Refuses to know what is labelled and who draws.

Two questions are told apart by `beyond`: what holds for the observations at hand (a complete labelling would have no
error left, finite-population correction), and what holds beyond them, for the traffic they are a random sample of
(double sampling: the error of a complete labelling is added).

References:
    Neyman (1934), On the two different aspects of the representative method, JRSS 97:558-625.
    Horvitz and Thompson (1952), A generalization of sampling without replacement from a finite universe, JASA
        47:663-685.
    Hajek (1971), comment in Foundations of Statistical Inference, Holt, Rinehart and Winston.
    Cochran (1977), Sampling Techniques, third edition, Wiley, chapters 5, 5A and 12: strata, double sampling.
    Sarndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, Springer, sections 2.8 and 5.7.
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
        estimated from survey data, Survey Methodology 24:193-201: the effective number of observations.
    Wright (2012), The equivalence of Neyman optimum allocation for sampling and equal proportions for apportioning the
        U.S. House of Representatives, The American Statistician 66:217-224: allocation in whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_counts, check_level, outcomes, same_length, scores
from tierwright.stats.paired import tango_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A part of all observations with the ones drawn from it at random, without replacement.

    Raises InputError where more were drawn than there are.
    """

    #: Observations in it.
    size: int
    #: Of those drawn, shape (n,); n may be 0 only where the size is.
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.size > self.size:
            raise InputError(f"{self.values.size} observations were drawn from a stratum of {self.size}")


def stratified_mean(strata: Sequence[Stratum], *, beyond: bool = False, level: float = 0.95) -> Estimate:
    """The mean of numbers over all strata, with Student's t and Satterthwaite's degrees of freedom.

    `n` of the result is the number of observations drawn. Raises NotEnoughData where a stratum that was not drawn as a
    whole has fewer than two observations, InputError for NaN.
    """
    check_level(level)
    parts = [part for part in strata if part.size > 0]
    if not parts:
        raise NotEnoughData("there is no observation in any stratum; at least one is needed")
    total = sum(part.size for part in parts)
    mean = variance = freedom = within = between = 0.0
    for part in parts:
        found = _drawn(part)
        mean += part.size / total * float(found.mean())
    for part in parts:
        found, share = _drawn(part), part.size / total
        spread = float(found.var(ddof=1)) if found.size > 1 else 0.0
        added = share**2 * (1 - found.size / part.size) * spread / found.size
        variance += added
        freedom += added**2 / max(found.size - 1, 1)
        within += share * spread
        between += share * (float(found.mean()) - mean) ** 2
    if beyond:
        added = (within + between) / total
        variance += added
        freedom += added**2 / max(total - 1, 1)
    critical = float(stdtrit(variance**2 / freedom, 0.5 + level / 2)) if freedom > 0 else 0.0
    half = critical * math.sqrt(variance)
    drawn = sum(part.values.size for part in parts)
    return Estimate(
        value=mean, ci_low=mean - half, ci_high=mean + half, level=level, n=drawn, method="stratified, Satterthwaite t"
    )


def stratified_proportion(
    strata: Sequence[Stratum], *, beyond: bool = True, effect: float = 1.0, level: float = 0.95
) -> Estimate:
    """The share of outcomes that are 1 over all strata: Wilson's interval of the effective number of observations.

    The variance within a stratum is that of (k + 1) / (n + 2), so that equal outcomes are not taken for certainty.
    `effect` divides the effective number once more: the design effect of groups that count as copies. `n` of the result
    is the number of observations drawn. Raises NotEnoughData where a stratum has no observation, InputError for
    outcomes other than 0 and 1.
    """
    check_level(level)
    parts = [part for part in strata if part.size > 0]
    if not parts:
        raise NotEnoughData("there is no observation in any stratum; at least one is needed")
    total = sum(part.size for part in parts)
    value = smooth = variance = 0.0
    for part in parts:
        found, share = outcomes(part.values), part.size / total
        guess = (float(found.sum()) + 1) / (found.size + 2)
        value += share * float(found.mean())
        smooth += share * guess
        variance += share**2 * (1 - found.size / part.size) * guess * (1 - guess) / found.size
    if beyond:
        variance += smooth * (1 - smooth) / total
    drawn = sum(part.values.size for part in parts)
    method = "stratified Wilson score" if effect == 1.0 else "stratified Wilson score, groups as copies"
    if variance == 0.0:
        return Estimate(value=value, ci_low=value, ci_high=value, level=level, n=drawn, method=method)
    effective = smooth * (1 - smooth) / variance / effect
    square = float(ndtri(0.5 + level / 2)) ** 2
    centre = (value * effective + square / 2) / (effective + square)
    half = math.sqrt(square * (effective * value * (1 - value) + square / 4)) / (effective + square)
    return Estimate(
        value=value,
        ci_low=max(0.0, centre - half) if value > 0 else 0.0,
        ci_high=min(1.0, centre + half) if value < 1 else 1.0,
        level=level,
        n=drawn,
        method=method,
    )


def disagreement_difference(
    candidate_only: int,
    baseline_only: int,
    labelled: int,
    *,
    disagreements: int,
    n: int,
    effect: float = 1.0,
    level: float = 0.95,
) -> Estimate:
    """The paired difference of two proportions from labels of disagreements alone.

    Where two answers are the same both are right or both are wrong, so the difference there is known without a label.
    Of n examples `disagreements` have two answers; of these `labelled`, drawn at random, were looked at, and
    `candidate_only` and `baseline_only` count who was right alone. The estimate is (candidate_only - baseline_only) /
    labelled times disagreements / n, its interval Tango's for these counts among labelled * n / disagreements examples:
    as many as would have had to be labelled, drawn at random, to see so many disagreements. That the share of
    disagreements itself is known better than from so few makes it slightly wider than need be, by a part of the squared
    difference. With all disagreements labelled it is Tango's interval of all n examples. `effect` is the design effect
    of groups that count as copies; `n` of the result is the number of labels, or of examples where none disagrees.

    Raises InputError for impossible counts, NotEnoughData for disagreements of which none is labelled.
    """
    check_level(level)
    check_counts(disagreements, n, "disagreements")
    if disagreements == 0:
        low, high = tango_ends(0, 0, n / effect, float(ndtri(0.5 + level / 2)))
        return Estimate(
            value=0.0, ci_low=float(low), ci_high=float(high), level=level, n=n, method="Tango score, no disagreement"
        )
    check_counts(candidate_only + baseline_only, labelled, "pairs that one of the two got right")
    check_counts(labelled, disagreements, "labelled disagreements")
    low, high = disagreement_ends(
        candidate_only, baseline_only, labelled, n / disagreements, effect, float(ndtri(0.5 + level / 2))
    )
    return Estimate(
        value=(candidate_only - baseline_only) / labelled * disagreements / n,
        ci_low=float(low),
        ci_high=float(high),
        level=level,
        n=labelled,
        method="Tango score, labels of disagreements" + ("" if effect == 1.0 else ", groups as copies"),
    )


def disagreement_ends(
    candidate_only: ArrayLike,
    baseline_only: ArrayLike,
    labelled: ArrayLike,
    examples_each: ArrayLike,
    effect: float,
    critical: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of that interval; `examples_each` is how many examples there are for each disagreement. Broadcasts."""
    gained, lost, looked_at, each = (
        np.asarray(x, dtype=np.float64) for x in (candidate_only, baseline_only, labelled, examples_each)
    )
    return tango_ends(gained / effect, lost / effect, looked_at * each / effect, critical)


def horvitz_thompson_mean(
    values: ArrayLike, probabilities: ArrayLike, population: int, *, level: float = 0.95
) -> Estimate:
    """The mean over a population of known size from observations drawn independently, each with its probability.

    Poisson sampling: the variance is sum (1 - p) (y / p)^2 / population^2. For shares `hajek_mean` is mostly shorter:
    here the number drawn adds to the error. Raises InputError for probabilities outside (0, 1] and NaN.
    """
    found, drawn = _weighted(values, probabilities)
    check_level(level)
    if population < found.size:
        raise InputError(f"{found.size} observations were drawn from a population of {population}")
    value = float((found / drawn).sum()) / population
    variance = float(((1 - drawn) * (found / drawn) ** 2).sum()) / population**2
    return _normal(value, variance, found.size, level, "Horvitz-Thompson, Poisson sampling")


def hajek_mean(values: ArrayLike, probabilities: ArrayLike, *, beyond: bool = True, level: float = 0.95) -> Estimate:
    """The mean from observations drawn independently, each with its probability, weighted by its inverse.

    Linearised variance: sum of (y - mean)^2 / p^2 over the squared sum of weights, with 1 - p in it unless `beyond`.
    Raises InputError for probabilities outside (0, 1] and NaN, NotEnoughData for fewer than two observations or equal
    ones: their variance can't tell how far the mean may lie.
    """
    found, drawn = _weighted(values, probabilities)
    check_level(level)
    if found.size < 2 or np.ptp(found) == 0.0:
        raise NotEnoughData(
            f"all {found.size} observations are equal, so their variance can't tell how far the mean may lie; label "
            "more, or use a score interval"
        )
    weights = 1 / drawn
    value = float((weights * found).sum() / weights.sum())
    kept = np.ones_like(drawn) if beyond else 1 - drawn
    variance = float((kept * (weights * (found - value)) ** 2).sum() / weights.sum() ** 2)
    return _normal(value, variance, found.size, level, "Hajek, t")


def neyman_allocation(
    sizes: Sequence[int], spreads: Sequence[float], budget: int, *, at_least: int = 2
) -> tuple[int, ...]:
    """How many observations to draw from each stratum so that the variance of the mean is least (Neyman 1934).

    In proportion to size times standard deviation, none more than there are, what is left over to the others; each gets
    `at_least` so many, or all it has. Raises InputError for a budget that can't give that.
    """
    same_length(sizes, spreads, "sizes and standard deviations")
    if any(size < 0 for size in sizes) or not all(math.isfinite(s) and s >= 0 for s in spreads):
        raise InputError("sizes and standard deviations of strata must be finite and not negative")
    given = [min(size, at_least) for size in sizes]
    if budget < sum(given):
        raise InputError(
            f"a budget of {budget} labels is less than {at_least} for each of {len(sizes)} strata; raise it to "
            f"{sum(given)} at least"
        )
    left = min(budget, sum(sizes)) - sum(given)
    weights = [size * spread for size, spread in zip(sizes, spreads, strict=True)]
    for _ in range(left):
        # The next label goes where it lowers the variance most (Wright 2012).
        open_ = [h for h, size in enumerate(sizes) if given[h] < size]
        best = max(open_, key=lambda h: (weights[h] ** 2 / (given[h] * (given[h] + 1)) if given[h] else math.inf, -h))
        given[best] += 1
    return tuple(given)


def _drawn(part: Stratum) -> NDArray[np.float64]:
    found = scores(part.values, "values of a stratum")
    if found.size < min(2, part.size):
        raise NotEnoughData(
            f"a stratum of {part.size} observations has {found.size} drawn; two are needed to tell how far they differ"
        )
    return found


def _weighted(values: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found, drawn = scores(values), scores(probabilities, "inclusion probabilities")
    same_length(found, drawn, "values and inclusion probabilities")
    if drawn.min() <= 0.0 or drawn.max() > 1.0:
        raise InputError(
            f"the inclusion probabilities run from {drawn.min():g} to {drawn.max():g}; each must lie above 0 and at "
            "most at 1"
        )
    return found, drawn


def _normal(value: float, variance: float, n: int, level: float, method: str) -> Estimate:
    half = float(stdtrit(max(n - 1, 1), 0.5 + level / 2)) * math.sqrt(variance)
    return Estimate(value=value, ci_low=value - half, ci_high=value + half, level=level, n=n, method=method)
