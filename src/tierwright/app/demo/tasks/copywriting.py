"""Product copy: a few English sentences within a template, written from the attributes of a product.

Owns the attributes, the prompt and the template. The answers are the reference texts: there are no mistakes in them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tierwright.app.demo.grammar import Grammar
from tierwright.app.demo.items import Item

if TYPE_CHECKING:
    from random import Random

ATTRIBUTES = ("kind", "use", "colour", "weight", "material", "feature", "price")

_SYSTEM = """You write the short product texts of the Brindlewick web shop.

The user sends the attributes of one product as JSON. Write three to five short English sentences: first what it is and
for what, last the price. Mention no attribute that is not given and change no figure. Plain text, one paragraph."""


class CopySource:
    """Draws products."""

    name = "product-copy"
    error = None

    def __init__(self) -> None:
        """Read the phrases."""
        self._grammar = Grammar.load("names", "copy")

    def draw(self, rng: Random) -> Item:
        """Draw the attributes of one product; its gold is the copy."""
        product = {"name": self._grammar.phrase("model", rng)}
        product |= {attribute: self._grammar.phrase(attribute, rng) for attribute in ATTRIBUTES}
        copy = self._grammar.phrase("copy", rng, product)
        shown = {key: value for key, value in product.items() if value in copy}
        if rng.random() < 0.3:
            key, value = self._grammar.phrase("extra", rng).split(": ")
            shown[key] = value
        return Item(text=json.dumps(shown, ensure_ascii=False), gold=copy)

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the request: a system prompt and the attributes as JSON."""
        del version
        return {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": item.text}],
            "temperature": 0.7,
        }
