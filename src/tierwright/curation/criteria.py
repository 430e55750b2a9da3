"""What a criterion of the decision framework is: one figure of a task and the number it is held against.

Owns the shapes and how they are worded; refuses to know the rules (`framework` does) and to measure anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.core.contract import OutputContract
    from tierwright.core.estimate import Estimate, UsdEstimate
    from tierwright.core.profile import Action, TaskProfile
    from tierwright.economics.action_savings import LocalCosts


class Relation(StrEnum):
    """How a figure must stand to the number."""

    AT_LEAST = "≥"
    AT_MOST = "≤"
    ABOVE = ">"
    BELOW = "<"

    def holds(self, figure: float, number: float) -> bool:
        """Whether it does."""
        if self is Relation.AT_LEAST:
            return figure >= number
        if self is Relation.AT_MOST:
            return figure <= number
        return figure > number if self is Relation.ABOVE else figure < number


class Unit(StrEnum):
    """What a figure is counted in."""

    SHARE = "share"
    USD = "usd"
    COUNT = "count"
    #: 1: yes, 0: no.
    TRUTH = "truth"

    def say(self, number: float) -> str:
        """The number for people."""
        if self is Unit.SHARE:
            return f"{100 * number:.3g} %"
        if self is Unit.USD:
            return f"{'-' if number < 0 else ''}${abs(number):,.2f}"
        if self is Unit.TRUTH:
            return "yes" if number else "no"
        return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the criteria are asked of: a task as measured, and what the ways to go would save."""

    profile: TaskProfile
    contract: OutputContract
    costs: LocalCosts
    #: What is expected of a specialist; None: the answers are open.
    local_share: Estimate | None
    #: By the code of the rule; None: not known, or no saving is the point of it.
    savings: Mapping[str, UsdEstimate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One figure and the number it is held against."""

    code: str
    #: What is measured, for people; ends of intervals are named.
    text: str
    #: None: not measured.
    figure: Callable[[Case], float | None]
    relation: Relation
    number: float
    unit: Unit
    #: Why this number.
    why: str
    #: Whether it counts as met where the figure was not measured.
    if_unknown: bool = False

    def met(self, case: Case) -> bool:
        """Whether the figure stands to the number as it must."""
        found = self.figure(case)
        return self.if_unknown if found is None else self.relation.holds(found, self.number)

    def say(self, case: Case) -> str:
        """The figure and the number, in a clause."""
        found = self.figure(case)
        have = "not measured" if found is None else self.unit.say(found)
        return f"{self.text}: {have} (asked: {self.asked}) [{self.code}]"

    @property
    def asked(self) -> str:
        """The relation and the number."""
        if self.unit is Unit.TRUTH:
            return self.unit.say(self.number)
        return f"{self.relation.value} {self.unit.say(self.number)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Criteria that lead to an action together."""

    code: str
    action: Action
    #: In a few words: when.
    when: str
    #: What to do, for people.
    text: str
    criteria: tuple[Criterion, ...]

    def holds(self, case: Case) -> bool:
        """Whether all its criteria are met."""
        return all(criterion.met(case) for criterion in self.criteria)
