"""Datasets, model versions, evaluations and deployments as rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierwright.core.contract import OutputContract
from tierwright.core.dataset import Dataset, Example, LabelSource, Split
from tierwright.core.deployment import Deployment, Stage
from tierwright.core.estimate import Estimate
from tierwright.core.evaluation import Evaluation, Verdict
from tierwright.core.experiment import SliceFinding  # noqa: TC001 - `_Details` is read by its annotations
from tierwright.core.ids import (
    DatasetId,
    DeploymentId,
    EvaluationId,
    ExperimentId,
    InferenceId,
    ModelVersionId,
    TaskId,
)
from tierwright.core.instants import to_us
from tierwright.core.model import ModelVersion
from tierwright.core.privacy import DataClass
from tierwright.store.rows.scalars import from_bytes, from_json, from_us, to_bytes, to_json, to_name, to_name_or_none
from tierwright.store.seals import example_place

if TYPE_CHECKING:
    from tierwright.store.seals import Opener


def dataset_row(dataset: Dataset) -> dict[str, Any]:
    """The row of `datasets`."""
    return {
        "id": dataset.id,
        "task_id": dataset.task_id,
        "contract": to_json(dataset.contract),
        "created_at_us": to_us(dataset.created_at),
        "seed": dataset.seed,
        "sizes": to_json(dict(dataset.sizes)),
        "excluded": to_json(dict(dataset.excluded)),
        "data_class": None if dataset.data_class is None else dataset.data_class.label,
        "classes": None if dataset.classes is None else to_json(dict(dataset.classes)),
        "findings": to_json(dict(dataset.findings)) if dataset.findings else None,
        "erased": dataset.erased,
    }


def dataset_of(row: Any) -> Dataset:
    """The dataset in a row of `datasets`."""
    return Dataset(
        id=DatasetId(row.id),
        task_id=TaskId(row.task_id),
        contract=from_json(row.contract, OutputContract),
        created_at=from_us(row.created_at_us),
        seed=row.seed,
        sizes=from_json(row.sizes, dict[Split, int]),
        excluded=from_json(row.excluded, dict[str, int]),
        data_class=None if row.data_class is None else DataClass.of(row.data_class),
        classes=None if row.classes is None else from_json(row.classes, dict[str, int]),
        findings={} if row.findings is None else from_json(row.findings, dict[str, int]),
        erased=row.erased,
    )


def example_row(dataset_id: DatasetId, place: int, example: Example) -> dict[str, Any]:
    """The row of `examples`."""
    incumbent = example.incumbent_output
    return {
        "dataset_id": dataset_id,
        "place": place,
        "id": to_name(example.id),
        "input": to_bytes(example.input),
        "output": to_bytes(example.output),
        "source": example.source.value,
        "incumbent_output": None if incumbent is None else to_bytes(incumbent),
        "split": example.split.value,
        "group_name": to_name(example.group),
        "created_at_us": to_us(example.created_at),
        "occurrences": example.occurrences,
    }


def source_rows(dataset_id: DatasetId, place: int, example: Example) -> list[dict[str, Any]]:
    """The rows of `example_sources`; of labelled history there are none."""
    names = sorted({to_name(source) for source in example.sources})
    return [{"dataset_id": dataset_id, "place": place, "inference_id": name} for name in names]


def example_of(row: Any, opener: Opener) -> Example:
    """The example in a row of `examples`, which is there."""

    def text(name: str) -> str | None:
        opened = opener.opened(getattr(row, name), example_place(row.dataset_id, row.place, name))
        return None if opened is None else from_bytes(opened)

    asked, answer = text("input"), text("output")
    assert asked is not None
    assert answer is not None
    return Example(
        id=InferenceId(row.id),
        input=asked,
        output=answer,
        source=LabelSource(row.source),
        incumbent_output=text("incumbent_output"),
        split=Split(row.split),
        group=row.group_name,
        created_at=from_us(row.created_at_us),
        occurrences=row.occurrences,
    )


def version_row(version: ModelVersion) -> dict[str, Any]:
    """The row of `model_versions`."""
    return {
        "id": version.id,
        "task_id": version.task_id,
        "dataset_id": version.dataset_id,
        "recipe": version.recipe,
        "created_at_us": to_us(version.created_at),
        "path": str(version.path),
        "encoder": version.encoder,
        "threshold": version.threshold,
        "seed": version.seed,
        "train_seconds": version.train_seconds,
        "size_bytes": version.size_bytes,
        "metrics": to_json(dict(version.metrics)),
    }


def version_of(row: Any) -> ModelVersion:
    """The model version in a row of `model_versions`."""
    return ModelVersion(
        id=ModelVersionId(row.id),
        task_id=TaskId(row.task_id),
        dataset_id=DatasetId(row.dataset_id),
        recipe=row.recipe,
        created_at=from_us(row.created_at_us),
        path=Path(row.path),
        encoder=row.encoder,
        threshold=row.threshold,
        seed=row.seed,
        train_seconds=row.train_seconds,
        size_bytes=row.size_bytes,
        metrics=from_json(row.metrics, dict[str, Estimate]),
    )


def evaluation_row(evaluation: Evaluation) -> dict[str, Any]:
    """The row of `evaluations`."""
    return {
        "id": evaluation.id,
        "task_id": evaluation.task_id,
        "dataset_id": evaluation.dataset_id,
        "candidate": evaluation.candidate,
        "baseline": to_name(evaluation.baseline),
        "created_at_us": to_us(evaluation.created_at),
        "policy": evaluation.policy,
        "threshold": evaluation.threshold,
        "margin": evaluation.margin,
        "metric": evaluation.metric,
        "reference": evaluation.reference.value,
        "estimates": to_json(
            {
                "candidate_score": evaluation.candidate_score,
                "baseline_score": evaluation.baseline_score,
                "difference": evaluation.difference,
                "local_share": evaluation.local_share,
                "local_score": evaluation.local_score,
                # Left out where it is None, so that rows written before it was measured read the same.
                **({} if evaluation.local_agreement is None else {"local_agreement": evaluation.local_agreement}),
            }
        ),
        "verdict": evaluation.verdict.value,
        "experiment_id": evaluation.experiment_id,
        "details": to_json({"slot_difference": evaluation.slot_difference, "slices": evaluation.slices})
        if evaluation.slot_difference is not None or evaluation.slices
        else None,
    }


def evaluation_of(row: Any) -> Evaluation:
    """The evaluation in a row of `evaluations`."""
    estimates = from_json(row.estimates, dict[str, Estimate | None])

    def estimate(name: str) -> Estimate:
        found = estimates[name]
        assert found is not None
        return found

    details = _Details() if row.details is None else from_json(row.details, _Details)
    return Evaluation(
        id=EvaluationId(row.id),
        task_id=TaskId(row.task_id),
        dataset_id=DatasetId(row.dataset_id),
        candidate=ModelVersionId(row.candidate),
        baseline=row.baseline,
        created_at=from_us(row.created_at_us),
        policy=row.policy,
        threshold=row.threshold,
        margin=row.margin,
        metric=row.metric,
        reference=LabelSource(row.reference),
        candidate_score=estimate("candidate_score"),
        baseline_score=estimate("baseline_score"),
        difference=estimate("difference"),
        local_share=estimate("local_share"),
        local_score=estimates["local_score"],
        local_agreement=estimates.get("local_agreement"),
        verdict=Verdict(row.verdict),
        experiment_id=None if row.experiment_id is None else ExperimentId(row.experiment_id),
        slot_difference=details.slot_difference,
        slices=details.slices,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    """The column `details`."""

    slot_difference: Estimate | None = None
    slices: tuple[SliceFinding, ...] = ()


def deployment_row(deployment: Deployment) -> dict[str, Any]:
    """The row of `deployments`, all but its revision."""
    return {
        "id": deployment.id,
        "task_id": deployment.task_id,
        "model_version_id": deployment.model_version_id,
        "stage": deployment.stage.value,
        "share": deployment.share,
        "threshold": deployment.threshold,
        "created_at_us": to_us(deployment.created_at),
        "evaluation_id": deployment.evaluation_id,
        "approver": to_name_or_none(deployment.approver),
        "reason": to_name(deployment.reason),
    }


def deployment_of(row: Any) -> Deployment:
    """The deployment in a row of `deployments`."""
    evaluation_id = row.evaluation_id
    return Deployment(
        id=DeploymentId(row.id),
        task_id=TaskId(row.task_id),
        model_version_id=ModelVersionId(row.model_version_id),
        stage=Stage(row.stage),
        share=row.share,
        threshold=row.threshold,
        created_at=from_us(row.created_at_us),
        evaluation_id=None if evaluation_id is None else EvaluationId(evaluation_id),
        approver=row.approver,
        reason=row.reason,
    )
