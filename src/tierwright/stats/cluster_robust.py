"""Shares and paired differences of examples that come in clusters: turns of a conversation, requests of a user.

Owns score intervals that estimate from the data how much the clustering costs, and the rule by which the data choose
between that estimate and the worst case. Refuses to know what a cluster is.

`stats.clusters` counts the members of a group as copies. For near-duplicates that is near the truth; for a user's 20
requests it is far too careful: the interval is two to five times as wide as it needs to be. Here the design effect is
estimated (Rao and Scott 1992): the variance between clusters over the variance of as many independent examples, never
below 1. The counts are divided by it, and the score interval takes Student's t with Satterthwaite's degrees of freedom
in place of the normal quantile, since the estimate rests on few clusters.

The estimate says nothing about clusters that have not shown anything yet: where the large ones hold no event, it is far
too small, and the interval misses. So it is used only where events were seen in at least six clusters of the size that
matters (`evident_clusters`: the summed squared sizes of the clusters with an event over the sizes' own weighted mean
square); else members count as copies. It is never wider than that either. `tests/simulation` counts how often the whole
rule covers.

References:
    Rao and Scott (1992), A simple method for the analysis of clustered binary data, Biometrics 48:577-585.
    Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bulletin
        2:110-114.
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
        estimated from survey data, Survey Methodology 24:193-201: effective counts with t in place of z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, group_codes, outcomes, same_length
from tierwright.stats.intervals import wilson, wilson_ends
from tierwright.stats.paired import paired_difference, tango_ends

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.inputs import Groups

#: Clusters of the size that matters that must have shown an event.
ENOUGH_EVIDENT = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDesign:
    """What clustering costs, of one sample or of many at once; all arrays have the samples' shape."""

    #: Examples.
    n: NDArray[np.float64]
    #: The factor by which clustering inflates the variance, estimated; at least 1.
    estimated: NDArray[np.float64]
    #: The same if members were copies of one another.
    copies: NDArray[np.float64]
    #: Satterthwaite's degrees of freedom of the estimate; at least 1.
    freedom: NDArray[np.float64]
    #: Clusters of the size that matters in which an event was seen.
    evident: NDArray[np.float64]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether the estimate may be used."""
        return self.evident >= ENOUGH_EVIDENT


def cluster_design(sizes: ArrayLike, totals: ArrayLike, events: ArrayLike, plain_variance: ArrayLike) -> ClusterDesign:
    """The cost of clustering for the mean of what is summed in `totals`, clusters along the last axis.

    `events` says which clusters hold an event, `plain_variance` is the variance of one example if all were independent,
    one number a sample. A sample with one cluster, or without variance, has its members counted as copies.
    """
    size, total = np.asarray(sizes, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    plain, number = np.asarray(plain_variance, dtype=np.float64), size.shape[-1]
    n, squares = size.sum(axis=-1), (size**2).sum(axis=-1)
    copies = squares / n
    off = total - (total.sum(axis=-1) / n)[..., None] * size
    second, fourth = (off**2).sum(axis=-1), (off**4).sum(axis=-1)
    if number < 2:
        return ClusterDesign(n=n, estimated=copies, copies=copies, freedom=np.ones_like(n), evident=np.zeros_like(n))
    between = number / (number - 1) * second / n
    estimated = np.where(plain > 0, between / np.where(plain > 0, plain, 1.0), copies)
    noise = np.maximum(fourth - second**2 / number, 1e-300)
    return ClusterDesign(
        n=n,
        estimated=np.maximum(estimated, 1.0),
        copies=copies,
        freedom=np.clip(2 * second**2 / noise, 1.0, number - 1),
        evident=(np.asarray(events) * size**2).sum(axis=-1) * squares / (size**4).sum(axis=-1),
    )


def clustered_ends(
    sizes: ArrayLike, gained: ArrayLike, lost: ArrayLike, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64], ClusterDesign]:
    """The ends of the paired difference from counts per cluster, clusters along the last axis, and what they rest on.

    `gained` and `lost` count the members only the candidate, and only the baseline, got right.
    """
    size, first, second = (np.asarray(values, dtype=np.float64) for values in (sizes, gained, lost))
    n, more, fewer = size.sum(axis=-1), first.sum(axis=-1), second.sum(axis=-1)
    plain = (more + fewer) / n - ((more - fewer) / n) ** 2
    design = cluster_design(size, first - second, (first + second) > 0, plain)
    normal = float(ndtri(0.5 + level / 2))
    low, high = tango_ends(more / design.copies, fewer / design.copies, n / design.copies, normal)
    critical = stdtrit(design.freedom, 0.5 + level / 2)
    close_low, close_high = tango_ends(
        more / design.estimated, fewer / design.estimated, n / design.estimated, critical
    )
    return (
        np.where(design.usable, np.maximum(low, close_low), low),
        np.where(design.usable, np.minimum(high, close_high), high),
        design,
    )


def clustered_difference(
    candidate: ArrayLike, baseline: ArrayLike, clusters: Groups, *, level: float = 0.95
) -> Estimate:
    """The paired difference of two proportions from 0/1 outcomes, shape (n,) each, robust to clusters.

    Where each cluster has one member this is Tango's interval. `n` is the number of clusters. Raises as
    `paired_difference` does.
    """
    right, wrong = outcomes(candidate, "candidate's outcomes"), outcomes(baseline, "baseline's outcomes")
    same_length(right, wrong, "the candidate's and the baseline's outcomes")
    check_level(level)
    codes = group_codes(clusters, right.size)
    if int(codes.max()) + 1 == codes.size:
        return paired_difference(right, wrong, level=level)
    sizes = np.bincount(codes)
    gained, lost = (np.bincount(codes, weights=np.maximum(change, 0)) for change in (right - wrong, wrong - right))
    low, high, design = clustered_ends(sizes, gained, lost, level=level)
    return Estimate(
        value=float((right - wrong).mean()),
        ci_low=float(low),
        ci_high=float(high),
        level=level,
        n=sizes.size,
        method=f"Tango score, {_cost(design)}",
    )


def clustered_share(values: ArrayLike, clusters: Groups, *, level: float = 0.95) -> Estimate:
    """The Wilson interval of the mean of 0/1 outcomes, robust to clusters; an event is the rarer of the two outcomes.

    Where each cluster has one member this is `wilson`. `n` is the number of clusters. Raises as `outcomes` does.
    """
    found = outcomes(values)
    check_level(level)
    codes = group_codes(clusters, found.size)
    successes, n = float(found.sum()), found.size
    if int(codes.max()) + 1 == n:
        return wilson(int(successes), n, level=level)
    sizes, totals = np.bincount(codes), np.bincount(codes, weights=found)
    share = successes / n
    events = totals > 0 if share <= 0.5 else totals < sizes
    design = cluster_design(sizes, totals, events, share * (1 - share))
    copies = float(design.copies)
    low, high = wilson_ends(successes / copies, n / copies, float(ndtri(0.5 + level / 2)))
    if bool(design.usable):
        effect, critical = float(design.estimated), float(stdtrit(float(design.freedom), 0.5 + level / 2))
        close_low, close_high = wilson_ends(successes / effect, n / effect, critical)
        low, high = max(low, close_low), min(high, close_high)
    return Estimate(
        value=share, ci_low=low, ci_high=high, level=level, n=sizes.size, method=f"Wilson score, {_cost(design)}"
    )


def _cost(design: ClusterDesign) -> str:
    if bool(design.usable):
        return f"clusters by Rao and Scott, design effect {min(float(design.estimated), float(design.copies)):.2f}"
    return "clusters' members as copies"
