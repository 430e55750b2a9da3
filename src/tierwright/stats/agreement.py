"""How far two raters agree on classes.

Owns the share of agreement and Cohen's kappa with intervals; refuses to know who rates what.

References:
    Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20:37-46.
    Fleiss, Cohen and Everitt (1969), Large sample standard errors of kappa and weighted kappa, Psychological Bulletin
        72:323-327, equation (13).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, same_length
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def agreement(first: Sequence[str], second: Sequence[str], *, level: float = 0.95) -> Estimate:
    """The share of items both raters put in the same class, with Wilson's interval.

    Raises InputError for unequal lengths, NotEnoughData where there is no item.
    """
    same_length(first, second, "the two raters' classes")
    return wilson(sum(a == b for a, b in zip(first, second, strict=True)), len(first), level=level)


def cohen_kappa(first: Sequence[str], second: Sequence[str], *, level: float = 0.95) -> Estimate:
    """Cohen's kappa with its large-sample interval: 1 is full agreement, 0 that of chance.

    Raises InputError for unequal lengths, NotEnoughData where there is no item or both raters used one and the same
    class throughout: chance alone would agree then, and kappa is not defined.
    """
    same_length(first, second, "the two raters' classes")
    check_level(level)
    if len(first) == 0:
        raise NotEnoughData("no item was rated by both, so there is no agreement to count; rate some by both")
    classes = sorted({*first, *second})
    place = {name: number for number, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for a, b in zip(first, second, strict=True):
        counts[place[a], place[b]] += 1
    return kappa_of_table(counts, level=level)


def kappa_of_table(counts: NDArray[np.float64], *, level: float = 0.95) -> Estimate:
    """The same from the square table of counts. Raises as `cohen_kappa` does."""
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.min() < 0:
        raise InputError(f"a table of agreement is square and not negative, not of the shape {counts.shape}")
    n = int(counts.sum())
    shares = counts / n
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    seen, chance = float(np.trace(shares)), float(rows @ columns)
    if chance >= 1.0:
        raise NotEnoughData(
            f"both raters put all {n} items in the same class, which chance would do as well; rate items that differ"
        )
    kappa = (seen - chance) / (1 - chance)
    # Equation (13): the diagonal, the rest, and what both share.
    margins = rows[None, :] + columns[:, None]
    diagonal = float((np.diag(shares) * (1 - np.diag(margins) * (1 - kappa)) ** 2).sum())
    rest = float((shares * margins**2).sum() - (np.diag(shares) * np.diag(margins) ** 2).sum())
    variance = (diagonal + (1 - kappa) ** 2 * rest - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(max(variance, 0.0))
    return Estimate(
        value=kappa,
        ci_low=max(-1.0, kappa - half),
        ci_high=min(1.0, kappa + half),
        level=level,
        n=n,
        method="Cohen's kappa (Fleiss 1969)",
    )
