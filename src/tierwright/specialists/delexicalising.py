"""Turns texts into sequences of fixed words and slots, and such sequences back into texts.

Owns the vocabulary of a template specialist and how a value is written into its slot. Values are put in as they are:
nothing in them is ever read as a template. Refuses to know which sequence is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tierwright.specialists.realisation import Mode, align
from tierwright.specialists.words import has_thousands, with_thousands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tierwright.specialists.attributes import Attributes
    from tierwright.specialists.realisation import Alignment, Realisations

#: How a copied value is changed: not at all, its first letter, all letters, commas between thousands.
PLAIN, CAPITAL, LOWER, UPPER, TITLE, THOUSANDS = "", "capital", "lower", "upper", "title", "thousands"


class Slot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one attribute fills."""

    name: str
    #: Which of several attributes of this name, from 0.
    nth: int
    #: The value, where it is worded; None: copied, whatever it is.
    value: str | None


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One member of a sequence."""

    #: Fixed words, or the phrase of a worded value, with the white space before; of a copied one only the latter.
    text: str
    #: None: fixed words.
    slot: Slot | None = None
    #: How a copied value is changed.
    shape: str = PLAIN


def act_of(realisations: Realisations, attributes: Attributes) -> str:
    """The act with the conditions: texts of different acts are never mixed."""
    conditions = sorted(
        f"{name}={value}" for name, value in attributes.pairs if realisations.mode(name, value) is Mode.CONDITION
    )
    return "\n".join((attributes.act, *conditions))


def slots_of(realisations: Realisations, attributes: Attributes) -> list[Slot | None] | None:
    """The slot of each attribute, None for a condition; None altogether where an attribute is of an unknown kind."""
    found: list[Slot | None] = []
    count: dict[str, int] = {}
    for name, value in attributes.pairs:
        mode = realisations.mode(name, value)
        if mode is Mode.UNKNOWN:
            return None
        if mode is Mode.CONDITION:
            found.append(None)
            continue
        nth = count.get(name, 0)
        count[name] = nth + 1
        found.append(Slot(name=name, nth=nth, value=value if mode is Mode.WORDED else None))
    return found


def delexicalise(realisations: Realisations, attributes: Attributes, text: str) -> list[Token] | None:
    """The sequence that gives the text back; None where it does not say all that is given, once, and nothing else."""
    found = align(realisations, attributes, text)
    slots = slots_of(realisations, attributes)
    if not found.faultless or slots is None:
        return None
    return _tokens(found, attributes, slots)


def _tokens(found: Alignment, attributes: Attributes, slots: list[Slot | None]) -> list[Token]:
    words = found.words
    span_at = {span.start: span for span in found.spans}
    tokens: list[Token] = []
    at = 0
    while at < len(words.folded):
        space, span = words.space_before(at), span_at.get(at)
        if span is None:
            tokens.append(Token(text=space + words.between(at, at + 1)))
            at += 1
            continue
        slot, value = slots[span.pair], attributes.pairs[span.pair][1]
        written = words.between(span.start, span.end)
        if slot is not None and slot.value is None:
            stem, ending = _without_plural(written, value)
            tokens.append(Token(text=space, slot=slot, shape=_shape(stem, value)))
            if ending:
                tokens.append(Token(text=ending))
        else:
            tokens.append(Token(text=space + written, slot=slot))
        at = span.end
    return tokens


def render(tokens: Iterable[Token], values: Mapping[Slot, str]) -> str:
    """The text of a sequence; a slot's value is not looked at but for its letters' case."""
    return "".join(
        token.text
        if token.slot is None or token.slot.value is not None
        else token.text + _shaped(values[token.slot], token.shape)
        for token in tokens
    )


def _without_plural(written: str, value: str) -> tuple[str, str]:
    """The written value and the s or es behind it."""
    for ending in ("es", "s"):
        if written.casefold().endswith(ending) and not value.casefold().endswith(ending):
            return written[: -len(ending)], written[-len(ending) :]
    return written, ""


def _shape(written: str, value: str) -> str:
    if written == value:
        return PLAIN
    for shape in (CAPITAL, LOWER, UPPER, TITLE):
        if written == _shaped(value, shape):
            return shape
    return THOUSANDS if has_thousands(written) else PLAIN


def _shaped(value: str, shape: str) -> str:
    """A value in a shape; codes, markup and the like come through as they are."""
    if shape == THOUSANDS:
        return with_thousands(value)
    if shape not in _CASES or not value.replace(" ", "").isalpha():
        return value
    return _CASES[shape](value)


def _capital(value: str) -> str:
    return value[:1].upper() + value[1:]


_CASES: dict[str, Callable[[str], str]] = {
    CAPITAL: _capital,
    LOWER: str.lower,
    UPPER: str.upper,
    TITLE: lambda value: " ".join(map(_capital, value.split(" "))),
}
