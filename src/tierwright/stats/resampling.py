"""Paired bootstrap of figures that are no mean: F1, BLEU, a ratio of sums.

Owns resampling whole clusters, with both arms on the same draws, and the BCa intervals of both figures and of their
difference. Refuses to know what the figure is: it is a function of column sums, and each example brings its row. So
2,000 resamples of 5,000 examples are one product of matrices.

References:
    Efron (1987), Better bootstrap confidence intervals, JASA 82:171-185.
    Davison and Hinkley (1997), Bootstrap methods and their application, section 3.8: resampling whole clusters.
    Koehn (2004), Statistical significance tests for machine translation evaluation, EMNLP: the paired bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, group_codes
from tierwright.stats.intervals import bca_ends

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.inputs import Groups

#: Most numbers in one block of draws or of figures: bounds the memory at about 64 MB each.
_BLOCK = 8_000_000
#: Resamples without a defined figure above which there is no interval.
_UNDEFINED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedFigures:
    """A figure of both arms."""

    candidate: Estimate
    baseline: Estimate
    #: Candidate minus baseline, on the same resamples.
    difference: Estimate


def paired_bootstrap(
    candidate: ArrayLike,
    baseline: ArrayLike,
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    generator: np.random.Generator,
    *,
    clusters: Groups | None = None,
    level: float = 0.95,
    resamples: int = 2_000,
) -> PairedFigures:
    """BCa intervals of a figure of the column sums, for both arms and their difference.

    `candidate` and `baseline` hold one row of finite numbers for each example, shape (n, k), in the same order. Whole
    clusters are resampled; `n` of the results is their number. Raises InputError for unequal shapes and NaN,
    NotEnoughData for fewer than two clusters, for arms that don't differ on any example (resampling can't say how far
    apart they may be), and where the figure is not defined, or not on more than 5 % of the resamples.
    """
    first, second = _rows(candidate, "candidate's"), _rows(baseline, "baseline's")
    check_level(level)
    if first.shape != second.shape:
        raise InputError(f"the arms' counts have shapes {first.shape} and {second.shape}; each example needs both")
    codes = np.arange(len(first)) if clusters is None else group_codes(clusters, len(first))
    sums = [_by_cluster(rows, codes) for rows in (first, second)]
    number = sums[0].shape[0]
    if number < 2:
        raise NotEnoughData(f"there are {number} independent observations; a difference takes at least 2")
    if np.array_equal(sums[0], sums[1]):
        raise NotEnoughData(
            f"the arms score the same on all {number} independent observations, so resampling can't tell how far apart "
            "they may be; collect more, or compare whole answers by accuracy"
        )
    drawn, kept = _resampled(sums, figure, generator, resamples)
    values = [figure(one.sum(axis=0)[None, :])[0] for one in sums]
    left_out = [_without_one(one, figure) for one in sums]
    if not (np.isfinite(values).all() and kept >= (1 - _UNDEFINED) * resamples):
        raise NotEnoughData(
            f"the figure is not defined on these {number} observations, or not on {resamples - kept} of {resamples} "
            "resamples of them; collect more"
        )

    def estimate(value: float, means: NDArray[np.float64], jackknife: NDArray[np.float64]) -> Estimate:
        low, high = bca_ends(value, means, jackknife[np.isfinite(jackknife)], level)
        method = "paired BCa bootstrap" if clusters is None else "paired BCa bootstrap of clusters"
        return Estimate(
            value=value, ci_low=min(low, value), ci_high=max(high, value), level=level, n=number, method=method
        )

    return PairedFigures(
        candidate=estimate(float(values[0]), drawn[0], left_out[0]),
        baseline=estimate(float(values[1]), drawn[1], left_out[1]),
        difference=estimate(float(values[0] - values[1]), drawn[0] - drawn[1], left_out[0] - left_out[1]),
    )


def _rows(values: ArrayLike, whose: str) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2:
        raise InputError(f"the {whose} counts have {found.ndim} dimensions; give one row for each example")
    if not np.isfinite(found).all():
        raise InputError(f"the {whose} counts hold NaN or infinite numbers; leave unscored examples out, counted")
    return found


def _by_cluster(rows: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    if codes.size == 0:
        return rows
    number = int(codes.max()) + 1
    if number == codes.size:
        return rows
    sums = np.zeros((number, rows.shape[1]))
    np.add.at(sums, codes, rows)
    return sums


def _resampled(
    sums: list[NDArray[np.float64]],
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    generator: np.random.Generator,
    resamples: int,
) -> tuple[list[NDArray[np.float64]], int]:
    """The figures of both arms on the resamples where both are defined, and how many these are."""
    number = sums[0].shape[0]
    sparse = [csr_array(one).T.tocsr() for one in sums]
    found: list[list[NDArray[np.float64]]] = [[], []]
    block = max(1, _BLOCK // number)
    for start in range(0, resamples, block):
        many = min(block, resamples - start)
        drawn = generator.integers(0, number, size=(many, number))
        drawn += number * np.arange(many)[:, None]
        times = np.bincount(drawn.ravel(), minlength=many * number).reshape(many, number).T.astype(np.float64)
        for arm, one in zip(found, sparse, strict=True):
            arm.append(figure(np.asarray(one @ times).T))
    first, second = (np.concatenate(arm) for arm in found)
    defined = np.isfinite(first) & np.isfinite(second)
    return [first[defined], second[defined]], int(defined.sum())


def _without_one(
    sums: NDArray[np.float64], figure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The figure with each cluster left out in turn."""
    whole = sums.sum(axis=0)
    block = max(1, _BLOCK // sums.shape[1])
    return np.concatenate([figure(whole - sums[start : start + block]) for start in range(0, len(sums), block)])
