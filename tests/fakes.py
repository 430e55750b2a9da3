"""Builders of nouns for tests: a sensible one of each, any field changed by name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tierwright.core.caller import CallerKey
from tierwright.core.certificate import Certificate, Risk
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Dataset, Example, LabelSource, Split
from tierwright.core.deployment import Deployment, Stage
from tierwright.core.estimate import Estimate
from tierwright.core.evaluation import Evaluation, Verdict
from tierwright.core.experiment import Candidate, Outcome, Plan, PlanStep, Registration
from tierwright.core.feedback import Feedback, Score, ScoreKind
from tierwright.core.ids import (
    CallerKeyId,
    CertificateId,
    DatasetId,
    DeploymentId,
    EvaluationId,
    ExperimentId,
    FeedbackId,
    FrameId,
    InferenceId,
    ModelVersionId,
    ScoreId,
    TaskId,
)
from tierwright.core.inference import CallRole, Inference, ModelCall, Route, RouteReason
from tierwright.core.model import ModelVersion
from tierwright.core.task import Frame, Task, Template

#: The instant at which everything here happens unless told otherwise.
NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """The instant that many seconds after `NOON`."""
    return NOON + timedelta(seconds=seconds)


def a_request(text: str = "Where is my card?", *, system: str = "Name the intent.", **members: Any) -> bytes:
    """The bytes of a chat.completions request."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o", "messages": messages, **members}).encode()


def a_response(text: str = "card_arrival", *, response_id: str = "chatcmpl-1", **members: Any) -> bytes:
    """The bytes of a chat.completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    body = {"id": response_id, "object": "chat.completion", "model": "gpt-4o", "choices": [choice], "usage": usage}
    return json.dumps(body | members).encode()


def a_call(**changes: Any) -> ModelCall:
    """A call that was answered and priced."""
    fields: dict[str, Any] = {
        "role": CallRole.PRIMARY,
        "backend": "openai",
        "model": "gpt-4o",
        "upstream_id": "chatcmpl-1",
        "started_at": NOON,
        "latency_ms": 812.5,
        "status": 200,
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "cached_tokens": 0,
        "cost_usd": Decimal("0.0003"),
    }
    return ModelCall(**fields | changes)


def an_inference(**changes: Any) -> Inference:
    """An inference of no task, answered by the model that was asked for."""
    created_at = changes.get("created_at", NOON)
    fields: dict[str, Any] = {
        "id": InferenceId("chatcmpl-1"),
        "created_at": created_at,
        "client_id": "helpdesk",
        "model": "gpt-4o",
        "status": 200,
        "latency_ms": 815.0,
        "overhead_ms": 2.5,
        "route": Route(reason=RouteReason.REQUESTED),
        "calls": (a_call(started_at=created_at),),
        "request": a_request(),
        "response": a_response(),
    }
    return Inference(**fields | changes)


def inferences(count: int, *, prefix: str = "i", **changes: Any) -> list[Inference]:
    """That many inferences, a second apart, ids in order of time."""
    return [
        an_inference(id=InferenceId(f"{prefix}-{number:06d}"), created_at=after(number), **changes)
        for number in range(count)
    ]


def a_contract(*labels: str) -> OutputContract:
    """A closed set of labels."""
    return OutputContract(kind=ContractKind.LABEL, labels=labels or ("card_arrival", "card_lost"))


def a_frame(**changes: Any) -> Frame:
    """A frame whose input is the whole last message."""
    fields: dict[str, Any] = {
        "id": FrameId("frame-1"),
        "system": Template(literals=("Name the intent.",)),
        "user": Template(literals=("", "")),
    }
    return Frame(**fields | changes)


def a_task(**changes: Any) -> Task:
    """A task of one frame whose answers are labels."""
    fields: dict[str, Any] = {
        "id": TaskId("task-1"),
        "name": "card-intent",
        "contract": a_contract(),
        "frames": (a_frame(),),
        "created_at": NOON,
    }
    return Task(**fields | changes)


def some_feedback(**changes: Any) -> Feedback:
    """A person's word on the inference `an_inference` builds."""
    fields: dict[str, Any] = {
        "id": FeedbackId("feedback-1"),
        "inference_id": InferenceId("chatcmpl-1"),
        "output": "card_lost",
        "author": "ann",
        "created_at": NOON,
    }
    return Feedback(**fields | changes)


def a_score(**changes: Any) -> Score:
    """A number for the inference `an_inference` builds."""
    fields: dict[str, Any] = {
        "id": ScoreId("score-1"),
        "inference_id": InferenceId("chatcmpl-1"),
        "name": "helpful",
        "kind": ScoreKind.NUMERIC,
        "number": 0.75,
        "author": "ann",
        "created_at": NOON,
    }
    return Score(**fields | changes)


def an_example(**changes: Any) -> Example:
    """A training example labelled by the incumbent."""
    fields: dict[str, Any] = {
        "id": InferenceId("chatcmpl-1"),
        "input": "Where is my card?",
        "output": "card_arrival",
        "source": LabelSource.INCUMBENT,
        "incumbent_output": "card_arrival",
        "split": Split.TRAIN,
        "group": "group-1",
        "created_at": NOON,
    }
    return Example(**fields | changes)


def a_dataset(**changes: Any) -> Dataset:
    """A dataset of one example of the task `a_task` builds."""
    fields: dict[str, Any] = {
        "id": DatasetId("dataset-1"),
        "task_id": TaskId("task-1"),
        "contract": a_contract(),
        "created_at": NOON,
        "seed": 7,
        "sizes": {Split.TRAIN: 1, Split.CALIBRATION: 0, Split.TEST: 0},
        "excluded": {"breaks the contract": 2},
    }
    return Dataset(**fields | changes)


