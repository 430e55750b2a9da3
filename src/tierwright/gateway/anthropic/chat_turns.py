"""The conversation of a Messages request as chat messages.

Owns the order of turns: results of tools become messages of their own, right behind the calls. Thoughts of earlier
turns are left out, unless the server wants them back: their signatures say nothing to another model, and servers of
chat.completions drop thoughts of earlier turns themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.blocks import blocks_of, chat_parts, text_part
from tierwright.gateway.anthropic.members import a_list, a_text, an_object, text_of, tool_arguments
from tierwright.gateway.anthropic.needs import note, note_others

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.gateway.needs import Needs

_MESSAGE = frozenset({"role", "content"})
_TOOL_RESULT = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"})
_CHANGES = {"tool_addition": True, "tool_removal": False}


def system_messages(system: object, needs: Needs) -> list[dict[str, Any]]:
    """The system prompt as at most one message; blocks are joined by blank lines."""
    if system is None:
        return []
    texts = _texts(blocks_of(system, "system"), "system", needs)
    return [{"role": "system", "content": texts}] if texts else []


def chat_messages(messages: object, needs: Needs, *, keep_reasoning: bool) -> list[dict[str, Any]]:
    """The turns as chat messages; `keep_reasoning`: thoughts become `reasoning_content`."""
    turns = a_list(messages, "messages")
    if not turns:
        raise InputError("'messages' is empty; send at least one message")
    found: list[dict[str, Any]] = []
    role: object = None
    for place, item in enumerate(turns):
        where = f"messages[{place}]"
        turn = an_object(item, where)
        note_others(needs, turn, _MESSAGE, where)
        role = turn.get("role")
        where = f"{where}.content"
        blocks = blocks_of(turn.get("content"), where)
        if role == "user":
            found += _user(blocks, where, needs)
        elif role == "assistant":
            found.append(_assistant(blocks, where, needs, keep_reasoning=keep_reasoning))
        elif role == "system":
            text = _texts([block for block in blocks if text_of(block.get("type")) not in _CHANGES], where, needs)
            found += [{"role": "system", "content": text}] if text else []
        else:
            raise InputError(f"'messages[{place}].role' is none of user, assistant and system; send one of these")
    if role == "assistant":
        last = f"messages[{len(turns) - 1}]"
        note(
            needs, last, "is the beginning of an answer, which chat.completions can't continue", "end with a user turn"
        )
    return found


def loaded_tools(messages: object) -> set[str]:
    """The names of the deferred tools that the conversation has loaded, and not removed since."""
    loaded: set[str] = set()
    for turn in messages if isinstance(messages, list) else ():
        content = turn.get("content") if isinstance(turn, Mapping) else None
        for block in content if isinstance(content, list) else ():
            if isinstance(block, Mapping):
                _load(block, loaded)
    return loaded


def _load(block: Mapping[str, Any], loaded: set[str]) -> None:
    kind = text_of(block.get("type"))
    if kind == "tool_result":
        inner = block.get("content")
        for each in inner if isinstance(inner, list) else ():
            if isinstance(each, Mapping) and each.get("type") == "tool_reference":
                loaded.add(text_of(each.get("tool_name")))
    elif kind in _CHANGES:
        tool = block.get("tool")
        name = text_of(tool.get("name")) if isinstance(tool, Mapping) else ""
        if _CHANGES[kind]:
            loaded.add(name)
        else:
            loaded.discard(name)


def _texts(blocks: Sequence[Mapping[str, Any]], where: str, needs: Needs) -> str:
    """The texts of blocks that can hold nothing else, joined by blank lines."""
    texts: list[str] = []
    for place, block in enumerate(blocks):
        if block.get("type") != "text":
            raise InputError(f"'{where}[{place}].type' is not text; send text blocks, or a string")
        texts += [part["text"] for part in chat_parts(block, f"{where}[{place}]", needs)]
    return "\n\n".join(text for text in texts if text)


def _user(blocks: Sequence[Mapping[str, Any]], where: str, needs: Needs) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for place, block in enumerate(blocks):
        if block.get("type") == "tool_result":
            result, beside = _tool_result(block, f"{where}[{place}]", needs)
            results.append(result)
            parts += beside
        else:
            parts += chat_parts(block, f"{where}[{place}]", needs)
    if parts or not results:
        # Some servers take nothing but a string where there is nothing but text.
        alone = len(parts) == 1 and parts[0].get("type") == "text"
        results.append({"role": "user", "content": parts[0]["text"] if alone else parts or ""})
    return results


def _tool_result(block: Mapping[str, Any], where: str, needs: Needs) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The message of a tool, and the parts that only a message of the user can hold: images and files."""
    identity = a_text(block.get("tool_use_id"), f"{where}.tool_use_id")
    note_others(needs, block, _TOOL_RESULT, where)
    texts: list[str] = []
    beside: list[dict[str, Any]] = []
    for place, inner in enumerate(blocks_of(block.get("content"), f"{where}.content")):
        if inner.get("type") == "tool_reference":
            texts.append(a_text(inner.get("tool_name"), f"{where}.content[{place}].tool_name"))
            continue
        for part in chat_parts(inner, f"{where}.content[{place}]", needs):
            if part.get("type") == "text":
                texts.append(part["text"])
            else:
                beside.append(part)
    text = "\n\n".join(texts)
    if beside:
        text = text or "The result is in the next message of the user."
        beside.insert(0, text_part(f"From the result of the tool call {identity}:"))
    if block.get("is_error") is True and not text.lower().startswith("error"):
        # Chat messages have no member for it; the model has to read it.
        text = f"Error: {text}" if text else "Error"
    return {"role": "tool", "tool_call_id": identity, "content": text}, beside


def _assistant(
    blocks: Sequence[Mapping[str, Any]], where: str, needs: Needs, *, keep_reasoning: bool
) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for place, block in enumerate(blocks):
        at = f"{where}[{place}]"
        kind = block.get("type")
        if kind == "text":
            texts.append(a_text(block.get("text"), f"{at}.text"))
        elif kind == "tool_use":
            calls.append(_tool_call(block, at))
        elif kind == "thinking":
            thoughts.append(text_of(block.get("thinking")))
        elif kind != "redacted_thinking":
            note(needs, f"{at}.type", "is a step that only Anthropic takes", "leave it out")
            kept.append(dict(block))
    text = "".join(texts)
    content: Any = text or (None if calls else "")
    if kept:
        content = [*([text_part(text)] if text else []), *kept]
    found: dict[str, Any] = {"role": "assistant", "content": content}
    if keep_reasoning and any(thoughts):
        found["reasoning_content"] = "".join(thoughts)
    if calls:
        found["tool_calls"] = calls
    return found


def _tool_call(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = {
        "name": a_text(block.get("name"), f"{where}.name"),
        "arguments": tool_arguments(block.get("input"), f"{where}.input"),
    }
    return {"id": a_text(block.get("id"), f"{where}.id"), "type": "function", "function": function}
