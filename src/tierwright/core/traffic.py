"""Captured traffic as what looks at all of it reads it: one flat row for each inference, and its content apart.

Owns the two rows. They exist for reading millions: an `Inference` with its calls costs several times as much to build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.inference import Content


class TrafficRow(NamedTuple):
    """One inference without its content, its calls summed up."""

    id: InferenceId
    created_at: datetime
    client_id: str
    #: None: recognised as no known task.
    task_id: TaskId | None
    #: None: no error.
    error_code: str | None
    #: None: not measured.
    latency_ms: float | None
    content: Content
    #: The model whose answer the caller got; empty where nobody answered.
    model: str
    #: Of that model's call; None: the provider did not say, or nobody answered.
    prompt_tokens: int | None
    completion_tokens: int | None
    #: US dollars of the calls made for the caller, as far as they have a price, without second answers; None: none has.
    cost_usd: Decimal | None
    #: Of these calls, those without a price.
    unpriced_calls: int


class KeptContent(NamedTuple):
    """What was asked and answered in one inference."""

    id: InferenceId
    #: The JSON body; None: not kept.
    request: bytes | None
    #: The JSON body of the answer; None: not kept, or there was none.
    response: bytes | None
