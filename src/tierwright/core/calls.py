"""Calls of tools, as a model writes them into its answers.

Owns reading them out of a message and the one text that stands for an answer that calls tools. Refuses to know what a
tool does, and to check its arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The member of a rendered call that names the tool; arguments of that name are kept apart.
TOOL = "tool"
_ARGUMENTS = "arguments"


class ToolCall(NamedTuple):
    """One call of a tool."""

    name: str
    #: As the model wrote them: JSON, normally.
    arguments: str
    #: By which the result is known to be the answer to it; empty: it has none.
    id: str = ""


def read_calls(message: Mapping[str, object]) -> tuple[ToolCall, ...]:
    """The calls in a message of a chat; what is no call reads as none, never as an error.

    Also reads the one call of OpenAI's first form, and calls of custom tools, whose input is any text.
    """
    calls = message.get("tool_calls")
    found = [made for call in calls if (made := _call(call)) is not None] if isinstance(calls, list) else []
    if not found and (made := _function(message.get("function_call"), "")) is not None:
        return (made,)
    return tuple(found)


def _call(call: object) -> ToolCall | None:
    if not isinstance(call, Mapping):
        return None
    identity = call.get("id")
    return _function(call.get("function") or call.get("custom"), identity if isinstance(identity, str) else "")


def _function(function: object, identity: str) -> ToolCall | None:
    if not isinstance(function, Mapping) or not isinstance(name := function.get("name"), str) or not name:
        return None
    arguments = function.get("arguments", function.get("input"))
    return ToolCall(name, arguments if isinstance(arguments, str) else "", identity)


def render_calls(calls: Sequence[ToolCall]) -> str:
    """One text for all answers that make the same calls.

    A call without arguments is the tool's name; one with arguments is a JSON object of the name and the arguments,
    whose names are sorted; several calls are a JSON list.
    """
    rendered = [_rendered(call) for call in calls]
    if len(rendered) == 1:
        return rendered[0] if isinstance(rendered[0], str) else _json(rendered[0])
    return _json(rendered)


def _rendered(call: ToolCall) -> str | dict[str, object]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return {TOOL: call.name, _ARGUMENTS: call.arguments}
    if not isinstance(arguments, dict) or TOOL in arguments:
        return {TOOL: call.name, _ARGUMENTS: arguments}
    return {TOOL: call.name, **{name: arguments[name] for name in sorted(arguments)}} if arguments else call.name


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
