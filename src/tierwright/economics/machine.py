"""What an answer from one's own machine costs.

Owns the sum; refuses to know what runs on the machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from tierwright.core.errors import InputError, SettingsError

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCost:
    """A machine that is paid by the hour, busy or not.

    Raises SettingsError for a negative price or a utilisation outside (0, 1].
    """

    usd_per_hour: Decimal
    #: Share of the paid time in which it answers, in (0, 1]; the idle rest is spread over the answers.
    utilisation: float

    def __post_init__(self) -> None:
        if not (self.usd_per_hour.is_finite() and self.usd_per_hour >= 0):
            raise SettingsError(f"a machine costs {self.usd_per_hour} US dollars an hour; give a number, 0 or more")
        if not 0.0 < self.utilisation <= 1.0:
            raise SettingsError(
                f"the machine's utilisation is {self.utilisation}; give the share of time it is busy, at most 1"
            )

    def cost(self, busy_seconds: float) -> Decimal:
        """US dollars of answers that kept the whole machine busy for so long, idle time included.

        An answer that takes one of several cores counts with its share of the machine. Raises InputError for a time
        that is negative or not a number.
        """
        if not (math.isfinite(busy_seconds) and busy_seconds >= 0):
            raise InputError(f"a call kept the machine busy for {busy_seconds} seconds; the time must be 0 or more")
        return self.usd_per_hour * Decimal(repr(busy_seconds)) / _SECONDS_PER_HOUR / Decimal(repr(self.utilisation))

    def cost_of_calls(self, calls: int, *, calls_per_second: float) -> Decimal:
        """US dollars of so many calls at a measured throughput of the whole machine, idle time included."""
        if not (math.isfinite(calls_per_second) and calls_per_second > 0):
            raise InputError(f"the throughput is {calls_per_second} calls a second; measure it, it must be above 0")
        return self.cost(calls / calls_per_second)
