"""What would have to be true: each assumption alone, moved through its range and beyond until the decision flips.

Owns one-at-a-time sensitivity; refuses to vary two assumptions together (the draws of `appraisal` vary all). Where
machines come whole the saving can change its sign more than once: the values given are the nearest found on a grid.

References:
    Eschenbach (1992), Spiderplots versus tornado diagrams for sensitivity analysis, Interfaces 22(6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.economics.assumptions import with_value
from tierwright.economics.breakeven import break_even
from tierwright.economics.hosting import MONTHS_PER_YEAR, QUANTITIES
from tierwright.economics.outlook import outlook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierwright.economics.assumptions import Assumption
    from tierwright.economics.hosting import Hosting

#: Yearly falls of the API's price that are shown.
FALLS = tuple(Decimal(text) for text in ("0", "0.25", "0.5", "0.75", "0.9"))
#: Values tried beyond the stated one: multiples of it; parts of the way to an end; the same where it is 0.
_TIMES = tuple(Decimal(text) for text in ("1.2", "1.6", "2.5", "5", "10", "100", "1000"))
_PARTS = tuple(Decimal(text) for text in ("0.1", "0.25", "0.5", "0.75", "0.9", "0.97", "1"))
_PARTS_OF_MUCH = tuple(Decimal(10) ** -power for power in range(6, -1, -1))
#: Halvings between two of them: to a part in 60,000 of the way.
_HALVINGS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """The net present saving, in US dollars, as one assumption changes and the others stand as stated."""

    name: str
    value: Decimal
    low: Decimal
    high: Decimal
    #: At the ends of the range.
    low_usd: Decimal
    high_usd: Decimal
    #: The nearest values below and above the stated one at which the decision flips; None: none does.
    flips_below: Decimal | None
    flips_above: Decimal | None

    @property
    def width_usd(self) -> Decimal:
        """How far the saving moves within the range."""
        return abs(self.high_usd - self.low_usd)

    @property
    def flips_within(self) -> bool:
        """Whether the decision flips inside the range, so that knowing better would matter."""
        below, above = self.flips_below, self.flips_above
        return (below is not None and below >= self.low) or (above is not None and above <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFall:
    """What remains where the API's price falls by this share every year."""

    fall_per_year: Decimal
    net_present_saving_usd: Decimal
    payback_months: Decimal | None
    #: Calls a month from which on one's own stays cheaper at the price of the last month; None: never.
    last_break_even_calls: int | None


def swings(assumptions: Mapping[str, Assumption]) -> tuple[Swing, ...]:
    """Each assumption that has a range or flips the decision, the widest swing first, then by name."""
    found = [_swing(assumptions, one) for one in assumptions.values()]
    kept = [s for s in found if s.width_usd or s.flips_below is not None or s.flips_above is not None]
    return tuple(sorted(kept, key=lambda swing: (-swing.width_usd, swing.name)))


def price_falls(hosting: Hosting, falls: tuple[Decimal, ...] = FALLS) -> tuple[PriceFall, ...]:
    """What remains at each yearly fall of the API's price."""
    found = []
    for fall in falls:
        ahead = outlook(replace(hosting, api_price_fall_per_year=fall))
        years = (hosting.horizon_months - 1) / MONTHS_PER_YEAR
        last = replace(hosting, api_usd_per_call=hosting.api_usd_per_call * (1 - fall) ** years)
        found.append(
            PriceFall(
                fall_per_year=fall,
                net_present_saving_usd=ahead.net_present_saving_usd,
                payback_months=ahead.payback_months,
                last_break_even_calls=break_even(last).stays_calls,
            )
        )
    return tuple(found)


def _swing(assumptions: Mapping[str, Assumption], one: Assumption) -> Swing:
    def saving(value: Decimal) -> Decimal:
        return outlook(with_value(assumptions, one.name, value)).net_present_saving_usd

    quantity, at_value = QUANTITIES[one.name], saving(one.value)
    ends = (None, None) if quantity.whole else (quantity.low, quantity.high)
    below, above = (None if end is None else _flip(saving, one.value, end, pays=at_value > 0) for end in ends)
    return Swing(
        name=one.name,
        value=one.value,
        low=one.low,
        high=one.high,
        low_usd=saving(one.low) if one.uncertain else at_value,
        high_usd=saving(one.high) if one.uncertain else at_value,
        flips_below=below,
        flips_above=above,
    )


def _flip(saving: Callable[[Decimal], Decimal], value: Decimal, end: Decimal, *, pays: bool) -> Decimal | None:
    """Where the decision flips between the stated value and an end: the nearest value found beyond it."""
    near = value
    for far in _values(value, end):
        if (saving(far) > 0) != pays:
            same, other = near, far
            for _ in range(_HALVINGS):
                middle = (same + other) / 2
                same, other = (same, middle) if (saving(middle) > 0) != pays else (middle, other)
            return other
        near = far
    return None


def _values(value: Decimal, end: Decimal) -> Iterator[Decimal]:
    """Values from the stated one (left out) to an end, the nearest first, denser where less changes much."""
    if value == end:
        return
    if abs(end) > abs(value) > 0 and (end > 0) == (value > 0):
        yield from (far for times in _TIMES if abs(far := value * times) < abs(end))
        yield end
    else:
        yield from (value + (end - value) * part for part in (_PARTS if value else _PARTS_OF_MUCH))
