"""The long tail: one-off requests of the staff, which are no task and which nothing can be learned from.

Owns how such a request is put together. The answers are filler that only looks like an answer; nothing says what would
be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.app.demo.grammar import Grammar
from tierwright.app.demo.items import Item

if TYPE_CHECKING:
    from random import Random


class LongTailSource:
    """Draws one-off requests."""

    name = "long-tail"
    error = None

    def __init__(self) -> None:
        """Read the phrases."""
        self._grammar = Grammar.load("names", "longtail")

    def draw(self, rng: Random) -> Item:
        """Draw one request with a filler answer."""
        system = self._grammar.phrase("persona", rng) if rng.random() < 0.25 else None
        answer = " ".join(self._grammar.phrase("answer", rng) for _ in range(rng.randint(1, 6)))
        return Item(
            text=self._grammar.phrase("ask", rng), gold=None, filler=f"[synthetic filler] {answer}", system=system
        )

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the request: the bare question, sometimes with a system message of its own."""
        del version
        messages = [{"role": "system", "content": item.system}] if item.system else []
        return {"model": "gpt-4o", "messages": [*messages, {"role": "user", "content": item.text}]}
