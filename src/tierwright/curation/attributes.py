"""Tells inputs that are lists of attributes from running text.

Owns the notations that count as attributes: JSON objects and lists, `name: value` lines, and `name[value], …` or
`name=value; …` in one line. Refuses to know what is done with them.
"""

from __future__ import annotations

import json
import re

#: A name of up to four words, a colon, a value.
_LINE = re.compile(r"\s*[-*•]?\s*([^\W\d][\w/()'&-]{0,40}(?: [\w/()'&-]{1,40}){0,3})\s*:\s*(\S.*)")
_BRACKETS = re.compile(r"\s*[^\[\],\n]{1,60}\[([^\[\]]*)\]\s*(?:[,;]|\Z)")
_ASSIGNMENT = re.compile(r"\s*[\w .-]{1,60}=([^=;|\n]+)(?:[;|,]|\Z)")


def attribute_values(text: str) -> list[str] | None:
    """The values, as text; None where the text is no list of attributes. One attribute alone is none, but in JSON."""
    if text[:1] in {"{", "["}:
        try:
            return strings_in(json.loads(text))
        except ValueError:
            return None
    lines = text.strip().splitlines()
    found = [_LINE.match(line) for line in lines]
    if len(lines) >= 2 and all(found):
        names = [line[1] for line in found if line is not None]
        # A name that comes again is a speaker or an example, not an attribute.
        return [line[2].strip() for line in found if line is not None] if len(set(names)) == len(names) else None
    for notation in (_BRACKETS, _ASSIGNMENT) if len(lines) == 1 else ():
        values = _run(notation, text.rstrip())
        if len(values) >= 2:
            return values
    return None


def strings_in(value: object) -> list[str]:
    """All strings and numbers inside a JSON value, as text."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for member in value.values() for text in strings_in(member)]
    if isinstance(value, list):
        return [text for member in value for text in strings_in(member)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _run(notation: re.Pattern[str], text: str) -> list[str]:
    """The values of a text that is made of this notation only; empty where it is not."""
    values: list[str] = []
    at = 0
    while at < len(text):
        found = notation.match(text, at)
        if found is None:
            return []
        values.append(found[1].strip())
        at = found.end()
    return values
