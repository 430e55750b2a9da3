"""Sums over what was done."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierwright.core.ids import TaskId
    from tierwright.core.inference import RouteReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """All inferences of one task that were answered by one backend for one reason."""

    #: None: requests of no task.
    task_id: TaskId | None
    #: Who answered; None: nobody.
    backend: str | None
    #: The model that answered, as it was asked for; None: nobody answered.
    model: str | None
    reason: RouteReason
    #: How many inferences.
    requests: int
    #: US dollars of all their calls that have a price: failed and escalated ones, shadows and audits included.
    cost_usd: Decimal
    #: The part of `cost_usd` that shadows and audits cost, which no caller was answered by.
    second_usd: Decimal = Decimal(0)
    #: The part of `second_usd` that audits cost; the rest is that of shadows.
    audit_usd: Decimal = Decimal(0)
    #: The part of `cost_usd` that specialists cost before the answer: machine time, asking in vain included.
    machine_usd: Decimal = Decimal(0)
    #: Calls without a price.
    unpriced_calls: int
    #: Tokens sent by the answering calls, as far as known.
    prompt_tokens: int
    #: Tokens received by the answering calls, as far as known.
    completion_tokens: int
    #: Calls whose tokens are an estimate of ours, since the provider sent none.
    estimated_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGap:
    """What is not known for certain about the cost of one model's calls."""

    #: As it was asked for.
    model: str
    #: Calls with tokens and without a price: the model, a kind of token or a price class of it is in no price list.
    unpriced_calls: int
    #: Calls without tokens, which therefore have no price: failed, or never counted.
    uncounted_calls: int
    #: Calls whose tokens are an estimate of ours.
    estimated_calls: int
