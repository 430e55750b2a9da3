"""An upstream's event stream on its way through: cut at event ends, each chunk given the inference's id.

Owns framing: LF, CRLF and CR, comments, several data lines, events split anywhere between two reads. Refuses to
re-encode: besides ids, the bytes that leave are the bytes that came, in their order. What comes after the end that the
server has declared is nobody's answer and is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tierwright.core.errors import BackendBroken
from tierwright.gateway.lenient_json import UNREADABLE
from tierwright.gateway.reassemble import finished
from tierwright.gateway.splice import NULL, replace_id
from tierwright.gateway.wire import model_of, usage_of

if TYPE_CHECKING:
    from tierwright.core.chat import Usage
    from tierwright.gateway.splice import Spliced

DONE = b"[DONE]"
DONE_EVENT = b"data: [DONE]\n\n"
_EVENT_END = re.compile(rb"\r?\n\r?\n|\r\r")
_LINE_END = re.compile(rb"(\r\n|\n|\r)")
_SIMPLE = b"data: "
_NO_CHOICES = msgspec.Raw(b"[]")
#: An event longer than this is no chunk of a chat answer, and would be held in memory until it ends.
_EVENT_LIMIT_BYTES = 16 * 1024 * 1024


class Event(NamedTuple):
    """One event, read."""

    #: Its type; None: not given.
    name: bytes | None
    data: bytes


class EventCutter:
    """Cuts bytes, as they arrive, into events with their ends; what is left is kept for the next bytes."""

    __slots__ = ("_held", "_held_bytes", "_tail")

    def __init__(self) -> None:
        #: The beginning of an event that is not complete, in the pieces it came in.
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._tail = b""

    def cut(self, data: bytes) -> list[bytes]:
        """Every event that these bytes complete. Raises BackendBroken where an event does not end within 16 MiB."""
        # A long event is joined once, when it ends, and not at each of its pieces.
        if self._held and _EVENT_END.search(self._tail + data) is None:
            self._hold(data)
            return []
        buffer = self.rest() + data if self._held else data
        start = 0
        events: list[bytes] = []
        for end in _EVENT_END.finditer(buffer):
            events.append(buffer[start : end.end()])
            start = end.end()
        if start < len(buffer):
            self._hold(buffer[start:])
        return events

    def rest(self) -> bytes:
        """What no end of an event has followed yet; it is given up."""
        rest = b"".join(self._held)
        self._held, self._held_bytes, self._tail = [], 0, b""
        return rest

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        # The end of an event is at most four bytes long, and three of them may be here already.
        self._tail = (self._tail + data)[-3:] if len(data) < 3 else data[-3:]
        if self._held_bytes > _EVENT_LIMIT_BYTES:
            raise BackendBroken("the model server sent an event of more than 16 MiB")


def read_event(event: bytes) -> Event | None:
    """The type and the data of an event; None where it holds no data."""
    name: bytes | None = None
    lines: list[bytes] = []
    for line in re.split(rb"\r\n|\n|\r", event):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    return Event(name, b"\n".join(lines)) if lines else None


class ChunkStream:
    """The events of one answer: bytes in as they arrive, whole rewritten events out."""

    __slots__ = ("_cutter", "_hide_usage", "_id", "done", "model", "payloads", "saw_error", "upstream_id", "usage")

    def __init__(self, inference_id: str, *, hide_usage: bool = False) -> None:
        """`hide_usage`: a chunk that holds nothing but the usage is read and not passed on."""
        self._id = inference_id
        self._hide_usage = hide_usage
        self._cutter = EventCutter()
        #: Whether the stream said that it is complete.
        self.done = False
        #: Whether the server reported an error inside the stream.
        self.saw_error = False
        #: The provider's id of the answer; None: none seen yet.
        self.upstream_id: str | None = None
        #: The model that says it answers; None: not said yet.
        self.model: str | None = None
        #: The last counts the server sent; None: none yet.
        self.usage: Usage | None = None
        #: The JSON of every chunk, with the inference's id.
        self.payloads: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now: every event that these bytes complete; empty where they complete none.

        Raises BackendBroken where an event does not end within 16 MiB, or its data are no JSON.
        """
        events: list[bytes] = []
        for event in self._cutter.cut(data):
            if self.done:
                break
            events.append(self._event(event))
        return b"".join(events) if len(events) != 1 else events[0]

    def complete(self) -> bool:
        """Whether all of the answer has arrived: the server said so, or every choice has ended."""
        return self.done or finished(self.payloads)

    def close(self) -> bytes:
        """What is left when the server has ended the stream: a last event that lacks only its blank line.

        Clients wait for the end that the API has: where the server has said why it ended and not that, it is added.
        """
        rest = self._last_event()
        if not self.done and (self.saw_error or self.complete()):
            return rest + DONE_EVENT
        return rest

    def _last_event(self) -> bytes:
        rest = self._cutter.rest()
        if self.done or not rest.strip():
            return b""
        seen = len(self.payloads)
        try:
            event = self._event(rest)
        except BackendBroken:
            # Half an event.
            return b""
        if len(self.payloads) > seen or self.done:
            return event.rstrip(b"\r\n") + b"\n\n"
        return b""

    def _event(self, event: bytes) -> bytes:
        if event.startswith(_SIMPLE):
            line_end = event.find(b"\n")
            if event.endswith(b"\n\n") and line_end == len(event) - 2:
                spliced = self._payload(event[6:-2])
                if spliced is None:
                    return event
                return b"" if self._hides(spliced) else b"data: %b\n\n" % spliced.body
        return self._event_of_lines(event)

    def _event_of_lines(self, event: bytes) -> bytes:
        """Any event the grammar allows: lines and line ends alternate in `parts`."""
        parts = _LINE_END.split(event)
        places = [place for place in range(0, len(parts), 2) if parts[place].startswith(b"data:")]
        if not places:
            return event
        prefixes = [b"data: " if parts[place].startswith(b"data: ") else b"data:" for place in places]
        values = [parts[place][len(prefix) :] for place, prefix in zip(places, prefixes, strict=True)]
        spliced = self._payload(b"\n".join(values))
        if spliced is None:
            return event
        if self._hides(spliced):
            return b""
        # An id holds no line end, so that the lines are as many as before.
        for place, prefix, line in zip(places, prefixes, spliced.body.split(b"\n"), strict=True):
            parts[place] = prefix + line
        return b"".join(parts)

    def _payload(self, payload: bytes) -> Spliced | None:
        if payload.strip() == DONE:
            self.done = True
            return None
        spliced = replace_id(payload, self._id)
        if spliced is None:
            _check_json(payload)
            return None
        self.payloads.append(spliced.body)
        if self.upstream_id is None:
            self.upstream_id = spliced.upstream_id
        head = spliced.head
        if self.model is None:
            self.model = model_of(head)
        if head.usage != NULL:
            self.usage = usage_of(head) or self.usage
        if head.error != NULL:
            self.saw_error = True
        return spliced

    def _hides(self, spliced: Spliced) -> bool:
        return self._hide_usage and spliced.head.usage != NULL and spliced.head.choices == _NO_CHOICES


def _check_json(payload: bytes) -> None:
    """Raises BackendBroken: clients fail on data that are no JSON, and would take what follows for an answer."""
    if not payload.strip():
        return
    try:
        msgspec.json.decode(payload)
    except UNREADABLE as error:
        raise BackendBroken("the model server sent an event whose data are no JSON") from error
