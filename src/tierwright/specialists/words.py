"""Words of a text as they are compared: folded, with their places in the text.

Owns what a word is, in any script, and when two are the same. Refuses to know what the words are about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Scripts written without spaces, or with particles joined on: each character is a word there.
_CHARACTERWISE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
#: A number with its separators; one character of such a script; a run of other letters and digits; a single mark.
_WORD = re.compile(rf"\d+(?:[.,]\d+)+|[{_CHARACTERWISE}]|(?:(?![{_CHARACTERWISE}])\w)+|[^\w\s]")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one text."""

    text: str
    #: Folded: without case, numbers without separators of thousands.
    folded: tuple[str, ...]
    #: (start, end) of each in the text.
    places: tuple[tuple[int, int], ...]

    def space_before(self, at: int) -> str:
        """The white space before a word, runs of blanks as one."""
        start = self.places[at - 1][1] if at else 0
        space = self.text[start : self.places[at][0]]
        return " " if space and not space.strip(" ") else space

    def between(self, start: int, end: int) -> str:
        """The text from one word up to, and without, another."""
        return self.text[self.places[start][0] : self.places[end - 1][1]]


def words_of(text: str) -> Words:
    """The words of a text; none where it holds only white space."""
    found = list(_WORD.finditer(text))
    return Words(
        text=text,
        folded=tuple(_fold(match[0]) for match in found),
        places=tuple(match.span() for match in found),
    )


def folded_words(text: str) -> tuple[str, ...]:
    """The words alone."""
    return tuple(_fold(word) for word in _WORD.findall(text))


def occurrences(needle: tuple[str, ...], hay: tuple[str, ...], taken: list[bool]) -> list[int]:
    """Where the words stand one after another, left to right, without overlap and without those taken.

    The last word may have an s or es behind it: `9 hour` stands in `lasts 9 hours`.
    """
    size = len(needle)
    if not size or size > len(hay):
        return []
    first, last = needle[0], needle[-1]
    plurals = {last, last + "s", last + "es"}
    found: list[int] = []
    at = 0
    while at <= len(hay) - size:
        end = hay[at + size - 1]
        if (
            end in plurals
            and (size == 1 or hay[at] == first)
            and hay[at : at + size - 1] == needle[:-1]
            and not any(taken[at : at + size])
        ):
            found.append(at)
            at += size
        else:
            at += 1
    return found


def with_thousands(number: str) -> str:
    """A number of digits with commas between its thousands; any other text as it is."""
    whole, dot, fraction = number.partition(".")
    if not (whole.isascii() and whole.isdigit()) or whole.startswith("0") or len(whole) > 30:
        return number
    return f"{int(whole):,}{dot}{fraction}"


def has_thousands(number: str) -> bool:
    """Whether a number has commas between its thousands."""
    return _THOUSANDS.fullmatch(number) is not None


def _fold(word: str) -> str:
    return word.replace(",", "") if word[0].isdigit() and _THOUSANDS.fullmatch(word) else word.casefold()
