"""The chunks of a chat.completions stream as the events of a Responses stream.

Owns the order of items, the numbering of events and the end: a stream that stops without having said why is an answer
that failed. Refuses to know how events are framed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.gateway.responses.envelope import ending, envelope, failure, take_tier
from tierwright.gateway.responses.items import call_id, response_annotations, response_logprobs, spoken, thought, told
from tierwright.gateway.responses.usage import response_usage
from tierwright.gateway.responses.writers import CallWriter, MessageWriter, ReasoningWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.responses.writers import Event, Writer

_RATE_LIMITED = frozenset({"429", "rate_limit_exceeded", "rate_limit_error"})


class ResponseEvents:
    """One answer: chunks in as they arrive, events out.

    Thoughts end where speech begins, and speech where calls begin; calls stay open to the end, since their pieces may
    alternate. Of several choices only the first is told.
    """

    __slots__ = (
        "_began",
        "_calls",
        "_finish_reason",
        "_id",
        "_open",
        "_taken",
        "_told",
        "_usage",
        "_whole",
        "_writers",
        "finished",
    )

    def __init__(self, *, request: Mapping[str, Any], response_id: str, created_at: int) -> None:
        """`request` is the Responses request; `created_at` is in Unix seconds."""
        self._id = response_id
        self._whole = envelope(request, response_id=response_id, created_at=created_at, model=None)
        self._began = False
        self._writers: list[Writer] = []
        #: The thoughts or the message that are being written.
        self._open: ReasoningWriter | MessageWriter | None = None
        self._calls: list[_Call] = []
        self._taken: set[str] = set()
        self._finish_reason: object = None
        self._usage: dict[str, Any] | None = None
        #: Number of events handed out.
        self._told = 0
        #: Whether the last event has been handed out: nothing follows it.
        self.finished = False

    def feed(self, chunk: Mapping[str, Any]) -> list[Event]:
        """The events that a chunk makes; none once the stream has ended."""
        if self.finished:
            return []
        events = self._beginning(chunk)
        error = chunk.get("error")
        if error:
            message, code = _error(error)
            return self._numbered([*events, *self._failing(message, code)])
        if chunk.get("usage") is not None:
            self._usage = response_usage(chunk["usage"])
        take_tier(self._whole, chunk)
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                self._read(choice, events)
        return self._numbered(events)

    def close(self) -> list[Event]:
        """The events that end the answer, when the chat stream has ended: completed, incomplete or failed."""
        if self.finished:
            return []
        events = self._beginning({})
        end = ending(self._finish_reason)
        if end["status"] == "failed":
            return self._numbered([*events, *self._failing(end["error"]["message"], end["error"]["code"])])
        if all(isinstance(writer, ReasoningWriter) for writer in self._writers):
            # As in one piece: callers look for a message wherever there is no call.
            self._message(events)
        last = len(self._writers) - 1
        statuses = ["completed" if place < last else end["status"] for place in range(len(self._writers))]
        if self._open is not None:
            events += self._open.close(statuses[self._writers.index(self._open)])
        for call in self._calls:
            if call.writer is not None:
                events += call.writer.close(statuses[self._writers.index(call.writer)])
        output = [writer.item(status) for writer, status in zip(self._writers, statuses, strict=True)]
        return self._numbered([*events, self._last(end, output)])

    def fail(self, message: str, code: str = "server_error") -> list[Event]:
        """The events that end the answer with an error that happened outside of the stream."""
        if self.finished:
            return []
        return self._numbered([*self._beginning({}), *self._failing(message, code)])

    def _beginning(self, chunk: Mapping[str, Any]) -> list[Event]:
        if self._began:
            return []
        self._began = True
        model = chunk.get("model")
        if isinstance(model, str) and model:
            self._whole["model"] = model
        return [{"type": f"response.{what}", "response": dict(self._whole)} for what in ("created", "in_progress")]

    def _failing(self, message: str, code: str) -> list[Event]:
        return [self._last(failure(message, code), [writer.item("incomplete") for writer in self._writers])]

    def _last(self, end: dict[str, Any], output: list[dict[str, Any]]) -> Event:
        self.finished = True
        whole = self._whole | end | {"output": output, "usage": self._usage}
        return {"type": f"response.{end['status']}", "response": whole}

    def _numbered(self, events: list[Event]) -> list[Event]:
        for event in events:
            event["sequence_number"] = self._told
            self._told += 1
        return events

    def _read(self, choice: dict[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            thoughts = thought(delta)
            if thoughts:
                events += self._reasoning(events).think(thoughts)
            logprobs = response_logprobs(choice.get("logprobs"))
            for kind, text in spoken(delta.get("content")):
                self._speak(kind, text, logprobs, events)
                logprobs = []
            refusal = delta.get("refusal")
            if isinstance(refusal, str) and refusal:
                events += self._message(events).refuse(refusal)
            for annotation in response_annotations(delta.get("annotations")):
                events += self._message(events).cite(annotation)
            self._read_calls(delta, events)
        if choice.get("finish_reason") is not None:
            self._finish_reason = choice["finish_reason"]

    def _speak(self, kind: str, text: str, logprobs: list[Any], events: list[Event]) -> None:
        if kind == "thought":
            events += self._reasoning(events).think(text)
        elif kind == "refusal":
            events += self._message(events).refuse(text)
        else:
            events += self._message(events).say(text, logprobs)

    def _reasoning(self, events: list[Event]) -> ReasoningWriter:
        if not isinstance(self._open, ReasoningWriter):
            self._end_open(events)
            self._open = writer = ReasoningWriter(self._id, len(self._writers))
            self._writers.append(writer)
            events += writer.open()
            return writer
        return self._open

    def _message(self, events: list[Event]) -> MessageWriter:
        if not isinstance(self._open, MessageWriter):
            self._end_open(events)
            self._open = writer = MessageWriter(self._id, len(self._writers))
            self._writers.append(writer)
            events += writer.open()
            return writer
        return self._open

    def _end_open(self, events: list[Event]) -> None:
        if self._open is not None:
            events += self._open.close("completed")
            self._open = None

    def _read_calls(self, delta: dict[str, Any], events: list[Event]) -> None:
        pieces = delta.get("tool_calls")
        if not isinstance(pieces, list):
            # What servers sent before there were tools: one call, without an id.
            pieces = [{"index": 0, "function": delta["function_call"]}] if delta.get("function_call") else []
        for piece in pieces:
            if isinstance(piece, dict):
                call = self._call(piece)
                call.read(piece)
                if call.writer is None and call.name:
                    self._end_open(events)
                    identity = call_id(call.id, self._taken, self._id)
                    place = len(self._writers)
                    call.writer = CallWriter(self._id, place, call=identity, name=call.name, custom=call.custom)
                    self._writers.append(call.writer)
                    events += call.writer.open()
                if call.writer is not None and call.untold:
                    events += call.writer.tell(call.untold)
                    call.untold = ""

    def _call(self, piece: dict[str, Any]) -> _Call:
        index = piece.get("index")
        if isinstance(index, int):
            for call in self._calls:
                if call.index == index:
                    return call
        elif self._calls and piece.get("id") in (None, "", self._calls[-1].id):
            # Some servers number nothing: a new id begins a new call, anything else continues the last one.
            return self._calls[-1]
        call = _Call(index if isinstance(index, int) else len(self._calls))
        self._calls.append(call)
        return call


class _Call:
    """One tool call of the chat stream, put together from its pieces."""

    __slots__ = ("custom", "id", "index", "name", "untold", "writer")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: str | None = None
        self.name = ""
        self.custom = False
        #: What the tool is given and no event has told yet.
        self.untold = ""
        #: None: the name has not arrived, without which no item can begin.
        self.writer: CallWriter | None = None

    def read(self, piece: dict[str, Any]) -> None:
        identity = piece.get("id")
        if self.id is None and isinstance(identity, str) and identity:
            self.id = identity
        if isinstance(piece.get("custom"), dict):
            self.custom = True
        inner = piece.get("custom" if self.custom else "function")
        if isinstance(inner, dict):
            self.name = self.name or str(inner.get("name") or "")
            self.untold += told(inner, "input" if self.custom else "arguments")


def _error(error: object) -> tuple[str, str]:
    """The message and the code of an error that a model server reports inside of a stream."""
    if not isinstance(error, dict):
        error = {"message": error}
    message = error.get("message")
    limited = any(str(error.get(name)) in _RATE_LIMITED for name in ("code", "type"))
    return (
        message if isinstance(message, str) and message else "the model server reported an error",
        "rate_limit_exceeded" if limited else "server_error",
    )
