"""A judged comparison from what people bring: a version on its test examples, or files of answers.

Owns which pairs are shown to the judge, in which order, and where people's labels come from. Refuses to know how the
judge is asked (`app.judge_calls`) and what follows from its words (`evals.judged`).

Files: `id` and `output` of each arm, `input` in one of them. A gold file has `output` (the right answer) or `prefers`
("candidate", "baseline" or "tie": a person's own verdict, for texts, where two good answers differ). People's labels
must be a random sample of the disagreements.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from tierwright.app.answer_files import Confidence, read_answers
from tierwright.app.judge_calls import Judge, ask_all, read_verdicts
from tierwright.app.label_sheets import compared, sheet_labels
from tierwright.app.privacy_gate import opened_gate
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, NotEnoughData, SettingsError
from tierwright.core.expense import Expense, ExpenseKind
from tierwright.core.ids import EvaluationId, digest
from tierwright.evals.compare import answered_locally, compare
from tierwright.evals.judge import Judged, Pair, Said, questions
from tierwright.evals.judged import Basis, JudgedComparison, Material, judged_comparison
from tierwright.evals.label_sheet import DIFFER, compare_by_sheet
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.clusters import design_effect
from tierwright.stats.inputs import group_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from tierwright.app.answer_files import AnswerFile
    from tierwright.app.judge_calls import Asked
    from tierwright.app.label_sheets import FilledSheet
    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Example
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.ids import TaskId
    from tierwright.core.model import ModelVersion, Prediction
    from tierwright.core.privacy import DataClass
    from tierwright.evals.compare import Experiment
    from tierwright.evals.judge import Question
    from tierwright.gateway.config import BackendConfig

#: The metric of an evaluation whose difference a judge made more precise.
JUDGED = "judged"
#: What a gold file says where it holds verdicts rather than answers.
_PREFERS = {"candidate": 1.0, "baseline": -1.0, "tie": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bout:
    """Everything two arms answered, before a judge is asked."""

    #: Examples both answered.
    examples: int
    #: Those with two different answers.
    pairs: tuple[Pair, ...]
    #: Candidate minus baseline by people's labels, by id; only of pairs.
    human: Mapping[str, float]
    #: Design effect of groups that count as copies.
    effect: float
    #: Examples left out because one side did not answer.
    unscored: int
    #: The comparison by people's labels alone; None: of files, or too few labels.
    by_people: Evaluation | None = None
    #: None: of files.
    task_id: TaskId | None = None
    #: Of the dataset that the examples are of; None: not known.
    data_class: DataClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """How a judge is asked."""

    #: Empty: the settings'.
    backend: str = ""
    model: str = ""
    instructions: str = ""
    #: Pairs judged at most; those that people labelled come first. None: all.
    limit: int | None = None
    concurrency: int = 4
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What came of it."""

    comparison: JudgedComparison
    asked: Asked
    backend: str
    model: str
    unscored: int
    #: What was kept in the store; None: nothing, since people's labels don't suffice or it is of files.
    evaluation: Evaluation | None


def bout_of_version(
    parts: Parts,
    version: ModelVersion,
    *,
    threshold: float | None = None,
    margin: float | None = None,
    labels: Path | None = None,
) -> Bout:
    """The candidate, cascaded as it is served, against the incumbent on the version's test examples.

    People's labels are those of a sheet, or else the dataset's own where they are enough for the experiment. Raises as
    the experiment does.
    """
    filled = None
    if labels is not None:
        filled = sheet_labels(parts, version, labels, threshold=threshold, margin=margin)
        experiment, examples, predictions = filled.experiment, filled.examples, filled.predictions
        # In the sheet's order the disagreements are a random sample, up to the first that was passed over.
        rows = [row.example.id for row in filled.sheet.rows if row.stratum == DIFFER]
        human_labels = {str(one): filled.labels[one] for one in takewhile(lambda one: one in filled.labels, rows)}
    else:
        experiment, examples, predictions = compared(parts, version, threshold=threshold, margin=margin, texts=True)
        human_labels = {str(e.id): e.output for e in examples if e.source is LabelSource.HUMAN}
        if experiment.dataset.contract.kind is ContractKind.TEXT or len(human_labels) < experiment.min_gold:
            human_labels = {}  # as in the experiment itself: so few may be corrections, which are no random sample
    known_pairs = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.incumbent_output is not None]
    local = answered_locally(experiment, [prediction for _, prediction in known_pairs])
    scorer = ExactAnswer(experiment.dataset.contract)
    pairs = [
        Pair(id=e.id, input=e.input, candidate=p.output, baseline=str(e.incumbent_output))
        for (e, p), own in zip(known_pairs, local, strict=True)
        if own and scorer.score(str(e.incumbent_output), p.output) == 0.0
    ]
    groups = [example.group for example, _ in known_pairs]
    return Bout(
        examples=len(known_pairs),
        pairs=tuple(pairs),
        human=_human(pairs, human_labels, scorer),
        effect=design_effect(group_codes(groups, len(groups))) if groups else 1.0,
        unscored=len(examples) - len(known_pairs),
        by_people=_by_people(parts, filled, experiment, examples, predictions),
        task_id=version.task_id,
        data_class=experiment.dataset.data_class,
    )


