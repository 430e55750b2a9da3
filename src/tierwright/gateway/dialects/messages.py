"""Anthropic's Messages, as callers speak them, on their way to servers of either make.

Refuses to know how the APIs differ (`gateway.anthropic`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.core.chat import read_request, read_usage
from tierwright.core.errors import InputError
from tierwright.core.inference import Endpoint
from tierwright.gateway import problems
from tierwright.gateway.anthropic.answers import chat_answer, message
from tierwright.gateway.anthropic.errors import messages_error
from tierwright.gateway.anthropic.requests import chat_request, read
from tierwright.gateway.anthropic.streams import MessageEvents
from tierwright.gateway.anthropic.whole import WholeMessage
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.chat import chat_body, is_for_specialists, most_tokens
from tierwright.gateway.dialects.dialect import Asked, Carried
from tierwright.gateway.dialects.streams import RetoldStream, as_chunk, event_bytes
from tierwright.gateway.problems import Problem
from tierwright.gateway.splice import replace_id, replace_text
from tierwright.gateway.sse import EventCutter, read_event
from tierwright.gateway.wire import decode_object, named_task, object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import Usage
    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Passage
    from tierwright.gateway.local import LocalAnswer

_PATH = "/messages"


class MessagesDialect:
    """POST /v1/messages."""

    endpoint = Endpoint.MESSAGES

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """As `Dialect.read`."""
        payload = decode_object(body)
        if isinstance(payload, Problem):
            return payload
        try:
            reading = read(payload)
            chat = read_request(reading.request)
        except InputError as error:
            return problems.invalid_request(str(error))
        return Asked(
            model=chat.model,
            payload=payload,
            body=body,
            content=msgspec.json.encode(reading.request),
            chat=chat,
            stream=payload.get("stream") is True,
            include_usage=True,
            for_specialists=reading.needs is None and is_for_specialists(reading.request, chat),
            task_name=named_task(payload, headers),
            max_completion_tokens=most_tokens(payload),
        )

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """As `Dialect.passage`."""
        if kind.speaks is Speech.ANTHROPIC:
            body = asked.body if model == asked.model else replace_text(asked.body, "model", model)
            return NativePassage(body, inference_id)
        try:
            chat = chat_request(asked.payload)
        except InputError as error:
            return problems.invalid_request(str(error))
        if not kind.streams_usage:
            chat.pop("stream_options", None)
        encoded = msgspec.json.encode(chat)
        told = Asked(model=asked.model, payload=chat, body=encoded, content=encoded, chat=None, stream=asked.stream)
        return RetoldPassage(asked.model, chat_body(told, kind, model=model, want_usage=False), inference_id)

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """As `Dialect.local`."""
        completion = msgspec.json.decode(answer.completion())
        if not asked.stream:
            return msgspec.json.encode(message(completion, model=asked.model, message_id=answer.inference_id))
        teller = _Teller(asked.model, answer.inference_id)
        return teller.tell(msgspec.json.decode(as_chunk(completion))) + teller.close()

    def problem(self, problem: Problem) -> bytes:
        """As `Dialect.problem`, in Anthropic's form."""
        return msgspec.json.encode(messages_error(msgspec.json.decode(problem.body()), status=problem.status))

    def problem_event(self, problem: Problem) -> bytes:
        """As `Dialect.problem_event`: the API's `error` event, after which nothing follows."""
        return event_bytes("error", messages_error(msgspec.json.decode(problem.body()), status=problem.status))


class NativePassage:
    """Messages to an Anthropic server: the bytes stay as they are, but for the answer's id."""

    path = _PATH

    __slots__ = ("_id", "body")

    def __init__(self, body: bytes, inference_id: str) -> None:
        self.body = body
        self._id = inference_id

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        spliced = replace_id(body, self._id)
        if found is None or spliced is None or found.get("type") != "message":
            return None
        content = msgspec.json.encode({**chat_answer(found), "id": self._id})
        return Carried(spliced.body, content, spliced.upstream_id, _text(found.get("model")), _usage(found))

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> NativeStream:
        """As `Passage.stream`."""
        return NativeStream(self._id)


