"""Reads structured attributes from the text of an input: what a text is to be made from.

Owns the notations: JSON objects, `name: value` lines, `name[value], …` and `name=value; …` in one line, and the last
two inside of an act such as `inform(name=x;price=y)`. Refuses to know what is made from the attributes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters beyond which a text is no list of attributes; bounds the time of reading.
MOST_CHARACTERS = 20_000
#: A name of up to four words, a colon, a value.
_LINE = re.compile(r"\s*[-*•]?\s*([^\W\d][\w/()'&-]{0,40}(?: [\w/()'&-]{1,40}){0,3})\s*:\s*(\S.*)")
_BRACKETS = re.compile(r"\s*([^\[\],\n]{1,60})\[([^\[\]]*)\]\s*(?:[,;]|\Z)")
_ASSIGNMENT = re.compile(r"\s*([\w .-]{1,60})=([^=;|\n]+)(?:[;|,]|\Z)")
#: In an act the separator is known, so that a value may hold a comma or an equals sign.
_ACT = re.compile(r"\s*(\??[^\W\d][\w-]{0,60})\((.*)\)\s*", re.DOTALL)
_ACT_SLOT = re.compile(r"\s*([\w .-]{1,60}?)\s*(?:=(.*))?", re.DOTALL)


#: The pairs of a JSON object, in their order, doubled names kept.
_Object = NewType("_Object", list[tuple[str, object]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What one text is to be made from."""

    #: What is to be done with them, such as `inform`; empty where the notation has no acts.
    act: str
    #: (name, value) in the given order. A name comes again for each member of a list, with a dot for each level of
    #: nesting. JSON's true, false and null are these words; numbers are spelt as they were.
    pairs: tuple[tuple[str, str], ...]


def read_attributes(text: str) -> Attributes | None:
    """The attributes in a text; None where it is no list of attributes.

    One attribute alone is none, except in JSON and in an act. A text that is anything else beside its attributes is
    none either.
    """
    if len(text) > MOST_CHARACTERS:
        return None
    text = text.strip()
    if text[:1] == "{":
        return _json_attributes(text)
    act = _ACT.fullmatch(text)
    if act is not None:
        pairs = _act_pairs(act[2])
        return None if pairs is None else Attributes(act=act[1], pairs=pairs)
    found = line_pairs(text) or run_pairs(text)
    return None if found is None else Attributes(act="", pairs=tuple(found))


def line_pairs(text: str) -> list[tuple[str, str]] | None:
    """The pairs of `name: value` lines, two at least; None where some line is another, or a name comes again.

    A name that comes again is a speaker or an example, not an attribute.
    """
    lines = text.strip().splitlines()
    if len(lines) < 2:
        return None
    found: list[tuple[str, str]] = []
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            return None
        found.append((match[1], match[2].strip()))
    return found if len({name for name, _ in found}) == len(found) else None


def run_pairs(text: str) -> list[tuple[str, str]] | None:
    """The pairs of a line in brackets or with equals signs, two at least; None where it is anything else."""
    if "\n" in text.strip():
        return None
    for notation in (_BRACKETS, _ASSIGNMENT):
        found = _run(notation, text.rstrip())
        if found is not None and len(found) >= 2:
            return found
    return None


def _run(notation: re.Pattern[str], text: str) -> list[tuple[str, str]] | None:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = notation.match(text, at)
        if match is None:
            return None
        found.append((match[1].strip(), match[2].strip()))
        at = match.end()
    return found


def _act_pairs(inside: str) -> tuple[tuple[str, str], ...] | None:
    """What stands between an act's parentheses; None where that is no list of slots."""
    inside = inside.strip()
    if not inside:
        return ()
    brackets = _run(_BRACKETS, inside)
    if brackets is not None:
        return tuple(brackets)
    found: list[tuple[str, str]] = []
    for part in inside.split(";") if ";" in inside else _at_names(inside):
        match = _ACT_SLOT.fullmatch(part)
        if match is None:
            return None
        value = (match[2] or "").strip()
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found.append((match[1].strip(), value[1:-1] if quoted else value))
    return tuple(found)


def _at_names(inside: str) -> list[str]:
    """The parts of a list with commas, cut only where a name and an equals sign follow."""
    return re.split(r",(?=\s*[\w .-]{1,60}=)", inside)


def _json_attributes(text: str) -> Attributes | None:
    try:
        found = json.loads(text, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str)
        pairs = tuple(_flat("", found))
    except (ValueError, RecursionError):  # RecursionError: nested beyond any list of attributes
        return None
    return Attributes(act="", pairs=pairs)


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """The pairs of a JSON value; objects are lists of pairs, so that these are told from lists by their members."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, bool) or value is None:
        yield name, json.dumps(value)
    elif isinstance(value, list):
        for member in value:
            if isinstance(member, tuple):
                key, inner = member
                yield from _flat(f"{name}.{key}" if name else str(key), inner)
            else:
                yield from _flat(name, member)
