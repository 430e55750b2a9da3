"""Builds a Dataset from labelled history, for a task that need not have any traffic.

Owns what becomes of equal and contradicting rows, the split, and what of the test rows is nearly in training. All
examples are labelled by people and have no incumbent's answer. Refuses to know files (`labelled`, `tables`).

A given split is kept: every given test row stays one example, also where it stands there twice, so that an official
test set keeps its size. A training row with the input of a test row is dropped from training. Near-duplicates are
neither dropped nor moved across a given split; they share a group, and those that cross are counted as leakage.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Dataset, Example, LabelSource, Split
from tierwright.core.errors import Conflict, NotEnoughData, NotLearnable
from tierwright.core.ids import InferenceId, TaskId, digest
from tierwright.core.task import Task, checked_name
from tierwright.curation.contracts import widen
from tierwright.curation.dataset import MIN_EXAMPLES, SAME_GROUP, content_id
from tierwright.curation.labelled_contracts import aligned, fitted, labelled_contract
from tierwright.curation.lineage import UNKNOWN
from tierwright.curation.near_duplicates import near_duplicate_groups, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tierwright.core.privacy import DataClass
    from tierwright.curation.labelled import LabelledRow, LabelledRows

#: Kinds of answers for which the case and the spacing of an input do not matter.
_CLOSED = frozenset({ContractKind.LABEL, ContractKind.FIELDS})
#: Kinds of answers of which several may be right for one input.
_MANY_RIGHT = frozenset({ContractKind.TEXT, ContractKind.OPEN})
#: Share of a split that one group of near-duplicates may be; a larger group trains.
_MOST_OF_SPLIT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPlan:
    """How rows are shared out that have no given split."""

    #: Shares of all examples.
    test_share: float = 0.2
    calibration_share: float = 0.15
    #: Examples beyond which a drawn split grows no further; the rest trains.
    most: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledDataset:
    """A dataset made from labelled history, not yet in a store."""

    #: The task as it is to be kept: a new one, or the known one with what was learned of its answers.
    task: Task
    dataset: Dataset
    #: In the file's order.
    examples: list[Example]


def build_labelled(
    table: LabelledRows,
    *,
    name: str,
    known: Sequence[Task],
    kind: ContractKind | None = None,
    seed: int,
    at: datetime,
    plan: LabelledPlan | None = None,
    data_class: DataClass | None = None,
) -> LabelledDataset:
    """The dataset of a file for the task of that name, which is among the `known` or is made.

    `data_class` is what whoever imports it says of the file; None: nobody said.

    What is left out is counted in the table's `excluded`, too. Raises InputError where the name can't be one or an
    output is not of the demanded `kind`, Conflict where the known task's answers are of another kind, NotEnoughData
    where fewer than 50 examples are left, NotLearnable where all answers are the same.
    """
    plan = plan or LabelledPlan()
    rows = [
        row._replace(output=output)
        for row, output in zip(table.rows, aligned([row.output for row in table.rows]), strict=True)
    ]
    found = labelled_contract(rows, path=table.path, kind=kind)
    task = _task(name, known, found.contract, [row.output for row in rows], at)
    contract = task.contract
    canonical: dict[str, str | None] = {}
    usable: list[LabelledRow] = []
    for row in rows:
        if row.output not in canonical:
            canonical[row.output] = fitted(contract, row.output)
        output = canonical[row.output]
        if row.output in found.rare and row.split is not Split.TEST:
            table.leave_out("answer occurs only once", row.line)
        elif output is None:
            table.leave_out("answer breaks the contract", row.line)
        else:
            usable.append(row._replace(output=output))
    given = any(row.split is not None for row in usable)
    examples = _examples(_merged(_without_tested(usable, contract, table), contract, table), at)
    _check(examples, table, given=given)
    grouped = _grouped(examples, contract, seed)
    examples = _drawn(grouped, plan, seed, given={row.split for row in usable if row.split is not None})
    sizes = Counter(example.split for example in examples)
    dataset = Dataset(
        id=content_id(contract, examples, of=task.id),
        task_id=task.id,
        contract=contract,
        created_at=at,
        seed=seed,
        sizes={split: sizes[split] for split in Split},
        excluded=dict(table.excluded),
        data_class=data_class,
        classes={UNKNOWN if data_class is None else data_class.label: len(examples)},
    )
    return LabelledDataset(task=task, dataset=dataset, examples=examples)


def leakage(examples: Sequence[Example]) -> int:
    """Test examples that are nearly the same as one to train or calibrate on."""
    seen = {example.group for example in examples if example.split is not Split.TEST}
    return sum(example.split is Split.TEST and example.group in seen for example in examples)


def classes(contract: OutputContract, examples: Sequence[Example]) -> int | dict[str, int] | None:
    """How many different answers a label has, or each field; None where answers are no classes."""
    rows = {values for output in {e.output for e in examples} if (values := contract.parse(output)) is not None}
    if contract.kind is ContractKind.LABEL:
        return len(rows)
    if contract.kind is not ContractKind.FIELDS:
        return None
    return {name: len({repr(row[place]) for row in rows}) for place, name in enumerate(contract.heads)}


def _task(name: str, known: Sequence[Task], contract: OutputContract, outputs: Sequence[str], at: datetime) -> Task:
    """The task of that name with a contract that the outputs have."""
    old = next((task for task in known if name in {task.name, task.id}), None)
    if old is None:
        ids = {task.id for task in known}
        number, made = 0, TaskId(f"task_{digest('labelled', checked_name(name))}")
        while made in ids:  # a task that had this name before it was given another
            number += 1
            made = TaskId(f"task_{digest('labelled', name, str(number))}")
        return Task(id=made, name=name, contract=contract, frames=(), created_at=at, named_by_person=True)
    theirs = old.contract
    names = [{spec.name for spec in one.fields} for one in (theirs, contract)]
    if theirs.kind is not contract.kind or names[0] != names[1] or theirs.is_list is not contract.is_list:
        raise Conflict(
            f"task {old.name!r} has {_told(theirs)} answers and the file has {_told(contract)} ones; choose another "
            "--task, other --output columns, or say with --contract what the answers are"
        )
    # Where there is traffic, its spelling and style are what callers know.
    return replace(old, contract=widen(theirs, outputs) if old.frames else contract)


def _told(contract: OutputContract) -> str:
    names = ", ".join(spec.name for spec in contract.fields)
    return f"{contract.kind.value} ({names})" if names else contract.kind.value


def _key(row: LabelledRow, contract: OutputContract) -> str:
    """What makes two inputs the same: where answers are copied from them, every letter counts."""
    return normalise(row.input) if contract.kind in _CLOSED else row.input


def _without_tested(rows: Sequence[LabelledRow], contract: OutputContract, table: LabelledRows) -> list[LabelledRow]:
    """The rows without those to learn from whose input is asked in the test, and those to train on in calibration."""
    asked = {_key(row, contract) for row in rows if row.split is Split.TEST}
    calibrating = {_key(row, contract) for row in rows if row.split is Split.CALIBRATION}
    if not asked and not calibrating:
        return list(rows)
    kept: list[LabelledRow] = []
    for row in rows:
        key = _key(row, contract)
        if row.split is not Split.TEST and key in asked:
            table.leave_out("input is in the test split, too", row.line)
        elif row.split is Split.TRAIN and key in calibrating:
            table.leave_out("input is in the calibration split, too", row.line)
        else:
            kept.append(row)
    return kept


def _merged(
    rows: Sequence[LabelledRow], contract: OutputContract, table: LabelledRows
) -> list[tuple[LabelledRow, int]]:
    """Rows and how often each occurs: given test rows one by one, of others one for each input.

    The answer given most often stands, of equally frequent ones the first. Where several answers may be right, those
    to one input stay side by side.
    """
    same: dict[tuple[str, str], list[LabelledRow]] = {}
    for row in rows:
        if row.split is Split.TEST:
            same["", str(row.line)] = [row]
        else:
            key = _key(row, contract)
            same.setdefault((f"={key}", row.output if contract.kind in _MANY_RIGHT else ""), []).append(row)
    merged: list[tuple[LabelledRow, int]] = []
    for equal in same.values():
        output, _ = Counter(row.output for row in equal).most_common(1)[0]
        kept = next(row for row in equal if row.output == output)
        for row in equal:
            if row.output != output:
                table.leave_out("contradicts another answer to the same input", row.line)
            elif row is not kept:
                table.leave_out("repeats an earlier row", row.line)
        merged.append((kept, sum(row.output == output for row in equal)))
    return merged


def _examples(rows: Sequence[tuple[LabelledRow, int]], at: datetime) -> list[Example]:
    """Examples whose group is yet to be set, and whose split is where it is to be drawn."""
    return [
        Example(
            id=InferenceId(f"line_{row.line}"),
            input=row.input,
            output=row.output,
            source=LabelSource.HUMAN,
            incumbent_output=None,
            split=row.split or Split.TRAIN,
            group="",
            created_at=at,
            occurrences=count,
        )
        for row, count in sorted(rows, key=lambda pair: pair[0].line)
    ]


def _check(examples: Sequence[Example], table: LabelledRows, *, given: bool) -> None:
    why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(table.excluded.items())) or "nothing was left out"
    if len(examples) < MIN_EXAMPLES:
        raise NotEnoughData(
            f"{table.path} has {len(examples)} different examples that can be used; {MIN_EXAMPLES} are needed ({why})"
        )
    learned = [example for example in examples if example.split is not Split.TEST]
    if given and not learned:
        raise NotEnoughData(f"{table.path} has test rows and none to train on ({why}); check the split column")
    if len({example.output for example in learned}) < 2:
        raise NotLearnable(
            f"all {len(learned):,} rows to learn from in {table.path} have one and the same output: there is nothing "
            "to learn. Check which column was named as --output"
        )


def _grouped(examples: Sequence[Example], contract: OutputContract, seed: int) -> list[Example]:
    """The examples with their groups, each named after its first member.

    Lists of attributes that differ in one value are different inputs: for texts made from them only equal ones share a
    group.
    """
    texts = [example.input for example in examples]
    if contract.kind is ContractKind.TEXT:
        first: dict[str, int] = {}
        groups = [first.setdefault(normalise(text), place) for place, text in enumerate(texts)]
    else:
        groups = near_duplicate_groups(texts, threshold=SAME_GROUP, seed=seed).tolist()
    return [replace(example, group=examples[group].id) for example, group in zip(examples, groups, strict=True)]


def _drawn(examples: Sequence[Example], plan: LabelledPlan, seed: int, *, given: set[Split]) -> list[Example]:
    """The examples with the splits that were not given drawn from those to train on, group by group."""
    shares = {Split.TEST: plan.test_share, Split.CALIBRATION: plan.calibration_share}
    sizes = Counter(example.group for example in examples if example.split is Split.TRAIN)
    count = sum(sizes.values())
    room = {split: min(plan.most, round(share * count)) for split, share in shares.items() if split not in given}
    largest = {split: max(1.0, _MOST_OF_SPLIT * left) for split, left in room.items()}
    # Groups that cross a given split stay in training: what is drawn must be unlike all the rest.
    fixed = {example.group for example in examples if example.split is not Split.TRAIN}
    groups = [group for group in sizes if group not in fixed]
    split_of: dict[str, Split] = {}
    for place in np.random.default_rng(seed).permutation(len(groups)).tolist():
        group = groups[place]
        for split, left in room.items():
            if sizes[group] <= min(left, largest[split]):
                room[split] -= sizes[group]
                split_of[group] = split
                break
    return [
        replace(example, split=split_of.get(example.group, Split.TRAIN)) if example.split is Split.TRAIN else example
        for example in examples
    ]
