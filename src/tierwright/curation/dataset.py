"""Builds a Dataset from a task's traffic and people's corrections.

Owns cleaning, deduplication and the split. Refuses to know recipes: what is learned from the examples is training's.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.chat import canonical_json, decode_answer, decode_request
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Dataset, Example, LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.ids import DatasetId
from tierwright.curation.callers_words import BEYOND, WordLimits, believe, doubted
from tierwright.curation.contracts import widen
from tierwright.curation.lineage import Lineage
from tierwright.curation.near_duplicates import near_duplicate_groups, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tierwright.core.feedback import Feedback
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.task import Task

#: Similarity from which two inputs must not stand in different splits.
SAME_GROUP = 0.8
#: Similarity from which the later of two training inputs says nothing new.
_SAME_TEXT = 0.92
#: Examples without which a dataset decides nothing.
MIN_EXAMPLES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """How examples are shared out. People's labels go to calibration and test first: they are what is right."""

    #: Share of the human-labelled groups, or of all groups where there are no human labels, for the experiment.
    test_share: float = 0.5
    #: The same for calibration.
    calibration_share: float = 0.5
    #: Shares of all groups where there are no human labels.
    unlabelled_test_share: float = 0.15
    unlabelled_calibration_share: float = 0.15
    #: Examples beyond which a split grows no further; the rest trains.
    most: int = 2000
    #: Human labels below which the incumbent's answers are used in all three splits instead.
    min_human: int = 50


def build_dataset(
    task: Task,
    inferences: Iterable[Inference],
    feedback: Mapping[InferenceId, Feedback],
    *,
    seed: int,
    at: datetime,
    plan: SplitPlan | None = None,
    limits: WordLimits | None = None,
) -> tuple[Dataset, list[Example]]:
    """A frozen dataset of a task and its examples, oldest first.

    Equal inputs (but for case and white space) become one example, with a person's answer where there is one and the
    incumbent's most frequent answer otherwise; what a caller says of its own answers is believed within `limits`.
    Near-duplicates share a group, groups never cross splits, and of nearly identical training inputs the first is kept.
    Answers that break the contract are left out and counted.

    Raises NotEnoughData where fewer than 50 examples are left, naming what was excluded and why, and where the task is
    a step of an agent whose answers or requests hold calls of tools: no specialist can take its place.
    """
    if not task.is_servable:
        raise NotEnoughData(
            f"task {task.name!r} is a step of an agent, with calls of tools in its answers or its requests; a "
            "specialist gives texts only, so leave it on the frontier model"
        )
    contract = widen(task.contract, [word.output for word in feedback.values()])
    excluded: Counter[str] = Counter()
    lineage = Lineage()
    rows = _merged(_rows(task, contract, inferences, feedback, excluded, lineage), limits or WordLimits(), excluded)
    if len(rows) < MIN_EXAMPLES:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items())) or "nothing was excluded"
        raise NotEnoughData(
            f"task {task.name!r} has {len(rows)} different examples; {MIN_EXAMPLES} are needed ({why}). "
            "Capture more traffic, or import a longer log"
        )
    examples = _split(rows, plan or SplitPlan(), seed, excluded)
    sizes = Counter(example.split for example in examples)
    inherited = lineage.inherited(examples)
    dataset = Dataset(
        id=content_id(contract, examples),
        task_id=task.id,
        contract=contract,
        created_at=at,
        seed=seed,
        sizes={split: sizes[split] for split in Split},
        excluded=dict(excluded),
        data_class=inherited.data_class,
        classes=inherited.classes,
        findings=inherited.findings,
    )
    return dataset, examples


