"""Whether asking a specialist first is cheaper than asking the frontier model at once.

Owns the sum and its rule. In a cascade the specialist's call is always paid, and the frontier model's too wherever the
specialist is not sure enough: c_w + (1 - a) c_s a request, against c_s. It is cheaper exactly where a > c_w / c_s.
Refuses to know how shares and costs were measured.

Source: the cost of a cascade as in section 2 of FrugalGPT (Chen, Zaharia and Zou 2023, arXiv 2305.05176).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.economics.savings import UsdRange

if TYPE_CHECKING:
    from tierwright.core.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeCost:
    """What a request costs either way, in US dollars."""

    #: Of the specialist alone, which is always paid.
    local_usd: Decimal
    #: Of the frontier model alone.
    frontier_usd: Decimal
    #: Share of requests that the specialist answers itself.
    local_share: Estimate
    #: Of a request to the cascade; the interval is that of the share.
    cascade_usd: UsdRange

    @property
    def saved_usd(self) -> UsdRange:
        """What a request saves; negative: it costs more than the frontier model alone."""
        cost, alone = self.cascade_usd, self.frontier_usd
        return UsdRange(value=alone - cost.value, low=alone - cost.high, high=alone - cost.low)

    @property
    def break_even_share(self) -> Decimal | None:
        """The local share from which the cascade is cheaper; above 1: never. None: the frontier model is free."""
        return self.local_usd / self.frontier_usd if self.frontier_usd else None

    @property
    def pays(self) -> bool:
        """Whether it costs no more than the frontier model alone, at the lower end of the share, too."""
        return self.cascade_usd.high <= self.frontier_usd


def cascade_cost(*, local_usd: Decimal, frontier_usd: Decimal, local_share: Estimate) -> CascadeCost:
    """What a request to the cascade costs. Raises InputError for a negative cost or a share outside [0, 1]."""
    for name, usd in (("specialist", local_usd), ("frontier model", frontier_usd)):
        if not (usd.is_finite() and usd >= 0):
            raise InputError(f"a request to the {name} costs {usd} US dollars; give a number, 0 or more")
    ends = (local_share.ci_low, local_share.value, local_share.ci_high)
    if not all(0.0 <= end <= 1.0 for end in ends):
        raise InputError(f"the local share is {local_share.value} {ends[0], ends[2]}; shares lie between 0 and 1")
    low, value, high = (local_usd + (1 - Decimal(repr(end))) * frontier_usd for end in reversed(ends))
    return CascadeCost(
        local_usd=local_usd,
        frontier_usd=frontier_usd,
        local_share=local_share,
        cascade_usd=UsdRange(value=value, low=low, high=high),
    )
