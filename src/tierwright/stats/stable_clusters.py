"""Groups of alike observations that come out again when some of them are left out.

Owns the clustering, how fine it is, and its stability. Refuses to know what the observations are.

How many groups there are is not asked. Observations are joined by average linkage while they are as alike as those of
one known group are: the cut is the one at which known groups, where there are any, are best found again. Whether a
group is real is judged as Hennig does it: the clustering is repeated on random halves, and a group is stable where most
of it stays together.

References:
    Sokal and Michener (1958), A statistical method for evaluating systematic relationships, University of Kansas
        Science Bulletin 38:1409-1438: average linkage.
    Hennig (2007), Cluster-wise assessment of cluster stability, CSDA 52:258-271: mean Jaccard similarity; below 0.6 a
        group should not be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import Groups, group_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Distances at which a cut is tried; 1 less the similarity.
_CUTS = np.linspace(0.1, 0.95, 35)
#: The cut where no known group says better.
DEFAULT_CUT = 0.6
#: Stability from which a group is taken for real.
STABLE = 0.6
_RESAMPLES = 20
_KEPT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One group of alike observations."""

    #: Places of its members, the most typical first, shape (size,).
    members: NDArray[np.int64]
    #: Mean Jaccard similarity with the nearest group of a resample; the interval is that of 90 % of the resamples.
    stability: Estimate


def cut_of(similarity: NDArray[np.float64], groups: Groups) -> float:
    """The distance at which average linkage finds known groups again best, by the F1 of pairs. Symmetric, 1: equal."""
    codes = group_codes(groups, len(similarity))
    tree = linkage(squareform(_distances(similarity), checks=False), method="average")
    known = codes[:, None] == codes[None, :]
    best, found = -1.0, DEFAULT_CUT
    for cut in _CUTS:
        joined = fcluster(tree, cut, criterion="distance")
        together = joined[:, None] == joined[None, :]
        score = 2 * float((together & known).sum()) / float(together.sum() + known.sum())
        if score > best:
            best, found = score, float(cut)
    return found


def stable_clusters(
    similarity: NDArray[np.float64], generator: np.random.Generator, *, cut: float = DEFAULT_CUT, smallest: int = 5
) -> list[Cluster]:
    """The groups of at least `smallest` observations that are stable, the largest first.

    `similarity` is symmetric with 1 for equal observations, shape (n, n). Raises InputError for NaN, NotEnoughData
    where there are fewer than twice `smallest` observations.
    """
    n = len(similarity)
    if n < 2 * smallest:
        raise NotEnoughData(f"{n} observations can't be grouped; {2 * smallest} are needed at least")
    distances = _distances(similarity)
    numbers = _joined(distances, cut)
    sizes = np.bincount(numbers)
    wanted = [np.flatnonzero(numbers == number) for number in np.flatnonzero(sizes >= smallest)]
    overlaps = np.zeros((_RESAMPLES, len(wanted)))
    for row in range(_RESAMPLES):
        kept = np.sort(generator.permutation(n)[: int(n * _KEPT)])
        again = np.full(n, -1)
        again[kept] = _joined(distances[np.ix_(kept, kept)], cut)
        overlaps[row] = [_overlap(again, members) for members in wanted]
    found = [
        Cluster(members=_typical_first(distances, members), stability=_stability(overlaps[:, place]))
        for place, members in enumerate(wanted)
    ]
    stable = [cluster for cluster in found if cluster.stability.value >= STABLE]
    return sorted(stable, key=lambda cluster: (-len(cluster.members), int(cluster.members[0])))


def _distances(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(similarity).all():
        raise InputError("some similarities are NaN or infinite; leave observations without features out")
    found = np.maximum(1.0 - (similarity + similarity.T) / 2, 0.0)
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def _joined(distances: NDArray[np.float64], cut: float) -> NDArray[np.int64]:
    """The number of each observation's group."""
    tree = linkage(squareform(distances, checks=False), method="average")
    return np.asarray(fcluster(tree, cut, criterion="distance"), dtype=np.int64) - 1


def _overlap(again: NDArray[np.int64], members: NDArray[np.int64]) -> float:
    """The largest Jaccard similarity of a group with one of a resample, among the observations of the resample."""
    numbers = again[members]
    numbers = numbers[numbers >= 0]
    if not len(numbers):
        return 0.0
    shared = np.bincount(numbers)
    sizes = np.bincount(again[again >= 0], minlength=len(shared))[: len(shared)]
    return float((shared / np.maximum(len(numbers) + sizes - shared, 1)).max())


def _stability(overlaps: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(overlaps, [0.05, 0.95])
    value = float(overlaps.mean())
    return Estimate(
        value=value,
        ci_low=min(value, float(low)),
        ci_high=max(value, float(high)),
        level=0.9,
        n=len(overlaps),
        method="mean Jaccard similarity over random halves (Hennig 2007)",
    )


def _typical_first(distances: NDArray[np.float64], members: NDArray[np.int64]) -> NDArray[np.int64]:
    return members[np.argsort(distances[np.ix_(members, members)].sum(axis=1), kind="stable")]
