"""The figures an experiment may be decided by, each from what its examples add up.

Owns what one example contributes to a figure, the figure of many and the interval of a difference. Refuses to know who
answered, and which texts there were once they are counted: an evaluation can be computed again from its outcomes alone.

| metric | of | one example contributes | interval of the difference |
|---|---|---|---|
| accuracy | labels, fields | 1 right, 0 wrong | Tango's score, groups as copies |
| agreement | all but texts | the same, with the incumbent's answer as right | exact binomial of changed answers |
| span_f1 | spans | strings shared, answered, wanted | paired BCa bootstrap of groups |
| chrf | texts | runs of 1 to 6 characters: answered, wanted, shared | the same |
| bleu | texts | runs of 1 to 4 words: shared, answered; both lengths | the same |

chrF (Popović 2015) is of all answers together, as sacrebleu's `corpus_chrf` counts it with its own settings: beta 2,
white space left out, and for each answer the right text that it is most like. As shares, not in per cent.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.evals.scorers import ExactAnswer
from tierwright.evals.spans import count_spans, f1_of
from tierwright.evals.texts import bleu_counts
from tierwright.stats.intervals import clopper_pearson_by_group, wilson_by_group
from tierwright.stats.paired import paired_difference
from tierwright.stats.resampling import PairedFigures, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.stats.inputs import Groups

ACCURACY, AGREEMENT, SPAN_F1, CHRF, BLEU = "accuracy", "agreement", "span_f1", "chrf", "bleu"
#: Figures that are shares of right answers; the others are functions of sums.
SHARES = (ACCURACY, AGREEMENT)
#: Longest run of characters, and how much more recall counts than precision.
_RUN, _BETA_SQUARED = 6, 4.0


def metrics_of(contract: OutputContract, *, by_people: bool) -> tuple[str, ...]:
    """The figures that an experiment with such answers may be decided by, the usual one first; () where there is none.

    Without people's labels texts have none: likeness to the incumbent's wording says nothing about who is better.
    """
    if contract.kind is ContractKind.TEXT:
        return (CHRF, BLEU) if by_people else ()
    if not by_people:
        return (AGREEMENT,)
    return (SPAN_F1, ACCURACY) if contract.kind is ContractKind.SPANS else (ACCURACY,)


def contribution(metric: str, contract: OutputContract, rights: Sequence[str], answer: str) -> tuple[float, ...]:
    """What one answer adds to a figure; only texts may have several right answers."""
    if metric in SHARES:
        return (ExactAnswer(contract).score(rights[0], answer),)
    if metric == SPAN_F1:
        return tuple(float(count) for count in count_spans(contract, rights[0], answer))
    if metric == CHRF:
        return max((_chrf_counts(right, answer) for right in rights), key=lambda row: float(_chrf(np.array([row]))[0]))
    if metric == BLEU:
        return tuple(bleu_counts([answer], [rights])[0].tolist())
    raise InputError(f"there is no metric {metric!r}; there are {', '.join((*SHARES, SPAN_F1, CHRF, BLEU))}")


def score(metric: str, rows: ArrayLike, groups: Groups, *, level: float) -> Estimate:
    """The share of right answers among outcomes, one row for each, with Wilson's interval."""
    if metric not in SHARES:
        raise InputError(f"{metric} is no share; it is estimated for both arms together by `compared`")
    return wilson_by_group(np.asarray(rows, dtype=np.float64)[:, 0], groups, level=level)


def compared(
    metric: str, candidate: ArrayLike, baseline: ArrayLike, groups: Groups, *, level: float, seed: int
) -> PairedFigures:
    """Both arms and their difference, from one row an example each, in the same order.

    By agreement the baseline is 1 by definition. Raises InputError for rows that don't fit, NotEnoughData where the
    figure has no interval: see `paired_bootstrap`.
    """
    first, second = (np.atleast_2d(np.asarray(rows, dtype=np.float64)) for rows in (candidate, baseline))
    if first.size == 0:
        raise NotEnoughData("there is no outcome to compare; at least one is needed")
    if metric in SHARES:
        return _shares(metric, first[:, 0], second[:, 0], groups, level)
    figure = {SPAN_F1: f1_of, CHRF: _chrf, BLEU: _bleu}[metric]
    return paired_bootstrap(first, second, figure, np.random.default_rng(seed), clusters=groups, level=level)


