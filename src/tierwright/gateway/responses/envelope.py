"""A Response without its output: the request's settings said back, as the API does, and how an answer ended.

Owns the members around `output` and the statuses. Settings that the request left to the backend are null: their
values are known to nobody here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Settings said back as they were sent, and what they are where they were not. `temperature` and `top_p` depend on
#: the model.
_SAID_BACK: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
#: Why a chat answer is not whole, for each reason it may have ended for.
_INCOMPLETE = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "model_length": "max_output_tokens",
    "content_filter": "content_filter",
}
#: The service tiers a Response may name. Other providers have their own, at which strict clients would break.
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
#: Reasons to end that are errors of the model server.
_FAILED = frozenset({"error", "insufficient_system_resource"})


def envelope(request: Mapping[str, Any], *, response_id: str, created_at: int, model: object) -> dict[str, Any]:
    """A Response in progress with an empty output; `model` is the one that answers, or the one asked for."""
    response: dict[str, Any] = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model if isinstance(model, str) and model else request.get("model"),
        "output": [],
        # It can't be had again by its id, whatever was asked for.
        "store": False,
        "usage": None,
    }
    for name, default in _SAID_BACK.items():
        value = request.get(name)
        response[name] = default if value is None else value
    reasoning, text = request.get("reasoning"), request.get("text")
    response["reasoning"] = {"effort": None, "summary": None} | (reasoning if isinstance(reasoning, dict) else {})
    response["text"] = {"format": {"type": "text"}} | (_said(text) if isinstance(text, dict) else {})
    take_tier(response, request)
    return response


def take_tier(response: dict[str, Any], said: Mapping[str, Any]) -> None:
    """Gives the Response the service tier that a request, a chat.completion or a chunk names, if it names one."""
    tier = said.get("service_tier")
    if isinstance(tier, str) and tier in _TIERS:
        response["service_tier"] = tier


def ending(finish_reason: object) -> dict[str, Any]:
    """The members of a Response that say how it ended, for the reason a chat choice gives.

    Without a reason nobody knows whether the answer is whole, so that it is not completed.
    """
    if not isinstance(finish_reason, str):
        return failure("the model server's answer ended before it was complete; try again")
    if finish_reason in _FAILED:
        return failure("the model server failed while it answered; try again")
    reason = _INCOMPLETE.get(finish_reason)
    if reason is None:
        return {"status": "completed"}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def failure(message: str, code: str = "server_error") -> dict[str, Any]:
    """The members of a Response that say that it failed."""
    return {"status": "failed", "error": {"code": code, "message": message}}


def _said(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
