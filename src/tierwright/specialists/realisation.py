"""How attributes show in texts, and whether a text says all that is given and nothing that is not.

Owns finding the attributes in a text. There are three ways an attribute shows:

*copied*     its value stands in the text, but for case, spacing, separators of thousands and a plural s;
*worded*     the value does not stand there (yes, false, dontcare): a phrase learned for it does;
*condition*  it is given throughout, and what it changes can't be pinned to words: nothing is looked for.

Refuses to know how this is learned (`realisation_learning`) and how texts are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from tierwright.specialists.words import folded_words, occurrences, words_of

if TYPE_CHECKING:
    from tierwright.specialists.attributes import Attributes
    from tierwright.specialists.words import Words

#: JSON's own words, which are copied only where answers were seen to.
_LITERALS = frozenset({"true", "false", "null"})


class Mode(Enum):
    """How an attribute shows."""

    COPIED = "copied"
    WORDED = "worded"
    CONDITION = "condition"
    #: Nothing like it was seen.
    UNKNOWN = "unknown"


class Phrase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a decision list: the first phrase of a name's list that a text holds tells the value."""

    #: Folded, one space between them.
    words: str
    value: str


class NameRealisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the attribute of one name shows."""

    #: Given throughout, without words of its own.
    condition: bool
    #: Whether a value is copied unless it is among the exceptions.
    copied: bool
    #: Values seen for which the opposite holds, in order: a set would be written in another order by every process.
    exceptions: tuple[str, ...]
    #: The decision list of the values that are not copied.
    phrases: tuple[Phrase, ...]


class Telling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words that hardly ever stand in a text unless one of some attributes is given."""

    #: Folded, one space between them.
    words: str
    #: Any of these (name, value) explains them.
    pairs: tuple[tuple[str, str], ...] = ()
    #: Any of these names, whatever its value, explains them.
    names: tuple[str, ...] = ()


class Realisations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What was learned of one task's attributes and texts."""

    names: dict[str, NameRealisation]
    telling: tuple[Telling, ...]

    def mode(self, name: str, value: str) -> Mode:
        """How a value of a name shows."""
        known = self.names.get(name)
        if known is None:
            return Mode.UNKNOWN
        if known.condition:
            return Mode.CONDITION
        if value in known.exceptions:
            return Mode.WORDED if known.copied else Mode.COPIED
        if known.copied:
            return Mode.COPIED if value not in _LITERALS and folded_words(value) else Mode.UNKNOWN
        return Mode.WORDED if any(phrase.value == value for phrase in known.phrases) else Mode.UNKNOWN

    def shows(self, name: str, value: str) -> bool:
        """Whether a text must show a value of a name."""
        return self.mode(name, value) in {Mode.COPIED, Mode.WORDED}

    @cached_property
    def _telling(self) -> dict[tuple[str, ...], Telling]:
        return {tuple(telling.words.split(" ")): telling for telling in self.telling}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._telling), default=0)

    def telling_at(self, folded: tuple[str, ...], taken: list[bool]) -> list[Telling]:
        """The telling words in what is not taken of a text."""
        found: list[Telling] = []
        table, longest = self._telling, self._longest
        for start in range(len(folded)):
            for end in range(start + 1, min(start + longest, len(folded)) + 1):
                if taken[end - 1]:
                    break
                telling = table.get(folded[start:end])
                if telling is not None:
                    found.append(telling)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where one attribute shows in a text."""

    #: Its place among the attributes.
    pair: int
    #: Words of the text, the end not among them.
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Attributes and a text, held against each other."""

    words: Words
    #: In the order of the text.
    spans: tuple[Span, ...]
    #: Places of attributes that don't show.
    missing: tuple[int, ...]
    #: Values that stand in the text more often than they are given.
    repeated: int
    #: What the text says that is not given: ("", value), or (name, phrase) for a phrase of another value of a name.
    invented: tuple[tuple[str, str], ...]
    #: Words that usually come only with a name that is not given: no proof of an invention, but a hint.
    suspect: tuple[str, ...]

    @property
    def errors(self) -> int:
        """Missing and redundant slots, as Wen et al. (2015) count them; repeated values are no invention."""
        return len(self.missing) + len(self.invented)

    @property
    def faultless(self) -> bool:
        """Whether the text says all that is given, once, and there is not even a hint of anything else."""
        return not (self.missing or self.invented or self.repeated or self.suspect)


