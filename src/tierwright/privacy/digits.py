"""Numbers in a text as people write them: groups of digits with marks between.

Owns where a number begins and ends; refuses to know what it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Digits of a number at most and at least.
MOST, LEAST = 19, 6
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
        *((1, 4, 5, 2, 1), (10, 2), (4, 3, 3, 3), (3, 3, 3, 3)),
    }
)
#: Digits of most cards.
_CARD = 16
#: Groups from which a run is a table rather than a few numbers: short ones are not looked for in it.
_TABLE = 16
_LONG_FORMS = frozenset(form for form in FORMS if sum(form) > 9)
_MOST_GROUPS = max(map(len, FORMS))
_GROUP = re.compile(rb"[0-9]+")
#: What may stand between two groups of one number.
_BETWEEN = re.compile(rb"[ \t]?[()./_ -][ \t]?|[ \t]?\r?\n[ \t]?|[ \t]{2}|\) ?[-./]? ?|\][ ]?|\\n|\|")


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
    for run in _runs(raw):
        if len(run) > 1:
            yield from _whole(run)
            yield from _lines(raw, run)
            yield from _single_digits(run)
            yield from _formed(run)
        for group in run:
            if len(group.digits) >= LEAST:
                yield group


def _runs(raw: bytes) -> Iterator[list[Number]]:
    """Groups with nothing but a separator between each and the next."""
    run: list[Number] = []
    for match in _GROUP.finditer(raw):
        text = match[0].decode("ascii")
        group = Number(text, match.start(), match.end(), (len(text),))
        if run and not (
            match.start() - run[-1].end <= 3 and _BETWEEN.fullmatch(raw, run[-1].end, match.start()) is not None
        ):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _whole(run: list[Number]) -> Iterator[Number]:
    if len(run) <= MOST and LEAST <= sum(len(group.digits) for group in run) <= MOST:
        yield _joined(run)


def _lines(raw: bytes, run: list[Number]) -> Iterator[Number]:
    """The parts of a run that stand on lines of their own."""
    ends = [at for at in range(1, len(run)) if b"\n" in raw[run[at - 1].end : run[at].start]]
    for first, last in zip([0, *ends], [*ends, len(run)], strict=True):
        if ends and last - first > 1:
            yield from _whole(run[first:last])


def _single_digits(run: list[Number]) -> Iterator[Number]:
    """Digits one by one, where other groups stand around; of too many of them what may be a card."""
    first = 0
    for at in range(len(run) + 1):
        if at == len(run) or len(run[at].digits) > 1:
            alone = run[first:at]
            if 9 <= len(alone) < len(run):
                yield from _whole(alone)
            if len(alone) > MOST:
                yield from (_joined(alone[start : start + _CARD]) for start in range(len(alone) - _CARD + 1))
            first = at + 1


def _formed(run: list[Number]) -> Iterator[Number]:
    """Parts of a run that are grouped as a known kind of number, the longer ones at a place first."""
    sizes = tuple(len(group.digits) for group in run)
    forms = FORMS if len(run) <= _TABLE else _LONG_FORMS
    for first in range(len(run)):
        for count in range(min(_MOST_GROUPS, len(run) - first), 1, -1):
            if sizes[first : first + count] in forms and count < len(run):
                yield _joined(run[first : first + count])


def _joined(groups: list[Number]) -> Number:
    return Number(
        "".join(group.digits for group in groups),
        groups[0].start,
        groups[-1].end,
        tuple(len(group.digits) for group in groups),
    )
