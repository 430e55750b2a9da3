"""What one request of the synthetic traffic holds before it becomes JSON, and the error process of the incumbent.

Owns the statement of how often and where the simulated incumbent errs. Refuses to know any task's texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

#: How a logged answer came about: the right answer damaged by the stated error process; the right answer itself, in
#: tasks of free text; or filler, where nothing says what would be right.
SIMULATED, REFERENCE, PLACEHOLDER = "simulated", "reference", "placeholder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One input with its right answer, as its task's source drew it."""

    #: The variable part of the prompt.
    text: str
    #: The right answer, exactly as the text of a message; None: nothing says what would be right.
    gold: str | None
    #: Plausible wrong answers, one of which a mistaken incumbent gives; empty: it makes no mistakes here.
    confusable: tuple[str, ...] = ()
    #: Whether the text gives room for more than one reading; the incumbent errs more often there.
    ambiguous: bool = False
    #: What the incumbent says where `gold` is None.
    filler: str | None = None
    #: A system message of this request's own; None: the task's prompt decides.
    system: str | None = None


class Source(Protocol):
    """A task: draws inputs and puts them into requests."""

    @property
    def name(self) -> str:
        """Name of the task in the key."""

    @property
    def error(self) -> ErrorProcess | None:
        """How the incumbent errs; None: its answers are the reference or filler."""

    def draw(self, rng: Random) -> Item:
        """Draw the next input."""

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the exact chat.completions request that asks for `item` in the prompt's wording `version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorProcess:
    """A simulated incumbent: right, but for a stated share of mistakes that lean towards ambiguous texts."""

    #: Share of wrong answers over all requests.
    rate: float
    #: Share of wrong answers among ambiguous texts.
    ambiguous_rate: float
    #: Share of ambiguous texts that the task's source draws.
    ambiguous_share: float

    @property
    def clear_rate(self) -> float:
        """Share of wrong answers among the other texts, which makes `rate` come true."""
        clear_share = 1.0 - self.ambiguous_share
        return (self.rate - self.ambiguous_share * self.ambiguous_rate) / clear_share

    def answer(self, item: Item, rng: Random) -> str:
        """Give the incumbent's answer to `item`: its gold or one of its confusable answers."""
        if item.gold is None:
            raise ValueError("an item without a right answer can't be answered rightly or wrongly")
        chance = self.ambiguous_rate if item.ambiguous else self.clear_rate
        if item.confusable and rng.random() < chance:
            return rng.choice(item.confusable)
        return item.gold


def pick(weights: Mapping[str, float], rng: Random) -> str:
    """Draw one key of `weights` in proportion to its value."""
    return rng.choices(tuple(weights), tuple(weights.values()))[0]
