"""What another model said to a request that had its answer already. No caller ever sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.inference import CallRole

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.ids import DeploymentId, InferenceId, TaskId
    from tierwright.core.inference import ModelCall


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondAnswer:
    """A further call of an inference, made after its answer was delivered, and what came of it."""

    inference_id: InferenceId
    #: Role SHADOW (a specialist beside the model that answered) or AUDIT (the frontier model beside a specialist).
    call: ModelCall
    #: The deployment it was asked for: the shadow's own, or that of the specialist which answered.
    deployment_id: DeploymentId
    #: Probability with which the request was drawn for it, given the request.
    propensity: float
    #: The specialist's confidence, in its shadow's answer or in the one that is audited; None: it failed.
    confidence: float | None
    #: What was answered; None: nothing, or content is not kept, or its time is over.
    output: str | None
    #: Whether it meant the same as the caller's answer, under the task's contract of that moment; no content, so kept.
    #: None: there are no two answers, or answers of this task can't be compared to the letter.
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedAnswer:
    """A second answer beside the first, as the store reads them."""

    #: When the request was made.
    created_at: datetime
    task_id: TaskId
    #: The caller, as the inference names it.
    client_id: str
    #: What the caller got; None: no text, or content is not kept, or its time is over.
    given: str | None
    #: Milliseconds that the caller waited; None: not measured.
    given_latency_ms: float | None
    #: Confidence from which the specialist of that deployment answers itself; None: the deployment is not in the store.
    threshold: float | None
    second: SecondAnswer

    @property
    def specialist_output(self) -> str | None:
        """What the specialist said, whether the caller got it or not."""
        return self.given if self.second.call.role is CallRole.AUDIT else self.second.output

    @property
    def frontier_output(self) -> str | None:
        """What the frontier model said, whether the caller got it or not."""
        return self.second.output if self.second.call.role is CallRole.AUDIT else self.given

    @property
    def would_answer(self) -> bool:
        """Whether the specialist was sure enough to answer such a request, and could have."""
        second = self.second
        if second.confidence is None or self.threshold is None or second.call.error_code is not None:
            return second.call.role is CallRole.AUDIT
        return second.confidence >= self.threshold
