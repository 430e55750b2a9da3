"""Tokens back into values, in texts that are whole and in texts that arrive in pieces.

Owns that nothing is lost, and held back no longer than it could become a token. Refuses to guess: what a model has
changed (case, a missing bracket) or made up stays as it wrote it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tierwright.privacy.json_text import escaped
from tierwright.privacy.pseudonyms import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How a text begins that is JSON, as far as it matters to tokens: one that begins with "[EMAIL" is none.
_JSON_BEGINS: Final = re.compile(r"""\s*(?:\{|\[\s*["{\[\-\d])""")
#: Characters of a text's beginning that tell.
_BEGINNING: Final = 64


class Restorer:
    """What the tokens of one request stand for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._beginnings = frozenset(token[:size] for token in texts for size in range(1, len(token)))
        #: Tokens that became values.
        self.restored = 0

    def text(self, text: str, *, in_json: bool | None = False) -> str:
        """A whole text with values in the place of tokens.

        `in_json`: it is JSON, inside whose strings values are escaped; None: it is if it begins so.
        """
        if "[" not in text:
            return text
        inside = _is_json(text) if in_json is None else in_json

        def value(match: re.Match[str]) -> str:
            found = self._texts.get(match[0])
            if found is None:
                return match[0]
            self.restored += 1
            return escaped(found) if inside else found

        return TOKEN.sub(value, text)

    def held_from(self, text: str) -> int:
        """Where the end of a text begins that could become a token; its length: nowhere."""
        # No token has a bracket inside.
        at = text.rfind("[")
        return at if at >= 0 and text[at:] in self._beginnings else len(text)


class Channel:
    """One text that arrives in pieces."""

    __slots__ = ("_beginning", "_held", "_in_json", "_restorer")

    def __init__(self, restorer: Restorer, *, in_json: bool | None = None) -> None:
        """`in_json` as in `Restorer.text`."""
        self._restorer = restorer
        self._in_json = in_json
        self._beginning = ""
        self._held = ""

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, piece: str) -> str:
        """What can be passed on now."""
        if self._in_json is None and len(self._beginning) < _BEGINNING:
            self._beginning += piece
        text = self._held + piece
        at = self._restorer.held_from(text)
        self._held = text[at:]
        return self._told(text[:at])

    def close(self) -> str:
        """What was held back: no more is coming."""
        held, self._held = self._held, ""
        return held

    def _told(self, text: str) -> str:
        inside = _is_json(self._beginning) if self._in_json is None else self._in_json
        return self._restorer.text(text, in_json=inside)


def _is_json(text: str) -> bool:
    return _JSON_BEGINS.match(text) is not None
