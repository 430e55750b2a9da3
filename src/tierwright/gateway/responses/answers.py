"""A whole answer of one API as the answer of the other.

Owns the order of output items (thoughts, message, calls) and the joining of items into one message. What chat has no
word for, the provider's own tools, citations of its files and encrypted reasoning, is left out of a chat.completion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.gateway.responses.envelope import ending, envelope, take_tier
from tierwright.gateway.responses.inputs import reasoning_text
from tierwright.gateway.responses.items import (
    call_id,
    call_item,
    item_id,
    message_item,
    reasoning_item,
    refusal_part,
    response_annotations,
    response_logprobs,
    spoken,
    summary_part,
    text_part,
    thought,
    told,
)
from tierwright.gateway.responses.usage import chat_usage, response_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What chat.completions calls the reasons of `incomplete_details`.
_FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
#: "complete" is written by some servers.
_WHOLE = frozenset({"completed", "complete"})


def response(
    chat_answer: Mapping[str, Any], *, request: Mapping[str, Any], response_id: str, created_at: int
) -> dict[str, Any]:
    """The Response that says what the first choice of a chat.completion says, to a Responses request.

    `created_at` is in Unix seconds. A choice that does not say why it ended, or no choice at all, is a Response that
    failed.
    """
    whole = envelope(request, response_id=response_id, created_at=created_at, model=chat_answer.get("model"))
    choices = chat_answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    if isinstance(message, dict):
        whole["output"] = _output(message, choice.get("logprobs"), response_id)
    whole |= ending(choice.get("finish_reason"))
    if whole["output"] and whole["status"] != "completed":
        whole["output"][-1]["status"] = "incomplete"
    whole["usage"] = response_usage(chat_answer.get("usage"))
    take_tier(whole, chat_answer)
    return whole


def chat_answer(response: Mapping[str, Any]) -> dict[str, Any]:
    """The chat.completion that says what a Response says; lenient: whatever is missing is left out or null.

    Only an answer that is complete, or says why it is not, has a `finish_reason`.
    """
    message = _message(response.get("output"))
    answer: dict[str, Any] = {
        "id": response.get("id"),
        "object": "chat.completion",
        "created": response.get("created_at"),
        "model": response.get("model"),
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": _chat_logprobs(response.get("output")),
                "finish_reason": _finish_reason(response, called="tool_calls" in message),
            }
        ],
    }
    usage = chat_usage(response.get("usage"))
    if usage is not None:
        answer["usage"] = usage
    for name in ("service_tier", "error"):
        if response.get(name) is not None:
            answer[name] = response[name]
    return answer


def _output(message: dict[str, Any], logprobs: object, response_id: str) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    said: dict[str, str] = {"thought": thought(message), "text": "", "refusal": ""}
    for kind, text in spoken(message.get("content")):
        said[kind] += text
    if isinstance(refusal := message.get("refusal"), str):
        said["refusal"] += refusal
    if said["thought"]:
        identity = item_id("reasoning", response_id, len(output))
        output.append(reasoning_item(identity, "completed", [summary_part(said["thought"])]))
    parts: list[dict[str, Any]] = []
    if said["text"]:
        citations = response_annotations(message.get("annotations"))
        parts.append(text_part(said["text"], response_logprobs(logprobs), citations))
    if said["refusal"]:
        parts.append(refusal_part(said["refusal"]))
    calls = _calls(message, response_id, len(output) + bool(parts))
    if parts or not calls:
        # Callers look for a message wherever there is no call.
        content = parts or [text_part("", [], [])]
        output.append(message_item(item_id("message", response_id, len(output)), "completed", content))
    return output + calls


def _calls(message: dict[str, Any], response_id: str, place: int) -> list[dict[str, Any]]:
    given = message.get("tool_calls")
    calls = [call for call in given if isinstance(call, dict)] if isinstance(given, list) else []
    if not calls and isinstance(message.get("function_call"), dict):
        # What servers sent before there were tools.
        calls = [{"function": message["function_call"]}]
    taken: set[str] = set()
    output: list[dict[str, Any]] = []
    for number, call in enumerate(calls):
        custom = isinstance(call.get("custom"), dict)
        inner = call["custom"] if custom else call.get("function")
        inner = inner if isinstance(inner, dict) else {}
        kind = "custom_tool_call" if custom else "function_call"
        output.append(
            call_item(
                custom=custom,
                identity=item_id(kind, response_id, place + number),
                status="completed",
                call=call_id(call.get("id"), taken, response_id),
                name=str(inner.get("name") or ""),
                text=told(inner, "input" if custom else "arguments"),
            )
        )
    return output


def _message(output: object) -> dict[str, Any]:
    items = _items(output)
    parts = [part for item in items if item.get("type") == "message" for part in _items(item.get("content"))]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    refusals = [part["refusal"] for part in parts if isinstance(part.get("refusal"), str)]
    thoughts = [text for item in items if item.get("type") == "reasoning" and (text := reasoning_text(item))]
    annotations = [
        _citation(found)
        for part in parts
        for found in _items(part.get("annotations"))
        if found.get("type") == "url_citation"
    ]
    calls = [call for item in items if (call := _chat_call(item)) is not None]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    if annotations:
        message["annotations"] = annotations
    if calls:
        message["tool_calls"] = calls
    return message


def _chat_call(item: dict[str, Any]) -> dict[str, Any] | None:
    kind = item.get("type")
    if kind == "function_call":
        inner, member = "function", "arguments"
    elif kind == "custom_tool_call":
        inner, member = "custom", "input"
    else:
        return None
    return {
        "id": item.get("call_id"),
        "type": inner,
        inner: {"name": item.get("name"), member: told(item, member)},
    }


def _chat_logprobs(output: object) -> dict[str, Any] | None:
    tokens = [
        token
        for item in _items(output)
        if item.get("type") == "message"
        for part in _items(item.get("content"))
        for token in _items(part.get("logprobs"))
    ]
    return {"content": tokens, "refusal": None} if tokens else None


def _finish_reason(response: Mapping[str, Any], *, called: bool) -> str | None:
    status = response.get("status")
    if (isinstance(status, str) and status in _WHOLE) or (status is None and response.get("error") is None):
        return "tool_calls" if called else "stop"
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return _FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else None


def _citation(annotation: dict[str, Any]) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": {name: annotation[name] for name in annotation if name != "type"}}


def _items(found: object) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