def align(realisations: Realisations, attributes: Attributes, text: str) -> Alignment:
    """Finds every attribute in a text, and what in the text no attribute explains.

    An attribute of unknown mode is missing.
    """
    words = words_of(text)
    taken = [False] * len(words.folded)
    modes = [realisations.mode(name, value) for name, value in attributes.pairs]
    missing = [place for place, mode in enumerate(modes) if mode is Mode.UNKNOWN]
    spans, absent, repeated = _copies(attributes, modes, words, taken)
    missing += absent
    worded, absent, invented = _wordings(realisations, attributes, modes, words, taken)
    missing += absent
    spans += worded
    given = {(name, value.casefold()) for name, value in attributes.pairs}
    names = {name for name, _ in attributes.pairs}
    suspect: list[str] = []
    for telling in realisations.telling_at(words.folded, taken):
        if telling.pairs and not any((name, value.casefold()) in given for name, value in telling.pairs):
            invented.append(("", telling.words))
        if telling.names and not names.intersection(telling.names):
            suspect.append(telling.words)
    return Alignment(
        words=words,
        spans=tuple(sorted(spans, key=lambda span: span.start)),
        missing=tuple(sorted(missing)),
        repeated=repeated,
        invented=tuple(dict.fromkeys(invented)),
        suspect=tuple(dict.fromkeys(suspect)),
    )


def _copies(
    attributes: Attributes, modes: list[Mode], words: Words, taken: list[bool]
) -> tuple[list[Span], list[int], int]:
    """The copied values, the longest first, so that a value inside of another one is not taken for it."""
    holders: dict[tuple[str, ...], list[int]] = {}
    for place, (_, value) in enumerate(attributes.pairs):
        if modes[place] is Mode.COPIED:
            holders.setdefault(folded_words(value), []).append(place)
    spans: list[Span] = []
    missing: list[int] = []
    repeated = 0
    for needle, places in sorted(holders.items(), key=lambda item: (-len(item[0]), item[1])):
        found = occurrences(needle, words.folded, taken)
        for start in found:
            taken[start : start + len(needle)] = [True] * len(needle)
        for place, start in zip(places, found, strict=False):
            spans.append(Span(pair=place, start=start, end=start + len(needle)))
        missing += places[len(found) :]
        repeated += max(0, len(found) - len(places))
    return spans, missing, repeated


def _wordings(
    realisations: Realisations, attributes: Attributes, modes: list[Mode], words: Words, taken: list[bool]
) -> tuple[list[Span], list[int], list[tuple[str, str]]]:
    """The worded values: by the first phrase of each name's list that the text holds.

    Where a name is given several times each needs a phrase of its own value.
    """
    holders: dict[str, list[int]] = {}
    for place, (name, _) in enumerate(attributes.pairs):
        if modes[place] is Mode.WORDED:
            holders.setdefault(name, []).append(place)
    spans: list[Span] = []
    missing: list[int] = []
    invented: list[tuple[str, str]] = []
    for name, places in holders.items():
        waiting = list(places)
        for phrase in realisations.names[name].phrases:
            needle = tuple(phrase.words.split(" "))
            found = occurrences(needle, words.folded, taken)
            wanted = [place for place in waiting if attributes.pairs[place][1] == phrase.value]
            if found and not wanted and not any(attributes.pairs[place][1] == phrase.value for place in places):
                invented.append((name, phrase.words))
                waiting = [] if len(places) == 1 else waiting
                missing += places if len(places) == 1 else []
            for place, start in zip(wanted, found, strict=False):
                taken[start : start + len(needle)] = [True] * len(needle)
                spans.append(Span(pair=place, start=start, end=start + len(needle)))
                waiting.remove(place)
            if not waiting:
                break
        missing += waiting
    return spans, missing, invented
