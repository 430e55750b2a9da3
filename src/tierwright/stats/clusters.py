"""How much less observations tell that come in groups: near-duplicates, repeats, turns of one conversation.

Owns the effective number of observations; refuses to know which interval is made of it.

The members of a group are counted as copies of one another. That is the largest loss their sizes allow, so an interval
made of it covers as often as it does for independent observations, or more often, however alike the members really are.
Estimating the loss from the data instead (Rao and Scott 1992) gives shorter intervals that miss far too often where few
groups hold the errors: `benchmarks/intervals.py` shows both. Where most groups have one member they hardly differ.

References:
    Kish (1965), Survey Sampling, Wiley: the design effect of unequal clusters.
    Rao and Scott (1992), A simple method for the analysis of clustered binary data, Biometrics 48:577-585: dividing
        counts by the design effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def design_effect(codes: NDArray[np.int64]) -> float:
    """The factor by which grouping may inflate the variance of a mean: sum of squared group sizes over observations.

    `codes` holds the number of each observation's group, shape (n,), n >= 1. The result is 1 where every group has one
    member, n where all observations are one group.
    """
    sizes = np.bincount(codes).astype(np.float64)
    return float((sizes**2).sum() / sizes.sum())
