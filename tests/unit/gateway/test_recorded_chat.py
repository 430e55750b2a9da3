"""Recorded chat exchanges pass through the gateway's parts unharmed, in one piece and as streams."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.provider_recordings import events_of, recorded, stream_of
from tierwright.core.chat import UNNAMED_TOOL, canonical_json, read_answer, read_request
from tierwright.core.errors import InputError
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.messages import MessagesDialect
from tierwright.gateway.dialects.responses import ResponsesDialect
from tierwright.gateway.problems import Problem
from tierwright.gateway.reassemble import reassemble
from tierwright.gateway.splice import replace_id
from tierwright.gateway.sse import ChunkStream

if TYPE_CHECKING:
    from tierwright.gateway.dialects.dialect import Dialect

NEW = "chatcmpl-0"
#: Members of a chunk that a whole answer has not, or has in another form.
OF_CHUNKS = {"choices", "object", "obfuscation", "p"}
#: Members of a delta that are merged in a way of their own, each tested by itself.
MERGED_APART = {"role", "content", "tool_calls", "reasoning_details"}


def answers() -> list[dict[str, Any]]:
    """The answers that came in one piece, errors among them."""
    found = [exchange["response"] for exchange in recorded("/chat/completions") if stream_of(exchange) is None]
    assert len(found) > 450
    return found


def streams() -> list[str]:
    """The event streams."""
    found = [text for exchange in recorded("/chat/completions") if "data:" in (text := stream_of(exchange) or "")]
    assert len(found) > 75
    return found


@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}])
def test_answers_keep_every_byte_but_their_id(layout: dict[str, Any]) -> None:
    """Whatever a server's way to write JSON, only the id changes, and an error, which has none, stays as it is."""
    for answer in answers():
        body = json.dumps(answer, **layout).encode()
        spliced = replace_id(body, NEW)
        assert spliced is not None
        if "id" in answer:
            assert spliced.upstream_id == answer["id"]
            assert json.loads(spliced.body) == answer | {"id": NEW}
            # Once only: servers repeat the id in places of their own.
            assert spliced.body == body.replace(json.dumps(answer["id"]).encode(), json.dumps(NEW).encode(), 1)
        else:
            assert "error" in answer
            assert spliced.body == body
        for name in ("model", "usage", "choices", "error"):
            assert json.loads(bytes(getattr(spliced.head, name))) == answer.get(name)


def test_streams_keep_every_byte_but_their_ids() -> None:
    """However the network cuts a stream, each line leaves as it came, and each chunk differs in its id only."""
    chance = random.Random(3)
    for text in streams():
        data = text.encode()
        stream = ChunkStream(NEW)
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(20))
        pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        out = b"".join(stream.feed(piece) for piece in pieces) + stream.close()
        chunks = list(events_of(text))
        for came, left in zip(text.rstrip().split("\n"), out.decode().rstrip().split("\n"), strict=True):
            if not came.startswith("data: {"):
                assert left == came
                continue
            chunk = json.loads(came[6:])
            assert json.loads(left[6:]) == (chunk | {"id": NEW} if "id" in chunk else chunk)
            assert left == came.replace(json.dumps(chunk["id"]), json.dumps(NEW), 1)
        assert len(stream.payloads) == len(chunks)
        assert stream.done == ("[DONE]" in text)
        assert stream.saw_error == any(chunk.get("error") for chunk in chunks)
        assert stream.upstream_id == chunks[0]["id"]


def test_streams_become_one_answer_that_holds_everything() -> None:
    """Top-level members, text, thoughts, calls, reasons and usage of every chunk are in the answer that is kept."""
    seen: Counter[str] = Counter()
    for text in streams():
        chunks = list(events_of(text))
        whole = reassemble([json.dumps(chunk).encode() for chunk in chunks])
        assert whole.body is not None
        found = json.loads(whole.body)
        last: dict[str, Any] = {}
        for chunk in chunks:
            last |= {name: value for name, value in chunk.items() if value is not None}
        assert {name: found.get(name) for name in last if name not in OF_CHUNKS} == {
            name: value for name, value in last.items() if name not in OF_CHUNKS
        }
        assert not found.keys() & {"obfuscation", "p"}
        parts = [part for chunk in chunks for part in chunk["choices"]]
        (choice,) = found["choices"]
        assert whole.finished == any(part["finish_reason"] for part in parts)
        for name in {name for part in parts for name in part} - {"delta", "index"}:
            values = [part[name] for part in parts if part.get(name) is not None]
            assert choice.get(name) == (values[-1] if values else None)
        compare_message(choice["message"], [part["delta"] for part in parts], seen)
        seen["usage"] += "usage" in found
    assert seen["tool_calls"] > 20
    assert seen["parallel"] > 1
    assert min(seen[name] for name in ("reasoning", "reasoning_details", "annotations", "usage", "refusal")) > 0


def test_several_choices_with_logprobs_and_members_nobody_knows() -> None:
    """What no recording holds: answers of n = 2 whose choices alternate, log probabilities, members of any name."""
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    head = {"object": "chat.completion.chunk", "created": 1, "model": "m", "id": "c-1", "new": {"id": "kept"}}

    def chunk(index: int, content: str, reason: str | None = None) -> dict[str, Any]:
        delta = {"content": content, "new_text": content}
        logprobs = {"content": [token | {"token": content}], "refusal": None}
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason, "new": index}
        return head | {"choices": [choice]}

    usage = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5, "new_tokens": 9}
    chunks = [chunk(1, "a"), chunk(0, "b"), chunk(0, "c", "stop"), chunk(1, "d", "length")]
    chunks.append(head | {"choices": [], "usage": usage})
    text = "".join(f"data: {json.dumps(fed)}\n\n" for fed in chunks) + "data: [DONE]\n\n"
    stream = ChunkStream(NEW)
    assert (stream.feed(text.encode()) + stream.close()).decode() == text.replace('"c-1"', json.dumps(NEW))
    whole = reassemble(stream.payloads)
    assert whole.finished
    assert whole.body is not None
    assert json.loads(whole.body) == head | {
        "id": NEW,
        "object": "chat.completion",
        "usage": usage,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": said, "new_text": said},
                "logprobs": {"content": [token | {"token": letter} for letter in said], "refusal": None},
                "finish_reason": reason,
                "new": index,
            }
            for index, said, reason in ((0, "bc", "stop"), (1, "ad", "length"))
        ],
    }
    spliced = replace_id(whole.body, "other")
    assert spliced is not None
    assert spliced.body == whole.body.replace(NEW.encode(), b"other")