def captured_answers(task: Task, contract: OutputContract, inferences: Iterable[Inference]) -> list[tuple[str, str]]:
    """Every captured (input, canonical answer) of a task's incumbent, in order: repeats too, which a dataset merges."""
    return [
        (row.input, row.incumbent)
        for row in _rows(task, contract, inferences, {}, Counter())
        if row.incumbent is not None
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One captured request with its answers, canonical."""

    id: InferenceId
    input: str
    incumbent: str | None
    human: str | None
    created_at: datetime
    #: Who asked.
    client_id: str
    #: The caller whose word `human` is; None: the operator's, or there is none.
    said_by: str | None


def _rows(
    task: Task,
    contract: OutputContract,
    inferences: Iterable[Inference],
    feedback: Mapping[InferenceId, Feedback],
    excluded: Counter[str],
    lineage: Lineage | None = None,
) -> Iterable[_Row]:
    closed = contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}

    def canonical(answer: str | None) -> str | None:
        if answer is None or (closed and contract.parse(answer) is None):
            return None
        return contract.canonical(answer) or None

    for inference in inferences:
        if inference.request is None or inference.response is None:
            excluded["without kept content"] += 1
            continue
        try:
            found = task.input_of(decode_request(inference.request))
        except InputError:
            found = None
        if found is None:
            excluded["not in a known frame"] += 1
            continue
        # A specialist's own answers must not become what the next one learns from.
        answering = inference.answering_call
        own = answering is not None and answering.model_version_id is not None
        incumbent = None if own else canonical(decode_answer(inference.response).text)
        word = feedback.get(inference.id)
        human = canonical(word.output) if word else None
        if human is None and incumbent is None:
            excluded["answered by a specialist" if own else "answer breaks the contract"] += 1
            continue
        if lineage is not None:
            lineage.note(inference)
        yield _Row(
            id=inference.id,
            input=found,
            incumbent=incumbent,
            human=human,
            created_at=inference.created_at,
            client_id=inference.client_id,
            said_by=None if word is None else word.client_id,
        )


def _merged(rows: Iterable[_Row], limits: WordLimits, excluded: Counter[str]) -> list[Example]:
    """One example for each different input, in order of first appearance; its split and group are yet to be set."""
    by_text: dict[str, list[_Row]] = {}
    askers: set[str] = set()
    for row in rows:
        by_text.setdefault(normalise(row.input), []).append(row)
        askers.add(row.client_id)
    several = len(askers) > 1
    examples: list[Example] = []
    resting_on: dict[InferenceId, str] = {}
    for same in by_text.values():
        said = [row for row in same if row.human is not None]
        # What the operator says of an input is not for callers to outvote.
        weighty = [row for row in said if doubted([row.said_by], limits, several=several) is None] or said
        human = Counter(row.human for row in weighty).most_common(1)
        incumbent = Counter(row.incumbent for row in same if row.incumbent is not None).most_common(1)
        answered = incumbent[0][0] if incumbent else None
        output = human[0][0] if human else answered
        if output is None:
            continue
        excluded["repeats an earlier input"] += len(same) - 1
        alone = doubted([row.said_by for row in weighty if row.human == output], limits, several=several)
        if human and alone is not None:
            resting_on[same[0].id] = alone
        examples.append(
            Example(
                id=same[0].id,
                input=same[0].input,
                output=output,
                source=LabelSource.HUMAN if human else LabelSource.INCUMBENT,
                incumbent_output=answered,
                split=Split.TRAIN,
                group="",
                created_at=same[0].created_at,
                occurrences=len(same),
                sources=tuple(row.id for row in same),
            )
        )
    return believe(examples, resting_on, limits, excluded)


def _split(examples: Sequence[Example], plan: SplitPlan, seed: int, excluded: Counter[str]) -> list[Example]:
    texts = [example.input for example in examples]
    groups = near_duplicate_groups(texts, threshold=SAME_GROUP, seed=seed)
    same_text = near_duplicate_groups(texts, threshold=_SAME_TEXT, seed=seed)
    of_group = _splits_of_groups(examples, groups.tolist(), plan, seed)
    kept: list[Example] = []
    seen: set[int] = set()
    for example, group, text in zip(examples, groups.tolist(), same_text.tolist(), strict=True):
        split = of_group[group]
        if split is Split.TRAIN and text in seen:
            excluded["nearly repeats an earlier input"] += 1
            continue
        if example.source is LabelSource.CALLER and split is not Split.TRAIN:
            excluded[BEYOND] += 1
            continue
        seen.add(text)
        kept.append(replace(example, split=split, group=examples[group].id))
    return kept


def _splits_of_groups(
    examples: Sequence[Example], groups: Sequence[int], plan: SplitPlan, seed: int
) -> dict[int, Split]:
    """The split of each group: drawn at random, from the human-labelled groups if there are enough of them."""
    labelled = {g for g, example in zip(groups, examples, strict=True) if example.source is LabelSource.HUMAN}
    drawn_from = sorted(labelled) if len(labelled) >= plan.min_human else sorted(set(groups))
    enough = len(labelled) >= plan.min_human
    order = np.random.default_rng(seed).permutation(len(drawn_from)).tolist()
    tested = min(plan.most, round(len(order) * (plan.test_share if enough else plan.unlabelled_test_share)))
    share = plan.calibration_share if enough else plan.unlabelled_calibration_share
    calibrated = min(plan.most, len(order) - tested, round(len(order) * share))
    splits = dict.fromkeys(groups, Split.TRAIN)
    for place, index in enumerate(order):
        if place < tested:
            splits[drawn_from[index]] = Split.TEST
        elif place < tested + calibrated:
            splits[drawn_from[index]] = Split.CALIBRATION
    return splits


def content_id(contract: OutputContract, examples: Sequence[Example], *, of: str = "") -> DatasetId:
    """SHA-256 of everything that training and evaluation can see.

    `of` is hashed, too: the task, where examples are not named after what was captured for that task alone.
    """
    hashed = hashlib.sha256(of.encode() + repr(contract).encode("utf-8", "surrogatepass"))
    for example in examples:
        row = [
            example.id,
            example.input,
            example.output,
            example.source.value,
            example.incumbent_output,
            example.split.value,
            example.group,
            example.occurrences,
        ]
        hashed.update(canonical_json(row).encode("utf-8", "surrogatepass") + b"\n")
    return DatasetId(f"dataset_{hashed.hexdigest()[:32]}")