class NativeStream:
    """A `StreamPassage` of Anthropic's own events: they pass untouched, but for the message's id."""

    __slots__ = ("_cutter", "_id", "_whole", "done", "payloads", "saw_error", "upstream_id")

    def __init__(self, inference_id: str) -> None:
        self._id = inference_id
        self._cutter = EventCutter()
        self._whole = WholeMessage()
        #: As `StreamPassage.done`: `message_stop` has arrived.
        self.done = False
        #: As `StreamPassage.saw_error`.
        self.saw_error = False
        #: As `StreamPassage.upstream_id`.
        self.upstream_id: str | None = None
        #: The answer as one chunk, when it is complete or the server has ended the stream.
        self.payloads: list[bytes] = []

    @property
    def model(self) -> str | None:
        """As `StreamPassage.model`."""
        return _text((self._whole.message or {}).get("model"))

    @property
    def usage(self) -> Usage | None:
        """As `StreamPassage.usage`."""
        return _usage(self._whole.message or {})

    def feed(self, data: bytes) -> bytes:
        """As `StreamPassage.feed`."""
        passed: list[bytes] = []
        for event in self._cutter.cut(data):
            if self.done:
                break
            passed.append(self._read(event))
        if self.done:
            self._keep()
        return b"".join(passed)

    def close(self) -> bytes:
        """As `StreamPassage.close`."""
        self._keep()
        return b""

    def complete(self) -> bool:
        """As `StreamPassage.complete`."""
        return self.done

    def _read(self, event: bytes) -> bytes:
        found = read_event(event)
        told = None if found is None else object_in(found.data)
        if told is None:
            return event
        kind = told.get("type")
        if kind == "message_start" and isinstance(begun := told.get("message"), dict):
            self.upstream_id = _text(begun.get("id"))
            begun["id"] = self._id
            event = event_bytes("message_start", told)
        self._whole.feed(told)
        self.done = kind == "message_stop"
        self.saw_error = self.saw_error or kind == "error"
        return event

    def _keep(self) -> None:
        found = self._whole.message
        if not self.payloads and found is not None:
            self.payloads.append(as_chunk(chat_answer(found)))


class RetoldPassage:
    """Messages to a server that speaks chat.completions."""

    path = "/chat/completions"

    __slots__ = ("_id", "_model", "body")

    def __init__(self, model: str, body: bytes, inference_id: str) -> None:
        self._model = model
        self._id = inference_id
        self.body = body

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        if found is None or not isinstance(found.get("choices"), list):
            return None
        told = message(found, model=self._model, message_id=self._id)
        content = msgspec.json.encode({**found, "id": self._id})
        usage = read_usage(found.get("usage"), found.get("service_tier"))
        return Carried(msgspec.json.encode(told), content, _text(found.get("id")), _text(found.get("model")), usage)

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return msgspec.json.encode(messages_error(object_in(body) or {}, status=status))

    def stream(self) -> RetoldStream:
        """As `Passage.stream`."""
        return RetoldStream(self._id, _Teller(self._model, self._id))


class _Teller:
    """A `Teller` of Anthropic's events."""

    __slots__ = ("_events",)

    def __init__(self, model: str, message_id: str) -> None:
        self._events = MessageEvents(model=model, message_id=message_id)

    def tell(self, chunk: Mapping[str, Any]) -> bytes:
        return _framed(self._events.feed(chunk))

    def close(self) -> bytes:
        return _framed(self._events.close())


def _framed(events: list[tuple[str, dict[str, Any]]]) -> bytes:
    return b"".join(event_bytes(name, data) for name, data in events)


def _usage(found: Mapping[str, Any]) -> Usage | None:
    return read_usage(found.get("usage"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
