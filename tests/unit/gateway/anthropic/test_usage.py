"""Token counts of either API in the other's words: cached ones stand beside the rest at Anthropic, in it in chat."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.core.chat import read_usage
from tierwright.gateway.anthropic.usage import chat_usage, messages_usage

COUNTS = st.integers(min_value=0, max_value=10**9)


def test_cached_tokens() -> None:
    """What was read from and written to the cache is part of OpenAI's prompt tokens, and none of Anthropic's input."""
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 3000,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }
    found = chat_usage(usage)
    assert found == {
        "prompt_tokens": 3210,
        "completion_tokens": 7,
        "total_tokens": 3217,
        "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 3000},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert messages_usage(found) == usage
    read = read_usage(found)
    assert read is not None
    assert (read.prompt_tokens, read.completion_tokens, read.cached_tokens) == (3210, 7, 200)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5},
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None, "cached_tokens": 4},
    ],
)
def test_cached_tokens_of_other_servers(usage: dict[str, Any]) -> None:
    """OpenAI, DeepSeek and Moonshot each have a name of their own for what was cached."""
    found = messages_usage(usage)
    assert (found["input_tokens"], found["cache_read_input_tokens"]) == (5, 4)


@pytest.mark.parametrize("member", ["cache_write_tokens", "cache_creation_tokens"])
def test_tokens_written_to_the_cache(member: str) -> None:
    """OpenRouter and LiteLLM each have a name for what was written to the cache."""
    found = messages_usage({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {member: 4}})
    assert (found["input_tokens"], found["cache_creation_input_tokens"]) == (5, 4)


def test_members_of_one_provider() -> None:
    """What only one provider counts is kept under its own name; counts that are said twice are not."""
    found = messages_usage({"prompt_tokens": 1, "completion_tokens": 1, "input_tokens": 9, "cost": 0.5, "x": None})
    assert (found["input_tokens"], found["cost"]) == (1, 0.5)
    assert "x" not in found
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 0}}
    there = chat_usage(usage)
    assert there is not None
    assert there["cache_creation"] == {"ephemeral_1h_input_tokens": 0}


@pytest.mark.parametrize("usage", [None, {}, [], {"output_tokens": None}, {"input_tokens": 3}])
def test_no_usage(usage: object) -> None:
    """Where Anthropic counted nothing, chat counts nothing."""
    assert chat_usage(usage) is None


def test_no_usage_of_a_chat_server() -> None:
    """A Message has no way to say that nobody counted."""
    assert messages_usage(None) == {"input_tokens": 0, "output_tokens": 0}


def test_more_cached_than_there_is() -> None:
    """A server whose counts contradict each other leads to no negative count."""
    found = messages_usage({"prompt_tokens": 1, "completion_tokens": -4, "prompt_tokens_details": {"cached_tokens": 5}})
    assert (found["input_tokens"], found["output_tokens"]) == (0, 0)


@settings(deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_there_and_back(read: int, written: int, other: int, output: int) -> None:
    """No count changes on the way to chat and back."""
    usage = {
        "input_tokens": other,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
    }
    found = chat_usage(usage)
    assert found is not None
    assert found["prompt_tokens"] == read + written + other
    assert messages_usage(found) == usage
