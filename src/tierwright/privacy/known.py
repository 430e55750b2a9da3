"""Finds values that are known already in texts, as words of their own, however their digits are grouped.

Owns that the time it takes grows with the text and not with how many values are known. Refuses to find anything else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.privacy.pseudonyms import GROUPED, ungrouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierwright.privacy.pseudonyms import Named

#: Characters of a value that is looked for, at least; what is shorter may be anything.
_SHORTEST: Final = 6
_WORD: Final = re.compile(r"[^\W_]+")
#: What may stand between the groups of a number.
_SEPARATORS: Final = frozenset({"", " ", ".", "/", "-"})


class Stretch(NamedTuple):
    """Where something stands in a text, and of what type it is."""

    start: int
    end: int
    type: str


class Known:
    """The values of a conversation, found by the words they begin with."""

    def __init__(self, named: Iterable[Named]) -> None:
        #: By the letters and digits of a number: its type.
        self._numbers: dict[str, str] = {}
        #: How numbers begin.
        self._beginnings: set[str] = set()
        #: By a value's first word, in lower case: where the word stands in it, the value in lower case, and its type.
        self._texts: dict[str, list[tuple[int, str, str]]] = {}
        for one in named:
            number = ungrouped(one.text) if one.type in GROUPED else ""
            first = _WORD.search(one.text)
            if len(number) >= _SHORTEST:
                self._numbers[number] = one.type
                self._beginnings.update(number[:size] for size in range(1, len(number) + 1))
            elif len(one.text) >= _SHORTEST and first is not None:
                self._texts.setdefault(first[0].lower(), []).append((first.start(), one.text.lower(), one.type))

    def stretches(self, text: str) -> Iterator[Stretch]:
        """Where known values stand, in any order."""
        if not self._numbers and not self._texts:
            return
        words = [(match[0].lower(), match.start(), match.end()) for match in _WORD.finditer(text)]
        for place, (word, start, _) in enumerate(words):
            for before, value, kind in self._texts.get(word, ()):
                low = start - before
                end = low + len(value)
                if low >= 0 and text[low:end].lower() == value and _stands_alone(text, low, end):
                    yield Stretch(low, end, kind)
            if word in self._beginnings:
                yield from self._number(text, words, place)

    def _number(self, text: str, words: list[tuple[str, int, int]], place: int) -> Iterator[Stretch]:
        """The numbers that begin with a word."""
        start = words[place][1]
        number = ""
        last = start
        for word, low, high in words[place:]:
            number += word
            if text[last:low] not in _SEPARATORS or number not in self._beginnings:
                return
            if number in self._numbers:
                yield Stretch(start, high, self._numbers[number])
            last = high


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no word goes on before or after a stretch."""
    begins = start == 0 or not (text[start - 1].isalnum() and text[start].isalnum())
    return begins and (end == len(text) or not (text[end - 1].isalnum() and text[end].isalnum()))
