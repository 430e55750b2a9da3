"""How alike two texts are, and how alike the answers of one writer are among themselves.

Owns the measure and the yardstick that says what is alike enough. Refuses to know who wrote the texts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.delexicalising import act_of, delexicalise, render, slots_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.specialists.attributes import Attributes
    from tierwright.specialists.delexicalising import Slot
    from tierwright.specialists.realisation import Realisations

#: Characters in a run at most, and how much more recall counts than precision.
_RUN, _BETA = 6, 2.0
#: Pairs of answers looked at, at most and at least.
_MOST_PAIRS, _LEAST_PAIRS = 1000, 20
#: Share of a writer's own answers that are less like each other than the yardstick.
UNLIKE_SHARE = 0.05


def chrf(answer: str, right: str) -> float:
    """chrF2 of one answer, in [0, 1]: the F-score of runs of 1 to 6 characters, white space left out.

    Popovic (2015), chrF: character n-gram F-score for automatic MT evaluation. Precision and recall are means over the
    lengths of runs that both texts have.
    """
    found, wanted = "".join(answer.split()), "".join(right.split())
    precisions: list[float] = []
    recalls: list[float] = []
    for size in range(1, _RUN + 1):
        ours = Counter(found[at : at + size] for at in range(len(found) - size + 1))
        theirs = Counter(wanted[at : at + size] for at in range(len(wanted) - size + 1))
        if ours and theirs:
            shared = (ours & theirs).total()
            precisions.append(shared / ours.total())
            recalls.append(shared / theirs.total())
    if not precisions:
        return float(found == wanted)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    weighted = _BETA**2 * precision + recall
    return (1 + _BETA**2) * precision * recall / weighted if weighted else 0.0


def likeness(answer: str, rights: Sequence[str]) -> float:
    """chrF2 with the right answer that is most like it."""
    return max((chrf(answer, right) for right in rights), default=0.0)


def yardstick(realisations: Realisations, given: Sequence[Attributes], texts: Sequence[str]) -> float | None:
    """The likeness that one writer's answers to the same kinds of attributes reach among themselves in 95 of 100 pairs.

    Two texts whose attributes differ in copied values only are compared with the values of the first in both. None
    where there are fewer than 20 such pairs.
    """
    alike: dict[tuple[str, frozenset[Slot]], list[int]] = defaultdict(list)
    for place, one in enumerate(given):
        slots = slots_of(realisations, one)
        if slots is not None:
            alike[act_of(realisations, one), frozenset(slot for slot in slots if slot is not None)].append(place)
    found: list[float] = []
    for places in alike.values():
        for first, second in zip(places[::2], places[1::2], strict=False):
            tokens = delexicalise(realisations, given[second], texts[second])
            if tokens is None or len(found) >= _MOST_PAIRS:
                continue
            slots = slots_of(realisations, given[first]) or []
            values = {
                slot: value for slot, (_, value) in zip(slots, given[first].pairs, strict=True) if slot is not None
            }
            found.append(chrf(render(tokens, values), texts[first]))
    return float(np.quantile(found, UNLIKE_SHARE)) if len(found) >= _LEAST_PAIRS else None
