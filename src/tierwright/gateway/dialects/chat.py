"""OpenAI's chat.completions, as callers speak it: the dialect that everything else is kept in.

Owns the way to servers that speak it too, on which bytes stay as they are but for the id, a model's other name, and the
wish for a stream's usage. Refuses to know other APIs: the way to an Anthropic server is `to_anthropic`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.chat import ChatRequest, read_request
from tierwright.core.errors import InputError
from tierwright.core.inference import Endpoint
from tierwright.gateway import problems
from tierwright.gateway.backends.kinds import Speech
from tierwright.gateway.dialects.dialect import Asked, Carried
from tierwright.gateway.dialects.to_anthropic import ToAnthropic
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.problems import Problem
from tierwright.gateway.splice import NULL, add_member, replace_id
from tierwright.gateway.sse import ChunkStream
from tierwright.gateway.wire import decode_object, model_of, named_task, usage_of, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.dialect import Passage
    from tierwright.gateway.local import LocalAnswer

#: Members of a request that a specialist could not honour.
_FRONTIER_ONLY = ("logprobs", "audio", "functions", "function_call", "web_search_options", "prediction")
_TEXT_ONLY = ["text"]
#: Whoever demands the call of a tool can't be answered with a text.
_FREE_CHOICES = (None, "auto", "none")
_USAGE_WANTED = b'{"include_usage":true}'


class ChatDialect:
    """POST /v1/chat/completions."""

    endpoint = Endpoint.CHAT

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """As `Dialect.read`."""
        payload = decode_object(body)
        if isinstance(payload, Problem):
            return payload
        try:
            chat = read_request(payload)
        except (InputError, RecursionError) as error:
            return problems.unreadable(error)
        options = payload.get("stream_options")
        if options is not None and not isinstance(options, dict):
            return problems.invalid_request(
                "'stream_options' is not an object; send {…}, or leave it out", param="stream_options"
            )
        return Asked(
            model=chat.model,
            payload=payload,
            body=body,
            content=body,
            chat=chat,
            stream=chat.stream,
            include_usage=wants_usage(payload),
            for_specialists=is_for_specialists(payload, chat),
            task_name=named_task(payload, headers),
            max_completion_tokens=most_tokens(payload),
        )

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """As `Dialect.passage`."""
        hide_usage = asked.stream and not asked.include_usage and kind.streams_usage
        try:
            if kind.speaks is Speech.ANTHROPIC:
                return ToAnthropic(asked, model=model, inference_id=inference_id, created_at=created_at)
            return ChatPassage(chat_body(asked, kind, model=model, want_usage=hide_usage), inference_id, hide_usage)
        except (InputError, RecursionError) as error:
            return problems.unreadable(error)

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """As `Dialect.local`."""
        return answer.events(include_usage=asked.include_usage) if asked.stream else answer.completion()

    def problem(self, problem: Problem) -> bytes:
        """As `Dialect.problem`."""
        return problem.body()

    def problem_event(self, problem: Problem) -> bytes:
        """As `Dialect.problem_event`: the error, then the end that clients wait for."""
        return problem.event() + b"data: [DONE]\n\n"


class ChatPassage:
    """A chat to a server that speaks chat.completions: the identity."""

    __slots__ = ("_hide_usage", "_id", "body")

    path = "/chat/completions"

    def __init__(self, body: bytes, inference_id: str, hide_usage: bool) -> None:  # noqa: FBT001 - called once, above
        self.body = body
        self._id = inference_id
        self._hide_usage = hide_usage

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        spliced = replace_id(body, self._id)
        if spliced is None or spliced.head.choices == NULL:
            return None
        head = spliced.head
        return Carried(spliced.body, spliced.body, spliced.upstream_id, model_of(head), usage_of(head))

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return body

    def stream(self) -> ChunkStream:
        """As `Passage.stream`."""
        return ChunkStream(self._id, hide_usage=self._hide_usage)


def chat_body(asked: Asked, kind: BackendKind, *, model: str, want_usage: bool) -> bytes:
    """A chat request as a server of that kind wants it; untouched wherever nothing has to differ."""
    payload = asked.payload
    if _renamed(payload, kind) or (want_usage and payload.get("stream_options") is not None):
        changed = dict(payload)
        if want_usage:
            changed["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
        return encoded_chat(changed, kind, model=model)
    body = asked.body_for(model)
    # Of a member that is there twice readers see the last one, which here is the null.
    return add_member(body, "stream_options", _USAGE_WANTED) if want_usage and "stream_options" not in payload else body


def encoded_chat(chat: Mapping[str, Any], kind: BackendKind, *, model: str) -> bytes:
    """A chat request that exists as an object only, as a server of that kind wants it."""
    renamed = _renamed(chat, kind)
    return encoded({renamed.get(name, name): value for name, value in chat.items()} | {"model": model})


def _renamed(payload: Mapping[str, Any], kind: BackendKind) -> dict[str, str]:
    """The members that such a server knows by another name, and has not been sent by that name."""
    return {old: new for old, new in kind.renamed.items() if old in payload and new not in payload}


def is_for_specialists(payload: Mapping[str, Any], chat: ChatRequest) -> bool:
    """Whether a specialist could answer a chat in the form asked for."""
    if chat.n != 1 or chat.opaque:
        return False
    if any(payload.get(name) for name in _FRONTIER_ONLY) or payload.get("tool_choice") not in _FREE_CHOICES:
        return False
    return payload.get("modalities") in (None, _TEXT_ONLY)


def wants_usage(payload: Mapping[str, Any]) -> bool:
    """Whether a stream should end with its usage."""
    options = payload.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def most_tokens(payload: Mapping[str, Any]) -> int | None:
    """Tokens an answer may have at most; None: not said. Of several the largest: servers differ in which holds."""
    limits = [whole_number(payload.get(name)) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens")]
    return max((limit for limit in limits if limit is not None and limit > 0), default=None)