def _by_people(
    parts: Parts,
    filled: FilledSheet | None,
    experiment: Experiment,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
) -> Evaluation | None:
    """The comparison by people's labels alone; None: they are too few, or answers are texts."""
    if experiment.dataset.contract.kind is ContractKind.TEXT:
        return None
    at = parts.clock()
    try:
        if filled is not None:
            return compare_by_sheet(experiment, filled.sheet, filled.labels, examples, predictions, at=at).evaluation
        found = compare(experiment, examples, predictions, at=at)
    except NotEnoughData:
        return None
    return found if found.reference is LabelSource.HUMAN else None


def bout_of_files(candidate: Path, baseline: Path, *, gold: Path | None = None, inputs: Path | None = None) -> Bout:
    """Two files of answers, joined by id; answers are compared as text without white space around it.

    The input is the column `input` of `inputs`, or else of one of the other files. Raises InputError where there is
    none, or a file can't be used.
    """
    named = {"candidate": candidate, "baseline": baseline, "gold": gold, "inputs": inputs}
    arms = {name: _read(path) for name, path in named.items() if path is not None and name in {"candidate", "baseline"}}
    gold_file = None if gold is None else _read(gold, "prefers")
    shown = _inputs([file for file in (None if inputs is None else _read(inputs), *arms.values(), gold_file) if file])
    first, second = arms["candidate"].answers, arms["baseline"].answers
    ids = [one for one in first if one in second and first[one].output is not None and second[one].output is not None]
    if not ids:
        raise NotEnoughData(f"no id has an answer in both {candidate} and {baseline}; check that ids are the same")
    scorer = ExactAnswer(OutputContract(kind=ContractKind.OPEN))
    pairs = [
        Pair(id=one, input=shown.get(one, ""), candidate=str(first[one].output), baseline=str(second[one].output))
        for one in ids
        if scorer.score(str(second[one].output), str(first[one].output)) == 0.0
    ]
    blind = sum(not pair.input for pair in pairs)
    if blind:
        raise InputError(
            f"{blind} of {len(pairs)} pairs have no input to judge by; give a column `input` in one of the files, or a "
            "file of its own with --inputs"
        )
    return Bout(
        examples=len(ids),
        pairs=tuple(pairs),
        human={} if gold_file is None else _by_gold(gold_file, pairs, scorer),
        effect=1.0,
        unscored=len({*first, *second}) - len(ids),
    )


