"""One Message out of the events of a stream, as the server would have sent it in one piece.

Owns the putting together; reads events leniently, since whatever arrived is worth keeping.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwright.gateway.anthropic.members import tool_input

#: By the type of a delta: the member of the delta that holds a piece, and the member of the block that it belongs to.
_PIECES = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "compaction_delta": ("content", "content"),
}


class WholeMessage:
    """Collects the events of one answer."""

    __slots__ = ("_blocks", "_message", "error", "finished")

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        #: By index.
        self._blocks: dict[int, _Parts] = {}
        #: Whether `message_stop` has arrived, after a stop reason: the answer is whole.
        self.finished = False
        #: The body of the error that the server reported inside of the stream; None: none.
        self.error: dict[str, Any] | None = None

    def feed(self, event: Mapping[str, Any]) -> None:
        """Takes the next event; what is no event of an answer changes nothing."""
        kind = event.get("type")
        if kind == "message_start" and isinstance(event.get("message"), Mapping):
            self._message = dict(event["message"])
        elif kind == "content_block_start":
            block, index = event.get("content_block"), event.get("index")
            if isinstance(block, Mapping):
                self._blocks[index if isinstance(index, int) else len(self._blocks)] = _Parts(block)
        elif kind == "content_block_delta":
            self._go_on(event.get("index"), event.get("delta"))
        elif kind == "message_delta":
            self._change(event)
        elif kind == "message_stop":
            self.finished = isinstance(self._message.get("stop_reason"), str)
        elif kind == "error":
            self.error = dict(event)

    @property
    def message(self) -> dict[str, Any] | None:
        """The Message, as far as it has arrived; None: nothing has."""
        if not self._message and not self._blocks:
            return None
        content = [self._blocks[index].whole() for index in sorted(self._blocks)]
        return {"type": "message", "role": "assistant"} | self._message | {"content": content}

    def _go_on(self, index: object, delta: object) -> None:
        if isinstance(delta, Mapping) and isinstance(index, int):
            if index not in self._blocks:
                self._blocks[index] = _Parts(_beginning(delta))
            self._blocks[index].take(delta)

    def _change(self, event: Mapping[str, Any]) -> None:
        """What a `message_delta` says replaces what was said before, and leaves alone what it does not say."""
        usage, delta = event.get("usage"), event.get("delta")
        others = {name: value for name, value in event.items() if name not in ("type", "usage", "delta")}
        for name, value in (others | (dict(delta) if isinstance(delta, Mapping) else {})).items():
            if value is not None or name not in self._message:
                self._message[name] = value
        if isinstance(usage, Mapping):
            known = self._message.get("usage")
            said = {name: value for name, value in usage.items() if value is not None}
            self._message["usage"] = {**known, **said} if isinstance(known, Mapping) else said


class _Parts:
    """One content block: what its first event showed, and the pieces that have come since."""

    __slots__ = ("_arguments", "_begins", "_citations", "_texts")

    def __init__(self, begins: Mapping[str, Any]) -> None:
        self._begins = begins
        self._texts: dict[str, list[str]] = {}
        self._arguments: list[str] = []
        self._citations: list[Any] = []

    def take(self, delta: Mapping[str, Any]) -> None:
        kind = delta.get("type")
        if kind == "input_json_delta" and isinstance(delta.get("partial_json"), str):
            self._arguments.append(delta["partial_json"])
        elif kind == "citations_delta":
            self._citations.append(delta.get("citation"))
        elif isinstance(kind, str) and kind in _PIECES:
            said, member = _PIECES[kind]
            if isinstance(delta.get(said), str):
                self._texts.setdefault(member, []).append(delta[said])

    def whole(self) -> dict[str, Any]:
        """The block; arguments that are no JSON object, as where the stream broke off, are kept as text."""
        found = dict(self._begins)
        for member, pieces in self._texts.items():
            first = found.get(member)
            found[member] = (first if isinstance(first, str) else "") + "".join(pieces)
        arguments = "".join(self._arguments)
        if arguments.strip():
            found["input"] = tool_input(arguments)
        if self._citations:
            first = found.get("citations")
            found["citations"] = [*(first if isinstance(first, list) else []), *self._citations]
        return found


def _beginning(delta: Mapping[str, Any]) -> dict[str, Any]:
    """A block whose first event was lost."""
    kind = str(delta.get("type"))
    return {"type": "tool_use" if kind == "input_json_delta" else kind.removesuffix("_delta")}
