"""What stands around the places where one part or message of a request ends and the next begins.

A number may be cut in two there, and a question's label may be in one message and the answer in the next. Owns which
places are looked at; refuses to know what is looked for.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Characters before and after the end of a part that are read together.
_SEAM = 64
#: What a number, an address or most keys have somewhere.
_TELLING = re.compile("[\\d@\uff20]")


class Seam(NamedTuple):
    """The ends and beginnings of parts that follow one another, as one text."""

    text: str
    #: Where in it parts meet.
    bounds: tuple[int, ...]
    #: What reaches down to here, or up to there, may have been cut off.
    low: int
    high: int


def seams(spoken: Sequence[str]) -> Iterator[Seam]:
    """What stands around the places where one part ends and the next begins."""
    parts = [part for text in spoken if (part := text.strip())]
    if all(len(part) >= 2 * _SEAM for part in parts[1:-1]):  # no seam reaches into another one
        for one, two in pairwise(parts):
            end, begin = one[-_SEAM:], two[:_SEAM]
            yield from _seam(end + begin, [len(end)], (len(one) > _SEAM, len(two) > _SEAM))
        return
    bounds = list(accumulate(map(len, parts)))[:-1]
    joined = "".join(parts)
    low, high, within = 0, 0, list[int]()
    for bound in [*bounds, len(joined) + 2 * _SEAM]:
        if within and bound - _SEAM > high:
            cut = (low > 0, high < len(joined))
            yield from _seam(joined[low:high], [one - low for one in within], cut)
            within = []
        if not within:
            low = max(0, bound - _SEAM)
        high = min(len(joined), bound + _SEAM)
        within.append(bound)


def _seam(text: str, bounds: list[int], cut: tuple[bool, bool]) -> Iterator[Seam]:
    """A seam, and the same with the parts kept apart. `cut`: whether there is more before and after the text."""
    if _TELLING.search(text) is None:
        return
    joined = [text]
    if any(text[bound - 1].isalnum() and text[bound].isalnum() for bound in bounds):
        # A label and its number are one word without anything between them.
        joined.append("-".join(text[low:high] for low, high in pairwise([0, *bounds, len(text)])))
    for at, whole in enumerate(joined):
        places = tuple(bound + at * before for before, bound in enumerate(bounds))
        yield Seam(whole, places, 0 if cut[0] else -1, len(whole) + (not cut[1]))
