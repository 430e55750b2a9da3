"""Ticket triage: a customer's message in one of four languages, its intent and its urgency.

Owns the intents, the prompts (v1 and its rewording v2) and how a message is put together. 5 % of the messages are mixed
(two matters, the wording says which comes first), 2 % vague (two intents fit; the right one is drawn, so that nobody
can be right about more than 65 % of them) and 3 % have a weak cue of haste (drawn likewise, at 75 %). Hence the ceiling
of 98.5 % for the whole answer, for anyone who reads every message as its author meant it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierwright.app.demo.grammar import Grammar, sentence
from tierwright.app.demo.items import ErrorProcess, Item, pick
from tierwright.app.demo.noise import wear

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

#: Relative volume of the intents.
INTENTS: Mapping[str, float] = {
    "delivery_status": 26, "parcel_lost": 4, "damaged_item": 9, "wrong_item": 6, "return_request": 17,
    "refund_status": 9, "payment_problem": 4, "invoice_request": 5, "change_order": 3, "cancel_order": 6,
    "product_question": 16, "warranty_claim": 5,
}  # fmt: skip
#: The intents each one is most easily taken for.
CONFUSABLE: Mapping[str, tuple[str, ...]] = {
    "delivery_status": ("parcel_lost", "change_order"),
    "parcel_lost": ("delivery_status",),
    "damaged_item": ("warranty_claim", "wrong_item"),
    "wrong_item": ("return_request", "damaged_item"),
    "return_request": ("refund_status", "wrong_item"),
    "refund_status": ("return_request", "payment_problem"),
    "payment_problem": ("refund_status", "invoice_request"),
    "invoice_request": ("payment_problem",),
    "change_order": ("cancel_order", "delivery_status"),
    "cancel_order": ("change_order", "return_request"),
    "product_question": ("warranty_claim", "invoice_request"),
    "warranty_claim": ("damaged_item", "product_question"),
}
URGENCIES = ("low", "normal", "high")
LANGUAGES: Mapping[str, float] = {"en": 66, "de": 18, "fr": 9, "es": 7}

MIXED_SHARE, VAGUE_SHARE = 0.05, 0.02
#: How often a clear message comes back to its matter in a second sentence, and a cue of urgency in another cue.
ELABORATED_SHARE, INSISTENT_SHARE = 0.8, 0.8
#: Of a vague message's two intents the first named in the phrase file is the right one this often.
VAGUE_FIRST = 0.65
#: Relative frequency of cues of urgency; a weak one means `high` in a quarter of the messages.
CUES: Mapping[str, float] = {"none": 65, "high": 20, "low": 12, "weak": 3}
WEAK_IS_HIGH = 0.25
_WEAK_SHARE = CUES["weak"] / sum(CUES.values())

_LIST = "\n".join(f"- {intent}" for intent in INTENTS)
_SYSTEM = {
    "v1": f"""You sort the incoming messages of the customer service of Brindlewick, a web shop for outdoor gear.
Messages come in several languages. For every message give the intent and the urgency.

Intents:
{_LIST}

If a message raises several matters, choose the one the customer wants solved first.

Urgency is one of low, normal, high:
- high: something must happen within a few days, someone may get hurt, or the customer has written before in vain
- low: the customer says that there is time or that it does not matter much
- normal: everything else

Answer with a JSON object, nothing before or after it:
{{"intent": "<one of the intents>", "urgency": "<low, normal or high>"}}""",
    "v2": f"""# Role
You are the triage step of the Brindlewick service desk (outdoor equipment, online). Customers write in English,
German, French or Spanish; the labels are always English.

# What to decide
1. `intent`, exactly one of:
{_LIST}
   Where two apply, take the matter that the customer needs settled first and ignore what is said to be solved.
2. `urgency`:
   high = a date within days, danger to people, or repeated contact without an answer;
   low = explicitly no hurry, or said to be of little weight;
   normal = anything between.

# Output
Only this JSON, no code fence, no comment: {{"intent": "...", "urgency": "..."}}""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matter:
    """What a message is about."""

    sentences: tuple[str, ...]
    intent: str
    #: The intents it may be taken for.
    rivals: tuple[str, ...]
    #: False: mixed or vague.
    clear: bool


