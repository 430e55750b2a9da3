"""Whether two samples come from one distribution, and how far apart they are if not.

Owns four tests, each with a permutation p-value and a size that can be acted on: of any objects with a similarity
(classifier, maximum mean discrepancy), of the shares of categories, of one number, and of one share. Refuses to know
what early and late are (see `stats.permutation`).

With many observations any difference is significant, so every test carries a size with an interval: the area under the
curve of a classifier that tells late from early, or the share of late observations that moved. What the difference
looks like is learned in some blocks and measured in others, so that without a difference sizes are 0.5 and 0 on average
and not a little above. Intervals are robust to likeness within blocks.

References:
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR, arXiv 1610.06545.
    Kim, Lee and Lei (2019), Global and local two-sample tests via regression, EJS 13:5253-5305: regression of the label
        as the classifier, with a permutation p-value.
    Gretton, Borgwardt, Rasch, Schoelkopf and Smola (2012), A kernel two-sample test, JMLR 13:723-773.
    Sokal and Rohlf (1981), Biometry, chapter 17: the G-test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.inputs import outcomes, scores
from tierwright.stats.two_sample_sizes import area_under_curve, difference_of_shares, halves

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.stats.permutation import Assignments, Design

PERMUTATIONS = 999
#: Parts of the cross-fitting of a classifier.
_FOLDS = 5
#: Share of the blocks in which it is looked for which categories grew, or where a number crossed.
_FINDING = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome of one test."""

    #: Area under the curve (0.5: alike), or the share of late observations that moved (0: alike).
    size: Estimate
    #: Probability of a statistic at least as large, if the blocks were exchangeable.
    p_value: float
    #: Assignments it was counted over.
    assignments: int
    #: Whether these were all.
    exact: bool
    #: The method of the test.
    method: str


