"""The way of a chat to an Anthropic server, and of its answer back.

Refuses to know how the two APIs differ (`gateway.anthropic`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierwright.core.chat import read_usage
from tierwright.gateway.anthropic.answers import chat_answer
from tierwright.gateway.anthropic.errors import chat_error
from tierwright.gateway.anthropic.requests import messages_request
from tierwright.gateway.anthropic.streams import ChatChunks
from tierwright.gateway.dialects.dialect import Carried
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.sse import EventCutter, read_event
from tierwright.gateway.wire import object_in, text_or_none

if TYPE_CHECKING:
    from tierwright.core.chat import Usage
    from tierwright.gateway.dialects.dialect import Asked

#: What an Anthropic server is told where a chat does not say how long its answer may be: it must be told something.
MOST_TOKENS = 8192
_DONE = b"data: [DONE]\n\n"


def so_far(usage: Usage | None, *, ended: bool) -> Usage | None:
    """The counts of a stream: `message_start` knows the prompt, and the last event but one what was written."""
    return usage if usage is None or ended else replace(usage, partial=True)


class ToAnthropic:
    """A chat to a server that speaks Messages. Raises InputError where Anthropic has no word for what is asked."""

    path = "/messages"

    __slots__ = ("_created_at", "_id", "_include_usage", "body")

    def __init__(self, asked: Asked, *, model: str, inference_id: str, created_at: int) -> None:
        """`created_at` is in Unix seconds: Anthropic does not say."""
        request = messages_request({**asked.payload, "model": model}, default_max_tokens=MOST_TOKENS)
        self.body = encoded(request)
        self._id = inference_id
        self._include_usage = asked.include_usage
        self._created_at = created_at

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        if found is None or found.get("type") != "message":
            return None
        answer = chat_answer(found, created_at=self._created_at)
        upstream_id, answer["id"] = text_or_none(answer["id"] or None), self._id
        told = encoded(answer)
        return Carried(told, told, upstream_id, text_or_none(answer["model"] or None), read_usage(found.get("usage")))

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return encoded(chat_error(object_in(body)))

    def stream(self) -> FromAnthropicStream:
        """As `Passage.stream`."""
        return FromAnthropicStream(self._id, include_usage=self._include_usage, created_at=self._created_at)


class FromAnthropicStream:
    """A `StreamPassage` of Anthropic's events to a caller of chat.completions."""

    __slots__ = ("_chunks", "_cutter", "_id", "_include_usage", "done", "model", "payloads", "saw_error", "upstream_id")

    def __init__(self, inference_id: str, *, include_usage: bool, created_at: int) -> None:
        self._id = inference_id
        self._include_usage = include_usage
        self._chunks = ChatChunks(include_usage=True, created_at=created_at)
        self._cutter = EventCutter()
        #: As `StreamPassage.done`.
        self.done = False
        #: As `StreamPassage.saw_error`.
        self.saw_error = False
        #: As `StreamPassage.upstream_id`.
        self.upstream_id: str | None = None
        #: As `StreamPassage.model`.
        self.model: str | None = None
        #: As `StreamPassage.payloads`.
        self.payloads: list[bytes] = []

    @property
    def usage(self) -> Usage | None:
        """As `StreamPassage.usage`."""
        return so_far(read_usage(self._chunks.native_usage), ended=self.done)

    def feed(self, data: bytes) -> bytes:
        """As `StreamPassage.feed`."""
        passed: list[bytes] = []
        for event in self._cutter.cut(data):
            found = read_event(event)
            told = None if found is None else object_in(found.data)
            if told is None or self.done or self.saw_error:
                continue
            passed += [self._told(chunk) for chunk in self._chunks.feed(told)]
            if self._chunks.error is not None:
                self.saw_error = True
                passed += (b"data: %b\n\n" % encoded(self._chunks.error), _DONE)
            elif self._chunks.finished:
                self.done = True
                passed.append(_DONE)
        return b"".join(passed)

    def close(self) -> bytes:
        """As `StreamPassage.close`."""
        return b""

    def complete(self) -> bool:
        """As `StreamPassage.complete`."""
        return self.done

    def _told(self, chunk: dict[str, Any]) -> bytes:
        if self.upstream_id is None:
            self.upstream_id, self.model = text_or_none(chunk["id"] or None), text_or_none(chunk["model"] or None)
        payload = encoded({**chunk, "id": self._id})
        self.payloads.append(payload)
        only_usage = not chunk["choices"] and chunk.get("usage") is not None
        return b"" if only_usage and not self._include_usage else b"data: %b\n\n" % payload
