"""From which volume on answering a task oneself is cheaper than the API.

Owns the exact solution over whole machines; refuses to simulate. What is paid once is spread evenly over the months
looked at, prices are those of the first month, and no interest is counted: the later prices are `outlook`'s.

The cost of one's own rises in steps of one machine and with every call that the API still gets. Where k machines are
needed, the saving of a month is N c - (k + s) M - F: c is what a call saves, s are the spare machines, M is one
machine's month, F what is paid anyway. It grows with N within a step and falls by M from one step to the next, so it
may turn negative again: there is a first volume that pays and one from which on every volume does. Both exist only
where a full machine saves more than it costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from tierwright.economics.hosting import (
    Hosting,
    api_usd,
    capacity_calls,
    machine_usd,
    monthly_cost,
    setup_cost,
)

#: Beyond it no volume is looked for.
_MOST_CALLS = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Calls a month; None: no volume does."""

    #: The smallest volume at which one's own costs no more than the API.
    first_calls: int | None
    #: The smallest from which on every larger one costs no more, either.
    stays_calls: int | None


def monthly_saving_usd(hosting: Hosting, calls: Decimal) -> Decimal:
    """What a month of so many calls saves at the first month's prices, with its part of what is paid once."""
    return api_usd(hosting, calls) - own_monthly_usd(hosting, calls)


def own_monthly_usd(hosting: Hosting, calls: Decimal) -> Decimal:
    """What a month of so many calls costs on one's own machines, with its part of what is paid once."""
    spread = setup_cost(hosting, calls).total_usd / hosting.horizon_months
    return monthly_cost(hosting, calls).total_usd + spread


def break_even(hosting: Hosting) -> BreakEven:
    """The volumes from which one's own costs no more than the API."""
    steps = _Steps(hosting)
    return BreakEven(first_calls=steps.found(steps.first()), stays_calls=steps.found(steps.stays()))


class _Steps:
    """The saving as a function of the volume, step by step."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._capacity = capacity_calls(hosting)
        self._per_call = hosting.api_usd_per_call * hosting.saved_calls_share - hosting.judged_usd_per_call
        self._machine = machine_usd(hosting) * (1 + hosting.trial_months / hosting.horizon_months)
        # What no volume changes: the cost of no calls, less the one machine that is there for them.
        self._fixed = own_monthly_usd(hosting, Decimal(0)) - self._machine

    @property
    def _margin(self) -> Decimal:
        """What a full machine saves."""
        return self._capacity * self._per_call - self._machine

    def first(self) -> int | None:
        """The smallest volume with a saving of 0 or more."""
        if self._machine + self._fixed <= 0 <= self._per_call:
            return 0
        if self._margin > 0:
            return self._crossing(max(1, _ceiling(self._fixed / self._margin)))
        # The last call that a machine bears may just pay for it, and for nothing else.
        return self._capacity if not self._margin and self._fixed <= 0 and self._per_call > 0 else None

    def stays(self) -> int | None:
        """The smallest volume from which on no saving is below 0."""
        if self._margin < 0 or (self._margin == 0 and self._machine > 0) or self._per_call < 0:
            return None
        if self._machine == 0:
            return self.first()
        # From this step on even its first call finds the machine paid for.
        paid = max(2, _ceiling((self._capacity * self._per_call - self._per_call + self._fixed) / self._margin))
        before = self._crossing(paid - 1)
        return before if before <= (paid - 1) * self._capacity else (paid - 1) * self._capacity + 1

    def found(self, calls: int | None) -> int | None:
        """A volume as the sums have it, to the call: division rounds."""
        if calls is None or calls > _MOST_CALLS:
            return None
        start = (calls - 1) // self._capacity * self._capacity + 1 if calls else 0
        while calls > max(start, 1) and monthly_saving_usd(self._hosting, Decimal(calls - 1)) >= 0:
            calls -= 1
        while monthly_saving_usd(self._hosting, Decimal(calls)) < 0 and calls % self._capacity:
            calls += 1
        return calls

    def _crossing(self, step: int) -> int:
        """Where the saving of a step's line reaches 0, or where the step begins."""
        begins = (step - 1) * self._capacity + 1 if step > 1 else 0
        return max(begins, _ceiling((self._machine * step + self._fixed) / self._per_call))


def _ceiling(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING))
