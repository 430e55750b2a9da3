"""Threat 1: a field or an endpoint that nobody looks at, through which data leave."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.threats.asking import BODIES, COUNTED_HERE, ask
from tests.threats.gates import CanaryGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway.conftest import Running

CANARY = "canary-7f3a9c"
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "finds",
        "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "d", "enum": ["e"]}}},
    },
}
#: Members that requests may have besides those that they need.
MORE: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [
            {"role": "system", "content": "s", "name": "n"},
            {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "text", "text": "u"}]},
            {
                "role": "assistant",
                "content": "a",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "user", "content": "q"},
        ],
        "tools": [_TOOL],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": "t"}}},
        "metadata": {"m": "v"},
        "user": "u",
        "stop": ["x"],
        "an_unknown_member": {"deep": ["er"]},
    },
    "/v1/responses": {
        "instructions": "i",
        "metadata": {"m": "v"},
        "user": "u",
        "tools": [{**_TOOL["function"], "type": "function"}],
    },  # type: ignore[dict-item]
    "/v1/messages": {"system": "s", "metadata": {"user_id": "u"}, "stop_sequences": ["x"]},
    "/v1/messages/count_tokens": {"system": "s"},
    "/v1/embeddings": {"input": ["a", "b"], "user": "u"},
    "/v1/moderations": {"input": ["a", "b"]},
}


def planted(value: Any) -> Iterator[Any]:
    """The same value once for each text in it, with the canary at its end; names of unknown members, too."""
    if isinstance(value, str):
        yield f"{value} {CANARY}"
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for changed in planted(item):
                yield [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, dict):
        for name, item in value.items():
            for changed in planted(item):
                yield {**value, name: changed}


def test_threat_01_unscanned_field(start: Callable[..., Running], probes: Callable[[int], None]) -> None:
    """A canary in any text of any endpoint, plain or streamed, never reaches a server that may not see it."""
    gate = CanaryGate(CANARY)
    gateway = start(gate=gate)
    tried = refused = 0
    for path, needed in BODIES.items():
        sound = deepcopy({**needed, **MORE[path]})
        assert ask(gateway.url, path, sound).status in (200, 502), path
        for body in planted(sound):
            for stream in (False, True):
                answer = ask(gateway.url, path, {**body, "stream": stream} if stream else body)
                # Tokens are counted here for a server that counts none: no byte leaves.
                refused += answer.status >= 400 or path == COUNTED_HERE
                tried += 1
    assert tried == refused
    sent = b"\n".join(body for _, body in gateway.upstream.seen)
    headers = "\n".join(value for found, _ in gateway.upstream.seen for value in found.values())
    assert gateway.upstream.seen
    assert CANARY.encode() not in sent
    assert CANARY not in headers
    # Not a byte left that nobody had looked at.
    assert {body for _, body in gateway.upstream.seen} <= set(gate.permitted_bytes)
    probes(tried)
