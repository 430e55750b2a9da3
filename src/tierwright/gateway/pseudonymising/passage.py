"""The way of a request whose values became tokens to a model server, and the way of its answer back.

Owns that the server sees tokens and that everybody else sees values: the answer is restored as it arrives, in the
server's own form, so that what is told to the caller and what is kept are made of the restored one. Counts stay the
server's. Refuses to know what a token stands for (`Restorer`) and how the APIs differ (their restorings, the dialects).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.pseudonymising.bodies import restored
from tierwright.gateway.pseudonymising.chat_events import ChatRestoring
from tierwright.gateway.pseudonymising.message_events import MessageRestoring
from tierwright.gateway.pseudonymising.response_events import ResponseRestoring
from tierwright.gateway.sse import DONE, EventCutter, read_event
from tierwright.gateway.wire import object_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.core.chat import Usage
    from tierwright.gateway.dialects.dialect import Carried, Passage, StreamPassage
    from tierwright.privacy.restoring import Restorer

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class Restoring(Protocol):
    """Restores the events of one answer, in the order they came."""

    def take(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        """What becomes of a decoded event; the last one is the event itself, or what it has become."""

    def close(self) -> list[dict[str, Any]]:
        """What was held back when no more is coming."""


#: By what is posted to; anything else is never streamed.
_RESTORINGS: Final[Mapping[str, Callable[[Restorer], Restoring]]] = {
    "/messages": MessageRestoring,
    "/responses": ResponseRestoring,
}


class RestoringPassage:
    """A `Passage` on which one request leaves, and the answer to another comes back."""

    __slots__ = ("_back", "_restorer", "body", "path")

    def __init__(self, there: Passage, back: Passage, restorer: Restorer) -> None:
        """`there` has the tokens; `back` is that of the request as its caller made it."""
        self.path = there.path
        self.body = there.body
        self._back = back
        self._restorer = restorer

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        return self._back.whole(self._restored(body))

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return self._back.refusal(status, self._restored(body))

    def stream(self) -> RestoringStream:
        """As `Passage.stream`."""
        return RestoringStream(self._back.stream(), _RESTORINGS.get(self.path, ChatRestoring)(self._restorer))

    def _restored(self, body: bytes) -> bytes:
        """The body; untouched where there is nothing to restore in it."""
        told = object_in(body)
        if told is None:
            return body
        new = restored(told, self._restorer)
        return body if new is told else encoded(new)


class RestoringStream:
    """A `StreamPassage` whose server's events are restored before anybody reads them."""

    __slots__ = ("_cutter", "_inner", "_restoring")

    def __init__(self, inner: StreamPassage, restoring: Restoring) -> None:
        self._inner = inner
        self._restoring = restoring
        self._cutter = EventCutter()

    @property
    def done(self) -> bool:
        """As `StreamPassage.done`."""
        return self._inner.done

    @property
    def saw_error(self) -> bool:
        """As `StreamPassage.saw_error`."""
        return self._inner.saw_error

    @property
    def upstream_id(self) -> str | None:
        """As `StreamPassage.upstream_id`."""
        return self._inner.upstream_id

    @property
    def model(self) -> str | None:
        """As `StreamPassage.model`."""
        return self._inner.model

    @property
    def usage(self) -> Usage | None:
        """As `StreamPassage.usage`."""
        return self._inner.usage

    @property
    def payloads(self) -> list[bytes]:
        """As `StreamPassage.payloads`: restored."""
        return self._inner.payloads

    def feed(self, data: bytes) -> bytes:
        """As `StreamPassage.feed`."""
        return self._inner.feed(b"".join(map(self._event, self._cutter.cut(data))))

    def close(self) -> bytes:
        """As `StreamPassage.close`."""
        rest = self._cutter.rest()
        found = read_event(rest)
        if found is not None and (object_in(found.data) is not None or found.data.strip() == DONE):
            # A last event that lacks only its blank line.
            rest = self._event(rest)
        passed = self._inner.feed(b"".join([*map(_framed, self._restoring.close()), rest]))
        return passed + self._inner.close()

    def complete(self) -> bool:
        """As `StreamPassage.complete`."""
        return self._inner.complete()

    def _event(self, event: bytes) -> bytes:
        found = read_event(event)
        if found is None:
            return event
        if found.data.strip() == DONE:
            return b"".join([*map(_framed, self._restoring.close()), event])
        told = object_in(found.data)
        if told is None:
            return event
        *before, last = self._restoring.take(told)
        if last is told and not before:
            return event
        return b"".join([*map(_framed, before), event if last is told else _with_data(event, encoded(last))])


def _framed(told: Mapping[str, Any]) -> bytes:
    """An event that the server did not send, in the form of its others."""
    data = b"data: %b\n\n" % encoded(told)
    kind = told.get("type")
    return data if not isinstance(kind, str) else b"event: %b\n%b" % (kind.encode(), data)


def _with_data(event: bytes, data: bytes) -> bytes:
    """The event with other data; its type and whatever else it says stay."""
    lines = [line for line in _LINE_END.split(event) if line and line.partition(b":")[0] != b"data"]
    end = b"\n\n" if event[-1:] in (b"\n", b"\r") else b""
    return b"\n".join([*lines, b"data: %b" % data]) + end