def rule(
    parts: Parts,
    bout: Bout,
    options: JudgeOptions,
    verdicts: Path | None = None,
    *,
    margin: float | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Ruling:
    """Has the pairs judged and says what follows.

    Verdicts are kept in a file, by default one for each judge beside the settings. Raises SettingsError where no
    backend or model is named, BackendError where it can't be asked, NotEnoughData as `judged_comparison` does.
    """
    config, model = who = _who(parts, options)
    chosen = _chosen(bout, options)
    asked_all = questions(chosen)
    path = verdicts or parts.settings.path.resolve().parent / f"verdicts-{digest(config.name, model, length=8)}.jsonl"
    try:
        judge, asked = asyncio.run(_asked(parts, who, options, path, asked_all, bout.data_class, progress=progress))
    finally:
        # Also what was paid before a failure; what an earlier run has told of is passed over.
        keys = {
            question.key(backend=config.name, model=model, instructions=options.instructions) for question in asked_all
        }
        _book(parts, path, keys, bout.task_id)
    if asked.failed and not asked.said:
        raise NotEnoughData(
            f"none of {len(asked_all)} questions was answered ({asked.failure}); run the same command again when the "
            "judge can be reached"
        )
    said = {
        (question.pair.id, question.candidate_first): asked.said[key].said
        for question in asked_all
        if (key := judge.key(question)) in asked.said
    }
    judged = [
        Judged(
            id=pair.id,
            # A call that failed says as little as words that can't be read.
            first=said.get((pair.id, True), Said.UNREADABLE),
            second=said.get((pair.id, False), Said.UNREADABLE),
        )
        for pair in chosen
    ]
    rules = parts.settings.file.evaluation
    material = Material(
        examples=bout.examples,
        disagreements=frozenset(pair.id for pair in bout.pairs),
        judged=judged,
        human=bout.human,
        effect=bout.effect,
    )
    comparison = judged_comparison(material, margin=rules.margin if margin is None else margin, level=rules.level)
    evaluation = _evaluation(bout.by_people, comparison, judge)
    if evaluation is not None:
        parts.store.add_evaluation(evaluation)
    return Ruling(
        comparison=comparison,
        evaluation=evaluation,
        asked=asked,
        backend=config.name,
        model=model,
        unscored=bout.unscored,
    )


def _evaluation(by_people: Evaluation | None, found: JudgedComparison, judge: Judge) -> Evaluation | None:
    """The comparison by people's labels with the difference that the judge made more precise; None: it did not."""
    if by_people is None or found.basis is not Basis.PREDICTION_POWERED:
        return None
    return replace(
        by_people,
        id=EvaluationId(digest(by_people.id, judge.backend.name, judge.model, repr(found.difference), length=32)),
        metric=JUDGED,
        difference=found.difference,
        margin=found.margin,
        verdict=found.verdict,
    )


async def _asked(
    parts: Parts,
    who: tuple[BackendConfig, str],
    options: JudgeOptions,
    path: Path,
    asked_all: Sequence[Question],
    data_class: DataClass | None,
    *,
    progress: Callable[[int, int], None],
) -> tuple[Judge, Asked]:
    from tierwright.gateway.backends.http import HttpBackend  # noqa: PLC0415 - an event loop is needed for it

    config, model = who
    async with opened_gate(parts) as gate:
        backend = HttpBackend(config, gate)
        judge = Judge(
            backend=backend,
            gate=gate,
            kind=config.kind,
            model=model,
            instructions=options.instructions,
            data_class=data_class,
        )
        try:
            found = await ask_all(
                judge, asked_all, path, concurrency=options.concurrency, price=parts.price_now, progress=progress
            )
        finally:
            await backend.aclose()
    return judge, found


def _book(parts: Parts, path: Path, keys: Collection[str], task_id: TaskId | None) -> None:
    """Keeps what these verdicts of a file cost, each once."""
    at = parts.clock()
    parts.store.add_expenses(
        Expense(
            id=f"judge-{line.key}",
            kind=ExpenseKind.JUDGE,
            at=at,
            task_id=task_id,
            cost_usd=None if line.cost_usd is None else Decimal(line.cost_usd),
        )
        for line in read_verdicts(path).values()
        if line.key in keys
    )


def _who(parts: Parts, options: JudgeOptions) -> tuple[BackendConfig, str]:
    section = parts.settings.file.judge
    name, model = options.backend or section.backend, options.model or section.model
    config = next((backend for backend in parts.settings.backends if backend.name == name), None)
    if config is None:
        there = ", ".join(backend.name for backend in parts.settings.backends) or "none"
        raise SettingsError(
            f"{parts.settings.path}: the judge's backend is {name!r}, and the [[backends]] are: {there}; name one with "
            "--backend or in [judge]"
        )
    if not model:
        raise SettingsError(f"{parts.settings.path}: no model is named to judge; name one with --model or in [judge]")
    return config, model


def _chosen(bout: Bout, options: JudgeOptions) -> list[Pair]:
    """The pairs to judge, in random order, those that people labelled first."""
    if options.limit is not None and options.limit < 1:
        raise InputError(f"the limit is {options.limit}; have at least one pair judged")
    order = np.random.default_rng(options.seed).permutation(len(bout.pairs)).tolist()
    shuffled = [bout.pairs[place] for place in order]
    first = [pair for pair in shuffled if pair.id in bout.human]
    return [*first, *(pair for pair in shuffled if pair.id not in bout.human)][: options.limit]


def _human(pairs: Sequence[Pair], labels: Mapping[str, str], scorer: ExactAnswer) -> dict[str, float]:
    return {
        pair.id: scorer.score(right, pair.candidate) - scorer.score(right, pair.baseline)
        for pair in pairs
        if (right := labels.get(pair.id)) is not None
    }


def _by_gold(gold: AnswerFile, pairs: Sequence[Pair], scorer: ExactAnswer) -> dict[str, float]:
    """What a gold file says of each pair: a verdict where it has one, or else by the right answer."""
    found: dict[str, float] = {}
    for pair in pairs:
        word = gold.answers.get(pair.id)
        if word is None:
            continue
        verdict = word.others.get("prefers", "").lower()
        if verdict and verdict not in _PREFERS:
            raise InputError(
                f"{gold.path}, line {word.line}: 'prefers' is {verdict[:40]!r}; say candidate, baseline or tie"
            )
        if verdict:
            found[pair.id] = _PREFERS[verdict]
        elif (word.output or "").strip():
            found |= _human([pair], {pair.id: str(word.output)}, scorer)
    return found


def _read(path: Path, *others: str) -> AnswerFile:
    return read_answers(path, confidence=Confidence.IGNORED, others=("input", *others))


def _inputs(files: Sequence[AnswerFile]) -> dict[str, str]:
    """The inputs of the first file that has the column, by id."""
    found = next((file for file in files if "input" in file.columns), None)
    return {} if found is None else {one: answer.others["input"] for one, answer in found.answers.items()}
