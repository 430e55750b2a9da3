"""Anthropic's Messages, as callers speak them, on their way to servers of either make.

Refuses to know how the APIs differ (`gateway.anthropic`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.core.chat import read_usage
from tierwright.core.inference import Endpoint
from tierwright.gateway.anthropic.answers import chat_answer, message
from tierwright.gateway.anthropic.errors import messages_error
from tierwright.gateway.anthropic.requests import chat_request, read
from tierwright.gateway.anthropic.streams import MessageEvents
from tierwright.gateway.anthropic.whole import WholeMessage
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.dialect import Carried
from tierwright.gateway.dialects.native import NativeStream
from tierwright.gateway.dialects.retold import read_as_chat, to_chat_server, told_locally
from tierwright.gateway.dialects.streams import event_bytes
from tierwright.gateway.dialects.to_anthropic import so_far
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.splice import replace_id
from tierwright.gateway.wire import object_in, text_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import Usage
    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Asked, Passage
    from tierwright.gateway.local import LocalAnswer
    from tierwright.gateway.problems import Problem


class MessagesDialect:
    """POST /v1/messages."""

    endpoint = Endpoint.MESSAGES

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """As `Dialect.read`."""
        return read_as_chat(body, headers, read)

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """As `Dialect.passage`."""
        if kind.speaks is Speech.ANTHROPIC:
            return NativePassage(asked.body_for(model), inference_id)
        telling = _Telling(asked.model, inference_id)
        return to_chat_server(asked, kind, telling, chat_request=chat_request, model=model, inference_id=inference_id)

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """As `Dialect.local`."""
        return told_locally(asked, answer, _Telling(asked.model, answer.inference_id))

    def problem(self, problem: Problem) -> bytes:
        """As `Dialect.problem`, in Anthropic's form."""
        return msgspec.json.encode(messages_error(msgspec.json.decode(problem.body()), status=problem.status))

    def problem_event(self, problem: Problem) -> bytes:
        """As `Dialect.problem_event`: the API's `error` event, after which nothing follows."""
        return event_bytes("error", messages_error(msgspec.json.decode(problem.body()), status=problem.status))


class NativePassage:
    """Messages to an Anthropic server: the bytes stay as they are, but for the answer's id."""

    path = "/messages"

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
        content = encoded({**chat_answer(found), "id": self._id})
        return Carried(
            spliced.body, content, spliced.upstream_id, text_or_none(found.get("model")), read_usage(found.get("usage"))
        )

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> NativeStream:
        """As `Passage.stream`."""
        return NativeStream(_Account(self._id))


class _Account:
    """An `Account` of Anthropic's events, of which the one that names the message is given the inference's id."""

    __slots__ = ("_id", "_upstream_id", "_whole", "done", "failed")

    def __init__(self, inference_id: str) -> None:
        self._id = inference_id
        self._upstream_id: str | None = None
        self._whole = WholeMessage()
        #: As `Account.done`: `message_stop` has arrived.
        self.done = False
        #: As `Account.failed`.
        self.failed = False

    def take(self, told: dict[str, Any], event: bytes) -> bytes:
        kind = told.get("type")
        if kind == "message_start" and isinstance(begun := told.get("message"), dict):
            self._upstream_id = text_or_none(begun.get("id"))
            begun["id"] = self._id
            event = event_bytes("message_start", told)
        self._whole.feed(told)
        self.done = kind == "message_stop"
        self.failed = self.failed or kind == "error"
        return event

    def answer(self) -> dict[str, Any] | None:
        return self._whole.message

    def upstream_id(self, answer: Mapping[str, Any]) -> str | None:
        # The answer has the inference's.
        return self._upstream_id

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        return so_far(read_usage(answer.get("usage")), ended=self.done)

    def chat(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        return chat_answer(answer)


class _Telling:
    """A `Telling` in Messages."""

    __slots__ = ("_id", "_model")

    def __init__(self, model: str, message_id: str) -> None:
        self._model = model
        self._id = message_id

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        return message(answer, model=self._model, message_id=self._id)

    def teller(self) -> _Teller:
        return _Teller(self._model, self._id)

    def refusal(self, status: int, body: bytes) -> bytes:
        return encoded(messages_error(object_in(body) or {}, status=status))


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
