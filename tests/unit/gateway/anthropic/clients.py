"""What the clients of both providers accept: their own types, applied to what the translation makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, MessageParam, OutputConfigParam, RawMessageStreamEvent, ToolChoiceParam
from anthropic.types import ToolParam as MessagesTool
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
)
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import TypeAdapter

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
#: The types of the members of a request, by the name of the member.
_MESSAGES_REQUEST: dict[str, TypeAdapter[Any]] = {
    "messages": TypeAdapter(list[MessageParam]),
    "tools": TypeAdapter(list[MessagesTool]),
    "tool_choice": TypeAdapter(ToolChoiceParam),
    "output_config": TypeAdapter(OutputConfigParam),
}
_CHAT_REQUEST: dict[str, TypeAdapter[Any]] = {
    "messages": TypeAdapter(list[ChatCompletionMessageParam]),
    "tools": TypeAdapter(list[ChatCompletionFunctionToolParam]),
    "tool_choice": TypeAdapter(ChatCompletionToolChoiceOptionParam),
    "response_format": TypeAdapter(ResponseFormatJSONSchema),
}


def assert_messages_request(request: Mapping[str, Any]) -> None:
    """Anthropic's client knows every member of the conversation, the tools and the form of the answer."""
    _assert_known(request, _MESSAGES_REQUEST)


def assert_chat_request(request: Mapping[str, Any]) -> None:
    """OpenAI's client knows every member of the conversation, the tools and the form of the answer."""
    _assert_known(request, _CHAT_REQUEST)


def _assert_known(request: Mapping[str, Any], types: Mapping[str, TypeAdapter[Any]]) -> None:
    for name, adapter in types.items():
        if name in request:
            # Members that a type does not know are missing in what it returns.
            assert _plain(adapter.validate_python(request[name])) == request[name]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    return [_plain(inner) for inner in value]


def read_message(message: Mapping[str, Any]) -> Message:
    """The Message, as Anthropic's client validates it."""
    return Message.model_validate(json.loads(json.dumps(message)))


def read_completion(answer: Mapping[str, Any]) -> ChatCompletion:
    """The chat.completion, as OpenAI's client validates it."""
    return ChatCompletion.model_validate(json.loads(json.dumps(answer)))


def read_chunk(chunk: Mapping[str, Any]) -> ChatCompletionChunk:
    """The chunk, as OpenAI's client validates it."""
    return ChatCompletionChunk.model_validate(json.loads(json.dumps(chunk)))


def followed(events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """What Anthropic's client makes of a whole stream of events, each of which it accepts."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for name, data in events:
        assert name == data["type"]
        event = _EVENT.validate_python(json.loads(json.dumps(data)))
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    found: dict[str, Any] = snapshot.model_dump(mode="json", exclude_none=True, warnings=False)
    return found