def classifier_test(
    gram: NDArray[np.float64], design: Design, generator: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> Comparison:
    """Whether a kernel ridge regression of the side ranks late blocks above early ones it has not seen; one-sided.

    `gram` holds the inner products of the observations, shape (n, n). The regression is cross-fitted anew for every
    assignment of sides: as predictions are linear in the sides, one matrix serves all. Its ridge is the mean squared
    length of the centred observations. The size is the area under the curve of one half's regression on the other.
    """
    centred = _centred(_checked_gram(gram, design))
    folds = _folds(design, generator)
    smoother = _smoother(centred, folds)
    tested = _tested(lambda late: _areas(smoother, late, folds), design, generator, permutations)
    return _comparison(
        tested, _area(centred, design, generator), "classifier two-sample test (kernel ridge, cross-fitted)"
    )


def discrepancy_test(
    gram: NDArray[np.float64], design: Design, generator: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> Comparison:
    """The maximum mean discrepancy with a Gaussian kernel whose width is the median distance.

    `gram` as in `classifier_test`, whose area under the curve is the size here too: the discrepancy itself has no unit.
    """
    found = _checked_gram(gram, design)
    kernel = gaussian_kernel(found)
    tested = _tested(lambda late: _discrepancies(kernel, late), design, generator, permutations)
    return _comparison(tested, _area(_centred(found), design, generator), "maximum mean discrepancy (median heuristic)")


def mix_test(
    categories: ArrayLike, design: Design, generator: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> Comparison:
    """Whether categories are as frequent late as early: the G statistic.

    The size is by how much the categories that grew did so together: a share of observations that moved. Raises
    InputError where lengths differ, NotEnoughData where a side has fewer than four blocks.
    """
    given = np.asarray(categories)
    _check_length(given, design)
    _, codes = np.unique(given, return_inverse=True)
    member = np.eye(int(codes.max()) + 1)[codes]
    tested = _tested(lambda late: _g_statistics(member, late), design, generator, permutations)
    finding, measuring = halves(design, generator, finding=_FINDING)
    late = design.late[finding]
    shares = [member[finding][side].sum(axis=0) / max(1, side.sum()) for side in (late, ~late)]
    grew = (shares[0] > shares[1])[codes[measuring]]
    size = difference_of_shares(grew, design.part(measuring), name="share of growing categories")
    return _comparison(tested, size, "G-test")


def distance_test(
    values: ArrayLike, design: Design, generator: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> Comparison:
    """Whether a number is distributed late as early: the Kolmogorov-Smirnov distance.

    The size is the share of observations that crossed the cut where the distributions differ most, whichever way.
    Raises InputError for NaN and where lengths differ, NotEnoughData where a side has fewer than four blocks.
    """
    found = scores(values)
    _check_length(found, design)
    order = np.argsort(found, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(found[order]) > 0, [True]))
    tested = _tested(lambda late: np.abs(_gaps(late[order])[ends]).max(axis=0), design, generator, permutations)
    finding, measuring = halves(design, generator, finding=_FINDING)
    rank = np.argsort(found[finding], kind="stable")
    part = found[finding][rank]
    last = np.flatnonzero(np.append(np.diff(part) > 0, [True]))
    gap = _gaps(design.late[finding][rank][:, None])[last, 0]
    at = int(np.abs(gap).argmax())
    crossed = (found[measuring] <= part[last[at]]) == (gap[at] > 0)
    size = difference_of_shares(crossed, design.part(measuring), name="share crossing a cut")
    return _comparison(tested, size, "Kolmogorov-Smirnov")


def share_test(
    hits: ArrayLike, design: Design, generator: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> Comparison:
    """Whether a share is the same late as early; two-sided. The size is late minus early.

    Raises InputError for outcomes other than 0 and 1.
    """
    found = outcomes(hits)
    _check_length(found, design)

    def differences(late: NDArray[np.bool_]) -> NDArray[np.float64]:
        high = (found @ late) / late.sum(axis=0)
        low = (found.sum() - found @ late) / (~late).sum(axis=0)
        return np.asarray(np.abs(high - low))

    tested = _tested(differences, design, generator, permutations)
    return _comparison(tested, difference_of_shares(found, design, name="difference of shares"), "permuted difference")


def gaussian_kernel(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-d^2 / (2 m^2)) of the distances d that belong to inner products; m is their median over different pairs."""
    lengths = np.diag(gram)
    squared = np.maximum(lengths[:, None] + lengths[None, :] - 2 * gram, 0.0)
    median = float(np.median(squared[np.triu_indices(len(gram), 1)]))
    if median <= 0:
        raise NotEnoughData("most of the observations are equal, so they have no typical distance; compare categories")
    return np.asarray(np.exp(-squared / (2 * median)))


def _tested(
    statistic: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
    design: Design,
    generator: np.random.Generator,
    permutations: int,
) -> tuple[float, NDArray[np.float64], Assignments]:
    """The observed value of a statistic of columns of sides, its value under other assignments, and these."""
    assignments = design.assignments(generator, permutations)
    observed = float(statistic(design.late[:, None])[0])
    return observed, np.concatenate([statistic(late) for late in assignments.chunks()]), assignments


def _comparison(tested: tuple[float, NDArray[np.float64], Assignments], size: Estimate, method: str) -> Comparison:
    observed, others, assignments = tested
    return Comparison(
        size=size,
        p_value=assignments.p_value(observed, others),
        assignments=others.size,
        exact=assignments.exact,
        method=method,
    )


def _checked_gram(gram: NDArray[np.float64], design: Design) -> NDArray[np.float64]:
    found = np.asarray(gram, dtype=np.float64)
    n = design.late.size
    if found.shape != (n, n):
        raise InputError(f"the inner products have shape {found.shape} for {n} observations; give each pair one")
    if not np.isfinite(found).all():
        raise InputError("some inner products are NaN or infinite; leave observations without features out")
    return found


def _check_length(values: NDArray[np.generic], design: Design) -> None:
    if values.shape != design.late.shape:
        raise InputError(f"there are {values.size} values for {design.late.size} observations; give each one value")


def _centred(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = gram.mean(axis=0)
    return np.asarray(gram - mean[None, :] - mean[:, None] + mean.mean())


def _folds(design: Design, generator: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each observation: blocks as wholes, drawn without regard to their sides."""
    return (generator.permutation(design.late_blocks.size) % _FOLDS)[design.blocks]


def _ridge(gram: NDArray[np.float64]) -> float:
    found = float(np.trace(gram)) / len(gram)
    if found <= 1e-12:
        raise NotEnoughData("all observations are equal, so nothing can tell late from early")
    return found


def _smoother(gram: NDArray[np.float64], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """The matrix that turns sides into predictions, each by a regression on the other folds; shape (n, n)."""
    ridge = _ridge(gram)
    found = np.zeros_like(gram)
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        fitted = gram[np.ix_(outside, outside)] + ridge * np.eye(len(outside))
        found[np.ix_(inside, outside)] = np.linalg.solve(fitted, gram[np.ix_(outside, inside)]).T
    return found


def _areas(smoother: NDArray[np.float64], late: NDArray[np.bool_], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of pairs in which late is ranked above early, for each assignment.

    What is predicted is the side less its mean in the other folds.
    """
    sides = late.astype(np.float64)
    predicted = smoother @ sides
    weight = smoother.sum(axis=1)
    for fold in np.unique(folds):
        inside = folds == fold
        predicted[inside] -= weight[inside][:, None] * sides[~inside].mean(axis=0)[None, :]
    high = sides.sum(axis=0)
    wins = (rankdata(predicted, axis=0) * sides).sum(axis=0) - high * (high + 1) / 2
    return np.asarray(wins / (high * (len(late) - high)))


def _area(centred: NDArray[np.float64], design: Design, generator: np.random.Generator) -> Estimate:
    """The area under the curve of a regression on half of the blocks, judged on the others."""
    finding, measuring = halves(design, generator, finding=0.5)
    known = centred[np.ix_(finding, finding)] + _ridge(centred) * np.eye(len(finding))
    sides = design.late[finding].astype(np.float64)
    predicted = centred[np.ix_(measuring, finding)] @ np.linalg.solve(known, sides - sides.mean())
    return area_under_curve(predicted, design.part(measuring))


def _discrepancies(kernel: NDArray[np.float64], late: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The squared discrepancy (biased estimate) for each assignment."""
    high = late.sum(axis=0)
    weight = late / high - ~late / (len(late) - high)
    return np.asarray(((kernel @ weight) * weight).sum(axis=0))


def _g_statistics(member: NDArray[np.float64], late: NDArray[np.bool_]) -> NDArray[np.float64]:
    """2 sum O ln(O / E) over categories and sides, for each assignment; `member` has shape (n, categories)."""
    total = member.sum(axis=0)
    high = member.T @ late
    found = np.zeros(late.shape[1])
    for observed, size in ((high, late.sum(axis=0)), (total[:, None] - high, (~late).sum(axis=0))):
        expected = total[:, None] * size[None, :] / len(member)
        found += 2 * (observed * np.log(np.maximum(observed, 1e-300) / np.maximum(expected, 1e-300))).sum(axis=0)
    return found


def _gaps(late: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Late minus early share of observations up to each, in the order given; shape as given."""
    return np.asarray(late.cumsum(axis=0) / late.sum(axis=0) - (~late).cumsum(axis=0) / (~late).sum(axis=0))
