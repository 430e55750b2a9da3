"""How good texts made from attributes are: likeness to the right texts, and what they leave out or invent.

Owns the two figures and their intervals. How attributes show is learned here from the right texts alone, so that what
is measured knows nothing of who is measured. Refuses to know how the texts were made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.specialists.attributes import read_attributes
from tierwright.specialists.realisation import Mode, align
from tierwright.specialists.realisation_learning import learn_realisations

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.specialists.attributes import Attributes
    from tierwright.specialists.realisation import Realisations

#: Draws of the bootstrap.
_DRAWS = 1000
#: Share of the right texts of a worded value in which it must be recognised, for it to be counted at all.
_RECOGNISED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class TextQuality:
    """Texts, measured."""

    #: BLEU of all texts together, in [0, 1].
    bleu: Estimate
    #: (missing + redundant) / given slots; None: no input is a list of attributes. Can exceed 1.
    slot_errors: Estimate | None
    #: Share of the given slots that are checked: the right texts show them recognisably.
    checked_share: float
    #: Answers that are empty; all slots of these are missing.
    empty: int


def text_quality(
    contract: OutputContract,
    inputs: Sequence[str],
    rights: Sequence[Sequence[str]],
    answers: Sequence[str],
    groups: Sequence[Hashable],
    *,
    seed: int,
    level: float = 0.95,
) -> TextQuality:
    """BLEU and slot errors of one answer to each input, with intervals; all sequences in parallel.

    `rights` holds for each input every right text there is; `groups` says which inputs are copies of one another.

    BLEU (Papineni et al. 2002) is of all answers together, of up to 4 words, by sacrebleu (Post 2018) with its
    tokenisation 13a, lower-cased; as a share, not in per cent. The slot error is that of Wen et al. (2015): attributes
    that a text does not show and values or phrases of values in it that are not given, over all given attributes; how
    attributes show is learned from the right texts (`specialists.realisation_learning`), and what these themselves
    don't show recognisably is not counted: conditions, and values worded too freely (their measure, too, leaves out
    what is not cared about). `checked_share` says how much is left. Values said more than once are no error here.

    Intervals: percentile bootstrap over groups (Efron and Tibshirani 1993), 1,000 draws. Raises InputError where there
    is nothing to measure, an input has no right text, or the contract has no texts.
    """
    if contract.kind is not ContractKind.TEXT:
        raise InputError(f"these answers are {contract.kind.value}; BLEU and slot errors are for text answers")
    sizes = {len(inputs), len(rights), len(answers), len(groups)}
    if len(sizes) != 1 or not inputs or not all(rights):
        raise InputError("there must be inputs, each with an answer, a group and at least one right text")
    members = _members(groups)
    counts = bleu_counts(answers, rights)
    slots, checked = slot_counts(inputs, rights, answers)
    return TextQuality(
        bleu=_estimate(counts, members, _bleu, "BLEU-4, 13a, lower-cased", seed=seed, level=level),
        slot_errors=_estimate(slots, members, _ratio, "slot error rate", seed=seed, level=level)
        if slots[:, 1].any()
        else None,
        checked_share=checked,
        empty=sum(not answer.strip() for answer in answers),
    )


def bleu_counts(answers: Sequence[str], rights: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """What BLEU adds up, shape (n, 10): runs shared and runs at all, of 1 to 4 words, and both lengths."""
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - 50 ms that only texts need

    metric = BLEU(lowercase=True, effective_order=True)
    rows = []
    for answer, wanted in zip(answers, rights, strict=True):
        found = metric.sentence_score(answer, list(wanted))
        rows.append([*found.counts, *found.totals, found.sys_len, found.ref_len])
    return np.array(rows, dtype=np.float64)


def _bleu(total: NDArray[np.float64]) -> float:
    shared, at_all, ours, theirs = total[:4], total[4:8], total[8], total[9]
    if not shared.all():
        return 0.0
    brevity = min(0.0, 1 - theirs / ours)
    return float(np.exp(np.log(shared / at_all).mean() + brevity))


def slot_counts(
    inputs: Sequence[str], rights: Sequence[Sequence[str]], answers: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    """Errors and checked slots of each answer, shape (n, 2), and the share of the given slots that can be checked.

    Zeros where the input is no list of attributes.
    """
    given = [read_attributes(text) for text in inputs]
    rows = [(one, right) for one, texts in zip(given, rights, strict=True) if one is not None for right in texts]
    counts = np.zeros((len(inputs), 2))
    if not rows:
        return counts, 0.0
    known = learn_realisations([one for one, _ in rows], [right for _, right in rows])
    vague = _vague(known, rows)
    slots = 0
    for place, (one, answer) in enumerate(zip(given, answers, strict=True)):
        if one is None:
            continue
        shown = [known.shows(name, value) and (name, value) not in vague for name, value in one.pairs]
        found = align(known, one, answer)
        names = {name for name, _ in vague}
        missing = sum(shown[pair] for pair in found.missing)
        invented = sum(name not in names for name, _ in found.invented)
        counts[place] = missing + invented, sum(shown)
        slots += len(one.pairs)
    return counts, float(counts[:, 1].sum() / slots) if slots else 0.0


def slots_checked(inputs: Sequence[str], rights: Sequence[str]) -> bool:
    """Whether any attribute of these inputs shows recognisably in the right texts, so that slots can be checked."""
    counts, _ = slot_counts(inputs, [[right] for right in rights], rights)
    return bool(counts[:, 1].any())


def _vague(known: Realisations, rows: Sequence[tuple[Attributes, str]]) -> set[tuple[str, str]]:
    """The worded values that the right texts themselves don't show by the phrases learned from them often enough."""
    given: Counter[tuple[str, str]] = Counter()
    missed: Counter[tuple[str, str]] = Counter()
    for one, right in rows:
        worded = [pair for pair in one.pairs if known.mode(*pair) is Mode.WORDED]
        if worded:
            given.update(worded)
            missing = align(known, one, right).missing
            missed.update(one.pairs[place] for place in missing if one.pairs[place] in worded)
    return {pair for pair, count in given.items() if missed[pair] > (1 - _RECOGNISED) * count}


def _ratio(total: NDArray[np.float64]) -> float:
    return float(total[0] / total[1]) if total[1] else 0.0


def _members(groups: Sequence[Hashable]) -> NDArray[np.int64]:
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups], dtype=np.int64)


def _estimate(
    counts: NDArray[np.float64],
    members: NDArray[np.int64],
    value_of: Callable[[NDArray[np.float64]], float],
    what: str,
    *,
    seed: int,
    level: float,
) -> Estimate:
    """A figure of sums of counts, with its interval."""
    number = int(members.max()) + 1
    sums = np.zeros((number, counts.shape[1]))
    np.add.at(sums, members, counts)
    rng = np.random.default_rng(seed)
    draws = [value_of(sums[rng.integers(number, size=number)].sum(axis=0)) for _ in range(_DRAWS)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    value = value_of(counts.sum(axis=0))
    return Estimate(
        value=value,
        ci_low=min(float(low), value),
        ci_high=max(float(high), value),
        level=level,
        n=number,
        method=f"{what}; percentile bootstrap over groups",
    )
