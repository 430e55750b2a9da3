"""The examples of a closed-set task as arrays: labels, who says so, who judges, and folds.

Owns the checks of what is to be trained on, and who judges; recipes of other answers use these, too. Refuses to know
what is fitted to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue, OutputContract
    from tierwright.core.dataset import Example

#: Human labels from which they alone are the reference of calibration.
MIN_HUMAN = 50
#: Examples, all labelled by people, of which one fold is plenty to calibrate on.
_PLENTY = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Who says of n examples what is right, shape (n,) each."""

    human: NDArray[np.bool_]
    #: Whether the incumbent's answer equals the output; True where it is the output.
    incumbent_right: NDArray[np.bool_]
    #: Whether the incumbent's answer is known; True where there is no incumbent at all.
    incumbent_known: NDArray[np.bool_]
    #: Whose judgement calibrates: people's, or else the calibration split's.
    reference: NDArray[np.bool_]
    folds: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The examples as arrays."""

    #: Members of each head.
    values: tuple[tuple[FieldValue, ...], ...]
    #: The member each example has, shape (n, heads).
    labels: NDArray[np.int64]
    judges: Judges


def refuse_test_examples(examples: Sequence[Example]) -> None:
    """Raises InputError where one is among the examples to train on."""
    if any(example.split is Split.TEST for example in examples):
        raise InputError("test examples are among those to train on; they belong to the experiment")


def refuse_one_answer(answers: Sequence[object]) -> None:
    """Raises NotLearnable where all are the same."""
    if len(set(answers)) < 2:
        raise NotLearnable(
            f"all {len(answers)} examples have one and the same answer: there is nothing to learn, a constant in the "
            "application does the same"
        )


def nothing_to_calibrate_on() -> NotEnoughData:
    """What to raise where nobody judges."""
    return NotEnoughData(
        "no example is left to calibrate on: no human labels, and no calibration split; build a larger dataset"
    )


def judges_of(examples: Sequence[Example], folds: int, seed: int) -> Judges:
    """Who judges: people where there are enough of their labels, the calibration split otherwise."""
    human = np.array([example.source is LabelSource.HUMAN for example in examples])
    known = np.array([example.incumbent_output is not None for example in examples])
    if not known.any():
        known[:] = True  # labelled history: there is no incumbent that could be wrong where nobody looked
    calibrating = np.array([example.split is Split.CALIBRATION for example in examples])
    fold = _folds([example.group for example in examples], folds, seed)
    reference = (human if human.sum() >= MIN_HUMAN else calibrating) & known
    if human.all() and len(human) >= _PLENTY:
        reference &= fold == 0  # a fold is plenty to calibrate on, and the others need not be fitted
    return Judges(
        human=human,
        incumbent_right=np.array([example.incumbent_output in {None, example.output} for example in examples]),
        incumbent_known=known,
        reference=reference,
        folds=fold,
    )


def problem_of(examples: Sequence[Example], contract: OutputContract, folds: int, seed: int) -> Problem:
    """The examples as arrays, checked."""
    if contract.kind not in {ContractKind.LABEL, ContractKind.FIELDS}:
        raise NotEnoughData(f"linear recipes learn label and fields answers; these are {contract.kind.value}")
    refuse_test_examples(examples)
    parsed = [contract.parse(example.output) for example in examples]
    if any(values is None for values in parsed):
        raise InputError("an example's output breaks the dataset's contract; build the dataset again")
    rows = [values for values in parsed if values is not None]
    refuse_one_answer(rows)
    members: list[tuple[FieldValue, ...]] = []
    labels = np.zeros((len(rows), len(contract.heads)), dtype=np.int64)
    for place in range(len(contract.heads)):
        column = [(type(values[place]), values[place]) for values in rows]
        order = {member: number for number, member in enumerate(dict.fromkeys(sorted(column, key=repr)))}
        members.append(tuple(value for _, value in order))
        labels[:, place] = [order[member] for member in column]
    return Problem(values=tuple(members), labels=labels, judges=judges_of(examples, folds, seed))


def judged_by(problem: Problem, chosen: NDArray[np.bool_]) -> Problem:
    """The same examples, of which only some judge."""
    judges = problem.judges
    return replace(
        problem,
        judges=replace(
            judges,
            human=np.ones_like(judges.human),
            reference=chosen & judges.incumbent_known,
            folds=np.where(chosen, judges.folds, -1),
        ),
    )


def _folds(groups: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each example; near-duplicates share one. Depends on the order of the groups, not on their names."""
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    drawn = np.random.default_rng(seed).permutation(len(order)) % folds
    return np.array([drawn[order[group]] for group in groups], dtype=np.int64)
