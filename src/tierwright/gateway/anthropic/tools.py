"""Tools and the choice among them, each API's in the other's words.

Refuses to translate tools that a provider defines or runs itself: no other model has been taught them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.members import a_list, a_text, an_object
from tierwright.gateway.anthropic.needs import note, note_others

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierwright.gateway.needs import Needs

#: Members of a tool that are translated, and those that change the cost or the pace of an answer only.
_TOOL = frozenset(
    {
        "type",
        "name",
        "description",
        "input_schema",
        "input_examples",
        "strict",
        "defer_loading",
        "allowed_callers",
        "cache_control",
        "eager_input_streaming",
    }
)
_CHOICE = frozenset({"type", "name", "disable_parallel_tool_use"})
_CHAT_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_MESSAGES_CHOICES = {chat: messages for messages, chat in _CHAT_CHOICES.items()}


def chat_tools(tools: object, loaded: Collection[str], needs: Needs) -> list[dict[str, Any]]:
    """The tools of a Messages request as chat tools.

    A tool whose loading is deferred is offered once the conversation has `loaded` it, and not before.
    """
    found: list[dict[str, Any]] = []
    for place, item in enumerate(a_list(tools, "tools") if tools is not None else ()):
        where = f"tools[{place}]"
        tool = an_object(item, where)
        if tool.get("type") not in (None, "custom"):
            note(needs, f"{where}.type", "is a tool that only Anthropic's models have", "offer a tool of your own")
            found.append(dict(tool))
            continue
        name = a_text(tool.get("name"), f"{where}.name")
        note_others(needs, tool, _TOOL, where)
        callers = tool.get("allowed_callers")
        if isinstance(callers, list) and "direct" not in callers:
            note(needs, f"{where}.allowed_callers", "are tools that only Anthropic runs", "leave it out")
        if tool.get("defer_loading") is True and name not in loaded:
            continue
        found.append({"type": "function", "function": _function(tool, name, where)})
    return found


def _function(tool: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    schema = dict(an_object(tool.get("input_schema"), f"{where}.input_schema"))
    if isinstance(tool.get("input_examples"), list):
        # JSON Schema's own word for examples of a value.
        schema.setdefault("examples", tool["input_examples"])
    function: dict[str, Any] = {"name": name}
    if tool.get("description") is not None:
        function["description"] = a_text(tool["description"], f"{where}.description")
    function["parameters"] = schema
    if tool.get("strict") is True:
        function["strict"] = True
    return function


def chat_tool_choice(choice: object, *, offered: bool, needs: Needs) -> dict[str, Any]:
    """The members of a chat request that choose among tools; `offered`: whether there are any."""
    if choice is None:
        return {}
    wanted = an_object(choice, "tool_choice")
    note_others(needs, wanted, _CHOICE, "tool_choice")
    kind = wanted.get("type")
    found: dict[str, Any] = {}
    if kind == "tool":
        name = a_text(wanted.get("name"), "tool_choice.name")
        found["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif isinstance(kind, str) and kind in _CHAT_CHOICES:
        # Chat servers refuse to choose among no tools, even where the choice is to call none.
        if offered or kind == "any":
            found["tool_choice"] = _CHAT_CHOICES[kind]
    else:
        raise InputError("'tool_choice.type' is none of auto, any, tool and none; send one of these")
    if offered and wanted.get("disable_parallel_tool_use") is True:
        found["parallel_tool_calls"] = False
    return found


def messages_tools(tools: object) -> list[dict[str, Any]]:
    """The tools of a chat request as those of a Messages request.

    Tools of other types than function are passed on as they are: Anthropic's own can be asked for so.
    """
    found: list[dict[str, Any]] = []
    for place, item in enumerate(a_list(tools, "tools") if tools is not None else ()):
        where = f"tools[{place}]"
        tool = an_object(item, where)
        if tool.get("type") == "custom" and "custom" in tool:
            raise InputError(f"'{where}' takes free text, which Anthropic's tools don't; offer a function")
        if "function" not in tool and tool.get("type", "function") != "function":
            found.append(dict(tool))
            continue
        function = an_object(tool.get("function"), f"{where}.function")
        named = {
            "name": a_text(function.get("name"), f"{where}.function.name"),
            "description": function.get("description"),
            "input_schema": _schema(function.get("parameters"), f"{where}.function.parameters"),
            # False is what Anthropic does without the member, which older models don't know.
            "strict": function.get("strict") or None,
        }
        # Anthropic's own members, such as cache_control, stand beside the function where callers can say them.
        others = {name: value for name, value in tool.items() if name not in ("type", "function")}
        found.append({name: value for name, value in (named | others).items() if value is not None})
    return found


def _schema(parameters: object, where: str) -> dict[str, Any]:
    if parameters is None:
        return {"type": "object", "properties": {}}
    return {"type": "object", **an_object(parameters, where)}


def messages_tool_choice(choice: object, parallel: object, *, offered: bool) -> dict[str, Any]:
    """The members of a Messages request that choose among tools; `offered`: whether there are any.

    `choice` and `parallel` are `tool_choice` and `parallel_tool_calls` of a chat request.
    """
    found: dict[str, Any] | None = None
    if isinstance(choice, str) and choice in _MESSAGES_CHOICES:
        if offered or choice == "required":
            found = {"type": _MESSAGES_CHOICES[choice]}
    elif isinstance(choice, Mapping) and choice.get("type") == "function":
        function = an_object(choice.get("function"), "tool_choice.function")
        found = {"type": "tool", "name": a_text(function.get("name"), "tool_choice.function.name")}
    elif choice is not None:
        raise InputError("'tool_choice' is none of auto, none, required and a function; send one of these")
    if offered and parallel is False and (found is None or found["type"] != "none"):
        found = (found or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return {} if found is None else {"tool_choice": found}
