"""Early and late traffic of a task, and how it is cut into blocks of time that can be compared.

Owns which blocks: whole days, permuted among working days and among weekends, where there are enough, else hours,
permuted within their hour of the day. Refuses to know where traffic comes from and what is compared.

A day is a stretch of 24 hours that ends or begins where the late traffic begins, not a calendar day: no block holds
only a night. It is a weekend's if its middle is, in UTC. What does not fill a whole block is left out. Permuting within
each day of the week instead would be stricter about weekly cycles, but three weeks have only 2,187 such assignments, of
which 27 or more are hardly any different from the one observed where traffic changes little by little.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.stats.permutation import Design
from tierwright.stats.two_sample_sizes import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.core.ids import InferenceId

#: Requests of each side below which nothing is compared.
FEWEST = 50
#: Assignments of blocks that there must be for the smallest p-value to be small enough: see `drift.LEVEL`.
_ARRANGEMENTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One request of a task, as far as drift is concerned."""

    id: InferenceId
    at: datetime
    #: Its input, without the boilerplate.
    input: str
    #: The answer the caller got, canonical; None: none was kept, it broke the contract, or answers have no closed set.
    answer: str | None
    #: The specialist's confidence; None: it was not asked.
    confidence: float | None
    #: Whether the specialist answered; None: it was not asked.
    local: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """One way to cut time."""

    name: str
    length: timedelta
    #: The stratum of a block, by its number and its middle.
    stratum: Callable[[int, datetime], int]


_UNITS = (
    _Unit(
        name="days, working days and weekends apart",
        length=timedelta(days=1),
        stratum=lambda _, middle: int(middle.weekday() >= 5),
    ),
    _Unit(name="hours of the same time of day", length=timedelta(hours=1), stratum=lambda number, _: number % 24),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Early and late requests in whole blocks of time."""

    #: In order of time, the early ones first.
    observed: tuple[Observed, ...]
    #: Number of requests that are early.
    early: int
    #: What is permuted, in words.
    unit: str
    #: The block of each request, shape (n,); late ones are 0 and more.
    blocks: NDArray[np.int64]
    #: The stratum of each request's block, shape (n,).
    strata: NDArray[np.int64]

    @property
    def late(self) -> int:
        """Number of requests that are late."""
        return len(self.observed) - self.early

    def design(self, rows: Sequence[int]) -> Design:
        """The comparison of some of the requests. Raises NotEnoughData where too few blocks are left."""
        at = np.asarray(rows, dtype=np.int64)
        if len(at) == 0:
            raise NotEnoughData("none of the requests has what is compared")
        return Design.of(at >= self.early, blocks=self.blocks[at].tolist(), strata=self.strata[at].tolist())


def cut(early: Sequence[Observed], late: Sequence[Observed], *, since: datetime) -> Windows:
    """The windows, late ones from `since` on. Raises NotEnoughData where either has too few requests or blocks."""
    for side, name in ((early, "before"), (late, "after")):
        if len(side) < FEWEST:
            raise NotEnoughData(
                f"{len(side)} requests of this task lie in the traffic {name} {since:%Y-%m-%d %H:%M}; {FEWEST} are "
                "needed on each side: wait for more, or choose another --since or --baseline-days"
            )
    for unit in _UNITS:
        found = _cut(early, late, since, unit)
        if found is not None:
            return found
    raise NotEnoughData(
        f"the {len(early)} early and {len(late)} late requests fill too few hours to tell a change from the difference "
        "of any two hours; wait for a day of traffic, or choose another --since"
    )


def _cut(early: Sequence[Observed], late: Sequence[Observed], since: datetime, unit: _Unit) -> Windows | None:
    """The windows in one unit; None: too few blocks for it."""
    kept = [
        [one for one in side if first <= _block(one, since, unit) < last]
        for side, (first, last) in ((early, _whole(early, since, unit)), (late, _whole(late, since, unit)))
    ]
    rows = sorted(kept[0], key=_in_order) + sorted(kept[1], key=_in_order)
    if min(map(len, kept)) < FEWEST:
        return None
    blocks = np.array([_block(one, since, unit) for one in rows], dtype=np.int64)
    stratum = {
        number: unit.stratum(number, (since + (number + 0.5) * unit.length).astimezone(UTC))
        for number in np.unique(blocks).tolist()
    }
    sides = [[stratum[number] for number in stratum if (number >= 0) == late] for late in (False, True)]
    ways = math.prod(math.comb(n, k) for n, k in _per_stratum(*sides))
    if min(map(len, sides)) < FEWEST_BLOCKS or ways < _ARRANGEMENTS:
        return None
    return Windows(
        observed=tuple(rows),
        early=len(kept[0]),
        unit=unit.name,
        blocks=blocks,
        strata=np.array([stratum[number] for number in blocks.tolist()], dtype=np.int64),
    )


def _whole(side: Sequence[Observed], since: datetime, unit: _Unit) -> tuple[int, int]:
    """The blocks from the first to the last (exclusive) that the traffic of a side covers from end to end.

    Traffic is taken to cover a block where it comes within a twelfth of its length of the block's ends.
    """
    slack = unit.length / 12
    first, last = (each(one.at for one in side) for each in (min, max))
    return math.ceil((first - slack - since) / unit.length), math.floor((last + slack - since) / unit.length)


def _block(one: Observed, since: datetime, unit: _Unit) -> int:
    return math.floor((one.at - since) / unit.length)


def _in_order(one: Observed) -> tuple[datetime, str]:
    return one.at, one.id


def _per_stratum(early: Sequence[int], late: Sequence[int]) -> list[tuple[int, int]]:
    """Blocks in all, and late ones, of each stratum."""
    sizes, chosen = Counter([*early, *late]), Counter(late)
    return [(size, chosen[stratum]) for stratum, size in sizes.items()]
