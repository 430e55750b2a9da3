"""Tests of reading requests and answers."""

from __future__ import annotations

import json

import pytest

from tierwright.core.chat import (
    Usage,
    canonical_json,
    decode_answer,
    decode_request,
    read_answer,
    read_request,
    read_usage,
    written,
)
from tierwright.core.contract import parse_json_object
from tierwright.core.errors import InputError

DEEP = '{"a":' + "[" * 100_000


def test_request_with_parts_tools_and_format() -> None:
    """Text parts are joined, other parts make the message opaque, tools are named, the format is canonical."""
    request = read_request(
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "system", "content": "Name the topic."},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]},
            ],
            "tools": [{"type": "function", "function": {"name": "look_up"}}],
            "response_format": {"type": "json_object"},
            "stream": True,
        }
    )
    assert request.system == "Be brief.\n\nName the topic."
    assert [(turn.role, turn.text, turn.opaque) for turn in request.turns] == [("user", "a", True)]
    assert (request.tools, request.response_format, request.stream) == (("look_up",), '{"type":"json_object"}', True)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ([], "not a JSON object"),
        ({"messages": [{"role": "user", "content": "a"}]}, "'model' is missing"),
        ({"model": "m", "messages": []}, "'messages' is missing or empty"),
        ({"model": "m", "messages": [{"content": "a"}]}, r"'messages\[0\]' is not an object with a 'role'"),
        ({"model": "m", "messages": [{"role": "user", "content": 5}]}, r"'messages\[0\].content' is neither"),
    ],
)
def test_what_is_no_request_is_named(payload: object, says: str) -> None:
    """The member that is wrong is named, and nothing of a prompt is quoted."""
    with pytest.raises(InputError, match=says):
        read_request(payload)


def test_nesting_without_end_is_no_json() -> None:
    """Brackets nested a hundred thousand deep are refused like any other text that is no JSON."""
    with pytest.raises(InputError, match="not JSON"):
        decode_request(DEEP.encode())
    assert decode_answer(DEEP.encode()).text is None
    assert parse_json_object(DEEP + "}") is None


def test_answer_with_odd_usage_has_none() -> None:
    """Tokens that are missing, negative or no numbers read as None, never as 0."""
    for usage in (None, {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "5"}, [1]):
        body = json.dumps({"id": "x", "choices": [{"message": {"content": "a"}}], "usage": usage}).encode()
        assert decode_answer(body).usage is None
        assert decode_answer(body).text == "a"


def test_canonical_json_does_not_depend_on_order() -> None:
    """Two spellings of one value have one canonical text."""
    assert (
        canonical_json({"b": [1, "ü"], "a": None})
        == canonical_json({"a": None, "b": [1, "ü"]})
        == '{"a":null,"b":[1,"ü"]}'
    )


@pytest.mark.parametrize("members", [{"tool_calls": None}, {"tool_calls": []}, {"function_call": None}])
def test_members_that_say_nothing_make_no_message_opaque(members: dict[str, object]) -> None:
    """A client that sends every member it knows, as null or empty, still sends plain text."""
    request = read_request({"model": "m", "messages": [{"role": "user", "content": "x", **members}]})
    assert not request.opaque


def test_calls_of_either_age_are_opaque() -> None:
    """A message that calls a tool, in the form of today or of before, is more than its text."""
    for members in ({"tool_calls": [{"id": "a"}]}, {"function_call": {"name": "f"}}):
        assert read_request({"model": "m", "messages": [{"role": "assistant", "content": "x", **members}]}).opaque


def test_answer_in_parts_reads_as_its_texts() -> None:
    """Of an answer that comes in parts the texts are read, and the thoughts are not."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes"}]
    assert read_answer({"choices": [{"message": {"content": [*parts, {"type": "text", "text": "."}]}}]}).text == "Yes."
    assert read_answer({"choices": [{"message": {"content": parts[:1]}}]}).text is None


@pytest.mark.parametrize(
    ("payload", "usage"),
    [
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2, "cache_write_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 3},
            },
            Usage(
                prompt_tokens=10,
                completion_tokens=8,
                cached_tokens=4,
                cache_write_tokens=1,
                audio_prompt_tokens=2,
                reasoning_tokens=5,
                audio_completion_tokens=3,
            ),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4},
            Usage(prompt_tokens=10, completion_tokens=1, cached_tokens=6),
        ),
        ({"prompt_tokens": 3, "total_tokens": 3}, Usage(prompt_tokens=3, completion_tokens=0)),
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(prompt_tokens=3, completion_tokens=1),
        ),
        ({"prompt_tokens": -3, "completion_tokens": 1}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ([], None),
    ],
)
def test_usage_as_providers_send_it(payload: object, usage: Usage | None) -> None:
    """OpenAI's parts, DeepSeek's names, embeddings without an answer; a part beyond its whole is left out."""
    assert read_usage(payload) == usage


def test_only_unusual_price_classes_are_kept() -> None:
    """`default` and its synonyms are the normal price."""
    payload = {"prompt_tokens": 1, "completion_tokens": 1}
    tiers = ["default", "standard", "auto", None, 7, "flex"]
    found = [read_usage(payload, service_tier=tier) for tier in tiers]
    assert [usage and usage.service_tier for usage in found] == [None, None, None, None, None, "flex"]


def test_everything_a_model_wrote_is_found() -> None:
    """Text, thoughts and tool calls of every choice; nothing where there is no answer."""
    call = {"id": "c", "type": "function", "function": {"name": "book", "arguments": '{"a":1}'}}
    messages = [
        {"content": "one", "reasoning_content": "hm"},
        {"content": [{"type": "text", "text": "two"}], "refusal": None},
        {"content": None, "tool_calls": [call, None]},
        None,
    ]
    raw = json.dumps({"choices": [{"message": message} for message in messages]}).encode()
    assert written(raw) == 'one\nhm\ntwo\nbook\n{"a":1}'
    assert [written(raw) for raw in (b"{}", b"[]", b"no", b'{"choices":[{"message":{"content":""}}]}')] == [None] * 4
