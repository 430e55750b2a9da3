"""The events of an Anthropic stream with values in the place of tokens.

Owns that a token cut in pieces is put together in its own block, and told before the block ends. Refuses to know how
events are framed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tierwright.gateway.pseudonymising.bodies import JSON_MEMBERS, LEFT, restored
from tierwright.privacy.restoring import Channel

if TYPE_CHECKING:
    from tierwright.privacy.restoring import Restorer


class _Key(NamedTuple):
    """A text: the block, the type of its deltas, and the member that holds a piece."""

    block: object
    type: str
    member: str


class MessageRestoring:
    """One answer: decoded events in, those to be passed on out."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._channels: dict[_Key, Channel] = {}

    def take(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        """What becomes of an event: itself where nothing in it changes, after what was held back and ends here."""
        kind, index, delta = told.get("type"), told.get("index"), told.get("delta")
        if kind == "content_block_delta" and isinstance(delta, dict):
            pieces = {name: self._member(index, delta, name, value) for name, value in delta.items()}
            new = {**told, "delta": pieces}
            return [told if new == told else new]
        if kind == "content_block_stop":
            return [*self._flushed(index), told]
        if kind in ("message_delta", "message_stop"):
            return [*self.close(), restored(told, self._restorer)]
        return [restored(told, self._restorer)]

    def close(self) -> list[dict[str, Any]]:
        """What was held back when no more is coming."""
        return [event for index in {key.block: None for key in self._channels} for event in self._flushed(index)]

    def _member(self, index: object, delta: dict[str, Any], name: str, value: Any) -> Any:
        if not isinstance(value, str) or name == "type" or name in LEFT:
            return value if name in LEFT else restored(value, self._restorer)
        key = _Key(index, str(delta.get("type")), name)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(self._restorer, in_json=True if name in JSON_MEMBERS else None)
        return channel.feed(value)

    def _flushed(self, index: object) -> list[dict[str, Any]]:
        """Events with what was held back of a block, which is over."""
        ended = [key for key in self._channels if key.block == index]
        held = [(key, self._channels.pop(key).close()) for key in ended]
        return [
            {"type": "content_block_delta", "index": index, "delta": {"type": key.type, key.member: text}}
            for key, text in held
            if text
        ]
