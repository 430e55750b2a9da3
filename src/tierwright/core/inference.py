"""One application request and all that was done to answer it.

A fallback, an escalation or a shadow is a second `ModelCall` of one `Inference`, never a second request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.ids import CallerKeyId, DeploymentId, InferenceId, ModelVersionId, TaskId
    from tierwright.core.privacy import DataClass


class Endpoint(StrEnum):
    """What kind of request it was. Content of the first three is kept as chat.completions, whatever was spoken."""

    #: OpenAI's POST /v1/chat/completions.
    CHAT = "chat.completions"
    #: OpenAI's POST /v1/responses.
    RESPONSES = "responses"
    #: Anthropic's POST /v1/messages.
    MESSAGES = "messages"
    #: Anthropic's POST /v1/messages/count_tokens; content is not kept.
    COUNT_TOKENS = "messages.count_tokens"
    #: OpenAI's POST /v1/embeddings; content is kept as sent, the vectors are not kept.
    EMBEDDINGS = "embeddings"
    #: OpenAI's POST /v1/moderations; content is kept as sent.
    MODERATIONS = "moderations"


class Content(StrEnum):
    """What became of a request's and an answer's content."""

    #: It was kept, as far as there was any.
    KEPT = "kept"
    #: The caller's key, the task or the settings say that content is not kept.
    OFF = "off"
    #: There was no room to keep it.
    DROPPED = "dropped"
    #: It was removed when its time was over.
    EXPIRED = "expired"
    #: It was removed because somebody had a right to that.
    ERASED = "erased"


class CallRole(StrEnum):
    """Why a model was called."""

    #: The first model asked.
    PRIMARY = "primary"
    #: The frontier model, because the specialist was not sure enough.
    ESCALATION = "escalation"
    #: Another model or deployment, because the one before failed.
    FALLBACK = "fallback"
    #: The same deployment once more, because it failed in a way that passes.
    RETRY = "retry"
    #: A specialist on trial, after the caller had its answer; nobody is told what it said.
    SHADOW = "shadow"
    #: The frontier model, after a specialist's answer was delivered, to see whether it would have said the same.
    AUDIT = "audit"

    @property
    def is_second(self) -> bool:
        """Whether such a call is made after the answer, for nobody but those who run the gateway."""
        return self in {CallRole.SHADOW, CallRole.AUDIT}


class RouteReason(StrEnum):
    """Why the answer came from where it came from."""

    #: The model the caller asked for: no specialist serves this request.
    REQUESTED = "requested"
    #: A specialist was confident enough.
    SPECIALIST = "specialist"
    #: A specialist was asked, and was not confident enough.
    LOW_CONFIDENCE = "low_confidence"
    #: A specialist was asked, and failed.
    SPECIALIST_FAILED = "specialist_failed"
    #: A specialist, because the caller named this version of it.
    PINNED = "pinned"
    #: Drawn into the permanent holdout that stays on the frontier model.
    HOLDOUT = "holdout"
    #: Not drawn into the share of traffic that the deployment may have.
    OUTSIDE_SHARE = "outside_share"
    #: A recorded log was imported; Tierwright decided nothing.
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who answers, and why: a value, so that a log of routes can be evaluated afterwards."""

    reason: RouteReason
    #: Probability with which this reason was drawn, given the request; 1 where nothing was random.
    propensity: float = 1.0
    #: The deployment that was considered; None: none serves this task.
    deployment_id: DeploymentId | None = None
    #: The specialist's calibrated confidence; None: it was not asked, or failed.
    confidence: float | None = None
    #: The confidence from which it may answer; None: no deployment.
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of one model."""

    role: CallRole
    #: Name of the backend in the settings; "specialist" for our own models.
    backend: str
    #: The model that was asked for at that backend.
    model: str
    #: For a specialist; None: not one of ours.
    model_version_id: ModelVersionId | None = None
    #: The provider's id of the answer; None: there was no answer, or it had none.
    upstream_id: str | None = None
    started_at: datetime
    #: Until the last byte; None: not measured (imported without it).
    latency_ms: float | None
    #: Until the first piece of a streamed answer; None: not streamed, or not measured.
    first_token_ms: float | None = None
    #: HTTP status of the answer; None: there was none.
    status: int | None
    #: Stable code of what went wrong; None: nothing.
    error_code: str | None = None
    #: None: the provider did not say. For a specialist: what the frontier model would have been sent, estimated.
    prompt_tokens: int | None = None
    #: None: the provider did not say. For a specialist: what the frontier model would have written, estimated.
    completion_tokens: int | None = None
    #: Part of `prompt_tokens` read from the provider's cache; None: not said.
    cached_tokens: int | None = None
    #: Part of `prompt_tokens` written to the provider's cache; None: not said.
    cache_write_tokens: int | None = None
    #: Part of `completion_tokens` that was thinking; None: not said.
    reasoning_tokens: int | None = None
    #: Whether the provider sent no counts and the tokens are an estimate of ours.
    usage_estimated: bool = False
    #: US dollars; None: unpriced, which is counted and shown, and is not 0.
    cost_usd: Decimal | None = None
    #: Whether this call produced the answer the caller got.
    answered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """One application request and all that was done to answer it."""

    id: InferenceId
    created_at: datetime
    endpoint: Endpoint = Endpoint.CHAT
    #: The caller, as authenticated or as the imported log names it.
    client_id: str
    #: The key it was authenticated by; None: none, or one of the settings file.
    key_id: CallerKeyId | None = None
    #: The caller's own name for the job; None: not given.
    workload_id: str | None = None
    #: None: recognised as no known task.
    task_id: TaskId | None = None
    #: The model the caller asked for.
    model: str
    #: HTTP status the caller got.
    status: int
    #: None: no error.
    error_code: str | None = None
    streamed: bool = False
    #: From the request's last byte to the answer's last; None: not measured.
    latency_ms: float | None
    #: The part of `latency_ms` that no model accounts for; None: not measured.
    overhead_ms: float | None = None
    route: Route
    #: In the order made; never empty unless the request was refused before any model was asked. Shadows and audits come
    #: last, and are added to the store after the rest.
    calls: tuple[ModelCall, ...]
    #: The JSON body; for chat.completions to the byte. None: content is not kept.
    request: bytes | None
    #: The JSON body of the answer, streams reassembled; None: content is not kept, or there was no answer.
    response: bytes | None
    content: Content = Content.KEPT
    #: The class of the request; None: no privacy gate looked at it.
    data_class: DataClass | None = None
    #: What detectors found in it, by type, and never the values.
    findings: Mapping[str, int] = field(default_factory=dict)
    #: The versions of the detectors that looked; None: none did.
    detectors: str | None = None
    #: Whom it is about, as the header x-tierwright-subject says; out of a store a keyed hash, whether the header or the
    #: request said it. None: there is no header; out of a store: nobody is named.
    subject: str | None = None

    @property
    def answering_call(self) -> ModelCall | None:
        """The call whose answer the caller got; None where nobody answered."""
        return next((call for call in self.calls if call.answered), None)

    @property
    def cost_usd(self) -> Decimal | None:
        """US dollars of all its calls; None: one that answered has no price, or nothing was answered."""
        costs = [call.cost_usd for call in self.calls if call.answered or call.cost_usd is not None]
        known = [cost for cost in costs if cost is not None]
        return sum(known[1:], known[0]) if known and len(known) == len(costs) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which inferences are asked for. None: whatever it is."""

    task_id: TaskId | None = None
    client_id: str | None = None
    #: As the caller named it.
    model: str | None = None
    #: Only those that ended in an error: a status from 400 on, or an answer that broke off.
    errors: bool = False
