"""How likely a paired comparison is to prove non-inferiority, before it is made.

Owns power and sample size of the score test at a margin; refuses to know where the assumed discordance comes from.

References:
    Nam (1997), Establishing equivalence of two treatments and sample size requirements in matched-pairs design,
        Biometrics 53:1422-1430.
    Liu, Hsueh, Hsieh and Chen (2002), Tests for equivalence or non-inferiority for paired binary data, Statistics in
        Medicine 21:231-245.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, check_share
from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.paired import constrained_baseline_only, tango_excess


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDesign:
    """What is assumed about a paired comparison that has not been made yet.

    Raises InputError where the numbers contradict each other.
    """

    #: Share of examples on which exactly one of the two is right.
    discordance: float
    #: Share that may be given up, for example 0.01.
    margin: float
    #: True difference, candidate minus baseline; 0: they are equally good.
    difference: float = 0.0
    #: Level of the two-sided interval whose lower end must lie above minus the margin.
    level: float = 0.95

    def __post_init__(self) -> None:
        check_level(self.level)
        check_share(self.discordance, "discordance")
        if not 0.0 < self.margin < 1.0:
            raise InputError(f"the margin is {self.margin}; give a number between 0 and 1, for example 0.01")
        if abs(self.difference) > self.discordance:
            raise InputError(
                f"a difference of {self.difference} needs a discordance of at least {abs(self.difference)}, "
                f"not {self.discordance}"
            )

    @property
    def candidate_only(self) -> float:
        """Share of examples only the candidate gets right."""
        return (self.discordance + self.difference) / 2

    @property
    def baseline_only(self) -> float:
        """Share of examples only the baseline gets right."""
        return (self.discordance - self.difference) / 2

    @property
    def critical(self) -> float:
        """The critical value of the one-sided test at the lower end."""
        return float(ndtri(0.5 + self.level / 2))

    def spreads(self) -> tuple[float, float]:
        """Standard deviation per example of the difference: if it were minus the margin, and as assumed."""
        share = float(constrained_baseline_only(self.candidate_only, self.baseline_only, 1.0, -self.margin))
        at_margin = 2 * share - self.margin * (1 + self.margin)
        return math.sqrt(max(at_margin, 0.0)), math.sqrt(max(self.discordance - self.difference**2, 0.0))


def power(design: PairedDesign, n: int) -> Estimate:
    """The probability that n examples come out non-inferior (or better), by normal approximation of the score test.

    A calculation, not a measurement: its interval has no width. `simulated_power` says how good the approximation is.
    """
    if n < 1:
        raise InputError(f"a comparison of {n} examples is none; plan at least one")
    at_margin, assumed = design.spreads()
    room = (design.difference + design.margin) * math.sqrt(n) - design.critical * at_margin
    value = float(ndtr(room / assumed)) if assumed > 0 else float(room > 0)
    return Estimate(
        value=value, ci_low=value, ci_high=value, level=design.level, n=n, method="normal approximation (Nam 1997)"
    )


def sample_size(design: PairedDesign, *, target: float = 0.8) -> int:
    """The fewest examples that come out non-inferior with probability `target`, by the same approximation.

    Raises InputError where the assumed difference is at or below minus the margin: no number of examples would do.
    """
    check_level(target)
    gap = design.difference + design.margin
    if gap <= 0:
        raise InputError(
            f"a candidate whose difference is {design.difference} can't be shown to lie above {-design.margin}; "
            "assume a better candidate or allow a wider margin"
        )
    at_margin, assumed = design.spreads()
    root = (design.critical * at_margin + float(ndtri(target)) * assumed) / gap
    return max(1, math.floor(root * root) + 1) if root > 0 else 1


def simulated_power(
    design: PairedDesign, n: int, generator: np.random.Generator, *, simulations: int = 4_000
) -> Estimate:
    """The same probability, counted over simulated comparisons with Tango's test; `n` is the number of simulations."""
    if n < 1 or simulations < 1:
        raise InputError(f"{simulations} simulations of {n} examples are none; ask for at least one of each")
    shares = [design.candidate_only, design.baseline_only, 1 - design.discordance]
    drawn = generator.multinomial(n, shares, size=simulations)
    passed = tango_excess(drawn[:, 0], drawn[:, 1], n, -design.margin, design.critical) > 0
    counted = clopper_pearson(int(np.count_nonzero(passed)), simulations, level=design.level)
    return Estimate(
        value=counted.value,
        ci_low=counted.ci_low,
        ci_high=counted.ci_high,
        level=design.level,
        n=simulations,
        method="simulation of the Tango score test",
    )
