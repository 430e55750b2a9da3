"""Content blocks while they are written: each is begun, told piece by piece and ended, one after the other.

Owns the order. Chat streams may send pieces of several tool calls by turns; blocks of a Message follow each other, so
that pieces of a block wait until the blocks before it have ended.
"""

from __future__ import annotations

from typing import Any

from tierwright.gateway.anthropic.members import object_in

#: Name and data of an event.
Event = tuple[str, dict[str, Any]]

#: By the type of a block: the type of its deltas, and the member that holds the piece.
_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


class Block:
    """One content block: what it begins with, and what of it has not been told yet."""

    __slots__ = ("_arguments", "_untold", "begins", "id", "index", "name", "signature")

    def __init__(self, begins: dict[str, Any], *, index: int | None = None) -> None:
        #: The block as its first event shows it.
        self.begins = begins
        #: The number of a tool call in the chat stream; None: no tool call.
        self.index = index
        #: The id and the name of a tool call; None: not seen yet.
        self.id: str | None = None
        self.name: str | None = None
        #: The signature of thoughts; None: none seen.
        self.signature: str | None = None
        self._untold: list[str] = []
        self._arguments: list[str] = []

    def add(self, piece: str) -> None:
        """Takes the next piece of the text, the thoughts or the arguments."""
        if piece:
            self._untold.append(piece)
            if self.index is not None:
                self._arguments.append(piece)

    @property
    def whole(self) -> bool:
        """Whether nothing more can belong to it once another block has begun."""
        return self.index is None or object_in("".join(self._arguments)) is not None

    @property
    def nameless(self) -> bool:
        """Whether it is a tool call that can't begin yet."""
        return self.index is not None and self.name is None

    def deltas(self) -> list[dict[str, Any]]:
        """What there is to tell, and has not been told yet."""
        if not self._untold:
            return []
        kind, member = _DELTAS[self.begins["type"]]
        piece = "".join(self._untold)
        self._untold.clear()
        return [{"type": kind, member: piece}]

    def last_deltas(self) -> list[dict[str, Any]]:
        """The same before the block ends: thoughts end with their signature."""
        found = self.deltas()
        if self.signature:
            found.append({"type": "signature_delta", "signature": self.signature})
        return found


class BlockQueue:
    """The blocks of one Message, in order; only the first that has not ended is open."""

    __slots__ = ("_begun", "_ended", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Block] = []
        #: Whether the first waiting block has begun.
        self._begun = False
        #: Number of blocks that have ended.
        self._ended = 0

    @property
    def last(self) -> Block | None:
        """The block that was put in last; None: it has ended, or there is none."""
        return self._waiting[-1] if self._waiting else None

    def __contains__(self, block: Block) -> bool:
        """Whether the block has not ended yet."""
        return any(each is block for each in self._waiting)

    def put(self, block: Block) -> Block:
        """Lets the block follow all others."""
        self._waiting.append(block)
        return block

    def tell(self, *, last: bool = False) -> list[Event]:
        """The events for everything that can be told now; `last`: all blocks have ended."""
        events: list[Event] = []
        while self._waiting and not self._waiting[0].nameless:
            block = self._waiting[0]
            if not self._begun:
                events.append(_event("content_block_start", self._ended, content_block=dict(block.begins)))
                self._begun = True
            over = last or (len(self._waiting) > 1 and block.whole)
            deltas = block.last_deltas() if over else block.deltas()
            events += [_event("content_block_delta", self._ended, delta=delta) for delta in deltas]
            if not over:
                break
            events.append(_event("content_block_stop", self._ended))
            self._waiting.pop(0)
            self._begun = False
            self._ended += 1
        return events


def _event(kind: str, index: int, **members: Any) -> Event:
    return kind, {"type": kind, "index": index, **members}
