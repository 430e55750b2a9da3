"""What a model says in chat's words, in one piece or in a piece of a stream: thoughts, text, calls of tools.

Owns the many names that OpenAI-compatible servers have for thoughts; reads leniently, since whatever arrived is worth
passing on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tierwright.gateway.anthropic.members import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The blocks that are thoughts; chat carries them as LiteLLM's `thinking_blocks`, so that their signatures survive.
THINKING = frozenset({"thinking", "redacted_thinking"})


def thought(said: Mapping[str, Any]) -> str:
    """What the model thought: vLLM and DeepSeek call it reasoning_content, OpenRouter and Groq reasoning.

    Servers that send both say the same in both. Mistral's thoughts are parts of the content.
    """
    found = text_of(said.get("reasoning_content")) or text_of(said.get("reasoning"))
    return found or "".join(text for kind, text in _parts(said.get("content")) if kind == "thinking")


def spoken(said: Mapping[str, Any]) -> str:
    """The text of the answer."""
    content = said.get("content")
    if isinstance(content, str):
        return content
    return "".join(text for kind, text in _parts(content) if kind == "text")


def thinking_blocks(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Thoughts as Anthropic sent them, signatures and all; empty where the model is another provider's."""
    blocks = said.get("thinking_blocks")
    return [
        dict(block)
        for block in (blocks if isinstance(blocks, list) else ())
        if isinstance(block, Mapping) and text_of(block.get("type")) in THINKING
    ]


def tool_calls(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The calls, or pieces of calls; what servers sent before there were tools is one call without an id."""
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        return [call for call in calls if isinstance(call, Mapping)]
    return [{"index": 0, "function": said["function_call"]}] if isinstance(said.get("function_call"), Mapping) else []


def _parts(content: object) -> Iterator[tuple[str, str]]:
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        if part.get("type") == "text":
            yield "text", text_of(part.get("text"))
        elif part.get("type") == "thinking":
            inner = part.get("thinking")
            yield "thinking", inner if isinstance(inner, str) else "".join(text for _, text in _parts(inner))
