"""Members of decoded JSON, read with errors that name the place.

Owns the checks of types and the words for what is wrong; refuses to know what a member means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from tierwright.core.errors import InputError

#: The member that holds what a model wrote where the arguments of a tool should be an object and are none: the name
#: that Anthropic's documentation of fine-grained tool streaming recommends.
INVALID_JSON = "INVALID_JSON"


def an_object(value: object, where: str) -> Mapping[str, Any]:
    """The value; InputError where it is no object."""
    if not isinstance(value, Mapping):
        raise InputError(f"'{where}' is not an object; send {{…}}")
    return value


def a_list(value: object, where: str) -> list[Any]:
    """The value; InputError where it is no list."""
    if not isinstance(value, list):
        raise InputError(f"'{where}' is not a list; send […]")
    return value


def a_text(value: object, where: str) -> str:
    """The value; InputError where it is no text."""
    if not isinstance(value, str):
        raise InputError(f"'{where}' is missing or not a text; send a string")
    return value


def text_of(value: object) -> str:
    """The value where it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def count_of(value: object) -> int:
    """The value where it is a count, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; None where the text is none."""
    try:
        found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def tool_input(arguments: str) -> dict[str, Any]:
    """What a tool is given, from the arguments of a tool call; what is no object is kept as `INVALID_JSON`."""
    if arguments.strip() in ("", "null"):
        return {}
    found = object_in(arguments)
    return {INVALID_JSON: arguments} if found is None else found


def tool_arguments(given: object, where: str) -> str:
    """The arguments of a tool call, from what a tool is given. Raises InputError where that is no object."""
    members = an_object(given, where)
    invalid = members.get(INVALID_JSON)
    if isinstance(invalid, str) and len(members) == 1:
        return invalid
    try:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise InputError(f"'{where}' is nested too deeply; send less deeply nested arguments") from None


def told_arguments(given: object) -> str:
    """The same of what a model said: a text as it is, an object as JSON, anything else as nothing."""
    try:
        return given if isinstance(given, str) else tool_arguments(given, "arguments")
    except InputError:
        return ""


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value
