"""Anthropic's count_tokens: passed on to servers that have it, estimated for all others.

An estimate is made of the text alone, by the vocabulary that also counts what providers don't (`economics.count`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tierwright.core.chat import read_request
from tierwright.core.errors import InputError
from tierwright.core.inference import Endpoint
from tierwright.gateway import problems
from tierwright.gateway.anthropic.requests import read
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.dialect import Asked, Carried
from tierwright.gateway.dialects.messages import MessagesDialect
from tierwright.gateway.problems import Problem
from tierwright.gateway.sse import ChunkStream
from tierwright.gateway.wire import decode_object, object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Passage
    from tierwright.gateway.local import LocalAnswer
    from tierwright.gateway.trail import Count

_MESSAGES = MessagesDialect()


class CountingDialect:
    """POST /v1/messages/count_tokens."""

    endpoint = Endpoint.COUNT_TOKENS

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """As `Dialect.read`."""
        payload = decode_object(body)
        if isinstance(payload, Problem):
            return payload
        try:
            chat = read_request(read(payload).request)
        except (InputError, RecursionError) as error:
            return problems.unreadable(error)
        return Asked(model=chat.model, payload=payload, body=body, content=b"", chat=None)

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """As `Dialect.passage`."""
        if kind.speaks is not Speech.ANTHROPIC:
            return problems.invalid_request("the server of this model does not count tokens", param="model")
        return CountingPassage(asked.body_for(model))

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """As `Dialect.local`; no specialist counts, since a count belongs to no task."""
        return msgspec.json.encode({"input_tokens": answer.usage.prompt_tokens})

    def problem(self, problem: Problem) -> bytes:
        """As `Dialect.problem`."""
        return _MESSAGES.problem(problem)

    def problem_event(self, problem: Problem) -> bytes:
        """As `Dialect.problem_event`."""
        return _MESSAGES.problem_event(problem)


class CountingPassage:
    """A count that a server makes; the bytes pass untouched."""

    path = "/messages/count_tokens"

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        return None if found is None or "input_tokens" not in found else Carried(body, None, None, None, None)

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> ChunkStream:
        """As `Passage.stream`; no server streams a count."""
        return ChunkStream("")


def counted(asked: Asked, count: Count) -> bytes:
    """The answer where no server counts. Takes milliseconds."""
    usage = count(read_request(read(asked.payload).request), None, asked.model)
    return msgspec.json.encode({"input_tokens": usage.prompt_tokens})
