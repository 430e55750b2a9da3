"""One turn of the ring for one task: dataset, ladder, experiment, promotion; used by the commands and by the demo.

Owns the order of the stages and what is decided between them; each stage's work is its own package's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from tierwright.app.certification import certificate_for
from tierwright.app.experiments import evaluate, require_metric
from tierwright.app.road import road_check
from tierwright.app.training_settings import word_limits
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.deployment import Stage
from tierwright.core.errors import InputError, InvalidTransition, NotEnoughData, NotFound
from tierwright.curation.dataset import build_dataset
from tierwright.curation.labelled_dataset import build_labelled
from tierwright.economics.savings import Incumbent, Period, Spent, incumbent_models
from tierwright.economics.savings import savings as compare_costs
from tierwright.evals.label_sheet import representative
from tierwright.evals.learnability import reason_to_keep
from tierwright.evals.report import summary
from tierwright.evals.verdict import verdict
from tierwright.lifecycle.gate import GateRules
from tierwright.lifecycle.promotion import Proposal, promote
from tierwright.training.ladder import RECIPES, Means, Rung, choose
from tierwright.training.ladder import climb as climb_ladder
from tierwright.training.stopping import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from tierwright.app.appraisal import Appraisal
    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.deployment import Deployment
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.ids import TaskId
    from tierwright.core.model import ModelVersion, Prediction
    from tierwright.core.privacy import DataClass
    from tierwright.core.task import Task
    from tierwright.curation.labelled import LabelledRows
    from tierwright.curation.labelled_dataset import LabelledDataset
    from tierwright.economics.savings import Savings
    from tierwright.evals.learnability import Learnability
    from tierwright.evals.verdict import TaskVerdict

#: Inputs answered at a time.
_BATCH = 1000
#: Verdicts besides those of an experiment.
KEEP, NOT_LEARNABLE = "keep", "not_learnable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn of the ring came to for a task."""

    task: Task
    #: Of the experiment, or `not_learnable`, or `keep`.
    verdict: str
    #: In words, for people.
    reason: str
    dataset: Dataset | None = None
    #: The ladder, cheapest first.
    rungs: Sequence[Rung] = ()
    chosen: ModelVersion | None = None
    evaluation: Evaluation | None = None
    #: None: nothing was put live.
    deployment: Deployment | None = None


def turn(parts: Parts, task: Task, *, progress: Callable[[str], None]) -> Turn:
    """Builds, trains, compares and, if the gate agrees, puts live; says why where it stops earlier."""
    dataset: Dataset | None = None
    rungs: Sequence[Rung] = ()
    chosen: ModelVersion | None = None
    try:
        dataset, examples = build(parts, task)
        require_metric(parts, dataset)
        rungs, chosen = climb(parts, dataset, examples, quick=True, progress=progress)
        if chosen is None:
            return Turn(task=task, verdict=KEEP, reason="no rung was trained", dataset=dataset, rungs=rungs)
        looked = evaluate(parts, chosen)
    except NotEnoughData as error:
        return Turn(task=task, verdict=KEEP, reason=str(error), dataset=dataset, rungs=rungs, chosen=chosen)
    evaluation = looked.evaluation
    verdict, reason = decide(chosen, evaluation, looked.learned)
    deployment = None
    if verdict == evaluation.verdict.value and evaluation.verdict.allows_promotion:
        try:
            deployment = put_live(parts, chosen, evaluation)
        except InvalidTransition as error:
            reason = str(error)
    return Turn(
        task=task,
        verdict=verdict,
        reason=reason,
        dataset=dataset,
        rungs=rungs,
        chosen=chosen,
        evaluation=evaluation,
        deployment=deployment,
    )


def decide(version: ModelVersion, evaluation: Evaluation, learned: Learnability | None) -> tuple[str, str]:
    """The verdict on a task and its reason: the experiment's, unless the task should not be specialised at all."""
    if learned is not None and not learned.learnable:
        return NOT_LEARNABLE, learned.reason
    if version.threshold is None:
        return KEEP, "at no confidence is the specialist as good as the incumbent: the task stays where it is"
    keep = reason_to_keep(evaluation)
    return (KEEP, keep) if keep is not None else (evaluation.verdict.value, summary(evaluation))


def build(parts: Parts, task: Task, *, seed: int | None = None) -> tuple[Dataset, list[Example]]:
    """A dataset of a task, kept in the store. Raises NotEnoughData."""
    dataset, examples = build_dataset(
        task,
        parts.store.scan(task_id=task.id),
        representative(parts.store.feedback_of_task(task.id)),
        seed=parts.settings.file.training.seed if seed is None else seed,
        at=parts.clock(),
        limits=word_limits(parts.settings.file.training),
    )
    parts.store.add_dataset(dataset, examples)
    return dataset, examples


