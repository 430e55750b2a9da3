"""Order intake: products, people, places and references, copied from the e-mails of business customers.

Owns the lists, the prompt and the make-up of an e-mail. A simulated mistake loses one string or cuts it short. The
ceiling is 100 %: the convention of the prompt settles every string, though not always obviously.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tierwright.app.demo.grammar import Expansion, Grammar, sentence
from tierwright.app.demo.items import ErrorProcess, Item
from tierwright.app.demo.noise import wear

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

#: Phrase section -> list of the answer.
ENTITIES: Mapping[str, str] = {
    "product": "products",
    "person": "people",
    "place": "places",
    "reference": "references",
}
GERMAN_SHARE = 0.25
_WORD = re.compile(r"[^\W\d_]+")

_SYSTEM = """You read the order e-mails that shops and clubs send to Brindlewick and fill in the intake form.

Copy strings exactly as they stand in the e-mail, each one once, in the order in which they first appear. An empty list
where there is nothing. Fields:
products: names of our products, with the model name, without quantities; "the tents" alone is no product name
people: everybody who is named, senders and greeted colleagues too, with a title if there is one
places: towns, or complete addresses where street and town are given
references: order, quotation or customer numbers

Return JSON: {"products": [...], "people": [...], "places": [...], "references": [...]}"""


class OrderSource:
    """Draws order e-mails."""

    name = "order-entities"
    error = ErrorProcess(rate=0.08, ambiguous_rate=0.12, ambiguous_share=0.5)

    def __init__(self) -> None:
        """Read the phrases."""
        self._grammar = Grammar.load("names", "orders")

    def draw(self, rng: Random) -> Item:
        """Draw one e-mail; its gold is the JSON answer with four lists of strings."""
        german = rng.random() < GERMAN_SHARE
        language, hello, bye = ("de", "hallo", "ciao") if german else ("en", "hello", "bye")
        # Half of the e-mails are long; these are the ambiguous ones, in which something is overlooked more often.
        long = rng.random() < self.error.ambiguous_share
        parts: list[Expansion] = []
        opening = [self._grammar.expand(hello, rng)] if rng.random() < 0.7 else []
        for _ in range(rng.choice((2, 3, 4)) if long else 1):
            parts.append(self._grammar.expand(f"line.{language}", rng))
            if rng.random() < 0.35:
                parts.append(self._grammar.expand(f"aside.{language}", rng))
        ending = [self._grammar.expand(bye, rng)] if rng.random() < 0.6 else []
        found = _entities([*opening, *parts, *ending])
        words = frozenset(_WORD.findall(json.dumps(found, ensure_ascii=False)))
        body = " ".join(sentence(part.text) for part in parts)
        text = "\n".join([*(part.text for part in opening), body, *(part.text for part in ending)])
        return Item(
            text=wear(text, rng, slips=rng.choice((0.0, 0.03)), protected=words | {"Ms", "Mr", "Mrs"}),
            gold=json.dumps(found, ensure_ascii=False),
            confusable=tuple(json.dumps(damaged, ensure_ascii=False) for damaged in _damaged(found)),
            ambiguous=long,
        )

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the request: a system prompt and the bare e-mail."""
        del version
        return {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": item.text}],
            "temperature": 0,
            "response_format": {"type": "json_object"},
        }


def _entities(parts: list[Expansion]) -> dict[str, list[str]]:
    """Collect the strings of every list, in order of appearance, without repetitions."""
    found: dict[str, list[str]] = {name: [] for name in ENTITIES.values()}
    for part in parts:
        for section, text in part.slots:
            strings = found.get(ENTITIES.get(section, ""))
            if strings is not None and text not in strings:
                strings.append(text)
    return found


def _damaged(found: Mapping[str, list[str]]) -> list[dict[str, list[str]]]:
    """Build every answer with one string lost, and every one with a string of several words cut short."""
    damaged = []
    for name, strings in found.items():
        for at, string in enumerate(strings):
            damaged.append({**found, name: strings[:at] + strings[at + 1 :]})
            if " " in string:
                short = string.rsplit(" ", 1)[0].rstrip(",")
                damaged.append({**found, name: [*strings[:at], short, *strings[at + 1 :]]})
    return damaged
