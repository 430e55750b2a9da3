"""What a statistic accepts: one place where numbers are checked, one form in which they are refused.

Owns the checks; refuses to know what the numbers mean. Raises InputError for what is wrong and NotEnoughData for what
is right but too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError, NotEnoughData

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Anything with one name per observation; equal names belong together.
Groups = Sequence[str] | Sequence[int]


def check_level(level: float) -> None:
    """Raises InputError unless a confidence level lies strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise InputError(f"the confidence level is {level}; give a number between 0 and 1, for example 0.95")


def check_share(value: float, name: str) -> None:
    """Raises InputError unless a number lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise InputError(f"the {name} is {value}; give a number from 0 to 1")


def check_counts(successes: int, n: int, name: str = "successes") -> None:
    """Raises InputError unless 0 <= successes <= n, and NotEnoughData where n is 0."""
    if n < 0 or successes < 0 or successes > n:
        raise InputError(f"{successes} {name} among {n} observations; counts must satisfy 0 <= {name} <= n")
    if n == 0:
        raise NotEnoughData(f"there is no observation to count {name} in; at least one is needed")


def scores(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    """Finite numbers as a vector of float64, shape (n,), n >= 1.

    Raises InputError where a value is NaN or infinite or the shape is another, NotEnoughData where there is none.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise InputError(f"the {name} have {found.ndim} dimensions; give one number for each observation")
    if found.size == 0:
        raise NotEnoughData(f"there are no {name}; at least one observation is needed")
    bad = np.flatnonzero(~np.isfinite(found))
    if bad.size:
        raise InputError(
            f"{bad.size} of {found.size} {name} are NaN or infinite, the first at position {bad[0]}; "
            "leave unscored observations out and count them, or mend the scorer"
        )
    return found


def outcomes(values: ArrayLike, name: str = "outcomes") -> NDArray[np.float64]:
    """`scores` that are all 0 or 1."""
    found = scores(values, name)
    bad = np.flatnonzero((found != 0.0) & (found != 1.0))
    if bad.size:
        raise InputError(
            f"the {name} hold {found[bad[0]]} at position {bad[0]}; only 0 (wrong) and 1 (right) are allowed"
        )
    return found


def same_length(first: Sequence[object] | NDArray[np.float64], second: object, names: str) -> None:
    """Raises InputError unless two sequences have one item for each observation."""
    length = len(second) if isinstance(second, (Sequence, np.ndarray)) else -1
    if len(first) != length:
        raise InputError(f"{names} differ in length, {len(first)} and {length}; each observation needs both")


def group_codes(groups: Groups, n: int) -> NDArray[np.int64]:
    """The number of each observation's group, shape (n,), counted from 0 without gaps."""
    if len(groups) != n:
        raise InputError(f"there are {len(groups)} groups for {n} observations; give each observation its group")
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    return codes.astype(np.int64)
