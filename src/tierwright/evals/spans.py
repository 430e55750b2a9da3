"""F1 of extracted strings: how many of the (field, string) pairs that should be answered are, and no others.

Owns the strict count over pairs and its interval; refuses to know who answered. A pair counts once for each time it is
answered, up to the times it should be; white space is tidied, nothing else is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.specialists.spans.answers import read_values, strings_of, tidied
from tierwright.stats.inputs import group_codes, same_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.stats.inputs import Groups

_RESAMPLES = 4000
_METHOD = "micro-F1 of strings, percentile bootstrap of groups"


class SpanF1:
    """F1 of one answer's (field, string) pairs; 1 where there are none and none should be."""

    def __init__(self, contract: OutputContract) -> None:
        self._contract = contract

    @property
    def name(self) -> str:
        """As the field calls it."""
        return "span F1"

    def score(self, right: str, answer: str) -> float:
        """A number in [0, 1]."""
        hits, given, wanted = count_spans(self._contract, right, answer)
        return 2 * hits / (given + wanted) if given + wanted else 1.0


def span_f1(
    contract: OutputContract, rights: Sequence[str], answers: Sequence[str], groups: Groups, seed: int
) -> Estimate:
    """Micro-F1 over all pairs, with a 95 % interval from 4,000 resamples of whole groups (Efron 1979).

    An answer that breaks the contract has no pairs. Deterministic for a seed; `n` is the number of groups. Raises
    InputError where lengths differ, NotEnoughData where there is no pair to be found and none was answered.
    """
    counts = _table(contract, rights, answers, groups)
    value = f1_of(counts.sum(axis=0))
    if not np.isfinite(value):
        raise NotEnoughData("no answer has a string and none should have one, so there is no F1")
    found = _resampled(counts, seed)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return Estimate(value=float(value), ci_low=float(low), ci_high=float(high), n=len(counts), method=_METHOD)


def span_f1_difference(
    contract: OutputContract,
    rights: Sequence[str],
    candidate: Sequence[str],
    baseline: Sequence[str],
    groups: Groups,
    seed: int,
) -> Estimate:
    """Micro-F1 of the candidate minus that of the baseline, both on the same resamples. Raises as `span_f1`."""
    first, second = (_table(contract, rights, answers, groups) for answers in (candidate, baseline))
    value = f1_of(first.sum(axis=0)) - f1_of(second.sum(axis=0))
    if not np.isfinite(value):
        raise NotEnoughData("no answer has a string and none should have one, so there is no F1")
    low, high = np.nanquantile(_resampled(first, seed) - _resampled(second, seed), [0.025, 0.975])
    return Estimate(
        value=float(value), ci_low=float(low), ci_high=float(high), n=len(first), method=f"difference of {_METHOD}"
    )


def _table(
    contract: OutputContract, rights: Sequence[str], answers: Sequence[str], groups: Groups
) -> NDArray[np.float64]:
    """Hits, pairs answered and pairs wanted of each group, shape (groups, 3)."""
    same_length(rights, answers, "right answers and answers")
    codes = group_codes(groups, len(rights))
    if len(rights) == 0:
        raise NotEnoughData("there is no answer to score; at least one is needed")
    table = np.zeros((int(codes.max()) + 1, 3))
    for code, right, answer in zip(codes.tolist(), rights, answers, strict=True):
        table[code] += count_spans(contract, right, answer)
    return table


def _resampled(counts: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    drawn = np.empty((_RESAMPLES, 3))
    for row in range(_RESAMPLES):
        drawn[row] = counts[generator.integers(0, len(counts), len(counts))].sum(axis=0)
    return f1_of(drawn)


def f1_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where nothing was answered and nothing wanted."""
    sizes = sums[..., 1] + sums[..., 2]
    return np.where(sizes > 0, 2 * sums[..., 0] / np.where(sizes > 0, sizes, 1), np.nan)


def count_spans(contract: OutputContract, right: str, answer: str) -> tuple[int, int, int]:
    """Strings of an answer that are right, strings it has, and strings it should have."""
    wanted, given = _pairs(contract, right), _pairs(contract, answer)
    return sum((wanted & given).values()), sum(given.values()), sum(wanted.values())


def _pairs(contract: OutputContract, answer: str) -> Counter[tuple[str, str]]:
    values = read_values(contract, answer)
    found: Counter[tuple[str, str]] = Counter()
    for name, value in (values or {}).items():
        found.update((name, tidied(text)) for text in strings_of(value) or [] if text.strip())
    return found
