"""Whether anything that was trained has learned the task: the verdict on a whole ladder, and on each field.

Owns four answers. *Learnable*: some rung is right more often than a constant, by more than noise. *Not learnable*: each
rung is shown to gain less over the constant than would be worth having, and neither is it for want of examples: leave
this on the frontier model. *Partly learnable*: some fields of the answer are the one, some the other. *Undecided*: the
evidence fits both, and how many more labels would tell is said. Refuses to know how rungs are made and which is best,
and whether one is as good as the incumbent (`evals.compare`).

What is worth having is a quarter of the way from the constant to the ceiling: perfection, or the incumbent's agreement
with itself where its answers are the reference; but never less than a point. The constant of a field is the most
frequent value or, where that does better, the most frequent value for what the rung says itself in the other fields: so
what only follows from another field is not taken for learned. A field that the others fix, but for a few slips, is
learned with them.

All rungs and fields are looked at with intervals that hold together (Bonferroni: Dunn 1961, JASA 56:52-64), so that the
best of several rungs is not believed for being the best of several.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable
from tierwright.core.estimate import as_percent, as_points
from tierwright.evals.arms import choose_arms, gold_needed
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.intervals import wilson_by_group
from tierwright.stats.paired import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue, OutputContract
    from tierwright.core.dataset import Example
    from tierwright.core.estimate import Estimate
    from tierwright.core.model import Prediction

#: Share of the way from the constant to the ceiling that is worth having, and the least gain that ever is.
WORTH_HAVING, LEAST_WORTH = 0.25, 0.01
#: Training examples, in all and for each member on average, below which a failure may be for want of them.
ENOUGH_EXAMPLES, ENOUGH_PER_MEMBER = 300, 30
#: Examples of the same values in the other fields from which their most frequent value is a constant.
_MIN_STRATUM = 5
#: Labels beyond which nobody is told how many would decide.
_MOST_LABELS = 100_000

#: Values with their types, so that True is not 1.
Values = tuple[tuple[str, "FieldValue"], ...]


class Learned(StrEnum):
    """What was found of a task or of a field."""

    LEARNABLE = "learnable"
    PARTLY = "partly_learnable"
    NOT_LEARNABLE = "not_learnable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """One rung against the constant, on the whole answer or on one field."""

    rung: str
    score: Estimate
    #: Rung minus constant, paired; its interval holds for all rungs and fields together.
    difference: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldVerdict:
    """The verdict on one field, or on the whole answer."""

    #: Name of the field; empty: the whole answer.
    field: str
    learned: Learned
    #: The rung that gains most.
    best: Gain
    #: The constant it is held against.
    constant: Estimate
    #: The smallest gain worth having.
    worth: float
    #: Test labels that would decide, besides those there are; 0: decided; None: no number, or more training examples.
    labels_needed: int | None
    #: In words.
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskVerdict:
    """The verdict on a task."""

    learned: Learned
    #: Who says what is right.
    reference: LabelSource
    whole: FieldVerdict
    #: By field, in the contract's order; empty where the answer is no set of fields.
    fields: tuple[FieldVerdict, ...]
    #: All rungs, on the whole answer.
    rungs: tuple[Gain, ...]
    #: In words, with what to do.
    reason: str

    @property
    def unlearnable_fields(self) -> tuple[str, ...]:
        """Fields that can't be learned from the input."""
        return tuple(found.field for found in self.fields if found.learned is Learned.NOT_LEARNABLE)

    def require(self) -> None:
        """Raises NotLearnable where nothing can be learned, NotEnoughData where it is undecided; with the reason."""
        if self.learned is Learned.NOT_LEARNABLE:
            raise NotLearnable(self.reason)
        if self.learned is Learned.UNDECIDED:
            raise NotEnoughData(self.reason)