def compare_message(message: dict[str, Any], deltas: list[dict[str, Any]], seen: Counter[str]) -> None:
    """Each member of the deltas is in the message: texts joined, lists one after another, calls by their index."""
    assert (message["content"] or "") == "".join(delta.get("content") or "" for delta in deltas)
    for name in {name for delta in deltas for name in delta} - MERGED_APART:
        values = [delta[name] for delta in deltas if delta.get(name) is not None]
        if not values:
            assert message[name] is None
        elif isinstance(values[0], list):
            assert message[name] == [item for value in values for item in value]
        else:
            assert message[name] == "".join(values)
        seen[name] += 1
    pieces = [piece for delta in deltas for piece in delta.get("tool_calls") or ()]
    calls = message.get("tool_calls", [])
    assert len(calls) == len({piece["index"] for piece in pieces})
    for place, call in enumerate(calls):
        mine = [piece["function"] for piece in pieces if piece["index"] == place]
        assert call["function"]["arguments"] == "".join(function.get("arguments") or "" for function in mine)
        assert call["function"]["name"] == next(function["name"] for function in mine if function.get("name"))
        assert call["id"] == next(piece["id"] for piece in pieces if piece["index"] == place and piece.get("id"))
    details = [item for delta in deltas for item in delta.get("reasoning_details") or ()]
    for item in message.get("reasoning_details", []):
        same = [detail for detail in details if detail["index"] == item["index"]]
        assert item.get("text", "") == "".join(detail.get("text") or "" for detail in same)
        assert item["type"] == same[0]["type"]
    seen["reasoning_details"] += bool(details)
    seen["tool_calls"] += bool(calls)
    seen["parallel"] += len(calls) > 1


def test_requests_are_read() -> None:
    """Every recorded request that a server took is read: messages, tools, format, number of answers, plain text."""
    seen: Counter[str] = Counter()
    for exchange in recorded("/chat/completions"):
        payload = exchange["request"]
        try:
            request = read_request(payload)
        except InputError:
            assert exchange["status"] >= 400
            continue
        assert [message.role for message in request.messages] == [message["role"] for message in payload["messages"]]
        assert len(request.tools) == len(payload.get("tools") or ())
        assert (request.stream, request.n) == (payload.get("stream") is True, payload.get("n") or 1)
        assert (request.response_format or "null") == canonical_json(payload.get("response_format"))
        for message, sent in zip(request.messages, payload["messages"], strict=True):
            if isinstance(sent.get("content"), str):
                assert message.text == sent["content"]
            plain = sent["role"] != "tool" and not sent.get("tool_calls") and isinstance(sent.get("content"), str)
            assert not (plain and message.opaque)
            seen["opaque"] += message.opaque
            seen["null calls"] += message.role == "user" and "tool_calls" in sent
    assert seen["opaque"] > 100
    assert seen["null calls"] > 0


def test_answers_are_read() -> None:
    """Id, model, text, reason and usage of every recorded answer are read; an error reads as saying nothing."""
    seen: Counter[str] = Counter()
    for answer in answers():
        found = read_answer(answer)
        if "choices" not in answer:
            assert (found.text, found.finish_reason, found.usage) == (None, None, None)
            continue
        assert (found.id, found.model) == (answer["id"], answer["model"])
        first = answer["choices"][0]
        content = first["message"].get("content")
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
            assert content
            seen["parts"] += 1
        assert found.text == content
        assert found.finish_reason == first["finish_reason"]
        assert found.usage is not None
        assert found.usage.prompt_tokens == answer["usage"]["prompt_tokens"]
        # Gemini counts its thoughts beside the answer; they are written and paid all the same.
        thoughts = found.usage.reasoning_tokens
        assert found.usage.completion_tokens - answer["usage"]["completion_tokens"] in (0, thoughts)
        seen["several"] += len(answer["choices"]) > 1
        seen["whole"] += 1
    assert seen["whole"] > 430
    assert min(seen["parts"], seen["several"]) > 0


@pytest.mark.parametrize(
    ("dialect", "path", "at_least"),
    [
        (ChatDialect(), "/chat/completions", 35),
        (MessagesDialect(), "/v1/messages", 35),
        (ResponsesDialect(), "/responses", 5),
    ],
)
def test_steps_of_recorded_agents_are_told_by_their_tool(dialect: Dialect, path: str, at_least: int) -> None:
    """In each API, a request that ends with a tool's result says which tool it was, and is never for specialists."""
    steps = 0
    for exchange in recorded(path):
        asked = dialect.read(json.dumps(exchange["request"]).encode(), {})
        if isinstance(asked, Problem) or asked.chat is None or asked.chat.after is None:
            continue
        steps += 1
        # A request to the Responses API may leave out what the provider has kept, the call too.
        assert asked.chat.after != UNNAMED_TOOL or '"function_call"' not in json.dumps(exchange["request"])
        assert not asked.for_specialists
    assert steps >= at_least
