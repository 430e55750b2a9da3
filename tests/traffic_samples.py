"""Sampled requests for tests: texts and answers become what an audit hands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.chat import ChatRequest, Message
from tierwright.curation.task_traffic import SampledRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The first instant, seconds since 1970.
START = 1_767_225_600.0


def sampled(text: str = "Where is my card?", answer: str = "card_arrival", **changes: Any) -> SampledRequest:
    """One request with a system message, as `fakes.a_task` has it."""
    system = changes.pop("system", "Name the intent.")
    messages = changes.pop("messages", (Message(role="system", text=system), Message(role="user", text=text)))
    request = ChatRequest(model="gpt-4o", messages=messages, tools=changes.pop("tools", ()))
    fields: dict[str, Any] = {"at": START, "request": request, "input": text, "answer": answer, "frame": 0}
    return SampledRequest(**fields | changes)


def many(texts: Sequence[str], answers: Sequence[str], *, step_s: float = 3600.0) -> tuple[SampledRequest, ...]:
    """So many requests, one after another."""
    return tuple(
        sampled(text, answer, at=START + step_s * place)
        for place, (text, answer) in enumerate(zip(texts, answers, strict=True))
    )
