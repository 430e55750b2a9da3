"""The events of a Responses stream with values in the place of tokens.

Owns that a token cut in pieces is put together in its own text, told before that text is said to be done, and that the
events stay numbered one by one. Refuses to know how events are framed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierwright.gateway.pseudonymising.bodies import LEFT, restored
from tierwright.privacy.restoring import Channel

if TYPE_CHECKING:
    from tierwright.privacy.restoring import Restorer

_PIECE: Final = ".delta"
_DONE: Final = ".done"
#: Events after which nothing of any text is coming.
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
#: Members that tell whose text an event is about.
_PLACE: Final = ("output_index", "item_id", "content_index", "summary_index")
_NUMBER: Final = "sequence_number"

#: The name of a text's events without `.delta` and `.done`, and where the text stands.
_Key = tuple[object, ...]


class ResponseRestoring:
    """One answer: decoded events in, those to be passed on out."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._channels: dict[_Key, Channel] = {}
        #: The last event of each text.
        self._last: dict[_Key, dict[str, Any]] = {}
        #: Events that the server did not send.
        self._added = 0

    def take(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        """What becomes of an event: itself where nothing in it changes, after what was held back and ends here."""
        kind = told.get("type")
        name = kind if isinstance(kind, str) else ""
        if name.endswith(_PIECE) and isinstance(told.get("delta"), str):
            return [self._numbered(self._piece(_key(told, name.removesuffix(_PIECE)), told))]
        ended: list[_Key] = []
        if name.endswith(_DONE):
            ended = [_key(told, name.removesuffix(_DONE))]
        elif name in _ENDS:
            ended = list(self._channels)
        before = self._flushed(ended, told.get(_NUMBER))
        return [*before, self._numbered(restored(told, self._restorer))]

    def close(self) -> list[dict[str, Any]]:
        """What was held back when no more is coming."""
        last = max((event[_NUMBER] for event in self._last.values() if _counts(event)), default=-1)
        return self._flushed(list(self._channels), last + 1)

    def _piece(self, key: _Key, told: dict[str, Any]) -> dict[str, Any]:
        channel = self._channels.get(key)
        if channel is None:
            in_json = True if str(key[0]).endswith("arguments") else None
            channel = self._channels[key] = Channel(self._restorer, in_json=in_json)
        self._last[key] = told
        piece = channel.feed(told["delta"])
        return told if piece == told["delta"] else {**told, "delta": piece}

    def _flushed(self, keys: list[_Key], number: object) -> list[dict[str, Any]]:
        """Events with what was held back of texts that are over; `number`: of the event that comes next."""
        events: list[dict[str, Any]] = []
        for key in keys:
            channel, last = self._channels.pop(key, None), self._last.pop(key, None)
            if channel is None or last is None or not channel.holds:
                continue
            event = {name: value for name, value in last.items() if name not in LEFT} | {"delta": channel.close()}
            if isinstance(number, int) and _counts(event):
                event[_NUMBER] = number + self._added
                self._added += 1
            events.append(event)
        return events

    def _numbered(self, told: dict[str, Any]) -> dict[str, Any]:
        return {**told, _NUMBER: told[_NUMBER] + self._added} if self._added and _counts(told) else told


def _counts(event: dict[str, Any]) -> bool:
    return isinstance(event.get(_NUMBER), int)


def _key(told: dict[str, Any], name: str) -> _Key:
    return (name, *(told.get(member) for member in _PLACE))
