"""A chat.completion as a Message, and back.

Owns the content, the end and the usage of one whole answer. Refuses to invent: an answer that does not say why it
ended says so in neither API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tierwright.core.errors import BackendBroken
from tierwright.gateway.anthropic.members import text_of, told_arguments, tool_input
from tierwright.gateway.anthropic.reasons import ended, ending
from tierwright.gateway.anthropic.said import THINKING, spoken, thinking_blocks, thought, tool_calls
from tierwright.gateway.anthropic.usage import chat_usage, messages_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def message(chat_answer: Mapping[str, Any], *, model: str, message_id: str) -> dict[str, Any]:
    """The Message that says what the first choice of a chat.completion says.

    Thoughts have an empty signature unless they are Anthropic's own. Raises BackendBroken where it is no answer.
    """
    choices = chat_answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    said = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or not isinstance(said, Mapping):
        raise BackendBroken("the model server's answer holds no choice with a message")
    calls = [tool_use(call, place, message_id) for place, call in enumerate(tool_calls(said))]
    refusal = text_of(said.get("refusal"))
    text = spoken(said) or refusal
    end = ending(choice, calls=bool(calls))
    found: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [*_thoughts(said), *([{"type": "text", "text": text}] if text else []), *calls],
        "stop_reason": "refusal" if refusal and end.stop_reason is not None else end.stop_reason,
        "stop_sequence": end.stop_sequence,
        "usage": messages_usage(chat_answer.get("usage")),
    }
    if refusal:
        found["stop_details"] = refusal_details(refusal)
    return found


def chat_answer(message: Mapping[str, Any], *, created_at: int = 0) -> dict[str, Any]:
    """The chat.completion that says what a Message says; `created_at` is in Unix seconds, 0 where nobody knows.

    Steps that Anthropic took itself (searches, code it ran) have no place in chat and are left out.
    """
    content = message.get("content")
    blocks = [block for block in (content if isinstance(content, list) else ()) if isinstance(block, Mapping)]
    found: dict[str, Any] = {
        "id": text_of(message.get("id")),
        "object": "chat.completion",
        "created": created_at,
        "model": text_of(message.get("model")),
        "choices": [{"index": 0, "message": _chat_message(message, blocks), "logprobs": None} | ended(message)],
    }
    usage = chat_usage(message.get("usage"))
    if usage is not None:
        found["usage"] = usage
    return found


def refusal_details(explanation: str) -> dict[str, Any]:
    """What a Message says about a refusal beside its stop reason."""
    return {"type": "refusal", "category": None, "explanation": explanation}


def refusal_of(details: object) -> str | None:
    """The explanation in `stop_details`; None: there is none."""
    return (text_of(details.get("explanation")) or None) if isinstance(details, Mapping) else None


def tool_use(call: Mapping[str, Any], place: int, message_id: str) -> dict[str, Any]:
    """The block of a tool call; one without an id gets one. Raises BackendBroken where it has no name."""
    function = call.get("function")
    name = text_of(function.get("name")) if isinstance(function, Mapping) else ""
    if not isinstance(function, Mapping) or not name:
        raise BackendBroken("the model server's answer calls a tool without a name")
    arguments = function.get("arguments")
    return {
        "type": "tool_use",
        "id": tool_use_id(call, place, message_id),
        "name": name,
        # Some servers send the arguments as an object.
        "input": dict(arguments) if isinstance(arguments, Mapping) else tool_input(text_of(arguments)),
    }


def tool_use_id(call: Mapping[str, Any], place: int, message_id: str) -> str:
    """The id of a tool call; one made of the Message's where the server gave none."""
    return text_of(call.get("id")) or f"toolu_{message_id}_{place}"


def url_citations(citations: Iterable[object], start: int, end: int) -> list[dict[str, Any]]:
    """Citations of web pages in a text block that stands at these characters of the answer, as chat annotates them."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": citation["url"],
                "title": text_of(citation.get("title")),
                "start_index": start,
                "end_index": end,
            },
        }
        for citation in citations
        if isinstance(citation, Mapping) and isinstance(citation.get("url"), str)
    ]


def call_of(block: Mapping[str, Any]) -> dict[str, Any]:
    """The chat tool call of a tool_use block; what is no object counts as no arguments."""
    function = {"name": text_of(block.get("name")), "arguments": told_arguments(block.get("input")) or "{}"}
    return {"id": text_of(block.get("id")), "type": "function", "function": function}


def _thoughts(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = thinking_blocks(said)
    if own:
        return own
    text = thought(said)
    return [{"type": "thinking", "thinking": text, "signature": ""}] if text else []


def _chat_message(message: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    texts: list[str] = []
    noted: list[dict[str, Any]] = []
    length = 0
    for block in blocks:
        if block.get("type") == "text":
            text = text_of(block.get("text"))
            citations = block.get("citations")
            noted += url_citations(citations if isinstance(citations, list) else (), length, length + len(text))
            texts.append(text)
            length += len(text)
    calls = [call_of(block) for block in blocks if block.get("type") == "tool_use"]
    found: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) or (None if calls else ""),
        "refusal": refusal_of(message.get("stop_details")),
    }
    thoughts = [dict(block) for block in blocks if text_of(block.get("type")) in THINKING]
    text = "".join(text_of(block.get("thinking")) for block in thoughts)
    if text:
        found["reasoning_content"] = text
    if thoughts:
        found["thinking_blocks"] = thoughts
    if noted:
        found["annotations"] = noted
    if calls:
        found["tool_calls"] = calls
    return found
