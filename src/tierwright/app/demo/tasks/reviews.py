"""Review sentiment: one label for a product review that stands in the middle of a single user message.

Owns the labels, the prompt and the make-up of a review. About 10 % of the reviews are ambiguous (a small reservation in
praise or the reverse, irony); in 15 % of these the right label is the other one, because the people who read them did
not agree either. Hence the ceiling of 98.5 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.app.demo.grammar import Grammar, sentence
from tierwright.app.demo.items import ErrorProcess, Item, pick
from tierwright.app.demo.noise import wear

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

#: Relative volume of the labels.
LABELS: Mapping[str, float] = {"positive": 44, "negative": 24, "mixed": 18, "not_about_product": 14}
#: The labels each one is most easily taken for.
CONFUSABLE: Mapping[str, tuple[str, ...]] = {
    "positive": ("mixed",),
    "negative": ("mixed", "not_about_product"),
    "mixed": ("positive", "negative"),
    "not_about_product": ("negative", "positive"),
}
AMBIGUOUS_SHARE = 0.10
#: How often the right label of an ambiguous review is the one it may be taken for.
CONTESTED = 0.15

_PROMPT = """Below is a review that a customer left in the Brindlewick web shop. Say what it tells us about the product.

positive - the writer is satisfied with the product
negative - the writer is dissatisfied with the product
mixed - real praise and real criticism of the product, neither of them a side remark
not_about_product - it only speaks of delivery, service, prices, the shop or the web site

--- review ---
{text}
--- end of review ---

Reply with one of the four labels and nothing else."""


class ReviewSource:
    """Draws reviews."""

    name = "review-sentiment"
    error = ErrorProcess(rate=0.08, ambiguous_rate=0.30, ambiguous_share=AMBIGUOUS_SHARE)

    def __init__(self) -> None:
        """Read the phrases."""
        self._grammar = Grammar.load("names", "reviews")

    def draw(self, rng: Random) -> Item:
        """Draw one review; its gold is the label."""
        bound = {"thing": self._grammar.phrase("thing", rng)}
        ambiguous = rng.random() < AMBIGUOUS_SHARE
        if ambiguous:
            label, rival, clauses = self._ambiguous(bound, rng)
            gold = rival if rng.random() < CONTESTED else label
            confusable: tuple[str, ...] = (label if gold == rival else rival,)
        else:
            gold = pick(LABELS, rng)
            confusable = CONFUSABLE[gold]
            clauses = self._clear(gold, bound, rng)
        text = " ".join(sentence(clause) for clause in clauses)
        return Item(
            text=wear(text, rng, slips=rng.choice((0.0, 0.0, 0.02, 0.05))),
            gold=gold,
            confusable=confusable,
            ambiguous=ambiguous,
        )

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the request: one user message, the review between its markers."""
        del version
        return {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": _PROMPT.format(text=item.text)}],
            "temperature": 0,
            "max_tokens": 8,
        }

    def _clear(self, label: str, bound: Mapping[str, str], rng: Random) -> list[str]:
        match label:
            case "mixed":
                turn = self._grammar.phrase("but", rng)
                praise = self._several("pos", rng.choice((1, 1, 2)), bound, rng)
                blame = self._several("neg", rng.choice((1, 1, 2)), bound, rng)
                first, second = (praise, blame) if rng.random() < 0.7 else (blame, praise)
                clauses = [*first, f"{turn} {second[0]}", *second[1:]]
                clauses += self._several("verdict.mixed", int(rng.random() < 0.45), bound, rng)
            case "not_about_product":
                clauses = self._several("service", rng.choice((1, 2, 2, 3)), bound, rng)
            case _:
                side = label[:3]
                clauses = self._several(side, rng.choice((1, 2, 2, 3)), bound, rng)
                clauses += self._several(f"verdict.{side}", int(rng.random() < 0.55), bound, rng)
                clauses += self._several("service", int(rng.random() < 0.08), bound, rng)
        if rng.random() < 0.3:
            clauses.insert(0, self._grammar.phrase("neutral", rng, bound))
        return clauses

    def _ambiguous(self, bound: Mapping[str, str], rng: Random) -> tuple[str, str, list[str]]:
        """A review with its likelier label, the label it may be taken for, and its clauses."""
        match rng.randrange(3):
            case 0:
                side = "positive"
                clauses = self._several("pos", rng.choice((1, 2)), bound, rng)
                return side, "mixed", [*clauses, self._grammar.phrase("small.neg", rng, bound)]
            case 1:
                side = "negative"
                clauses = self._several("neg", rng.choice((1, 2)), bound, rng)
                return side, "mixed", [*clauses, self._grammar.phrase("small.pos", rng, bound)]
            case _:
                clauses = [self._grammar.phrase("sarcasm", rng, bound)]
                return "negative", "positive", clauses + self._several("neutral", rng.randrange(2), bound, rng)

    def _several(self, section: str, count: int, bound: Mapping[str, str], rng: Random) -> list[str]:
        """Draw `count` phrases of a section; the same phrase counts once."""
        return list(dict.fromkeys(self._grammar.phrase(section, rng, bound) for _ in range(count)))
