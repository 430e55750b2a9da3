"""One captured request as discovery sees it.

Owns reading an `Inference` into what tells tasks apart; refuses to know labels, clients and workload names, so that the
same traffic gives the same tasks whoever sent it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tierwright.core.calls import render_calls
from tierwright.core.chat import decode_answer, decode_request, read_request, read_said
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierwright.core.calls import ToolCall
    from tierwright.core.chat import ChatRequest, Message
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference


class Shape(NamedTuple):
    """What two requests of one frame must share to the letter."""

    #: Names of the tools offered, sorted.
    tools: tuple[str, ...]
    #: Canonical JSON of the response format; None: not given.
    response_format: str | None
    #: The tool whose result the request ends with; None: it ends with a user message.
    after: str | None = None


class Texts(NamedTuple):
    """What was asked and said."""

    request: ChatRequest
    #: The answer's text; of one that calls tools, what `core.calls` renders: the text beside a call is talk.
    answer: str
    #: The tools that the answer calls, in order.
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A request that was answered, reduced to its texts."""

    id: InferenceId
    #: Seconds since 1970, UTC.
    at: float
    request: ChatRequest
    #: As in `Texts`.
    answer: str
    calls: tuple[str, ...] = ()

    @property
    def user(self) -> str:
        """The text of the last user message; of an agent's step, of all messages after the system message."""
        turns = self.request.turns
        return "\n".join(turn.text for turn in turns) if self.request.after else turns[-1].text

    @property
    def shape(self) -> Shape:
        """Tools, response format and kind of step."""
        return Shape(self.request.toolset, self.request.response_format, self.request.after)


class Refusal(StrEnum):
    """Why no frame can be read from a request."""

    #: It ended in an error.
    FAILED = "failed"
    #: Its content or its answer was not kept, or is gone.
    NO_CONTENT = "no_content"
    #: It is no chat request: embeddings, moderations, JSON that is broken.
    UNREADABLE = "unreadable"
    #: Something besides text and calls of tools is in it, such as a picture: its input is more than a text.
    NOT_TEXT = "not_text"
    #: It ends neither with a user's message nor with a tool's result.
    NO_QUESTION = "no_question"
    #: It was answered with neither text nor the call of a tool.
    NO_TEXT_ANSWER = "no_text_answer"


def observe(inferences: Iterable[Inference]) -> Iterator[Observation]:
    """The observations among the inferences, in order; those with a `Refusal` are left out."""
    reader = ObservationReader()
    for inference in inferences:
        if inference.error_code is None:
            found = reader.read(inference.id, inference.created_at.timestamp(), inference.request, inference.response)
            if isinstance(found, Observation):
                yield found


class ObservationReader:
    """Reads contents into observations and keeps one copy of what many share: instructions and earlier turns."""

    def __init__(self) -> None:
        self._shared: dict[Message, Message] = {}

    def read(
        self, inference_id: InferenceId, at: float, request: bytes | None, response: bytes | None
    ) -> Observation | Refusal:
        """The observation in the content of an inference that did not fail, or why there is none."""
        found = read_texts(request, response)
        if isinstance(found, Refusal):
            return found
        asked = found.request
        messages = tuple(self._shared.setdefault(message, message) for message in asked.messages[:-1])
        asked = replace(asked, messages=(*messages, asked.messages[-1]))
        return Observation(id=inference_id, at=at, request=asked, answer=found.answer, calls=found.calls)


def read_texts(request: bytes | None, response: bytes | None) -> Texts | Refusal:
    """The request and the answer, or why no frame can be read from them."""
    if request is None or response is None:
        return Refusal.NO_CONTENT
    answer, calls = _said(response)
    if answer is None and not calls:
        return Refusal.NO_TEXT_ANSWER
    try:
        asked = _request(request)
    except InputError:
        return Refusal.UNREADABLE
    if asked.media:
        return Refusal.NOT_TEXT
    # What comes before the turns is instructions: with nothing else in the request, nothing is asked.
    last = asked.messages[-1]
    if last.tool is None and (last.role != "user" or last.opaque):
        return Refusal.NO_QUESTION
    return Texts(asked, render_calls(calls) if calls else answer or "", tuple(call.name for call in calls))


def _request(raw: bytes) -> ChatRequest:
    payload = _decoded(raw)
    return decode_request(raw) if payload is None else read_request(payload)


def _said(raw: bytes) -> tuple[str | None, tuple[ToolCall, ...]]:
    payload = _decoded(raw)
    if payload is not None:
        return read_said(payload)
    answer = decode_answer(raw)
    return answer.text, answer.calls


def _decoded(raw: bytes) -> object:
    """The JSON value, three times as fast as by `json`; None where only `json`, which takes more, may be able to."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
