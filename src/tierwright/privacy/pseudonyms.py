"""Tokens that stand for the values of one conversation: `[EMAIL_A]`, `[CARD_B]`.

Owns their form and which token stands for which value. Refuses to know where values are found (`replacing`), how tokens
become values again (`restoring`) and what outlives a request (`vault`).

The form: capitals and underscores in square brackets. Models copy it, JSON escapes none of it, and no detector of ours
takes it for anything: a digit would be read together with a number beside it.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a token looks like, whoever wrote it.
TOKEN: Final = re.compile(r"\[[A-Z]+(?:_[A-Z]+)+\]")
#: What stands for text that has the form of a token and was in a request: nobody must take it for one.
LITERAL: Final = "text"
#: Values of one conversation at most; what is beyond stays where it is, for the gate to see.
_MOST: Final = 10_000
#: Types whose values are the same number however they are grouped.
GROUPED: Final = frozenset(
    {"card", "phone", "iban", "us_ssn", "national_id", "health_id", "account", "file_number", "device"}
)
#: Types whose values are the same in capitals.
_CASELESS: Final = frozenset({"email"})
_LONGEST_WORD: Final = 24


class Named(NamedTuple):
    """A value and the token that stands for it."""

    token: str
    #: The type of finding it was.
    type: str
    #: As it was written first.
    text: str


class Pseudonyms:
    """The tokens of one conversation. Thread-safe: several of its requests may be on their way."""

    def __init__(self, known: Iterable[Named] = ()) -> None:
        """`known`: what was given out before."""
        self._guard = threading.Lock()
        self._named: dict[str, Named] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._reserved: set[str] = set()
        self._last: dict[str, int] = {}
        for one in known:
            self._named[one.token] = one
            self._tokens[same(one.type, one.text)] = one.token

    def __len__(self) -> int:
        """How many values have a token."""
        return len(self._named)

    def token(self, kind: str, text: str) -> str | None:
        """The token that stands for a value of a type; None: there are too many already."""
        key = same(kind, text)
        with self._guard:
            known = self._tokens.get(key)
            if known is not None or len(self._named) >= _MOST:
                return known
            token = self._free(kind)
            self._tokens[key] = token
            self._named[token] = Named(token, kind, text)
            return token

    def reserve(self, tokens: Iterable[str]) -> None:
        """Says that a request holds these as its own text: none of them will be given out."""
        with self._guard:
            self._reserved.update(tokens)

    def text(self, token: str) -> str | None:
        """What a token stands for; None: nothing."""
        named = self._named.get(token)
        return None if named is None else named.text

    def named(self) -> list[Named]:
        """All, in the order given out."""
        with self._guard:
            return list(self._named.values())

    def _free(self, kind: str) -> str:
        """A token that nobody has; called with the guard held."""
        word = _word(kind)
        number = self._last.get(word, 0) + 1
        while (token := f"[{word}_{_letters(number)}]") in self._named or token in self._reserved:
            number += 1
        self._last[word] = number
        return token


def same(kind: str, text: str) -> tuple[str, str]:
    """What two ways to write one value have in common; a number is the same whatever it was found to be."""
    if kind in GROUPED:
        return "number", ungrouped(text) or text
    return kind, unicodedata.normalize("NFKC", text).casefold() if kind in _CASELESS else text


def ungrouped(text: str) -> str:
    """The letters and digits of a number, however it is written."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(_digit(character) for character in plain if character.isalnum())


def _digit(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _letters(number: int) -> str:
    """A number from 1 in letters: A, B, …, Z, AA, AB and so on."""
    told = ""
    while number:
        number, rest = divmod(number - 1, len(ascii_uppercase))
        told = ascii_uppercase[rest] + told
    return told


def _word(kind: str) -> str:
    """A type as tokens spell it."""
    return "_".join(re.findall("[A-Z]+", kind.upper()))[:_LONGEST_WORD].rstrip("_") or "DATA"
