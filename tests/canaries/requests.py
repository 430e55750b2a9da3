"""Rich requests to every endpoint, and a canary in any one of their fields."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.canaries.values import FORMS, card, phrase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_SCHEMA: Final = {"type": "object", "properties": {"intent": {"type": "string", "enum": ["a"], "description": "what"}}}
_TOOL: Final = {"name": "lookup", "description": "looks up", "parameters": _SCHEMA}
_CHAT: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Sort the mail.", "name": "setter"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Where is my parcel?"}, {"type": "text", "text": "Please"}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": '{"order": "A-1"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"state": "sent"}'},
        {"role": "user", "content": "And now?", "name": "ann"},
    ],
    "tools": [{"type": "function", "function": _TOOL}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": _SCHEMA}},
    "metadata": {"team": "support"},
    "user": "u-1",
    "safety_identifier": "s-1",
    "stop": ["END"],
    "temperature": 0,
    "seed": 7,
    "logit_bias": {"50256": -100},
    "prediction": {"type": "content", "content": "perhaps"},
}
_RESPONSES: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "instructions": "Sort the mail.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Where is my parcel?"}]},
        {"type": "function_call", "call_id": "call_1", "name": "lookup", "arguments": '{"order": "A-1"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "sent"},
    ],
    "tools": [{"type": "function", **_TOOL}],
    "metadata": {"team": "support"},
    "user": "u-1",
}
_MESSAGES: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "max_tokens": 16,
    "system": [{"type": "text", "text": "Sort the mail."}],
    "messages": [
        {"role": "user", "content": "Where is my parcel?"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "lookup", "input": {"order": "A-1"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sent"}]},
    ],
    "tools": [{"name": "lookup", "description": "looks up", "input_schema": _SCHEMA}],
    "metadata": {"user_id": "u-1"},
    "stop_sequences": ["END"],
}
#: By the path of the endpoint; those of the second group can be streamed.
TEMPLATES: Final[dict[str, dict[str, Any]]] = {
    "/v1/embeddings": {"model": "gpt-4o", "input": ["Where is my parcel?", "Please"], "user": "u-1"},
    "/v1/moderations": {"model": "gpt-4o", "input": ["Where is my parcel?"]},
    "/v1/messages/count_tokens": {name: value for name, value in _MESSAGES.items() if name != "max_tokens"},
    "/v1/chat/completions": _CHAT,
    "/v1/responses": _RESPONSES,
    "/v1/messages": _MESSAGES,
}
STREAMED: Final = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
#: Request headers that would go along.
HEADERS: Final = ("x-request-id", "traceparent", "tracestate", "idempotency-key", "openai-beta")
#: A request of the task that the gateway's specialist is for.
TASK: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "Name the intent."}, {"role": "user", "content": "Where is my parcel?"}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One request."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    stream: bool = False
    #: Where the canary is; None: it has none.
    place: str | None = None


def requests(count: int, random: Random) -> Iterator[Planted]:
    """So many requests: one in five without a canary, one in five of a task, each field of each endpoint in turn."""
    places = [(path, place) for path, template in TEMPLATES.items() for place in _places(template)]
    places += [(path, (name,)) for path in TEMPLATES for name in HEADERS]
    for number in range(count):
        path, place = places[number % len(places)]
        form = FORMS[number // len(places) % len(FORMS)]
        match random.randrange(5):
            case 0:
                yield _request(path, TEMPLATES[path], random)
            case 1:
                body = copy.deepcopy(TASK)
                body["messages"][1]["content"] = (
                    phrase(form, number) if number % 2 else f"Where is parcel {number % 89}?"
                )
                yield _request("/v1/chat/completions", body, random, place="task" if number % 2 else None)
            case _ if place[0] in HEADERS:
                headers = {str(place[0]): phrase("card" if form.isascii() else "email", number)}
                yield _request(path, TEMPLATES[path], random, place=f"header {place[0]}", headers=headers)
            case _:
                body = copy.deepcopy(TEMPLATES[path])
                _plant(body, place, form, number)
                yield _request(path, body, random, place=f"{path} {'.'.join(map(str, place))}")


def _request(
    path: str, body: dict[str, Any], random: Random, *, place: str | None = None, headers: dict[str, str] | None = None
) -> Planted:
    stream = path in STREAMED and random.random() < 0.5
    sent = {**body, "stream": True} if stream else body
    # Both ways to write what is not ASCII.
    data = json.dumps(sent, ensure_ascii=random.random() < 0.5).encode()
    return Planted(path=path, body=data, headers=headers or {}, stream=stream, place=place)


def _places(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every member, and to every name of one (with "<name>" at its end)."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _places(member, (*before, name))
        if before:
            yield (*before, "<name>")
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _places(member, (*before, place))
    else:
        yield before


def _plant(body: dict[str, Any], place: tuple[str | int, ...], form: str, number: int) -> None:
    holder: Any = body
    for step in place[:-1]:
        holder = holder[step]
    last = place[-1]
    text = phrase(form, number)
    if last == "<name>":
        holder[text] = "x"
    elif isinstance(holder[last], str) and holder[last].startswith("{"):
        holder[last] = json.dumps({"order": text})
    elif isinstance(holder[last], str):
        holder[last] = text if number % 2 else f"{holder[last]} {text}"
    elif holder[last] is None:
        holder[last] = text
    else:
        holder[last] = int(card(number))
