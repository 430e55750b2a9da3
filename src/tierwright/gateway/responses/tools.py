"""The tools of a Responses request, and which of them the model may or must call, in the form of chat.completions.

Owns the flat and the nested shape of function and custom tools. Tools that the provider runs have no chat form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from tierwright.gateway.needs import Needs

#: Types of tools that the caller's own program runs: the only ones chat.completions knows.
_OF_THE_CALLER = frozenset({"function", "custom"})


def chat_tools(tools: object, needs: Needs) -> list[Any]:
    """The tools, in their order; those the provider runs are noted and stay as they are.

    Raises InputError where they are no list of objects.
    """
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise InputError("'tools' is not a list; send a list of tools, or leave it out")
    return [_chat_tool(tool, place, needs) for place, tool in enumerate(tools)]


def chat_tool_choice(choice: object, needs: Needs) -> Any:
    """`tool_choice`; a choice of a tool that the provider runs is noted and stays as it is."""
    if not isinstance(choice, dict):
        return choice
    kind = str(choice.get("type"))
    if kind in _OF_THE_CALLER:
        return {"type": kind, kind: {"name": choice.get("name")}}
    if kind == "allowed_tools":
        allowed = choice.get("tools")
        named = [chat_tool_choice(tool, needs) for tool in allowed] if isinstance(allowed, list) else []
        return {"type": kind, kind: {"mode": choice.get("mode"), "tools": named}}
    needs.note(
        f"'tool_choice' names a tool of type {kind[:60]!r}, which only the provider can run; "
        "choose a function, or a model whose backend has the Responses API"
    )
    return choice


def _chat_tool(tool: object, place: int, needs: Needs) -> Any:
    if not isinstance(tool, dict):
        raise InputError(f'\'tools[{place}]\' is not an object; send {{"type": "function", "name": …}}')
    kind = str(tool.get("type"))
    if kind not in _OF_THE_CALLER:
        needs.note(
            f"'tools[{place}]' is of type {kind[:60]!r}, which only the provider can run; "
            "leave it out, or ask for a model whose backend has the Responses API"
        )
        return tool
    inner = {name: value for name, value in tool.items() if name != "type" and value is not None}
    if kind == "custom" and isinstance(form := inner.get("format"), dict) and form.get("type") == "grammar":
        grammar = {name: value for name, value in form.items() if name != "type"}
        inner["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": kind, kind: inner}