def verdict(
    contract: OutputContract,
    examples: Sequence[Example],
    predictions: Mapping[str, Sequence[Prediction]],
    *,
    training: Sequence[Example] = (),
    ceiling: Estimate | None = None,
    with_more: Estimate | None = None,
    level: float = 0.95,
    min_gold: int = 50,
) -> TaskVerdict:
    """The verdict on a ladder, from each rung's predictions on the same test examples, by the rung's name.

    `training` are the examples that the rungs were fitted on: the constant is theirs, and there is no telling want of
    examples without them. `ceiling` is the most that can be agreed with the incumbent, from the data triage; it counts
    where its answers are the reference. `with_more` is the quality foretold for more examples, the furthest that the
    learning curve allows: with it, it decides whether more examples might help, without it their number does.

    The reference is chosen as in `compare`, but nobody's answer besides it is needed: where no example has an
    incumbent's answer people's labels count, however few. Raises InputError where there is no rung, and as
    `choose_arms` does.
    """
    if not predictions:
        raise InputError("there is no rung to judge; train one, or take the recipe out that was skipped")
    needed = gold_needed(examples, min_gold)
    arms = {
        rung: choose_arms(examples, found, min_gold=needed, need_incumbent=False) for rung, found in predictions.items()
    }
    first = next(iter(arms.values()))
    statements = len(arms) * (1 + (len(contract.heads) if len(contract.heads) > 1 else 0))
    judge = _Judge(
        contract=contract,
        right=first.right,
        groups=first.groups,
        answers={rung: [prediction.output for prediction in arm.predictions] for rung, arm in arms.items()},
        training=[_values(contract, example.output) for example in training],
        trained_whole=[contract.canonical(example.output) for example in training],
        level=1 - (1 - level) / statements,
    )
    top = ceiling if first.reference is LabelSource.INCUMBENT else None
    whole, rungs = judge.whole(top, with_more)
    fields = tuple(judge.field(place) for place in range(len(contract.heads))) if len(contract.heads) > 1 else ()
    learned = _together(whole, fields)
    return TaskVerdict(
        learned=learned,
        reference=first.reference,
        whole=whole,
        fields=fields,
        rungs=rungs,
        reason=_reason(learned, whole, fields),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What all statements have in common."""

    contract: OutputContract
    right: Sequence[str]
    groups: Sequence[str]
    #: By rung.
    answers: Mapping[str, Sequence[str]]
    #: Values of the training examples; None: breaks the contract.
    training: Sequence[Values | None]
    trained_whole: Sequence[str]
    #: Of each interval, so that all hold together.
    level: float

    def whole(self, ceiling: Estimate | None, with_more: Estimate | None) -> tuple[FieldVerdict, tuple[Gain, ...]]:
        """The verdict on the whole answer, and every rung's gain."""
        scorer = ExactAnswer(self.contract)
        wanted = [self.contract.canonical(right) for right in self.right]
        constant = _is(wanted, _most_frequent(self.trained_whole or wanted))
        gains = tuple(
            self._gain(rung, np.array([scorer.score(r, a) for r, a in zip(self.right, found, strict=True)]), constant)
            for rung, found in self.answers.items()
        )
        members = len(set(self.trained_whole or wanted))
        room = (1.0 if ceiling is None else ceiling.value) - float(constant.mean())
        return self._verdict("", gains, constant, room, members, with_more), gains

    def field(self, place: int) -> FieldVerdict:
        """The verdict on one field."""
        wanted = [_values(self.contract, right) for right in self.right]
        column = [None if values is None else values[place] for values in wanted]
        known = [values for values in self.training or wanted if values is not None]
        alone = _most_frequent([values[place] for values in known])
        by_others = _by_others(known, place)
        plain = _is(column, alone)
        fixed = float(np.mean(self._followed(wanted, wanted, place, by_others, alone)))
        gains: list[Gain] = []
        constants: list[NDArray[np.float64]] = []
        for rung, found in self.answers.items():
            given = [_values(self.contract, answer) for answer in found]
            hits = np.array(
                [
                    float(right is not None and answer is not None and right == answer[place])
                    for right, answer in zip(column, given, strict=True)
                ]
            )
            followed = self._followed(wanted, given, place, by_others, alone)
            # A field that the others fix, but for a few slips, is as learnable as they are.
            constant = plain if 1 - fixed < (1 - plain.mean()) * WORTH_HAVING else max(plain, followed, key=np.mean)
            gains.append(self._gain(rung, hits, constant))
            constants.append(constant)
        at = max(range(len(gains)), key=lambda number: gains[number].difference.value)
        room = (
            1 - float(constants[at].mean()) if constants[at] is plain else 1 - max(fixed, float(constants[at].mean()))
        )
        members = len({values[place] for values in known})
        return self._verdict(self.contract.heads[place], gains, constants[at], room, members, None)

    def _followed(
        self,
        wanted: Sequence[Values | None],
        given: Sequence[Values | None],
        place: int,
        by_others: Mapping[Values, tuple[str, FieldValue]],
        alone: object,
    ) -> NDArray[np.float64]:
        """Whether the field is what is most frequent for the other fields as they are given."""
        return np.array(
            [
                float(
                    right is not None
                    and right[place] == (alone if answer is None else by_others.get(_without(answer, place), alone))
                )
                for right, answer in zip(wanted, given, strict=True)
            ]
        )

    def _gain(self, rung: str, hits: NDArray[np.float64], constant: NDArray[np.float64]) -> Gain:
        return Gain(
            rung=rung,
            score=wilson_by_group(hits, self.groups),
            difference=paired_difference(hits, constant, self.groups, level=self.level),
        )

    def _verdict(
        self,
        field: str,
        gains: Sequence[Gain],
        constant: NDArray[np.float64],
        room: float,
        members: int,
        with_more: Estimate | None,
    ) -> FieldVerdict:
        best = max(gains, key=lambda gain: gain.difference.value)
        majority = wilson_by_group(constant, self.groups)
        worth = max(LEAST_WORTH, WORTH_HAVING * room)
        small = all(gain.difference.ci_high <= worth for gain in gains)
        found = (
            f"the best rung, {best.rung}, scores {as_percent(best.score)}, a constant {as_percent(majority)}; the "
            f"difference is {as_points(best.difference)}"
        )
        labels: int | None = 0
        if majority.value == 1.0:
            learned = Learned.NOT_LEARNABLE if not field else Learned.LEARNABLE
            why = "all test examples have the same value: there is nothing to learn, a constant does the same"
        elif any(gain.difference.ci_low > 0 for gain in gains):
            learned, why = Learned.LEARNABLE, f"{found}, more than noise"
        elif not small:
            learned = Learned.UNDECIDED
            labels = _labels_needed(best.difference, worth)
            why = f"{found}: noise and a gain worth having, {100 * worth:.1f} points, both fit"
        elif with_more is not None and with_more.ci_high - majority.value > worth:
            learned, labels = Learned.UNDECIDED, None
            why = f"{found}; but the learning curve leaves room for {as_percent(with_more)} with more examples"
        elif with_more is None and not self._enough(members):
            learned, labels = Learned.UNDECIDED, None
            why = f"{found}; but {len(self.training):,} training examples of {members:,} members may be too few"
        else:
            learned = Learned.NOT_LEARNABLE
            why = f"{found}, less than the {100 * worth:.1f} points that would be worth having"
        return FieldVerdict(
            field=field,
            learned=learned,
            best=best,
            constant=majority,
            worth=worth,
            labels_needed=labels,
            why=why,
        )

    def _enough(self, members: int) -> bool:
        return len(self.training) >= max(ENOUGH_EXAMPLES, ENOUGH_PER_MEMBER * members)


def _together(whole: FieldVerdict, fields: Sequence[FieldVerdict]) -> Learned:
    """The verdict on the task from those on its parts."""
    lost = [found for found in fields if found.learned is Learned.NOT_LEARNABLE]
    if not lost:
        return whole.learned
    if len(lost) == len(fields):
        return Learned.NOT_LEARNABLE
    return Learned.PARTLY if any(found.learned is Learned.LEARNABLE for found in fields) else Learned.UNDECIDED


def _reason(learned: Learned, whole: FieldVerdict, fields: Sequence[FieldVerdict]) -> str:
    lost = ", ".join(repr(found.field) for found in fields if found.learned is Learned.NOT_LEARNABLE)
    if learned is Learned.NOT_LEARNABLE:
        return f"leave this on the frontier model: what the answer depends on is not in the input. {_said(whole)}"
    if learned is Learned.PARTLY:
        why = " ".join(_said(found) for found in fields if found.learned is Learned.NOT_LEARNABLE)
        return f"leave {lost} on the frontier model, the other fields can be learned. {why}"
    if learned is Learned.UNDECIDED:
        if whole.labels_needed is None:
            return f"undecided: label or capture more training examples, then train again. {_said(whole)}"
        return f"undecided: about {whole.labels_needed:,} more test labels would tell. {_said(whole)}"
    return _said(whole)


def _said(found: FieldVerdict) -> str:
    subject = f"Of {found.field!r}, " if found.field else ""
    return f"{subject}{found.why}."


def _labels_needed(difference: Estimate, worth: float) -> int | None:
    """Test labels with which the interval would leave out 0 or the gain worth having, were the difference as seen."""
    half = (difference.ci_high - difference.ci_low) / 2
    clear = max(abs(difference.value), abs(worth - difference.value))
    if clear <= 0:
        return None
    total = difference.n * (half / clear) ** 2
    return max(1, math.ceil(total - difference.n)) if total <= _MOST_LABELS else None


def _values(contract: OutputContract, answer: str) -> Values | None:
    found = contract.parse(answer)
    return None if found is None else tuple((type(value).__name__, value) for value in found)


def _without(values: Values, place: int) -> Values:
    return values[:place] + values[place + 1 :]


def _by_others(known: Sequence[Values], place: int) -> dict[Values, tuple[str, FieldValue]]:
    """The most frequent value of a field for each combination of the others that occurs often enough."""
    counts: dict[Values, Counter[tuple[str, FieldValue]]] = defaultdict(Counter)
    for values in known:
        counts[_without(values, place)][values[place]] += 1
    return {others: found.most_common(1)[0][0] for others, found in counts.items() if found.total() >= _MIN_STRATUM}


def _most_frequent(answers: Sequence[object]) -> object:
    """Ties go to the first seen; None where there is nothing."""
    return Counter(answers).most_common(1)[0][0] if answers else None


def _is(answers: Sequence[object], constant: object) -> NDArray[np.float64]:
    return np.array([float(answer is not None and answer == constant) for answer in answers])
