"""The chunks of a stream make the answer that would have come in one piece."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.provider_recordings import recorded, stream_of
from tierwright.gateway.reassemble import finished, reassemble
from tierwright.gateway.sse import ChunkStream


def chunk(*choices: dict[str, Any], **members: Any) -> bytes:
    """The JSON of one chunk."""
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 5, "model": "gpt-4o"}
    return json.dumps(head | {"choices": list(choices)} | members).encode()


def delta(index: int = 0, reason: str | None = None, **members: Any) -> dict[str, Any]:
    """One choice of a chunk."""
    return {"index": index, "delta": members, "finish_reason": reason}


def test_text_usage_and_reason_of_several_choices() -> None:
    """Texts are joined by choice, each ends for its own reason, and the usage of the last chunk is kept."""
    whole = reassemble(
        [
            chunk(delta(0, role="assistant", content=""), delta(1, role="assistant", content="B"), usage=None),
            chunk(delta(0, content="Hel"), usage=None),
            chunk(delta(1, "length", content="!"), delta(0, "stop", content="lo"), usage=None),
            chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
        ]
    )
    assert whole.finished
    assert whole.body is not None
    assert json.loads(whole.body) == {
        "id": "c-1",
        "object": "chat.completion",
        "created": 5,
        "model": "gpt-4o",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"},
            {"index": 1, "message": {"role": "assistant", "content": "B!"}, "finish_reason": "length"},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_parallel_tool_calls_are_joined_by_index() -> None:
    """Pieces of two tool calls that arrive interleaved become two calls, in order, without their stream index."""
    first = {"index": 0, "id": "t0", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "t1", "type": "function", "function": {"name": "g", "arguments": '{"b"'}}
    whole = reassemble(
        [
            chunk(delta(role="assistant", content=None, tool_calls=[second])),
            chunk(delta(tool_calls=[first])),
            chunk(delta(tool_calls=[{"index": 1, "function": {"arguments": ":2}"}}])),
            chunk(delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{}"}}])),
            chunk(delta(0, "tool_calls")),
        ]
    )
    assert whole.body is not None
    message = json.loads(whole.body)["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "t0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "t1", "type": "function", "function": {"name": "g", "arguments": '{"b":2}'}},
    ]


def test_unnumbered_tool_calls_begin_with_a_new_id() -> None:
    """A server that numbers no tool calls still yields as many as it gave ids to."""
    whole = reassemble(
        [
            chunk(delta(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "1"}}])),
            chunk(delta(tool_calls=[{"function": {"arguments": "2"}}])),
            chunk(delta(tool_calls=[{"id": "b", "function": {"name": "f", "arguments": "3"}}])),
        ]
    )
    assert whole.body is not None
    calls = json.loads(whole.body)["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ["12", "3"]


def test_refusals_logprobs_and_unknown_members_are_kept() -> None:
    """Refusals are joined, logprobs extended, and members nobody knows of survive."""
    whole = reassemble(
        [
            chunk({"index": 0, "delta": {"refusal": "I "}, "logprobs": {"content": [1]}}, service_tier="x"),
            chunk({"index": 0, "delta": {"refusal": "can't", "reasoning": "m"}, "logprobs": {"content": [2]}}),
            chunk({"index": 0, "delta": {"reasoning": "n"}, "finish_reason": "stop"}, obfuscation="zz", p="ab"),
        ]
    )
    assert whole.body is not None
    found = json.loads(whole.body)
    assert found["service_tier"] == "x"
    assert not found.keys() & {"obfuscation", "p"}
    assert found["choices"][0]["logprobs"] == {"content": [1, 2]}
    assert found["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": "I can't",
        "reasoning": "mn",
    }


def test_cut_stream_is_kept_and_not_finished() -> None:
    """What arrived before a stream broke is an answer without an end."""
    whole = reassemble([chunk(delta(role="assistant", content="Hal"))])
    assert not whole.finished
    assert whole.body is not None
    assert json.loads(whole.body)["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("payloads", [[], [b'{"error":{"message":"no"}}'], [b"{", b"[]", b"7"]])
def test_stream_without_chunks_is_no_answer(payloads: list[bytes]) -> None:
    """Errors, and what is no JSON, make no answer."""
    assert reassemble(payloads).body is None


@settings(deadline=None)
@given(
    payloads=st.lists(
        st.one_of(
            st.builds(
                chunk,
                *[st.builds(delta, st.integers(0, 2), st.sampled_from([None, "stop", "length"]))] * 2,
            ),
            st.sampled_from([chunk(), b"{", b"[]", b'{"error":{}}', b'{"choices":[null,{"finish_reason":"stop"}]}']),
        ),
        max_size=6,
    )
)
def test_whether_a_stream_has_ended_is_known_without_joining_it(payloads: list[bytes]) -> None:
    """Every choice that began has said why it ended: the chunks say so as the joined answer does."""
    assert finished(payloads) == reassemble(payloads).finished


@pytest.mark.parametrize("members", [{}, {"id": None}, {"id": "x"}])
def test_an_answer_can_be_given_its_id(members: dict[str, Any]) -> None:
    """Whether the chunks have one or not; nothing else of it changes, and no answer is made of nothing."""
    payload = json.dumps({"choices": [delta(0, "stop", content="hi")], **members}).encode()
    given_id, as_it_was = (json.loads(reassemble([payload], answer_id=name).body or b"") for name in ("y", None))
    assert given_id == {**as_it_was, "id": "y"}
    assert reassemble([b"[]"], answer_id="y").body is None


def test_parts_of_content_are_joined() -> None:
    """A model that thinks aloud in parts and then speaks in plain text yields one thought and one text."""

    def thinking(text: str) -> list[dict[str, Any]]:
        return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]

    whole = reassemble(
        [
            chunk(delta(role="assistant", content="")),
            chunk(delta(content=thinking("Let me "))),
            chunk(delta(content=thinking("see."))),
            chunk(delta(content="Par")),
            chunk(delta(0, "stop", content="is.")),
        ]
    )
    assert whole.body is not None
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]},
        {"type": "text", "text": "Paris."},
    ]


def test_pieces_of_one_index_are_one() -> None:
    """Objects in lists that bear an index are joined by it; what labels them is said once."""
    first = {"type": "reasoning.text", "text": "ha", "format": "f", "index": 0}
    whole = reassemble(
        [
            chunk(delta(reasoning_details=[first])),
            chunk(delta(reasoning_details=[first | {"format": None}, {"type": "reasoning.encrypted", "index": 1}])),
            chunk(delta(reasoning_details=[{"signature": "s", "index": 0}])),
        ]
    )
    assert whole.body is not None
    assert json.loads(whole.body)["choices"][0]["message"]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "haha", "format": "f", "index": 0, "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1},
    ]


def test_recorded_streams_read_as_the_openai_client_reads_them() -> None:
    """Text, tool calls, reason and usage of every recorded chat stream equal what OpenAI's own client makes of it."""
    exchanges = recorded("/chat/completions")
    streams = [text for exchange in exchanges if "chat.completion.chunk" in (text := stream_of(exchange) or "")]
    compared = 0
    for text in streams:
        stream = ChunkStream("chatcmpl-9")
        out = stream.feed(text.encode()) + stream.close()
        payloads = [json.loads(line[5:]) for line in out.decode().split("\n") if line[5:].strip().startswith("{")]
        assert all(payload["id"] == "chatcmpl-9" for payload in payloads if "choices" in payload)
        state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
        try:
            for payload in payloads:
                state.handle_chunk(ChatCompletionChunk.model_validate(payload))
            theirs = state.get_final_completion()
        except Exception:  # noqa: BLE001 - servers that OpenAI's client can't follow have nothing to compare with
            continue
        body = reassemble(stream.payloads).body
        assert body is not None
        ours = json.loads(body)
        for mine, their in zip(ours["choices"], theirs.choices, strict=True):
            assert (mine["message"]["content"] or "") == (their.message.content or "")
            assert mine["finish_reason"] == their.finish_reason
            mine_calls = [call["function"]["arguments"] for call in mine["message"].get("tool_calls", [])]
            assert mine_calls == [call.function.arguments for call in their.message.tool_calls or []]
        if theirs.usage is not None:
            assert ours["usage"]["completion_tokens"] == theirs.usage.completion_tokens
        compared += 1
    assert compared > 0.8 * len(streams)


def test_long_answers_take_time_in_proportion() -> None:
    """A hundred thousand pieces are joined in seconds, where copying all of the text at each took a minute."""
    began = time.perf_counter()
    whole = reassemble([chunk(delta(content="twenty characters ok"))] * 100_000)
    assert time.perf_counter() - began < 15
    assert json.loads(whole.body or b"")["choices"][0]["message"]["content"] == "twenty characters ok" * 100_000
