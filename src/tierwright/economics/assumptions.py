"""What is assumed, how far each assumption may be off, and who says so.

Owns an assumption with its range and its source, and draws from ranges; refuses to know what is computed from them.
Assumptions are drawn independently of each other. A range is cut in two at the stated value; each side has half the
probability, densest at the value and falling to nothing at the end. So the stated value is the median, nothing beyond
the ends is ever drawn, and a range may be lopsided.

References:
    Kotz and van Dorp (2004), Beyond Beta, World Scientific, chapters 1 and 3: triangular and two-sided distributions as
    a stand-in where only a range and a likely value are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.economics.hosting import QUANTITIES, Hosting, checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.random import Generator

#: Digits of a drawn value; ranges are known to fewer.
_DRAWN = Context(prec=9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """A value and the range it lies in, in the unit of its quantity.

    Raises InputError for an unknown name, a value it can't have, a range that does not hold the value, or a range of a
    quantity that is a count.
    """

    name: str
    value: Decimal
    low: Decimal
    high: Decimal
    #: Who says so, for people.
    source: str

    def __post_init__(self) -> None:
        for end in (self.low, self.value, self.high):
            checked(self.name, end)
        if not self.low <= self.value <= self.high:
            raise InputError(f"{self.name}: the value {self.value} is not in its range, {self.low} to {self.high}")
        if self.uncertain and QUANTITIES[self.name].whole:
            raise InputError(f"{self.name} is a count and needs no range; give one number")

    @property
    def uncertain(self) -> bool:
        """Whether it has a range."""
        return self.low < self.high


def exactly(name: str, value: Decimal, source: str) -> Assumption:
    """An assumption without a range."""
    return Assumption(name=name, value=value, low=value, high=value, source=source)


def between(name: str, low: Decimal, value: Decimal, high: Decimal, source: str) -> Assumption:
    """An assumption with a range."""
    return Assumption(name=name, value=value, low=low, high=high, source=source)


def read(name: str, text: str, source: str) -> Assumption:
    """An assumption as people write it: `0.02`, or with its range `0.01 .. 0.02 .. 0.05`. Raises InputError."""
    parts = [part.strip() for part in text.split("..")]
    if len(parts) not in {1, 3}:
        raise InputError(f"{name} is {text!r}; write it as 0.02, or with its range as 0.01 .. 0.02 .. 0.05")
    numbers: list[Decimal] = []
    for part in parts:
        try:
            numbers.append(Decimal(part))
        except ArithmeticError as error:
            raise InputError(f"{name} is {text!r}, and {part!r} is no number; write it as 0.02") from error
    return (
        exactly(name, numbers[0], source)
        if len(numbers) == 1
        else between(name, numbers[0], numbers[1], numbers[2], source)
    )


def stated(assumptions: Mapping[str, Assumption]) -> Hosting:
    """Everything as stated. Raises InputError where an assumption without a default is missing."""
    return _hosting({name: found.value for name, found in assumptions.items()})


def with_value(assumptions: Mapping[str, Assumption], name: str, value: Decimal) -> Hosting:
    """Everything as stated, but for one."""
    return _hosting({key: found.value for key, found in assumptions.items()} | {name: value})


def drawn(assumptions: Mapping[str, Assumption], rng: Generator, draws: int) -> Iterator[Hosting]:
    """So many draws of everything that has a range, the rest as stated."""
    fixed = {name: found.value for name, found in assumptions.items()}
    uncertain = [found for found in assumptions.values() if found.uncertain]
    for _ in range(draws):
        # Both numbers of each assumption, in order: an added one doesn't change the draws of those before it.
        uniform = rng.random((len(uncertain), 2))
        yield _hosting(fixed | {a.name: _value(a, *pair) for a, pair in zip(uncertain, uniform.tolist(), strict=True)})


def _value(assumption: Assumption, side: float, uniform: float) -> Decimal:
    end = assumption.low if side < 0.5 else assumption.high
    away = Decimal(1.0 - math.sqrt(1.0 - uniform))
    return _DRAWN.plus(assumption.value + (end - assumption.value) * away)


def _hosting(values: Mapping[str, Decimal]) -> Hosting:
    missing = [name for name in ("calls_per_month", "api_usd_per_call", "calls_per_second") if name not in values]
    if missing:
        raise InputError(
            f"nothing says {', '.join(f'{name} ({QUANTITIES[name].about})' for name in missing)}; "
            "state it, take a scenario, or name a task with captured traffic"
        )
    return Hosting(**dict(values))
