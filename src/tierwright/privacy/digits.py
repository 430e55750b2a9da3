"""Numbers in a text as people write them: groups of digits with marks between.

Owns where a number begins and ends; refuses to know what it is.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Digits of a number at most and at least; of those with fewer than `SHORT` only what a label calls a telephone.
MOST, LEAST, SHORT = 19, 5, 6
#: Groups in which people write cards, telephone numbers and the numbers of states; parts of a longer run are looked at
#: where they are grouped so. Cards; telephones; identity, tax and insurance numbers.
FORMS: Final = frozenset(
    {
        *((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (8, 8), (4, 4, 4, 1), (6, 10), (5, 5, 5)),
        *((3, 3, 4), (1, 3, 3, 4), (2, 3, 3, 4), (3, 4, 4), (2, 4, 4), (2, 2, 2, 2, 2), (4, 3, 3), (3, 4), (4, 4)),
        *((4, 3, 4), (5, 6), (5, 3, 3), (2, 3, 4), (1, 4, 4), (4, 7), (4, 8), (3, 8), (3, 7), (2, 2, 3, 2, 2)),
        *((2, 1, 2, 2, 2, 2), (2, 2, 2, 2), (2, 6), (3, 2, 2), (2, 3, 3), (1, 3, 4), (2, 3, 2), (3, 5), (4, 3)),
        *((3, 3, 3), (3, 2, 3), (2, 2, 2), (3, 2, 2, 2), (2, 2, 2, 2, 3), (3, 3, 2, 2), (4, 2, 2, 2), (3, 6), (2, 7)),
        *((3, 2, 4), (2, 3, 3, 3), (3, 3, 3, 2), (2, 3, 3, 4, 2), (1, 2, 2, 2, 3, 3, 2), (2, 2, 2, 3, 2), (6, 4)),
        *((8, 4), (6, 5), (6, 7), (3, 4, 4, 2), (2, 8, 1), (5, 7, 1), (7, 1), (8, 1), (9, 1), (2, 3, 3, 1), (6, 2, 4)),
        *((1, 4, 5, 2, 1), (10, 2), (4, 3, 3, 3), (3, 3, 3, 3), (2, 3, 2, 2), (2, 2, 2, 3)),
    }
)
#: Digits of most cards.
_CARD = 16
#: First digits of cards of that length (ISO/IEC 7812).
_CARDS_BEGIN = "23456"
#: Groups from which a run is a table rather than a few numbers: short ones are not looked for in it.
_TABLE = 16
#: Digits from which a number is no short one.
_LONG = 10
#: Digits that stand one by one and are taken for a number at least.
_ALONE = 9
#: What may stand between two groups of one number.
_BETWEEN = rb"(?:[ \t]?[()./_ -][ \t]?|[ \t]?\r?\n[ \t]?|[ \t]{2}|\) ?[-./]? ?|\][ ]?|\\n|\|)"
#: Groups with nothing but a separator between each and the next. What was matched is never given back: no text makes
#: this take longer than its length.
_RUN = re.compile(rb"[0-9]+(?:" + _BETWEEN + rb"[0-9]+)*+")
_GROUP = re.compile(rb"[0-9]+")
#: Every byte that is no digit.
NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))


class Number(NamedTuple):
    """A stretch that may be one number."""

    digits: str
    start: int
    end: int
    #: Digits of each group.
    sizes: tuple[int, ...]


def numbers(raw: bytes) -> Iterator[Number]:
    """All stretches of `LEAST` to `MOST` digits that may be one number; they overlap where groups could go either way.

    A bounded number for each group, so that a text of nothing but digits takes time proportional to its length.
    """
    for match in _RUN.finditer(raw):
        start, end = match.span()
        if end - start < LEAST:
            continue
        digits = match[0].translate(None, NO_DIGITS).decode("ascii")
        if len(digits) == end - start:
            yield Number(digits, start, end, (end - start,))
        elif len(digits) >= LEAST:
            yield from _Run(raw, digits, start, end).numbers()


class _Run:
    """Several groups with nothing but a separator between each and the next."""

    def __init__(self, raw: bytes, digits: str, start: int, end: int) -> None:
        spans = [group.span() for group in _GROUP.finditer(raw, start, end)]
        self._raw = raw
        self._digits = digits
        self._spans = spans
        self._sizes = tuple([after - first for first, after in spans])
        #: Digits before each group, and of all.
        self._before = [0, *accumulate(self._sizes)]

    def numbers(self) -> Iterator[Number]:
        """As `numbers`."""
        yield from self._whole(0, len(self._spans))
        yield from self._lines()
        yield from self._single_digits()
        yield from self._formed()
        for at, size in enumerate(self._sizes):
            if size >= LEAST:
                yield self._part(at, at + 1)

    def _part(self, first: int, after: int) -> Number:
        return Number(
            self._digits[self._before[first] : self._before[after]],
            self._spans[first][0],
            self._spans[after - 1][1],
            self._sizes[first:after],
        )

    def _whole(self, first: int, after: int) -> Iterator[Number]:
        if after - first <= MOST and LEAST <= self._before[after] - self._before[first] <= MOST:
            yield self._part(first, after)

    def _lines(self) -> Iterator[Number]:
        """The parts that stand on lines of their own."""
        spans = self._spans
        if b"\n" not in self._raw[spans[0][1] : spans[-1][0]]:
            return
        ends = [at for at in range(1, len(spans)) if b"\n" in self._raw[spans[at - 1][1] : spans[at][0]]]
        for first, after in zip([0, *ends], [*ends, len(spans)], strict=True):
            if after - first > 1:
                yield from self._whole(first, after)

    def _single_digits(self) -> Iterator[Number]:
        """Digits one by one, where other groups stand around; of too many of them what may be a card."""
        if self._sizes.count(1) < _ALONE:
            return
        first = 0
        for at in range(len(self._sizes) + 1):
            if at == len(self._sizes) or self._sizes[at] > 1:
                if _ALONE <= at - first < len(self._sizes):
                    yield from self._whole(first, at)
                if at - first > MOST:
                    for start in range(first, at - _CARD + 1):
                        if self._digits[self._before[start]] in _CARDS_BEGIN:
                            yield self._part(start, start + _CARD)
                first = at + 1

    def _formed(self) -> Iterator[Number]:
        """Parts that are grouped as a known kind of number, the longer ones at a place first."""
        sizes, many = self._sizes, len(self._sizes)
        begun = _BEGUN if many <= _TABLE else _LONG_BEGUN
        for first in range(many - 1):
            for form in begun.get(sizes[first : first + 2], ()):
                after = first + len(form)
                if sizes[first:after] == form and len(form) < many:
                    yield self._part(first, after)


def _by_beginning(least: int) -> Mapping[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The forms of so many digits or more by their first two groups, those of many groups first."""
    table: dict[tuple[int, ...], tuple[tuple[int, ...], ...]] = {}
    for form in sorted(FORMS, key=len, reverse=True):
        if sum(form) >= least:
            table[form[:2]] = (*table.get(form[:2], ()), form)
    return table


_BEGUN, _LONG_BEGUN = _by_beginning(SHORT), _by_beginning(_LONG)
