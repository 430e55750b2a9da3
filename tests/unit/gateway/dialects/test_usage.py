"""What a server counts and bills by reaches the ledger, whichever API it was asked in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.dialect import Asked
from tierwright.gateway.dialects.messages import MessagesDialect
from tierwright.gateway.dialects.responses import ResponsesDialect
from tierwright.gateway.problems import Problem

if TYPE_CHECKING:
    from tierwright.core.chat import Usage
    from tierwright.gateway.dialects.dialect import Dialect

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES = {**CHAT, "max_tokens": 5}
RESPONSES = {"model": "m", "input": "hi"}

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "service_tier": "flex",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "status": "completed",
    "model": "m",
    "service_tier": "flex",
    "output": [],
    "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
}
MESSAGE = {
    "id": "a",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "ho"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 1,
        "cache_creation_input_tokens": 8,
        "cache_creation": {"ephemeral_1h_input_tokens": 6, "ephemeral_5m_input_tokens": 2},
        "output_tokens": 2,
        "service_tier": "batch",
    },
}


def counted(dialect: Dialect, asked: dict[str, Any], kind: str, answer: dict[str, Any]) -> Usage:
    """The usage of a server's answer to a request in a dialect."""
    read = dialect.read(json.dumps(asked).encode(), {})
    assert isinstance(read, Asked)
    passage = dialect.passage(read, KINDS[kind], model="m", inference_id="i", created_at=1)
    assert not isinstance(passage, Problem)
    carried = passage.whole(json.dumps(answer).encode())
    assert carried is not None
    assert carried.usage is not None
    return carried.usage


@pytest.mark.parametrize(
    ("dialect", "asked", "kind", "answer"),
    [
        (ChatDialect(), CHAT, "openai", COMPLETION),
        (ResponsesDialect(), RESPONSES, "openai", RESPONSE),
        (ResponsesDialect(), RESPONSES, "bedrock", COMPLETION),
        (MessagesDialect(), MESSAGES, "openai", COMPLETION),
    ],
)
def test_the_price_class_is_read(dialect: Dialect, asked: dict[str, Any], kind: str, answer: dict[str, Any]) -> None:
    """A flex answer is known as one, native or translated."""
    usage = counted(dialect, asked, kind, answer)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.service_tier) == (9, 2, "flex")


@pytest.mark.parametrize(("dialect", "asked"), [(MessagesDialect(), MESSAGES), (ChatDialect(), CHAT)])
def test_what_only_anthropic_counts_is_read(dialect: Dialect, asked: dict[str, Any]) -> None:
    """Cache writes of an hour and the price class of a Message are known, whoever asked."""
    usage = counted(dialect, asked, "anthropic", MESSAGE)
    assert (usage.prompt_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (9, 8, 6)
    assert usage.service_tier == "batch"


@pytest.mark.parametrize(("dialect", "asked"), [(MessagesDialect(), MESSAGES), (ChatDialect(), CHAT)])
def test_so_it_is_of_a_stream(dialect: Dialect, asked: dict[str, Any]) -> None:
    """The counts of the beginning and of the end are one."""
    read = dialect.read(json.dumps({**asked, "stream": True}).encode(), {})
    assert isinstance(read, Asked)
    passage = dialect.passage(read, KINDS["anthropic"], model="m", inference_id="i", created_at=1)
    assert not isinstance(passage, Problem)
    stream = passage.stream()
    for event in (
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ):
        stream.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    assert stream.done
    usage = stream.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cache_write_1h_tokens) == (9, 7, 6)
    assert usage.service_tier == "batch"
