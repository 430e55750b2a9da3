"""Several statements at once: what each must clear, so that all of them together are wrong seldom enough.

Owns the levels and the order of the tests; refuses to know what is claimed. What is controlled everywhere here is the
family-wise error rate: the probability of one false claim or more in the family, whichever of the claims are true and
however they depend on each other.

* `simultaneous_level`: Bonferroni. Intervals at this level hold all together.
* `holm`: adjusted p-values by Holm's step-down, uniformly more powerful than Bonferroni.
* `step_down`: the same procedure for claims that are read off intervals, without p-values.
* `fixed_sequence`: an order fixed beforehand, each test at the full level, up to the first failure.
* `gates`: families in an order fixed beforehand. Each is tested by Holm at the full level, and only if every claim of
  the families before it was proved (serial gatekeeping: a closed test).

References:
    Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6:65-70.
    Marcus, Peritz and Gabriel (1976), On closed testing procedures, Biometrika 63:655-660.
    Maurer, Hothorn and Lehmacher (1995), Multiple comparisons in drug clinical trials: a-priori ordered hypotheses.
    Dmitrienko, Offen and Westfall (2003), Gatekeeping strategies for clinical trials, Statistics in Medicine
        22:2387-2400.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError
from tierwright.stats.inputs import check_level, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import ArrayLike, NDArray


def simultaneous_level(level: float, statements: int) -> float:
    """The level of each of several intervals that hold all together with probability `level` or more (Bonferroni)."""
    check_level(level)
    if statements < 1:
        raise InputError(f"{statements} statements are none; count at least one")
    return 1 - (1 - level) / statements


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values, in the order given; a claim is proved where its value is at most alpha.

    Raises InputError for a value outside [0, 1], NotEnoughData where there is none.
    """
    found = _p_values(p_values)
    order = np.argsort(found, kind="stable")
    adjusted = np.minimum(np.maximum.accumulate(found[order] * np.arange(found.size, 0, -1)), 1.0)
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result


def step_down(
    claims: Sequence[str], proved_at: Callable[[str, float], bool], *, level: float = 0.95
) -> dict[str, float]:
    """Holm's procedure on intervals: the claims proved, each with the level of the interval that proves it.

    `proved_at` says whether an interval of that level proves a claim; a wider interval must never prove more.
    """
    check_level(level)
    left, proved = list(claims), dict[str, float]()
    while left:
        each = simultaneous_level(level, len(left))
        now = [claim for claim in left if proved_at(claim, each)]
        if not now:
            break
        proved.update(dict.fromkeys(now, each))
        left = [claim for claim in left if claim not in proved]
    return proved


def fixed_sequence(p_values: ArrayLike, *, alpha: float = 0.05) -> int:
    """How many claims, in the order given, are proved before the first that is not; each is tested at `alpha`."""
    check_level(1 - alpha)
    failed = np.flatnonzero(_p_values(p_values) > alpha)
    return int(failed[0]) if failed.size else len(_p_values(p_values))


def gates(families: Sequence[Sequence[tuple[str, float]]], *, alpha: float = 0.05) -> AbstractSet[str]:
    """The claims proved, of families of (claim, p-value); a family counts if all claims before it are proved."""
    check_level(1 - alpha)
    proved: set[str] = set()
    for family in families:
        if not family:
            continue
        adjusted = holm([p_value for _, p_value in family])
        now = [claim for (claim, _), p_value in zip(family, adjusted, strict=True) if p_value <= alpha]
        proved.update(now)
        if len(now) < len(family):
            break
    return proved


def _p_values(p_values: ArrayLike) -> NDArray[np.float64]:
    found = scores(p_values, "p-values")
    if ((found < 0) | (found > 1)).any():
        raise InputError("a p-value lies outside [0, 1]; give probabilities")
    return found
