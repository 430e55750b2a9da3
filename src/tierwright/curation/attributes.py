"""Tells inputs that are lists of attributes from running text.

Owns what counts as attributes where tasks are told apart; the notations themselves are read by
`specialists.attributes`, on which the specialists that write texts stand too. Refuses to know what is done with them.
"""

from __future__ import annotations

import json

from tierwright.specialists.attributes import line_pairs, read_attributes, run_pairs


def attribute_values(text: str) -> list[str] | None:
    """The values, as text; None where the text is no list of attributes. One attribute alone is none, but in JSON."""
    if text[:1] in {"{", "["}:
        try:
            return strings_in(json.loads(text))
        except ValueError:
            return None
    pairs = line_pairs(text) or run_pairs(text)
    if pairs is None:
        found = read_attributes(text)
        pairs = list(found.pairs) if found is not None and found.act else None
    return [value for _, value in pairs if value] if pairs else None


def strings_in(value: object) -> list[str]:
    """All strings and numbers inside a JSON value, as text."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for member in value.values() for text in strings_in(member)]
    if isinstance(value, list):
        return [text for member in value for text in strings_in(member)]
    return [] if value is None or isinstance(value, bool) else [str(value)]
