"""Token counts of the two APIs, each in the other's words.

OpenAI's `prompt_tokens` include what was read from and written to a cache, Anthropic's `input_tokens` exclude both.
Owns the arithmetic and the names; members that only one provider has are kept under their own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwright.gateway.anthropic.members import count_of

#: What is translated; some servers send the counts under both names.
_COUNTS = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens_details",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cached_tokens",
        "prompt_cache_hit_tokens",
        "prompt_cache_miss_tokens",
    }
)


def chat_usage(usage: object) -> dict[str, Any] | None:
    """The `usage` of a Message as that of a chat.completion; None where it is missing or not countable."""
    if not isinstance(usage, Mapping) or not isinstance(usage.get("output_tokens"), int):
        return None
    read = count_of(usage.get("cache_read_input_tokens"))
    written = count_of(usage.get("cache_creation_input_tokens"))
    prompt = count_of(usage.get("input_tokens")) + read + written
    completion = count_of(usage.get("output_tokens"))
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }
    details = usage.get("output_tokens_details")
    if isinstance(details, Mapping) and isinstance(details.get("thinking_tokens"), int):
        found["completion_tokens_details"] = {"reasoning_tokens": count_of(details["thinking_tokens"])}
    return found | _others(usage)


def messages_usage(usage: object) -> dict[str, Any]:
    """The `usage` of a chat.completion as that of a Message.

    Zero where the model server sent none: a Message has no way to say that nobody counted.
    """
    if not isinstance(usage, Mapping):
        return {"input_tokens": 0, "output_tokens": 0}
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    # DeepSeek and Moonshot count cached tokens beside the details.
    read = count_of(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens"))
    # OpenRouter's name, and LiteLLM's.
    written = count_of(details.get("cache_write_tokens") or details.get("cache_creation_tokens"))
    found: dict[str, Any] = {
        "input_tokens": max(0, count_of(usage.get("prompt_tokens")) - read - written),
        "output_tokens": count_of(usage.get("completion_tokens")),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
    }
    thought = usage.get("completion_tokens_details")
    if isinstance(thought, Mapping) and isinstance(thought.get("reasoning_tokens"), int):
        found["output_tokens_details"] = {"thinking_tokens": count_of(thought["reasoning_tokens"])}
    return found | _others(usage)


def _others(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in usage.items() if name not in _COUNTS and value is not None}
