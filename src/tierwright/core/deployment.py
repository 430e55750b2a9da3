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

    #: Answers copies of a share of the requests, and no caller; what serves its task goes on beside it.
    SHADOW = "shadow"
    #: Serves a share of the traffic.
    CANARY = "canary"
    #: Serves all traffic of its task but the holdout.
    LIVE = "live"
    #: Serves nothing any more.
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The decision that a model version serves a task from now on.

    The newest row of a task that is no SHADOW is in force; a SHADOW row holds beside it until the next row of its task.
    """

    id: DeploymentId
    task_id: TaskId
    model_version_id: ModelVersionId
    stage: Stage
    #: Share of the task's traffic it may have, in [0, 1]; of a SHADOW: that it answers copies of.
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
