"""The chunks of a chat.completions stream with values in the place of tokens.

Owns that a token cut in pieces is put together in its own text: of its choice, its tool call, its part. Refuses to
know how chunks are framed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tierwright.gateway.pseudonymising.bodies import JSON_MEMBERS, LEFT, restored
from tierwright.privacy.restoring import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierwright.privacy.restoring import Restorer

#: Members of a delta, or of something in it, that come in one piece.
_WHOLE: Final = frozenset({"role", "id", "type", "name"}) | LEFT
#: Members of a chunk that a chunk made here must not repeat.
_ONCE: Final = frozenset({"usage", "choices", "obfuscation"})
_CALLS: Final = "tool_calls"

#: Where a text stands in a delta: names of members, and marks for items of lists.
_Path = tuple[str | tuple[str, object], ...]


class _Texts(NamedTuple):
    """The texts of one choice, while a chunk of it is read."""

    channels: dict[_Path, Channel]
    #: Those that go on in the chunk.
    fed: set[_Path]
    #: Whether the chunk ends the choice.
    is_last: bool


class ChatRestoring:
    """One answer: decoded chunks in, those to be passed on out."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        #: By the number of the choice.
        self._channels: dict[int, dict[_Path, Channel]] = {}
        #: What the last chunk said besides its choices.
        self._head: dict[str, Any] = {}

    def take(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        """What becomes of a chunk: itself where nothing in it changes, after what was held back and ends here."""
        parts = told.get("choices")
        if not isinstance(parts, list):
            return [restored(told, self._restorer)]
        self._head = {name: value for name, value in told.items() if name not in _ONCE}
        before: list[dict[str, Any]] = []
        choices: list[Any] = []
        for place, part in enumerate(parts):
            if not isinstance(part, dict):
                choices.append(part)
                continue
            index = part.get("index")
            choices.append(self._choice(index if isinstance(index, int) else place, part, before))
        new = {**told, "choices": choices}
        return [*before, told if new == told else new]

    def close(self) -> list[dict[str, Any]]:
        """What was held back when no more is coming."""
        return [event for index in self._channels for event in self._flushed(index, self._channels[index])]

    def _choice(self, index: int, part: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
        """A choice of a chunk; what has to be passed on first is added to `before`."""
        texts = _Texts(self._channels.setdefault(index, {}), set(), part.get("finish_reason") is not None)
        delta = part.get("delta")
        new = {name: value if name == "delta" else self._whole(name, value) for name, value in part.items()}
        if isinstance(delta, dict):
            new["delta"] = self._through(delta, (), texts)
        # A text has ended where another one goes on; the arguments of calls may alternate.
        ends = {path for path in texts.channels if texts.is_last or (texts.fed and path[0] != _CALLS)}
        before += self._flushed(index, [path for path in texts.channels if path in ends - texts.fed])
        return new

    def _through(self, value: Any, path: _Path, texts: _Texts) -> Any:
        """What can be passed on of a part of a delta."""
        if isinstance(value, str):
            if not value:
                return value
            channel = texts.channels.get(path)
            if channel is None:
                in_json = True if path[-1] in JSON_MEMBERS else None
                channel = texts.channels[path] = Channel(self._restorer, in_json=in_json)
            texts.fed.add(path)
            told = channel.feed(value)
            return told + channel.close() if texts.is_last else told
        if isinstance(value, dict):
            return {
                name: self._through(member, (*path, name), texts) if name not in _WHOLE else self._whole(name, member)
                for name, member in value.items()
            }
        if isinstance(value, list):
            return [self._through(item, (*path, _mark(item, place)), texts) for place, item in enumerate(value)]
        return value

    def _whole(self, name: str, value: Any) -> Any:
        return value if name in LEFT else restored(value, self._restorer)

    def _flushed(self, index: int, paths: Iterable[_Path]) -> list[dict[str, Any]]:
        """Chunks with what was held back of some texts."""
        channels = self._channels[index]
        held = [(path, channels[path].close()) for path in list(paths) if channels[path].holds]
        return [
            {**self._head, "choices": [{"index": index, "delta": _nested(path, text), "finish_reason": None}]}
            for path, text in held
        ]


def _mark(item: Any, place: int) -> tuple[str, object]:
    """How an item of a list is known again: by its index, its type, or its place."""
    for name in ("index", "type"):
        if isinstance(item, dict) and isinstance(item.get(name), int | str):
            return name, item[name]
    return "", place


def _nested(path: _Path, text: str) -> Any:
    """A delta that says nothing but a text in its place."""
    value: Any = text
    for step in reversed(path):
        if isinstance(step, str):
            value = {step: value}
        elif step[0] and isinstance(value, dict):
            value = [{step[0]: step[1], **value}]
        else:
            value = [value]
    return value
