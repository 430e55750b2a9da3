"""What answering a task oneself saves over the months to come.

Owns the sum month by month: calls grow, prices fall, later money counts less. Refuses to know how sure any of it is
(`appraisal` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.economics.hosting import (
    Terms,
    machine_usd,
    monthly,
    rent_usd,
    setup_cost,
)

if TYPE_CHECKING:
    from tierwright.economics.hosting import Hosting

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One month in which the specialist serves, in that month's dollars."""

    calls: Decimal
    #: What the API alone would have cost.
    api_usd: Decimal
    #: What one's own costs, the rest that the API still gets included.
    own_usd: Decimal
    machines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The months looked at, and what they come to."""

    setup_usd: Decimal
    months: tuple[Month, ...]
    #: Savings of all months less what is paid once, each month's end discounted to the beginning; negative: a loss.
    net_present_saving_usd: Decimal
    #: Months after which what was paid once has come back, without interest; None: not in the months looked at.
    payback_months: Decimal | None


def outlook(hosting: Hosting) -> Outlook:
    """What the months to come save."""
    setup = setup_cost(hosting, hosting.calls_per_month).total_usd
    terms, growth = Terms.of(hosting), 1 + hosting.growth_per_month
    api_falls = monthly(1 - hosting.api_price_fall_per_year)
    rent_falls = monthly(1 - hosting.machine_price_fall_per_year)
    interest = monthly(1 + hosting.discount_per_year)
    api_price, rent = hosting.api_usd_per_call, rent_usd(hosting)
    standing = machine_usd(hosting) - rent
    calls, api_factor, worth = hosting.calls_per_month, _ONE, _ONE
    months: list[Month] = []
    net, balance = -setup, -setup
    payback: Decimal | None = None
    for done in range(int(hosting.horizon_months)):
        machines = terms.machines(calls)
        month = Month(
            calls=calls,
            api_usd=calls * api_price,
            own_usd=terms.total_usd(calls, machines, one_machine_usd=standing + rent, api_factor=api_factor),
            machines=machines,
        )
        months.append(month)
        saving, worth = month.api_usd - month.own_usd, worth / interest
        if payback is None and balance + saving >= 0:
            payback = done - (balance / saving if saving else Decimal(0))
        balance, net = balance + saving, net + saving * worth
        calls, rent = calls * growth, rent * rent_falls
        api_price, api_factor = api_price * api_falls, api_factor * api_falls
    return Outlook(setup_usd=setup, months=tuple(months), net_present_saving_usd=net, payback_months=payback)