class TicketSource:
    """Draws customer messages."""

    name = "ticket-triage"
    error = ErrorProcess(
        rate=0.083,
        ambiguous_rate=0.25,
        ambiguous_share=1.0 - (1.0 - MIXED_SHARE - VAGUE_SHARE) * (1.0 - _WEAK_SHARE),
    )

    def __init__(self) -> None:
        """Read the phrases of every language."""
        self._grammars = {language: Grammar.load("names", f"tickets.{language}") for language in LANGUAGES}

    def draw(self, rng: Random) -> Item:
        """Draw one message; its gold is the JSON answer."""
        grammar = self._grammars[pick(LANGUAGES, rng)]
        bound = _bind(grammar, rng)
        matter = _matter(grammar, bound, rng)
        cue = pick(CUES, rng)
        urgency, other_urgency = _urgency(cue, rng)
        mistaken = [_answer(rival, urgency) for rival in matter.rivals]
        if matter.clear:
            mistaken.append(_answer(matter.intent, other_urgency))
        text = _message(grammar, bound, matter, cue, rng)
        return Item(
            text=wear(text, rng, slips=rng.choice((0.0, 0.0, 0.01, 0.05))),
            gold=_answer(matter.intent, urgency),
            confusable=tuple(mistaken),
            ambiguous=not matter.clear or cue == "weak",
        )

    def request(self, item: Item, version: str) -> dict[str, Any]:
        """Build the request: a system prompt and the message under a short heading."""
        return {
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": _SYSTEM[version]},
                {"role": "user", "content": f"Message:\n{item.text}"},
            ],
            "temperature": 0,
            "response_format": {"type": "json_object"},
        }


def _bind(grammar: Grammar, rng: Random) -> dict[str, str]:
    """Fix what a message keeps talking about: one thing in every grammatical case, another one, order, carrier."""
    genders = tuple({name.rsplit(".", 1)[1]: None for name in grammar.sections("case.")})
    bound = {name: grammar.phrase(name, rng) for name in ("order", "carrier", "city", "weekday")}
    bound["order2"] = grammar.phrase("order", rng)
    for suffix in ("", "2"):
        gender = rng.choice(genders)
        noun = {gender: grammar.phrase(gender, rng)}
        for section in grammar.sections("case."):
            _, case, case_gender = section.split(".")
            if case_gender == gender:
                bound[case + suffix] = grammar.phrase(section, rng, noun)
    return bound


def _matter(grammar: Grammar, bound: Mapping[str, str], rng: Random) -> _Matter:
    chance = rng.random()
    if chance < VAGUE_SHARE:
        section = rng.choice(grammar.sections("vague."))
        first, second = section.split(".")[1:]
        intent, rival = (first, second) if rng.random() < VAGUE_FIRST else (second, first)
        return _Matter(sentences=(grammar.phrase(section, rng, bound),), intent=intent, rivals=(rival,), clear=False)
    intent = pick(INTENTS, rng)
    clear = chance >= VAGUE_SHARE + MIXED_SHARE
    rivals = CONFUSABLE[intent]
    core = grammar.phrase(f"core.{intent}", rng, bound)
    told = core
    if not clear:
        rivals = (rng.choice(rivals if rng.random() < 0.5 else [other for other in INTENTS if other != intent]),)
        matters = {"A": core, "B": grammar.phrase(f"core.{rivals[0]}", rng, bound).rstrip("?")}
        told = grammar.phrase("mix.first" if rng.random() < 0.6 else "mix.second", rng, matters)
    again = grammar.phrase(f"core.{intent}", rng, bound) if rng.random() < ELABORATED_SHARE else core
    sentences = (told,) if again == core else (told, again)
    return _Matter(sentences=sentences, intent=intent, rivals=rivals, clear=clear)


def _message(grammar: Grammar, bound: Mapping[str, str], matter: _Matter, cue: str, rng: Random) -> str:
    """Word a message: the matter, context and cues of urgency around it, perhaps a greeting and a closing."""
    parts = list(matter.sentences)
    if rng.random() < 0.35:
        parts.insert(0, grammar.phrase("context", rng, bound))
    if rng.random() < 0.08:
        parts.insert(-1, grammar.phrase("context", rng, bound))
    if cue != "none":
        parts.insert(rng.randrange(len(parts) + 1), grammar.phrase(cue, rng, bound))
        if cue != "weak" and rng.random() < INSISTENT_SHARE:
            parts.append(grammar.phrase(cue, rng, bound))
    if rng.random() < 0.3:
        parts.append(grammar.phrase("ask", rng, bound))
    text = " ".join(sentence(part) for part in dict.fromkeys(parts))
    if rng.random() < 0.45:
        text = f"{sentence(grammar.phrase('greeting', rng, bound))} {text}"
    if rng.random() < 0.35:
        text = f"{text} {grammar.phrase('closing', rng, bound)}"
    return text


def _urgency(cue: str, rng: Random) -> tuple[str, str]:
    """The urgency of a message and the one it may be taken for."""
    match cue:
        case "high":
            return "high", "normal"
        case "low":
            return "low", "normal"
        case "weak":
            return ("high", "normal") if rng.random() < WEAK_IS_HIGH else ("normal", "high")
        case _:
            return "normal", rng.choice(("low", "high"))


def _answer(intent: str, urgency: str) -> str:
    return json.dumps({"intent": intent, "urgency": urgency})
