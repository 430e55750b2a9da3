"""A model version bound to a task at a stage. Append-only: a rollback is a new row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.ids import DeploymentId, EvaluationId, ModelVersionId, TaskId


class Stage(StrEnum):
    """How far a specialist has come on the road."""

    #: Serves a share of the traffic.
    CANARY = "canary"
    #: Serves all traffic of its task but the holdout.
    LIVE = "live"
    #: Serves nothing any more.
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The decision that a model version serves a task from now on; the newest row of a task is in force."""

    id: DeploymentId
    task_id: TaskId
    model_version_id: ModelVersionId
    stage: Stage
    #: Share of the task's traffic it may have, in [0, 1].
    share: float
    #: Confidence from which it answers itself.
    threshold: float
    created_at: datetime
    #: The evidence; None: promoted by a person without it, which is said in `reason`.
    evaluation_id: EvaluationId | None
    #: Who decided; None: the gate itself.
    approver: str | None = None
    #: Why, in words.
    reason: str = ""
