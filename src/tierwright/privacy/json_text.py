"""Strings that are JSON themselves: arguments of tools, results of tools, examples.

Owns finding the literals, so that a value can be replaced and all the rest stays JSON, as it was written. Refuses to
know what is replaced.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

_LITERAL: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")(?P<name>\s*:)?|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)', re.DOTALL
)


class Literal(NamedTuple):
    """A string or a number in a JSON text."""

    #: Where it stands, a string with its quotes.
    start: int
    end: int
    #: What it says: a string's characters, a number's digits.
    text: str
    is_string: bool
    #: Whether it is a member's name.
    is_name: bool

    @property
    def is_plain(self) -> bool:
        """Whether its characters stand in the text one by one, with no escape among them."""
        return not self.is_string or self.end - self.start == len(self.text) + 2

    @property
    def inside(self) -> int:
        """Where its first character stands."""
        return self.start + 1 if self.is_string else self.start


def literals(text: str) -> list[Literal] | None:
    """The literals of a text that is a JSON object or list, in order; None: it is none, or is nested too deeply."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    found: list[Literal] = []
    for match in _LITERAL.finditer(text):
        start, end = match.span("text" if match["text"] else "number")
        said = json.loads(match["text"]) if match["text"] else match["number"]
        found.append(Literal(start, end, said, match["text"] is not None, match["name"] is not None))
    return found


def quoted(text: str) -> str:
    """A text as a JSON string, with its quotes."""
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    """A text as it stands inside a JSON string."""
    return quoted(text)[1:-1]