def slot_figures(
    candidate: ArrayLike, baseline: ArrayLike, groups: Groups, *, level: float, seed: int
) -> PairedFigures | None:
    """Slot errors per given attribute of both arms and their difference; None: no slot was checked.

    Where both make the same errors on every example, resampling can't say how far apart they may be; the interval is
    then the exact one of the share of examples that differ, as if each differed by all its attributes.
    """
    first, second = (np.asarray(rows, dtype=np.float64) for rows in (candidate, baseline))
    if not first[:, 1].any():
        return None
    if np.array_equal(first, second):
        wide = clopper_pearson_by_group(np.zeros(len(first)), groups, level=level).ci_high
        same = float(_ratio(first.sum(axis=0)[None, :])[0])
        method = "no example differs, exact binomial"
        one = Estimate(value=same, ci_low=same, ci_high=same, level=level, n=len(set(groups)), method=method)
        zero = Estimate(value=0.0, ci_low=-wide, ci_high=wide, level=level, n=one.n, method=method)
        return PairedFigures(candidate=one, baseline=one, difference=zero)
    return paired_bootstrap(first, second, _ratio, np.random.default_rng(seed), clusters=groups, level=level)


def _shares(
    metric: str, candidate: NDArray[np.float64], baseline: NDArray[np.float64], groups: Groups, level: float
) -> PairedFigures:
    right = wilson_by_group(candidate, groups, level=level)
    if metric == ACCURACY:
        return PairedFigures(
            candidate=right,
            baseline=wilson_by_group(baseline, groups, level=level),
            difference=paired_difference(candidate, baseline, groups, level=level),
        )
    changed = clopper_pearson_by_group(1.0 - candidate, groups, level=level)
    return PairedFigures(
        candidate=right,
        baseline=Estimate(value=1.0, ci_low=1.0, ci_high=1.0, level=level, n=len(groups), method="by definition"),
        difference=Estimate(
            value=0.0 - changed.value,
            ci_low=0.0 - changed.ci_high,
            ci_high=0.0 - changed.ci_low,
            level=level,
            n=changed.n,
            method=f"{changed.method} of changed answers",
        ),
    )


def _ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(sums[..., 1] > 0, sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], 1), np.nan)


def _bleu(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    shared, at_all, ours, theirs = sums[..., :4], sums[..., 4:8], sums[..., 8], sums[..., 9]
    some = (shared > 0).all(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(shared > 0, shared, 1) / np.where(at_all > 0, at_all, 1)).mean(axis=-1)
        brevity = np.minimum(0.0, 1 - theirs / np.where(ours > 0, ours, 1))
    return np.where(some, np.exp(logs + brevity), 0.0)


def _chrf(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """From answered, wanted and shared runs of each length, in turn."""
    answered, wanted, shared = (sums[..., at::3] for at in range(3))
    both = (answered > 0) & (wanted > 0)
    lengths = np.maximum(both.sum(axis=-1), 1)
    precision = np.where(both, shared / np.where(answered > 0, answered, 1), 0).sum(axis=-1) / lengths
    recall = np.where(both, shared / np.where(wanted > 0, wanted, 1), 0).sum(axis=-1) / lengths
    weighted = _BETA_SQUARED * precision + recall
    return np.where(weighted > 0, (1 + _BETA_SQUARED) * precision * recall / np.where(weighted > 0, weighted, 1), 0.0)


def _chrf_counts(right: str, answer: str) -> tuple[float, ...]:
    found, wanted = "".join(answer.split()), "".join(right.split())
    row: list[float] = []
    for size in range(1, _RUN + 1):
        ours, theirs = (Counter(text[at : at + size] for at in range(len(text) - size + 1)) for text in (found, wanted))
        # As sacrebleu: runs that no right text could have are not held against the answer.
        row += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return tuple(row)
