"""OpenAI's Responses, as callers speak them: passed on to servers that have that API, told as chats to all others.

Where it is passed on, the provider's id stays in the answer, since a later request may refer to it; the inference's id
is in the header. Refuses to know how the two APIs differ (`gateway.responses`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.core.chat import read_request, read_usage
from tierwright.core.errors import InputError
from tierwright.core.inference import Endpoint
from tierwright.gateway import problems
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.chat import chat_body, is_for_specialists, most_tokens
from tierwright.gateway.dialects.dialect import Asked, Carried
from tierwright.gateway.dialects.streams import RetoldStream, as_chunk, event_bytes
from tierwright.gateway.problems import Problem
from tierwright.gateway.responses.answers import chat_answer, response
from tierwright.gateway.responses.requests import chat_request, read
from tierwright.gateway.responses.streams import ResponseEvents
from tierwright.gateway.responses.whole import WholeResponse
from tierwright.gateway.splice import replace_text
from tierwright.gateway.sse import EventCutter, read_event
from tierwright.gateway.wire import decode_object, named_task, object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import Usage
    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Passage
    from tierwright.gateway.local import LocalAnswer

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})


class ResponsesDialect:
    """POST /v1/responses."""

    endpoint = Endpoint.RESPONSES

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
        if kind.has_responses:
            body = asked.body if model == asked.model else replace_text(asked.body, "model", model)
            return NativePassage(body)
        if kind.speaks is not Speech.OPENAI:
            return problems.invalid_request(
                "this model is served in Anthropic's API only; ask for it with POST /v1/messages", param="model"
            )
        try:
            chat = chat_request(asked.payload)
        except InputError as error:
            return problems.invalid_request(str(error))
        if not kind.streams_usage:
            chat.pop("stream_options", None)
        encoded = msgspec.json.encode(chat)
        told = Asked(model=asked.model, payload=chat, body=encoded, content=encoded, chat=None, stream=asked.stream)
        return RetoldPassage(asked.payload, chat_body(told, kind, model=model, want_usage=False), inference_id)

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """As `Dialect.local`."""
        completion = msgspec.json.decode(answer.completion())
        created_at = completion["created"]
        if not asked.stream:
            told = response(completion, request=asked.payload, response_id=answer.inference_id, created_at=created_at)
            return msgspec.json.encode(told)
        teller = _Teller(asked.payload, answer.inference_id, created_at)
        return teller.tell(msgspec.json.decode(as_chunk(completion))) + teller.close()

    def problem(self, problem: Problem) -> bytes:
        """As `Dialect.problem`."""
        return problem.body()

    def problem_event(self, problem: Problem) -> bytes:
        """As `Dialect.problem_event`: the API's `error` event."""
        told = {"type": "error", "code": problem.code, "message": problem.message, "param": problem.param}
        return event_bytes("error", told)


class NativePassage:
    """A request to a server that has the Responses API: its bytes stay as they are."""

    path = "/responses"

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        if found is None or found.get("object") != "response":
            return None
        return Carried(
            body, msgspec.json.encode(chat_answer(found)), found.get("id"), found.get("model"), _usage(found)
        )

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> NativeStream:
        """As `Passage.stream`."""
        return NativeStream()


class NativeStream:
    """A `StreamPassage` of the API's own events, which pass untouched."""

    __slots__ = ("_cutter", "_whole", "done", "payloads")

    def __init__(self) -> None:
        self._cutter = EventCutter()
        self._whole = WholeResponse()
        #: Whether the last event of the answer has arrived.
        self.done = False
        #: The answer as one chunk, when its last event has arrived or the server has ended the stream.
        self.payloads: list[bytes] = []

    @property
    def saw_error(self) -> bool:
        """As `StreamPassage.saw_error`."""
        return self._whole.failed

    @property
    def upstream_id(self) -> str | None:
        """As `StreamPassage.upstream_id`."""
        found = (self._whole.response() or {}).get("id")
        return found if isinstance(found, str) else None

    @property
    def model(self) -> str | None:
        """As `StreamPassage.model`."""
        found = (self._whole.response() or {}).get("model")
        return found if isinstance(found, str) else None

    @property
    def usage(self) -> Usage | None:
        """As `StreamPassage.usage`."""
        return _usage(self._whole.response() or {})

    def feed(self, data: bytes) -> bytes:
        """As `StreamPassage.feed`."""
        passed: list[bytes] = []
        for event in self._cutter.cut(data):
            if self.done:
                break
            passed.append(event)
            found = read_event(event)
            told = None if found is None else object_in(found.data)
            if told is not None:
                self._whole.feed(told)
                self.done = told.get("type") in _ENDS
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

    def _keep(self) -> None:
        found = self._whole.response()
        if not self.payloads and found is not None:
            self.payloads.append(as_chunk(chat_answer(found)))


class RetoldPassage:
    """A request to a server that has chat.completions only."""

    path = "/chat/completions"

    __slots__ = ("_id", "_request", "body")

    def __init__(self, request: Mapping[str, Any], body: bytes, inference_id: str) -> None:
        self._request = request
        self._id = inference_id
        self.body = body

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        if found is None or not isinstance(found.get("choices"), list):
            return None
        created = found.get("created")
        told = response(
            found, request=self._request, response_id=self._id, created_at=created if isinstance(created, int) else 0
        )
        content = msgspec.json.encode({**found, "id": self._id})
        usage = read_usage(found.get("usage"), found.get("service_tier"))
        return Carried(msgspec.json.encode(told), content, _text(found.get("id")), _text(found.get("model")), usage)

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`: both APIs have the same errors."""
        return body

    def stream(self) -> RetoldStream:
        """As `Passage.stream`."""
        return RetoldStream(self._id, _Teller(self._request, self._id, None))


class _Teller:
    """A `Teller` of Responses events."""

    __slots__ = ("_created_at", "_events", "_id", "_request")

    def __init__(self, request: Mapping[str, Any], response_id: str, created_at: int | None) -> None:
        """`created_at`: None: as the first chunk says."""
        self._request = request
        self._id = response_id
        self._created_at = created_at
        self._events: ResponseEvents | None = None

    def tell(self, chunk: Mapping[str, Any]) -> bytes:
        return _framed(self._told(chunk).feed(chunk))

    def close(self) -> bytes:
        return _framed(self._told({}).close())

    def _told(self, chunk: Mapping[str, Any]) -> ResponseEvents:
        if self._events is None:
            created = chunk.get("created") if self._created_at is None else self._created_at
            self._events = ResponseEvents(
                request=self._request, response_id=self._id, created_at=created if isinstance(created, int) else 0
            )
        return self._events


def _framed(events: list[dict[str, Any]]) -> bytes:
    return b"".join(event_bytes(event["type"], event) for event in events)


def _usage(found: Mapping[str, Any]) -> Usage | None:
    return read_usage(found.get("usage"), found.get("service_tier"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
