"""A measured number and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What every statistic returns."""

    #: The point estimate.
    value: float
    #: Lower end of the interval.
    ci_low: float
    #: Upper end of the interval.
    ci_high: float
    #: Confidence level of the interval, in (0, 1).
    level: float = 0.95
    #: Number of independent observations behind it.
    n: int
    #: The method, as its paper calls it.
    method: str


def as_percent(estimate: Estimate) -> str:
    """A share of 1 with its interval, in percent."""
    return f"{estimate.value:.1%} [{estimate.ci_low:.1%}, {estimate.ci_high:.1%}]"


def as_points(estimate: Estimate, *, digits: int = 1) -> str:
    """A difference of shares with its interval, in percentage points, signed."""
    value, low, high = (f"{100 * end:+.{digits}f}" for end in (estimate.value, estimate.ci_low, estimate.ci_high))
    return f"{value} points [{low}, {high}]"


def in_points(share: float) -> str:
    """A share of 1 as percentage points, with as many digits as it needs: 0.01 is "1 point"."""
    figure = f"{100 * share:g}"
    return f"{figure} point" if figure == "1" else f"{figure} points"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsdEstimate:
    """An amount of money that is not known exactly, in US dollars; fields as those of `Estimate`."""

    value: Decimal
    ci_low: Decimal
    ci_high: Decimal
    level: float = 0.95
    n: int
    method: str
