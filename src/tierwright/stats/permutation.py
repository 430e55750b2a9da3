"""Which other assignments of early and late were as likely as the one observed, if nothing had changed.

Owns blocks that change sides as wholes, strata within which they do, the assignments and the p-value. Refuses to know
which statistic is computed of them.

Neighbouring requests depend on one another: they come in daily cycles, from one campaign, from one user's session.
Permuting single requests would take all of that for a change. So whole blocks are permuted, for example days, and where
blocks are of different kinds, such as Mondays and Sundays, only within their stratum. What is left to believe is that
blocks of one stratum are exchangeable if nothing changes.

References:
    Phipson and Smyth (2010), Permutation p-values should never be zero, SAGMB 9:39: one is added to both counts.
    Winkler, Webster, Vidaurre, Nichols and Smith (2015), Multi-level block permutation, NeuroImage 123:253-268.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.inputs import group_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.inputs import Groups

#: Assignments computed at a time: bounds the memory of a statistic that needs a column for each.
CHUNK = 250
#: Differences of a statistic below which two values are one, so that rounding breaks no tie.
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Who is early and who is late, and what changes sides together."""

    #: Whether each observation is late, shape (n,).
    late: NDArray[np.bool_]
    #: The block of each observation, shape (n,).
    blocks: NDArray[np.int64]
    #: The stratum of each block, shape (blocks,).
    strata: NDArray[np.int64]
    #: Whether each block is late, shape (blocks,).
    late_blocks: NDArray[np.bool_]

    @classmethod
    def of(cls, late: ArrayLike, *, blocks: Groups | None = None, strata: Groups | None = None) -> Design:
        """The design; `blocks` and `strata` name those of each observation. None: each its own, and one stratum.

        Raises InputError where a block is on both sides or in two strata, NotEnoughData where a side has fewer than two
        blocks: then nothing says how much blocks differ without a change.
        """
        sides = np.asarray(late, dtype=np.bool_)
        n = sides.size
        codes = np.arange(n) if blocks is None else group_codes(blocks, n)
        stratum = np.zeros(n, dtype=np.int64) if strata is None else group_codes(strata, n)
        count = int(codes.max()) + 1 if n else 0
        late_blocks, of_block = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.int64)
        late_blocks[codes], of_block[codes] = sides, stratum
        if np.any(late_blocks[codes] != sides):
            raise InputError("a block holds early and late observations; a block must be on one side as a whole")
        if np.any(of_block[codes] != stratum):
            raise InputError("a block holds observations of two strata; a block must be in one stratum as a whole")
        if min(int(late_blocks.sum()), int((~late_blocks).sum())) < 2:
            raise NotEnoughData(
                f"{int((~late_blocks).sum())} early and {int(late_blocks.sum())} late blocks; at least 2 of each are "
                "needed to tell a change from the difference of any two blocks"
            )
        return cls(late=sides, blocks=codes, strata=of_block, late_blocks=late_blocks)

    @property
    def by_itself(self) -> bool:
        """Whether each observation is a block of its own."""
        return self.late_blocks.size == self.late.size

    @property
    def arrangements(self) -> int:
        """How many assignments of the blocks there are."""
        return math.prod(math.comb(len(inside), int(self.late_blocks[inside].sum())) for inside in self._strata())

    def part(self, rows: NDArray[np.int64]) -> Design:
        """The design of some of the observations. Raises NotEnoughData where too few blocks are left."""
        return Design.of(self.late[rows], blocks=self.blocks[rows].tolist())

    def assignments(self, generator: np.random.Generator, permutations: int) -> Assignments:
        """All assignments where they are no more than `permutations` + 1, else so many drawn at random."""
        if self.arrangements <= permutations + 1:
            return Assignments(late=self._all()[:, self.blocks].T, exact=True)
        drawn = np.repeat(self.late_blocks[None, :], permutations, axis=0)
        for inside in self._strata():
            drawn[:, inside] = generator.permuted(drawn[:, inside], axis=1)
        return Assignments(late=drawn[:, self.blocks].T, exact=False)

    def _strata(self) -> list[NDArray[np.int64]]:
        return [np.flatnonzero(self.strata == stratum) for stratum in np.unique(self.strata)]

    def _all(self) -> NDArray[np.bool_]:
        """Every assignment of the blocks, shape (arrangements, blocks)."""
        ways = [list(combinations(inside.tolist(), int(self.late_blocks[inside].sum()))) for inside in self._strata()]
        found = np.zeros((self.arrangements, self.late_blocks.size), dtype=np.bool_)
        for row, chosen in enumerate(product(*ways)):
            found[row, [block for part in chosen for block in part]] = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignments:
    """What could as well have been observed."""

    #: Whether each observation is late in each assignment, shape (n, assignments).
    late: NDArray[np.bool_]
    #: Whether these are all there are, the one observed among them.
    exact: bool

    def chunks(self) -> Iterator[NDArray[np.bool_]]:
        """A few assignments at a time, each of shape (n, at most `CHUNK`)."""
        for start in range(0, self.late.shape[1], CHUNK):
            yield self.late[:, start : start + CHUNK]

    def p_value(self, observed: float, others: NDArray[np.float64]) -> float:
        """The share of assignments whose statistic is at least as large as the one observed.

        Exact where all are known; otherwise the one observed is counted among those drawn, so that it is never 0.
        """
        above = int(np.count_nonzero(others >= observed - _SAME * max(1.0, abs(observed))))
        return above / others.size if self.exact else (1 + above) / (1 + others.size)
