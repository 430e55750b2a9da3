"""Token counts read the same in both APIs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.provider_recordings import recorded
from tierwright.core.chat import read_usage
from tierwright.gateway.responses.usage import chat_usage, response_usage


def test_counts_and_details_change_their_names_only() -> None:
    """Cached, written and reasoning tokens, and members of one provider, survive the way there and back."""
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
        "cost": 0.5,
    }
    chat = chat_usage(usage)
    assert chat == {
        "prompt_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "completion_tokens": 5,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
        "cost": 0.5,
    }
    assert response_usage(chat) == usage


def test_details_a_response_must_have_are_zero() -> None:
    """A server that counts no details yields a usage that OpenAI's clients can read."""
    usage = response_usage({"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None})
    assert usage == {
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


@pytest.mark.parametrize("usage", [None, [], {}, {"input_tokens": 1}, {"prompt_tokens": "1", "completion_tokens": 1}])
def test_what_can_not_be_counted_is_none(usage: Any) -> None:
    """A missing or broken usage is never a count of zero."""
    assert chat_usage(usage) is None
    assert response_usage(usage) is None


def test_recorded_usages() -> None:
    """The usage of every recorded answer is read with all its counts."""
    read = 0
    for exchange in recorded("/responses"):
        usage = exchange["response"].get("usage")
        if usage:
            found = read_usage(chat_usage(usage))
            assert found is not None
            assert (found.prompt_tokens, found.completion_tokens) == (usage["input_tokens"], usage["output_tokens"])
            assert found.cached_tokens == usage["input_tokens_details"]["cached_tokens"]
            read += 1
    assert read > 200
