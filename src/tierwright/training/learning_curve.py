"""Measures how quality grows with the number of examples, by a cheap probe.

Owns the nested training sets and the probe: the linear votes of the recipe `ngram`, or of `encoder-head` where an
encoder is given, without calibration and without leaving out slips. Its curve is lower than a better recipe's; what it
says about a task, whether more labels help, carries over further than its level. Refuses to extrapolate
(`stats.learning_curve` does) and to look at test examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable
from tierwright.specialists.ngram import NgramFeaturiser
from tierwright.stats.learning_curve import LearningCurve, Repeat, fit_learning_curve
from tierwright.training.problem import MIN_HUMAN
from tierwright.training.votes import Features, VoteConfig, fit_votes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue, OutputContract
    from tierwright.core.dataset import Example
    from tierwright.specialists.encoder import Encoder

#: Sizes of training sets, and how many times the smallest fits into the largest.
_SIZES, _SPAN = 6, 32
#: The smallest training set.
_SMALLEST = 15
#: Examples that the largest training set holds at most: a curve that long is flat or known.
MOST_EXAMPLES = 12_000
#: Share of the judging examples that one repeat holds out; repeats hold out different ones.
_HELD_OUT = 4
#: Examples judged in a repeat at most.
_MOST_JUDGED = 2_000
#: Factors of the two votes where both are there: where `fit_scales` starts from.
_SCALES = (2.0, 1.0)


def measure_learning_curve(
    examples: Sequence[Example],
    contract: OutputContract,
    *,
    seed: int,
    repeats: int = 3,
    encoder: Encoder | None = None,
    progress: Callable[[str], None],
) -> LearningCurve:
    """The learning curve of the share of whole answers that are right, from six nested sizes and some repeats.

    Judged by people's labels where there are 50 of them, else by all labels. Each repeat holds out another quarter of
    the groups that judge, at most 2,000 examples, and trains on growing parts of the rest, in an order of its own; a
    near-duplicate stays with its group. There are at most four repeats. Raises InputError where test examples are among
    the examples or `repeats` is out of range, NotEnoughData where there are too few, NotLearnable where all answers are
    the same.
    """
    if not 1 <= repeats <= _HELD_OUT:
        raise InputError(f"{repeats} repeats were asked for; give 1 to {_HELD_OUT}")
    if any(example.split is Split.TEST for example in examples):
        raise InputError("test examples are among those to learn from; they belong to the experiment")
    if contract.kind not in {ContractKind.LABEL, ContractKind.FIELDS}:
        raise NotEnoughData(f"learning curves are measured on closed sets; these answers are {contract.kind.value}")
    rows = [(example, values) for example in examples if (values := contract.parse(example.output)) is not None]
    if len({values for _, values in rows}) == 1:
        raise NotLearnable(f"all {len(rows)} examples have one and the same answer: there is nothing to learn")
    used = [example for example, _ in rows]
    probe = _Probe([example.input for example in used], [values for _, values in rows], encoder, seed)
    human = np.array([example.source is LabelSource.HUMAN for example in used], dtype=np.bool_)
    judging = human if human.sum() >= MIN_HUMAN else np.ones(len(used), dtype=np.bool_)
    groups = [example.group for example in used]
    plans = [_plan(groups, judging, repeat, seed) for repeat in range(repeats)]
    largest = min(MOST_EXAMPLES, *(len(pool) for pool, _ in plans))
    sizes = _sizes(largest)
    done: list[Repeat] = []
    for number, (pool, held) in enumerate(plans, 1):
        progress(f"learning curve: repeat {number} of {repeats}, {sizes[0]:,} to {sizes[-1]:,} examples")
        right = np.stack([probe.right(pool[:size], held) for size in sizes])
        done.append(Repeat(right=right, groups=[groups[at] for at in held.tolist()]))
    return fit_learning_curve(sizes, done, np.random.default_rng(seed))


class _Probe:
    """Linear votes that are fitted again and again on parts of the same examples."""

    def __init__(
        self,
        texts: Sequence[str],
        answers: Sequence[tuple[FieldValue, ...]],
        encoder: Encoder | None,
        seed: int,
    ) -> None:
        self._config, self._seed = VoteConfig(), seed
        # The vocabulary is that of all texts: no label is in it, and n-grams a part has not seen weigh nothing there.
        featuriser = NgramFeaturiser.fit(texts)
        self._features = _features(texts, featuriser, encoder)
        self._labels: list[NDArray[np.int64]] = []
        self._names: list[Features] = []
        for place in range(len(answers[0]) if answers else 0):
            column = [(type(values[place]).__name__, values[place]) for values in answers]
            order = {member: number for number, member in enumerate(sorted(set(column), key=repr))}
            self._labels.append(np.array([order[member] for member in column], dtype=np.int64))
            self._names.append(_features([_spoken(value) for _, value in order], featuriser, encoder))

    def right(self, chosen: NDArray[np.int64], held: NDArray[np.int64]) -> NDArray[np.float64]:
        """Whether votes fitted on some examples get the whole answer of others right, shape (held,)."""
        found = np.ones(len(held), dtype=np.bool_)
        known, asked = self._features.rows(chosen), self._features.rows(held)
        for labels, names in zip(self._labels, self._names, strict=True):
            if names.ngrams.shape[0] < 2:
                continue
            votes = fit_votes(known, labels[chosen], np.ones(len(chosen)), names, config=self._config, seed=self._seed)
            found &= votes.scores(asked).combined(_SCALES).argmax(axis=1) == labels[held]
        return found.astype(np.float64)


def _plan(
    groups: Sequence[str], judging: NDArray[np.bool_], repeat: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The examples to learn from, in the order in which they are added, and those to judge by."""
    able = list(dict.fromkeys(group for group, judges in zip(groups, judging.tolist(), strict=True) if judges))
    folds = np.random.default_rng(seed).permutation(len(able)) % _HELD_OUT
    out = {group for group, fold in zip(able, folds.tolist(), strict=True) if fold == repeat}
    held = np.array([at for at, group in enumerate(groups) if group in out and judging[at]], dtype=np.int64)
    generator = np.random.default_rng([seed, repeat])
    if len(held) > _MOST_JUDGED:
        held = np.sort(generator.permutation(held)[:_MOST_JUDGED])
    pool = [at for at, group in enumerate(groups) if group not in out]
    names = list(dict.fromkeys(groups[at] for at in pool))
    rank = dict(zip(names, generator.permutation(len(names)).tolist(), strict=True))
    return np.array(sorted(pool, key=lambda at: rank[groups[at]]), dtype=np.int64), held


def _sizes(largest: int) -> list[int]:
    """Log-spaced sizes of training sets; raises NotEnoughData where they would not differ."""
    smallest = max(_SMALLEST, largest // _SPAN)
    sizes = sorted({round(size) for size in np.geomspace(smallest, largest, _SIZES)}) if largest > smallest else []
    if largest < 4 * _SMALLEST or len(sizes) < _SIZES:
        raise NotEnoughData(
            f"a learning curve takes {4 * _SMALLEST} examples to learn from besides those to judge by; there are "
            f"{largest}: label or capture more"
        )
    return sizes


def _features(texts: Sequence[str], featuriser: NgramFeaturiser, encoder: Encoder | None) -> Features:
    embeddings = None if encoder is None else encoder.embed(texts)
    return Features(ngrams=featuriser.transform(texts), embeddings=embeddings)


def _spoken(value: FieldValue) -> str:
    """A member's name as words."""
    return " ".join("".join(character if character.isalnum() else " " for character in str(value)).split())