def verdict_on(
    parts: Parts, dataset: Dataset, examples: Sequence[Example], appraisals: Sequence[Appraisal]
) -> TaskVerdict | None:
    """Whether any rung has learned the task, by the test examples; None: none was trained or can be judged so.

    Texts are not judged so: two good ones seldom agree to the letter.
    """
    predictions = {found.rung.recipe: found.predictions for found in appraisals if found.predictions}
    if not predictions or dataset.contract.kind is ContractKind.TEXT:
        return None
    rules = parts.settings.file.evaluation
    return verdict(
        dataset.contract,
        [example for example in examples if example.split is Split.TEST],
        predictions,
        training=[example for example in examples if example.split is not Split.TEST],
        level=rules.level,
        min_gold=rules.min_gold,
    )


def dataset_of(parts: Parts, task: Task) -> tuple[Dataset, list[Example]]:
    """What to train a task on: its newest dataset where it was imported as labelled history, else one built anew.

    Raises NotEnoughData.
    """
    if task.frames:
        return build(parts, task)
    found = next(iter(parts.store.datasets(task.id)), None)
    if found is None:
        raise NotEnoughData(
            f"task {task.name!r} has neither captured traffic nor a dataset; import labelled history with "
            f"`tierwright dataset import FILE --task {task.name} --input COLUMN --output COLUMN`"
        )
    return found, parts.store.examples(found.id)


def import_labelled(
    parts: Parts,
    name: str,
    table: LabelledRows,
    *,
    kind: ContractKind | None = None,
    seed: int | None = None,
    data_class: DataClass | None = None,
) -> LabelledDataset:
    """A dataset of labelled history and its task, both kept in the store, or neither. Raises as `build_labelled`."""
    built = build_labelled(
        table,
        name=name,
        known=parts.store.tasks(),
        kind=kind,
        seed=parts.settings.file.training.seed if seed is None else seed,
        at=parts.clock(),
        data_class=data_class,
    )
    parts.store.add_dataset(built.dataset, built.examples, task=built.task)
    return built


def climb(
    parts: Parts,
    dataset: Dataset,
    examples: Sequence[Example],
    *,
    only: str | None = None,
    everything: bool = False,
    target: float | None = None,
    quick: bool = False,
    progress: Callable[[str], None],
) -> tuple[list[Rung], ModelVersion | None]:
    """The rungs of the ladder and the version to take; trained versions are kept. Raises as the ladder does.

    `quick` leaves out rungs that take minutes. Raises NotEnoughData where examples of the dataset were erased.
    """
    require_whole(dataset)
    threads = parts.settings.file.training.threads or parts.cores
    rungs = climb_ladder(
        dataset,
        examples,
        means=Means(
            encoder=parts.load_encoder(threads=threads),
            encoder_name=parts.settings.file.training.encoder,
            artifacts=parts.settings.artifacts,
            weights=parts.settings.weights,
            threads=threads,
            seed=parts.settings.file.training.seed,
            lm=parts.settings.file.training.lm,
            quick=quick,
        ),
        at=parts.clock(),
        only=only,
        everything=everything,
        gate=Gate(margin=parts.settings.file.evaluation.margin, target=target),
        progress=progress,
    )
    for rung in rungs:
        if rung.version is not None:
            parts.store.add_version(rung.version)
    return rungs, choose(rungs)


def require_whole(dataset: Dataset) -> None:
    """Raises NotEnoughData where examples of a dataset were erased: nothing new is made of what is left."""
    if dataset.erased:
        raise NotEnoughData(
            f"{dataset.erased:,} examples of dataset {dataset.id} were erased: it is no longer what its id says; "
            "build a new one with `tierwright dataset build`, or import the labelled history again without them"
        )


def version_of(parts: Parts, name: str, *, recipe: str | None = None) -> ModelVersion:
    """The version that a name means: an id, the start of one, or a task, whose version is the one to take.

    Of a task with a specialist in service that is it, or else the choice among what was trained on its newest dataset;
    with `recipe`, the newest version by that recipe. Raises NotFound.
    """
    task = next((task for task in parts.store.tasks() if name in {task.name, task.id}), None)
    if task is None:
        return parts.store.version(name)
    versions = parts.store.versions(task.id)
    if recipe is not None:
        found = next((version for version in versions if version.recipe == recipe), None)
    else:
        serving = next((d for d in parts.store.deployments_in_force() if d.task_id == task.id), None)
        if serving is not None and serving.stage is not Stage.RETIRED:
            return parts.store.version(serving.model_version_id)
        newest = {v.recipe: v for v in reversed(versions) if v.dataset_id == versions[0].dataset_id}
        found = choose([Rung(recipe=r, status="trained", version=newest[r]) for r in RECIPES if r in newest])
    if found is None:
        by = f" by the recipe {recipe!r}" if recipe is not None else ""
        raise NotFound(f"task {task.name!r} has no specialist{by}; train one with `tierwright model train {task.name}`")
    return found


