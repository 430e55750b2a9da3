"""Embeddings and moderations: requests that are passed on and counted, and belong to no task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.inference import Endpoint
from tierwright.gateway import problems
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.dialect import Asked, Carried
from tierwright.gateway.problems import Problem
from tierwright.gateway.splice import read_head
from tierwright.gateway.sse import ChunkStream
from tierwright.gateway.wire import decode_object, model_of, usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Passage
    from tierwright.gateway.local import LocalAnswer

_PATHS = {Endpoint.EMBEDDINGS: "/embeddings", Endpoint.MODERATIONS: "/moderations"}
#: What OpenAI takes where a request for moderation names no model.
_MODERATION_MODEL = "omni-moderation-latest"


class PlainDialect:
    """POST /v1/embeddings or /v1/moderations."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """As `Dialect.read`."""
        payload = decode_object(body)
        if isinstance(payload, Problem):
            return payload
        model = payload.get("model", _MODERATION_MODEL if self.endpoint is Endpoint.MODERATIONS else None)
        if not isinstance(model, str) or not model:
            return problems.invalid_request(
                "'model' is missing or not a string; name the model that should answer", param="model"
            )
        if "input" not in payload:
            return problems.invalid_request("'input' is missing; send a text or a list of them", param="input")
        return Asked(model=model, payload=payload, body=body, content=body, chat=None)

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """As `Dialect.passage`."""
        if kind.speaks is not Speech.OPENAI:
            return problems.invalid_request(
                f"this model's server has no {self.endpoint.value}; name a model of another server", param="model"
            )
        return PlainPassage(self.endpoint, asked.body_for(model))

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """Never called: no specialist answers these."""
        raise NotImplementedError(f"{self.endpoint.value} have no specialists: {asked.model}, {answer.inference_id}")

    def problem(self, problem: Problem) -> bytes:
        """As `Dialect.problem`."""
        return problem.body()

    def problem_event(self, problem: Problem) -> bytes:
        """As `Dialect.problem_event`."""
        return problem.event()


class PlainPassage:
    """A request whose body and answer pass untouched."""

    __slots__ = ("_endpoint", "body", "path")

    def __init__(self, endpoint: Endpoint, body: bytes) -> None:
        self._endpoint = endpoint
        self.path = _PATHS[endpoint]
        self.body = body

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`; vectors are not kept."""
        head = read_head(body)
        if head is None:
            return None
        content = body if self._endpoint is Endpoint.MODERATIONS else None
        return Carried(body, content, None, model_of(head), usage_of(head))

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> ChunkStream:
        """As `Passage.stream`; no server streams these."""
        return ChunkStream("")
