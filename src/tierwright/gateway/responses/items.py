"""The output items of a Response, and what a chat.completions message says in their terms.

Owns the shapes and ids of items, and the reading of `content`, which some servers send as a list with thoughts in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Prefixes of the ids of items, as OpenAI's own.
_PREFIXES = {"reasoning": "rs", "message": "msg", "function_call": "fc", "custom_tool_call": "ctc"}
#: Members in which servers send thoughts: DeepSeek and its followers, OpenRouter and its followers.
_THOUGHTS = ("reasoning_content", "reasoning")
#: Members that a citation of a URL has in both APIs.
_CITATION = ("url", "title", "start_index", "end_index")


def item_id(kind: str, response_id: str, place: int) -> str:
    """The id of the item at a place of the output; the same each time."""
    return f"{_PREFIXES[kind]}_{response_id.removeprefix('resp_')}_{place}"


def call_id(given: object, taken: set[str], response_id: str) -> str:
    """The id of a call: the given one, or one of ours where it is missing or taken; adds it to `taken`."""
    found = given if isinstance(given, str) and given and given not in taken else None
    number = len(taken)
    while found is None or found in taken:
        found = f"call_{response_id.removeprefix('resp_')}_{number}"
        number += 1
    taken.add(found)
    return found


def message_item(identity: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    """A message of the assistant."""
    return {"id": identity, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str, logprobs: list[Any], annotations: list[Any]) -> dict[str, Any]:
    """A part of a message that is text."""
    return {"type": "output_text", "annotations": annotations, "logprobs": logprobs, "text": text}


def refusal_part(text: str) -> dict[str, Any]:
    """A part of a message that says why there is no answer."""
    return {"type": "refusal", "refusal": text}


def summary_part(text: str) -> dict[str, Any]:
    """A part of a summary."""
    return {"type": "summary_text", "text": text}


def reasoning_item(identity: str, status: str, summary: list[dict[str, Any]]) -> dict[str, Any]:
    """What a model thought before it spoke."""
    return {"id": identity, "type": "reasoning", "status": status, "summary": summary}


def call_item(*, custom: bool, identity: str, status: str, call: str, name: str, text: str) -> dict[str, Any]:
    """A call of a tool that the caller's own program runs; `text` is its arguments or, if `custom`, its input."""
    kind, told = ("custom_tool_call", "input") if custom else ("function_call", "arguments")
    return {"id": identity, "type": kind, "status": status, told: text, "call_id": call, "name": name}


def spoken(content: object) -> Iterator[tuple[str, str]]:
    """What a `content` says, in order: pairs of "text", "refusal" or "thought" and a text that is not empty."""
    if isinstance(content, str):
        if content:
            yield "text", content
        return
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if part.get("type") == "thinking":
            for kind, text in spoken(part.get("thinking")):
                yield "thought" if kind == "text" else kind, text
        else:
            for kind in ("text", "refusal"):
                said = part.get(kind)
                if isinstance(said, str) and said:
                    yield kind, said


def thought(message: dict[str, Any]) -> str:
    """What a message, or a delta of one, says of the model's thoughts beside its content; may be empty."""
    for name in _THOUGHTS:
        text = message.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def told(function: dict[str, Any], name: str) -> str:
    """The text given to a tool; some servers send an object instead."""
    text = function.get(name)
    if isinstance(text, str):
        return text
    try:
        return "" if text is None else json.dumps(text, ensure_ascii=False)
    except RecursionError:
        # Brackets nested so deep are nothing that a tool could be given.
        return ""


def response_logprobs(logprobs: object) -> list[dict[str, Any]]:
    """The log probabilities of a text's tokens, in the form of a Response; empty where there are none."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [_token(token) for token in content if isinstance(token, dict)] if isinstance(content, list) else []


def response_annotations(annotations: object) -> list[dict[str, Any]]:
    """The citations of a text, in the form of a Response: flat; what is no whole citation of a URL has none."""
    found: list[dict[str, Any]] = []
    for annotation in annotations if isinstance(annotations, list) else ():
        inner = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(inner, dict) and all(inner.get(name) is not None for name in _CITATION):
            found.append({"type": "url_citation", **inner})
    return found


def _token(token: dict[str, Any]) -> dict[str, Any]:
    top = token.get("top_logprobs")
    return {
        **token,
        "bytes": token.get("bytes") or [],
        "top_logprobs": [
            {**other, "bytes": other.get("bytes") or []}
            for other in (top if isinstance(top, list) else ())
            if isinstance(other, dict)
        ],
    }
