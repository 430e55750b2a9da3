"""One line of the log for every request that was captured, and what it says of one.

Owns the names in such a line, which stay as they are: log shippers search by them. Refuses to know prompts and answers:
nothing here reads the content of an inference.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierwright.core.inference import Inference
    from tierwright.gateway.observing import Seen

#: The logger of these lines, whose level is its own.
NAME = "tierwright.request"
#: What an attribute of a log record is called that holds a line's members.
MEMBERS = "members"
_LOG = logging.getLogger(NAME)
#: Characters of a name that a caller chose; a model may be called anything.
_LONGEST_NAME = 128


def summary(inference: Inference, task: str | None) -> dict[str, Any]:
    """What can be said of an inference without its content, in JSON types; None: not known, or there is none.

    `task` is the name of its task. Tokens and times are those of the call that answered; the cost is that of all calls.
    """
    answer = inference.answering_call
    cost = inference.cost_usd
    return {
        "id": inference.id,
        "at": inference.created_at.isoformat(),
        "client": inference.client_id,
        "key_id": inference.key_id,
        "endpoint": inference.endpoint.value,
        "task": task,
        "model": inference.model[:_LONGEST_NAME],
        "route": inference.route.reason.value,
        "backend": None if answer is None else answer.backend,
        "backend_model": None if answer is None else answer.model[:_LONGEST_NAME],
        "status": inference.status,
        "error": inference.error_code,
        "streamed": inference.streamed,
        "calls": len(inference.calls),
        "latency_ms": _rounded(inference.latency_ms),
        "overhead_ms": _rounded(inference.overhead_ms),
        "first_token_ms": None if answer is None else _rounded(answer.first_token_ms),
        "input_tokens": None if answer is None else answer.prompt_tokens,
        "output_tokens": None if answer is None else answer.completion_tokens,
        "tokens_estimated": None if answer is None else answer.usage_estimated,
        "cost_usd": None if cost is None else float(cost),
    }


class RequestLog:
    """Writes a line for each inference; an `Observer`."""

    def __init__(self, *, traced: bool) -> None:
        """`traced`: whether every request has a trace, and not only one that came with it."""
        self._traced = traced

    def observe(self, seen: Seen) -> None:
        """As `Observer.observe`."""
        known = self._traced or seen.trace.parent is not None
        members = {**summary(seen.inference, seen.task), "trace_id": seen.trace.id if known else None}
        _LOG.info("request", extra={MEMBERS: members})

    def tell_apart(self, models: Collection[str]) -> None:
        """As `Observer.tell_apart`: each line stands for itself."""


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
