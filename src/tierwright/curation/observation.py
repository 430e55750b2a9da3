"""One captured request as discovery sees it.

Owns reading an `Inference` into what tells tasks apart; refuses to know labels, clients and workload names, so that the
same traffic gives the same tasks whoever sent it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.chat import decode_answer, decode_request, read_answer, read_request
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierwright.core.chat import ChatRequest, Message
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A request that was answered, reduced to its texts."""

    id: InferenceId
    #: Seconds since 1970, UTC.
    at: float
    request: ChatRequest
    #: The answer's text.
    answer: str

    @property
    def user(self) -> str:
        """The text of the last user message."""
        return self.request.turns[-1].text

    @property
    def shape(self) -> tuple[tuple[str, ...], str | None]:
        """What two requests of one frame must share to the letter: tools and response format."""
        return self.request.tools, self.request.response_format


class Refusal(StrEnum):
    """Why no frame can be read from a request."""

    #: It ended in an error.
    FAILED = "failed"
    #: Its content or its answer was not kept, or is gone.
    NO_CONTENT = "no_content"
    #: It is no chat request: embeddings, moderations, JSON that is broken.
    UNREADABLE = "unreadable"
    #: Something besides text is in it.
    NOT_TEXT = "not_text"
    #: Its last message is not a user's.
    NO_QUESTION = "no_question"
    #: It was answered without text.
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
    """Reads contents into observations and keeps one copy of what thousands of them share: the instructions."""

    def __init__(self) -> None:
        self._shared: dict[Message, Message] = {}

    def read(
        self, inference_id: InferenceId, at: float, request: bytes | None, response: bytes | None
    ) -> Observation | Refusal:
        """The observation in the content of an inference that did not fail, or why there is none."""
        found = read_texts(request, response)
        if isinstance(found, Refusal):
            return found
        asked, answer = found
        shared = self._shared
        messages = tuple(shared.setdefault(m, m) if m.role != "user" else m for m in asked.messages[:-1])
        asked = replace(asked, messages=(*messages, asked.messages[-1]))
        return Observation(id=inference_id, at=at, request=asked, answer=answer)


def read_texts(request: bytes | None, response: bytes | None) -> tuple[ChatRequest, str] | Refusal:
    """The request and the text of the answer, or why no frame can be read from them."""
    if request is None or response is None:
        return Refusal.NO_CONTENT
    answer = _answer_text(response)
    if answer is None:
        return Refusal.NO_TEXT_ANSWER
    try:
        asked = _request(request)
    except InputError:
        return Refusal.UNREADABLE
    if asked.opaque:
        return Refusal.NOT_TEXT
    # What comes before the turns is instructions: with nothing else in the request, nothing is asked.
    last = asked.messages[-1]
    return (asked, answer) if last.role == "user" else Refusal.NO_QUESTION


def _request(raw: bytes) -> ChatRequest:
    payload = _decoded(raw)
    return decode_request(raw) if payload is None else read_request(payload)


def _answer_text(raw: bytes) -> str | None:
    payload = _decoded(raw)
    return (decode_answer(raw) if payload is None else read_answer(payload)).text


def _decoded(raw: bytes) -> object:
    """The JSON value, three times as fast as by `json`; None where only `json`, which takes more, may be able to."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
