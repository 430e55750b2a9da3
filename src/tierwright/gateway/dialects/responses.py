"""OpenAI's Responses, as callers speak them: passed on to servers that have that API, told as chats to all others.

Where it is passed on, the provider's id stays in the answer, since a later request may refer to it; the inference's id
is in the header. Refuses to know how the two APIs differ (`gateway.responses`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.chat import read_usage
from tierwright.core.inference import Endpoint
from tierwright.gateway import problems
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.dialect import Carried
from tierwright.gateway.dialects.native import NativeStream
from tierwright.gateway.dialects.retold import read_as_chat, to_chat_server, told_locally
from tierwright.gateway.dialects.streams import event_bytes
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.responses.answers import chat_answer, response
from tierwright.gateway.responses.requests import chat_request, read
from tierwright.gateway.responses.streams import ResponseEvents
from tierwright.gateway.responses.whole import WholeResponse
from tierwright.gateway.wire import object_in, text_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import Usage
    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Asked, Passage
    from tierwright.gateway.local import LocalAnswer
    from tierwright.gateway.problems import Problem

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})


class ResponsesDialect:
    """POST /v1/responses."""

    endpoint = Endpoint.RESPONSES

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """As `Dialect.read`."""
        return read_as_chat(body, headers, read)

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """As `Dialect.passage`."""
        if kind.has_responses:
            return NativePassage(asked.body_for(model))
        if kind.speaks is not Speech.OPENAI:
            return problems.invalid_request(
                "this model is served in Anthropic's API only; ask for it with POST /v1/messages", param="model"
            )
        telling = _Telling(asked.payload, inference_id)
        return to_chat_server(asked, kind, telling, chat_request=chat_request, model=model, inference_id=inference_id)

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """As `Dialect.local`."""
        return told_locally(asked, answer, _Telling(asked.payload, answer.inference_id))

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
            body,
            encoded(chat_answer(found)),
            text_or_none(found.get("id")),
            text_or_none(found.get("model")),
            _usage(found),
        )

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> NativeStream:
        """As `Passage.stream`."""
        return NativeStream(_Account())


class _Account:
    """An `Account` of the API's events, which pass untouched."""

    __slots__ = ("_whole", "done")

    def __init__(self) -> None:
        self._whole = WholeResponse()
        #: As `Account.done`.
        self.done = False

    @property
    def failed(self) -> bool:
        return self._whole.failed

    def take(self, told: dict[str, Any], event: bytes) -> bytes:
        self._whole.feed(told)
        self.done = told.get("type") in _ENDS
        return event

    def answer(self) -> dict[str, Any] | None:
        return self._whole.response()

    def upstream_id(self, answer: Mapping[str, Any]) -> str | None:
        return text_or_none(answer.get("id"))

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        return _usage(answer)

    def chat(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        return chat_answer(answer)


class _Telling:
    """A `Telling` in Responses; the errors of both APIs are the same."""

    __slots__ = ("_id", "_request")

    def __init__(self, request: Mapping[str, Any], response_id: str) -> None:
        self._request = request
        self._id = response_id

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        return response(answer, request=self._request, response_id=self._id, created_at=_created(answer))

    def teller(self) -> _Teller:
        return _Teller(self._request, self._id)

    def refusal(self, status: int, body: bytes) -> bytes:
        return body


class _Teller:
    """A `Teller` of Responses events, dated as the first chunk says."""

    __slots__ = ("_events", "_id", "_request")

    def __init__(self, request: Mapping[str, Any], response_id: str) -> None:
        self._request = request
        self._id = response_id
        self._events: ResponseEvents | None = None

    def tell(self, chunk: Mapping[str, Any]) -> bytes:
        return _framed(self._told(chunk).feed(chunk))

    def close(self) -> bytes:
        return _framed(self._told({}).close())

    def _told(self, chunk: Mapping[str, Any]) -> ResponseEvents:
        if self._events is None:
            self._events = ResponseEvents(request=self._request, response_id=self._id, created_at=_created(chunk))
        return self._events


def _created(answer: Mapping[str, Any]) -> int:
    created = answer.get("created")
    return created if isinstance(created, int) else 0


def _framed(events: list[dict[str, Any]]) -> bytes:
    return b"".join(event_bytes(event["type"], event) for event in events)


def _usage(found: Mapping[str, Any]) -> Usage | None:
    return read_usage(found.get("usage"), found.get("service_tier"))
