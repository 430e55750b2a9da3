"""Token counts of the two APIs, each in the other's words.

Owns the names only: no count is invented, and members that only one provider has are kept under their own name.
"""

from __future__ import annotations

from typing import Any

_CHAT_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
_RESPONSES_NAMES = {chat: responses for responses, chat in _CHAT_NAMES.items()}


def chat_usage(usage: object) -> dict[str, Any] | None:
    """The `usage` of a Response as that of a chat.completion; None where it is missing or not countable."""
    if not isinstance(usage, dict):
        return None
    return _renamed(usage, _CHAT_NAMES, "prompt_tokens", "completion_tokens")


def response_usage(usage: object) -> dict[str, Any] | None:
    """The `usage` of a chat.completion as that of a Response; None where it is missing or not countable.

    The details that a Response always has are 0 where the model server did not say them.
    """
    if not isinstance(usage, dict):
        return None
    found = _renamed(usage, _RESPONSES_NAMES, "input_tokens", "output_tokens")
    if found is not None:
        found["input_tokens_details"] = {"cached_tokens": 0, "cache_write_tokens": 0} | _said(
            found.get("input_tokens_details")
        )
        found["output_tokens_details"] = {"reasoning_tokens": 0} | _said(found.get("output_tokens_details"))
    return found


def _renamed(usage: dict[str, Any], names: dict[str, str], read: str, written: str) -> dict[str, Any] | None:
    found = {names.get(name, name): value for name, value in usage.items() if value is not None}
    counts = found.get(read), found.get(written)
    if not isinstance(counts[0], int) or not isinstance(counts[1], int):
        return None
    found.setdefault("total_tokens", counts[0] + counts[1])
    return found


def _said(details: object) -> dict[str, Any]:
    return {name: count for name, count in details.items() if count is not None} if isinstance(details, dict) else {}
