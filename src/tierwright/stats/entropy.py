"""How uncertain the next observation of a category is, also where many categories have not been seen yet.

Owns the estimate of Chao, Wang and Jost with a jackknifed interval; refuses to know what the categories are. The
entropy of the observed shares is too low, by about (categories - 1) / 2n nats (Miller and Madow 1955), and by far more
where most observations are the only ones of their category. Here the categories seen are counted without that bias,
and those not seen yet are foretold from what was seen once and twice (Good and Turing).

References:
    Chao, Wang and Jost (2013), Entropy and the species accumulation curve: a novel entropy estimator via discovery
        rates of new species, Methods in Ecology and Evolution 4:1091-1100, equation 7.
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 11: the jackknife.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma, exp1, ndtri

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


#: Terms of a series that are added up one by one; argument from which an exponential integral is its first term.
_TERMS, _LARGE = 30, 500.0


def entropy_bits(counts: ArrayLike, *, most_bits: float = 64.0, level: float = 0.95) -> Estimate:
    """The entropy in bits of the categories with these counts, which is known not to exceed `most_bits`.

    The interval is normal, from the jackknife over observations; leaving one out of a category matters only by the
    category's count, so it costs no more than the number of different counts, squared. Where no category was seen twice
    nothing bounds the entropy from above; from below, no two of so many being equal tells that equal ones are rare:
    with probability `level` the collision entropy, which Shannon's is not below, is at least log2(pairs / -ln(1 -
    level)). Raises InputError for negative counts, NotEnoughData where nothing was counted.
    """
    check_level(level)
    found = np.asarray(counts, dtype=np.int64)
    if (found < 0).any():
        raise InputError("a category has a negative count; give how often each was seen")
    sizes, often = np.unique(found[found > 0], return_counts=True)
    n = int((sizes * often).sum())
    if n < 1:
        raise NotEnoughData("there is no observation to estimate an entropy from; at least one is needed")
    value = min(most_bits, _chao_wang_jost(sizes, often))
    if sizes[-1] == 1:
        pairs = n * (n - 1) / 2
        least = math.log2(pairs / -math.log(1 - level)) if pairs > 0 else 0.0
        method = "entropy in bits, Chao, Wang and Jost; nothing was seen twice, lower end by collisions"
        low = min(value, max(0.0, least))
        return Estimate(value=value, ci_low=low, ci_high=most_bits, level=level, n=n, method=method)
    half = 0.0
    if n > 2:
        without = np.array([_chao_wang_jost(*_one_less(sizes, often, place)) for place in range(len(sizes))])
        weight = sizes * often / n
        spread = (n - 1) * float(weight @ (without - float(weight @ without)) ** 2)
        half = float(ndtri(0.5 + level / 2)) * math.sqrt(spread)
    return Estimate(
        value=value,
        ci_low=max(0.0, value - half),
        ci_high=min(most_bits, value + half),
        level=level,
        n=n,
        method="entropy in bits, Chao, Wang and Jost, jackknife",
    )


def _one_less(
    sizes: NDArray[np.int64], often: NDArray[np.int64], place: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts and how many categories have them, with an observation of a category of this count left out."""
    less = often.copy()
    less[place] -= 1
    return np.append(sizes, sizes[place] - 1), np.append(less, 1)


def _chao_wang_jost(sizes: NDArray[np.int64], often: NDArray[np.int64]) -> float:
    kept = (sizes > 0) & (often > 0)
    sizes, often = sizes[kept], often[kept]
    n = int((sizes * often).sum())
    below = sizes < n
    seen = float((often * sizes / n * (digamma(n) - digamma(sizes)))[below].sum())
    once, twice = int(often[sizes == 1].sum()), int(often[sizes == 2].sum())
    if not once or n < 2:
        return seen / math.log(2)
    found_again = 2 * twice / ((n - 1) * once + 2 * twice) if twice else 2 / ((n - 1) * (once - 1) + 2)
    return (seen + once / n * _tail(1 - found_again, n - 1)) / math.log(2)


def _tail(ratio: float, offset: int) -> float:
    """The sum of ratio**j / (j + offset) over j from 1 on: the first terms, then Euler and Maclaurin's formula."""
    if ratio <= 0:
        return 0.0
    terms = np.arange(1, _TERMS + 1)
    found = float((ratio**terms / (terms + offset)).sum())
    rate, at = -math.log(ratio), _TERMS + 1 + offset
    first = ratio ** (_TERMS + 1) / at
    scaled = rate * at
    # exp(x) E1(x), which overflows where it is 1 / x to any accuracy that matters.
    integral = math.exp(scaled) * float(exp1(scaled)) if scaled < _LARGE else 1 / scaled
    slope = -first * (rate + 1 / at)
    return found + ratio ** (_TERMS + 1) * integral + first / 2 - slope / 12
