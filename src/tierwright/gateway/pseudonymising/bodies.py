"""Values back into a decoded answer, or a part of one, wherever a token stands in it.

Refuses to know which API's answer it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tierwright.privacy.restoring import Restorer

#: Members whose text is JSON.
JSON_MEMBERS: Final = frozenset({"arguments", "partial_json"})
#: Members that stay: what a model wrote token by token, whose chances are those of its own tokens; what servers sign,
#: and what is no text.
LEFT: Final = frozenset({"logprobs", "signature", "encrypted_content", "data", "b64_json"})


def restored(value: Any, restorer: Restorer, name: str = "") -> Any:
    """The value with values in the place of tokens; the very same object where it holds none.

    Raises RecursionError where it is nested too deeply.
    """
    if isinstance(value, str):
        new = restorer.text(value, in_json=True if name in JSON_MEMBERS else None)
        return value if new == value else new
    if isinstance(value, dict):
        members = {
            restorer.text(key): member if key in LEFT else restored(member, restorer, key)
            for key, member in value.items()
        }
        same = all(member is value.get(key) for key, member in members.items()) and len(members) == len(value)
        return value if same else members
    if isinstance(value, list):
        items = [restored(item, restorer, name) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value