def an_estimate(value: float = 0.9, **changes: Any) -> Estimate:
    """An estimate with an interval of two points to either side."""
    fields: dict[str, Any] = {
        "value": value,
        "ci_low": value - 0.02,
        "ci_high": value + 0.02,
        "n": 1000,
        "method": "Wilson",
    }
    return Estimate(**fields | changes)


def a_version(**changes: Any) -> ModelVersion:
    """A trained model of the dataset `a_dataset` builds."""
    fields: dict[str, Any] = {
        "id": ModelVersionId("abc123"),
        "task_id": TaskId("task-1"),
        "dataset_id": DatasetId("dataset-1"),
        "recipe": "ngram",
        "created_at": NOON,
        "path": Path("models/abc123"),
        "threshold": 0.8,
        "seed": 7,
        "train_seconds": 1.5,
        "size_bytes": 1_000_000,
        "metrics": {"accuracy": an_estimate()},
    }
    return ModelVersion(**fields | changes)


def an_evaluation(**changes: Any) -> Evaluation:
    """An evaluation that found the model `a_version` builds no worse than its incumbent."""
    fields: dict[str, Any] = {
        "id": EvaluationId("evaluation-1"),
        "task_id": TaskId("task-1"),
        "dataset_id": DatasetId("dataset-1"),
        "candidate": ModelVersionId("abc123"),
        "baseline": "gpt-4o",
        "created_at": NOON,
        "policy": "cascade",
        "threshold": 0.8,
        "margin": 0.01,
        "metric": "accuracy",
        "reference": LabelSource.HUMAN,
        "candidate_score": an_estimate(0.95),
        "baseline_score": an_estimate(0.91),
        "difference": an_estimate(0.04, method="paired bootstrap"),
        "local_share": an_estimate(0.8),
        "local_score": an_estimate(0.97),
        "verdict": Verdict.SUPERIOR,
    }
    return Evaluation(**fields | changes)


def a_plan(**changes: Any) -> Plan:
    """A plan that most probably tells."""
    fields: dict[str, Any] = {
        "examples": 1000,
        "assumed_difference": 0.0,
        "spread": {"discordance": an_estimate(0.05)},
        "odds": {
            "superior": an_estimate(0.02),
            "non_inferior": an_estimate(0.67),
            "undecided": an_estimate(0.3),
            "inferior": an_estimate(0.01),
        },
        "examples_for_80_percent": 1200,
        "steps": (PlanStep(examples=500, promoted=0.4, undecided=0.6),),
    }
    return Plan(**fields | changes)


def a_registration(**changes: Any) -> Registration:
    """What was registered before the evaluation `an_evaluation` builds."""
    fields: dict[str, Any] = {
        "id": ExperimentId("experiment-1"),
        "task_id": TaskId("task-1"),
        "dataset_id": DatasetId("dataset-1"),
        "test_sha256": "ab" * 32,
        "created_at": NOON,
        "implicit": False,
        "candidates": (Candidate(version=ModelVersionId("abc123"), threshold=0.8),),
        "baseline": "gpt-4o",
        "policy": "cascade",
        "metric": "accuracy",
        "reference": LabelSource.HUMAN,
        "margin": 0.01,
        "slot_margin": None,
        "alpha": 0.05,
        "min_effect": 0.0,
        "sample_size": 400,
        "slices": ("label",),
        "min_slice": 30,
        "min_gold": 50,
        "seed": 7,
        "plans": (a_plan(),),
    }
    return Registration(**fields | changes)


def an_outcome(number: int = 0, **changes: Any) -> Outcome:
    """Both sides were right."""
    fields: dict[str, Any] = {
        "example": f"i-{number:06d}",
        "group": f"g-{number:06d}",
        "confidence": 0.9,
        "local": True,
        "candidate": (1.0,),
        "baseline": (1.0,),
        "slices": {"label": "card_arrival"},
    }
    return Outcome(**fields | changes)


def a_certificate(**changes: Any) -> Certificate:
    """The certificate of the model `a_version` builds at the threshold 0.8."""
    fields: dict[str, Any] = {
        "id": CertificateId("certificate-1"),
        "task_id": TaskId("task-1"),
        "dataset_id": DatasetId("dataset-1"),
        "model_version_id": ModelVersionId("abc123"),
        "created_at": NOON,
        "risk": Risk.REGRET,
        "level": 0.01,
        "delta": 0.05,
        "threshold": 0.8,
        "n": 400,
        "seed": 3,
        "reference": LabelSource.HUMAN,
        "coverage": an_estimate(0.6),
        "realised_risk": an_estimate(0.002, method="Tango score"),
        "labels_needed": 299,
        "reason": "less than 1 point of accuracy is given up",
    }
    return Certificate(**fields | changes)


def a_deployment(**changes: Any) -> Deployment:
    """The decision that the model `a_version` builds goes live on the evidence `an_evaluation` builds."""
    fields: dict[str, Any] = {
        "id": DeploymentId("deployment-1"),
        "task_id": TaskId("task-1"),
        "model_version_id": ModelVersionId("abc123"),
        "stage": Stage.LIVE,
        "share": 1.0,
        "threshold": 0.8,
        "created_at": NOON,
        "evaluation_id": EvaluationId("evaluation-1"),
        "approver": "ann",
        "reason": "better and cheaper",
    }
    return Deployment(**fields | changes)


def a_key(name: str = "k1", **changes: Any) -> CallerKey:
    """A key without limits."""
    made = CallerKey(
        id=CallerKeyId(name),
        client_id="shop",
        prefix=f"tw_live_{name}",
        sha256=name.encode().hex().rjust(64, "0"),
        created_at=NOON,
    )
    return replace(made, **changes)