def answers(parts: Parts, version: ModelVersion, inputs: Iterable[str]) -> Iterator[tuple[Prediction, bool]]:
    """A version's answer to each input, in order, and whether it would give it itself; a batch in memory at a time.

    The threshold is that of its deployment where it serves, and the calibrated one otherwise.
    """
    specialist = ArtifactLoader(parts).load(version)
    serving = (d for d in parts.store.deployments_in_force() if d.model_version_id == version.id)
    threshold = next((d.threshold for d in serving if d.stage is not Stage.RETIRED), version.threshold)
    remaining = iter(inputs)
    while batch := list(islice(remaining, _BATCH)):
        for answer in specialist.predict(batch):
            yield answer, threshold is not None and answer.confidence >= threshold


def put_live(parts: Parts, version: ModelVersion, evaluation: Evaluation) -> Deployment:
    """Puts an evaluated version live if the gate agrees; raises InvalidTransition where it does not."""
    proposal = Proposal(
        version=version,
        evaluation=evaluation,
        stage=Stage.LIVE,
        threshold=evaluation.threshold,
        share=1.0,
        certificate=certificate_for(parts.store.certificates(version.task_id), version, evaluation.threshold),
    )
    check = road_check(parts, version, evaluation)
    rules = GateRules(require_certificate=parts.settings.file.evaluation.require_certificate)
    return promote(parts.store, proposal, at=parts.clock(), entropy=parts.entropy(), rules=rules, road=check)


def saved(parts: Parts, *, since: datetime | None, until: datetime | None) -> Savings:
    """What was saved in a period; by default in the time that all captured traffic covers. Raises NotEnoughData.

    Judges and training count when they were paid for; where no limit is given, whenever that was.
    """
    if since is not None and until is not None and since >= until:
        raise InputError(f"the period from {since:%Y-%m-%d} to {until:%Y-%m-%d} has no length; give a later end")
    first, last = _bounds(parts, since, until)
    begin, end = since or first, until or last + timedelta(microseconds=1)
    lines = parts.store.ledger(since=begin, until=end)
    incumbents: dict[TaskId, Incumbent] = {}
    for task_id, model in incumbent_models(parts.store.ledger()).items():
        try:
            incumbents[task_id] = Incumbent(model=model, rates=parts.token_rates(task_id))
        except NotEnoughData:
            continue  # its local answers are then counted as unpriced, and shown
    return compare_costs(
        lines,
        incumbents=incumbents,
        prices=parts.prices,
        period=Period(since=begin, until=end),
        gaps=parts.store.gaps(since=begin, until=end),
        spent=_spent(parts, since, until),
    )


def _spent(parts: Parts, since: datetime | None, until: datetime | None) -> dict[TaskId | None, Spent]:
    """What judges and training cost, by task."""
    found: defaultdict[TaskId | None, Spent] = defaultdict(Spent)
    for line in parts.store.expense_sums(since=since, until=until):
        before = found[line.task_id]
        found[line.task_id] = replace(
            before,
            judge_usd=before.judge_usd + line.cost_usd,
            unpriced_judge_calls=before.unpriced_judge_calls + line.unpriced_calls,
        )
    # A recalibrated version is the same training as the one it was made of.
    trained = {
        (version.task_id, version.recipe, version.train_seconds): version.train_seconds
        for version in parts.store.versions()
        if (since is None or since <= version.created_at) and (until is None or version.created_at < until)
    }
    for (task_id, _, _), seconds in trained.items():
        before = found[task_id]
        cost = round(parts.training_machine.cost(seconds), 12)
        found[task_id] = replace(before, training_usd=before.training_usd + cost)
    return dict(found)


def _bounds(parts: Parts, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """Times of the first and the last request of a period."""
    first = last = None
    for inference in parts.store.scan(since=since, until=until):
        first = first or inference.created_at
        last = inference.created_at
    if first is None or last is None:
        raise NotEnoughData("nothing was captured in this period; there is nothing to compare")
    return first, last
