"""Streams that are told in another API than the one they come in.

Owns the bridge from a chat.completions server to a caller of another API; refuses to know either's events: a `Teller`
turns chunks into them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tierwright.core.errors import BackendBroken
from tierwright.gateway.lenient_json import decoded, encoded
from tierwright.gateway.sse import ChunkStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import Usage


class Teller(Protocol):
    """Tells one answer in the caller's API."""

    def tell(self, chunk: Mapping[str, Any]) -> bytes:
        """The events that a chunk makes."""

    def close(self) -> bytes:
        """The events that end an answer which is complete."""


class RetoldStream:
    """A `StreamPassage` from a chat.completions server to a caller of another API."""

    __slots__ = ("_chunks", "_closed", "_teller")

    def __init__(self, inference_id: str, teller: Teller) -> None:
        self._chunks = ChunkStream(inference_id)
        self._teller = teller
        self._closed = False

    @property
    def done(self) -> bool:
        """As `StreamPassage.done`."""
        return self._chunks.done

    @property
    def saw_error(self) -> bool:
        """As `StreamPassage.saw_error`."""
        return self._chunks.saw_error

    @property
    def upstream_id(self) -> str | None:
        """As `StreamPassage.upstream_id`."""
        return self._chunks.upstream_id

    @property
    def model(self) -> str | None:
        """As `StreamPassage.model`."""
        return self._chunks.model

    @property
    def usage(self) -> Usage | None:
        """As `StreamPassage.usage`."""
        return self._chunks.usage

    @property
    def payloads(self) -> list[bytes]:
        """As `StreamPassage.payloads`: the server's chunks."""
        return self._chunks.payloads

    def feed(self, data: bytes) -> bytes:
        """As `StreamPassage.feed`."""
        known = len(self._chunks.payloads)
        self._chunks.feed(data)
        return self._told(known)

    def close(self) -> bytes:
        """As `StreamPassage.close`."""
        known = len(self._chunks.payloads)
        self._chunks.close()
        return self._told(known, ended=True)

    def complete(self) -> bool:
        """As `StreamPassage.complete`."""
        return self._chunks.complete()

    def _told(self, known: int, *, ended: bool = False) -> bytes:
        events = [self._teller.tell(_decoded(payload)) for payload in self._chunks.payloads[known:]]
        if not self._closed and not self.saw_error and (self.done or (ended and self.complete())):
            self._closed = True
            events.append(self._teller.close())
        return b"".join(events)


def _decoded(payload: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = decoded(payload)
    except ValueError as error:
        # What passes between servers and callers of one API is looked into as far as needed only.
        raise BackendBroken("the model server sent an event whose data are no JSON") from error
    return found


def event_bytes(name: str, data: object) -> bytes:
    """One server-sent event with its type, as Anthropic and the Responses API frame theirs."""
    return b"event: %b\ndata: %b\n\n" % (name.encode("ascii"), encoded(data))


def as_chunk(answer: Mapping[str, Any]) -> bytes:
    """A chat.completion as the one chunk that says all of it, for a stream that came in another form."""
    choices = [
        {**{name: value for name, value in choice.items() if name != "message"}, "delta": _numbered(choice["message"])}
        for choice in answer["choices"]
    ]
    return encoded({**answer, "object": "chat.completion.chunk", "choices": choices})


def _numbered(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as a delta: its tool calls know their places."""
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}
