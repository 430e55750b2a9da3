"""Whether to answer a task oneself, how sure that is, and what would have to be true for it to be otherwise.

Owns the figures that a decision is made by, with intervals; refuses to know where assumptions come from. The decision
is `self-host` where the net present saving at the stated assumptions is above 0.

The value of every figure is that of the stated assumptions, so that it can be checked by hand; its interval holds the
middle of the draws (Monte Carlo over all ranges at once) and, always, the value. Where ranges are lopsided the value
may stand near an end: that says on which side the surprises are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.core.estimate import UsdEstimate
from tierwright.economics.assumptions import drawn, stated
from tierwright.economics.breakeven import break_even, own_monthly_usd
from tierwright.economics.hosting import MonthlyCost, SetupCost, api_usd, monthly_cost, setup_cost
from tierwright.economics.outlook import Outlook, outlook
from tierwright.economics.sensitivity import PriceFall, Swing, price_falls, swings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.random import Generator

    from tierwright.economics.assumptions import Assumption
    from tierwright.economics.hosting import Hosting

#: Enough for the ends of a 95 % interval to stand still to about a twentieth of its width.
DRAWS = 1000
_METHOD = "Monte Carlo, two-sided triangular ranges, percentiles"


class Decision(StrEnum):
    """What the stated assumptions come to."""

    SELF_HOST = "self-host"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRange:
    """A number that some draws do not have: a break-even that is never reached, a payback that does not come."""

    #: At the stated assumptions.
    value: Decimal
    ci_low: Decimal
    #: None: so many draws have no such number that there is no upper end.
    ci_high: Decimal | None
    level: float
    #: Draws, and the share of them that has the number.
    n: int
    share: float
    method: str = _METHOD


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A month of so many calls at the first month's prices, with its part of what is paid once."""

    calls: Decimal
    api_usd: Decimal
    own_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """What a decision is made by; amounts in US dollars."""

    decision: Decision
    #: Share of the draws with a net present saving above 0.
    pays_share: float
    #: The first month on the API alone, and on one's own with its part of what is paid once.
    api_monthly_usd: UsdEstimate
    own_monthly_usd: UsdEstimate
    #: What the own month consists of, and what is paid once.
    month: MonthlyCost
    setup: SetupCost
    #: Calls a month from which on one's own stays cheaper, and the first that pays; None: never.
    break_even_calls: NumberRange | None
    first_calls: NumberRange | None
    payback_months: NumberRange | None
    net_present_saving_usd: UsdEstimate
    outlook: Outlook
    #: Each assumption alone at the ends of its range, the widest swing first, with the values that flip the decision.
    swings: tuple[Swing, ...]
    price_falls: tuple[PriceFall, ...]
    curve: tuple[CurvePoint, ...]


def appraise(
    assumptions: Mapping[str, Assumption],
    rng: Generator,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Appraisal:
    """All figures; `progress` hears how many draws are done.

    Raises InputError for assumptions that are missing or impossible, or for too few draws.
    """
    if draws < 2 / (1 - level):
        raise InputError(f"{draws} draws have no ends of a {level:.0%} interval; take {math.ceil(2 / (1 - level))}")
    hosting = stated(assumptions)
    sums: list[_Sums] = []
    for one in drawn(assumptions, rng, draws):
        sums.append(_Sums.of(one))
        progress(len(sums), draws)
    value = _Sums.of(hosting)
    return Appraisal(
        decision=Decision.SELF_HOST if value.net_usd > 0 else Decision.API,
        pays_share=sum(one.net_usd > 0 for one in sums) / draws,
        api_monthly_usd=_usd(value.api_usd, [one.api_usd for one in sums], level),
        own_monthly_usd=_usd(value.own_usd, [one.own_usd for one in sums], level),
        month=monthly_cost(hosting, hosting.calls_per_month),
        setup=setup_cost(hosting, hosting.calls_per_month),
        break_even_calls=_range(value.stays, [one.stays for one in sums], level),
        first_calls=_range(value.first, [one.first for one in sums], level),
        payback_months=_range(value.payback, [one.payback for one in sums], level),
        net_present_saving_usd=_usd(value.net_usd, [one.net_usd for one in sums], level),
        outlook=outlook(hosting),
        swings=swings(assumptions),
        price_falls=price_falls(hosting),
        curve=_curve(hosting),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """What one draw comes to."""

    api_usd: Decimal
    own_usd: Decimal
    net_usd: Decimal
    first: Decimal | None
    stays: Decimal | None
    payback: Decimal | None

    @classmethod
    def of(cls, hosting: Hosting) -> _Sums:
        calls, even, ahead = hosting.calls_per_month, break_even(hosting), outlook(hosting)
        return cls(
            api_usd=api_usd(hosting, calls),
            own_usd=own_monthly_usd(hosting, calls),
            net_usd=ahead.net_present_saving_usd,
            first=None if even.first_calls is None else Decimal(even.first_calls),
            stays=None if even.stays_calls is None else Decimal(even.stays_calls),
            payback=ahead.payback_months,
        )


def _usd(value: Decimal, sample: Sequence[Decimal], level: float) -> UsdEstimate:
    low, high = _ends(sorted(sample), level)
    return UsdEstimate(
        value=value, ci_low=min(low, value), ci_high=max(high, value), level=level, n=len(sample), method=_METHOD
    )


def _range(value: Decimal | None, sample: Sequence[Decimal | None], level: float) -> NumberRange | None:
    if value is None:
        return None
    found = [one for one in sample if one is not None]
    # What is never reached lies beyond every number.
    low, high = _ends(sorted(found) + [Decimal("Infinity")] * (len(sample) - len(found)), level)
    return NumberRange(
        value=value,
        ci_low=min(low, value),
        ci_high=max(high, value) if high.is_finite() else None,
        level=level,
        n=len(sample),
        share=len(found) / len(sample),
    )


def _ends(ascending: Sequence[Decimal], level: float) -> tuple[Decimal, Decimal]:
    """The smallest interval of draws that leaves out at most (1 - level) / 2 on each side."""
    left_out = int(len(ascending) * (1 - level) / 2)
    return ascending[left_out], ascending[-1 - left_out]


def _curve(hosting: Hosting, points: int = 61) -> tuple[CurvePoint, ...]:
    """Volumes around the stated one and the break-even, evenly spaced by their logarithm."""
    even = break_even(hosting)
    around = [float(hosting.calls_per_month), *(float(n) for n in (even.first_calls, even.stays_calls) if n)]
    around = [n for n in around if n > 0] or [1.0]
    low, high = math.log10(min(around) / 10), math.log10(max(around) * 10)
    found = []
    for place in range(points):
        calls = Decimal(round(10 ** (low + (high - low) * place / (points - 1))))
        found.append(CurvePoint(calls=calls, api_usd=api_usd(hosting, calls), own_usd=own_monthly_usd(hosting, calls)))
    return tuple(found)
