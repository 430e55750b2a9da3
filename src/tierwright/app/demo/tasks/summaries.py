"""Shift summaries: an open-ended task with a system prompt of its own, from long notes to a free text.

Owns the prompt and how notes and summary belong together. The answers are reference texts; a good summary may read
quite differently, which is why this task is to stay on the frontier model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.app.demo.grammar import Grammar, sentence
from tierwright.app.demo.items import Item

if TYPE_CHECKING:
    from random import Random

_BOUND = ("order", "last", "first", "carrier", "city", "kind", "time", "number")

_SYSTEM = """You help the shift leads of the Brindlewick service desk. You get the notes of one shift, jotted down in a
hurry. Write the handover for the next shift: what happened, what was promised to whom, what has to be done first. Weigh
it: safety, money and promises come before routine. Be brief, but do not leave out a name, number or deadline that
somebody will need. Write for a colleague who was not there, in plain sentences."""


class SummarySource:
    """Draws the notes of shifts."""

    name = "shift-summary"
    error = None

    def __init__(self) -> None:
        """Read the phrases."""
        self._grammar = Grammar.load("names", "summaries")

    def draw(self, rng: Random) -> Item:
        """Draw the notes of one shift; its gold is one possible summary."""
        notes: dict[str, str] = {}
        events = self._grammar.sections("event.")
        for event in rng.sample(events, rng.randint(4, 11)):
            bound = {name: self._grammar.phrase(name, rng) for name in _BOUND}
            note, gist = self._grammar.phrase(event, rng, bound).split(" => ")
            notes[note] = gist
        told = [gist for gist in notes.values() if rng.random() < 0.8] or list(notes.values())
        rng.shuffle(told)
        parts = [sentence(gist) for gist in told]
        if rng.random() < 0.6:
            parts.insert(0, self._grammar.phrase("lead", rng))
        if rng.random() < 0.5:
            parts.append(self._grammar.phrase("open", rng))
        if len(told) < len(notes):
            parts.append(self._grammar.phrase("minor", rng))
        return Item(text="\n".join(notes), gold=rng.choice((" ", "\n- ")).join(parts))

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the request: a system prompt and the bare notes."""
        del version
        return {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": item.text}],
            "temperature": 0.3,
            "max_tokens": 400,
        }
