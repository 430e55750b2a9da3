"""One captured request as discovery sees it.

Owns reading an `Inference` into what tells tasks apart; refuses to know labels, clients and workload names, so that the
same traffic gives the same tasks whoever sent it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwright.core.chat import decode_answer, decode_request
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


def observe(inferences: Iterable[Inference]) -> Iterator[Observation]:
    """The observations among the inferences, in order.

    Left out, because no frame can be read from them: requests without kept content, without a text answer, whose last
    message is not a plain user message, and such with something besides text in them.
    """
    shared: dict[Message, Message] = {}
    for inference in inferences:
        found = _observation(inference, shared)
        if found is not None:
            yield found


def _observation(inference: Inference, shared: dict[Message, Message]) -> Observation | None:
    if inference.request is None or inference.response is None or inference.error_code is not None:
        return None
    answer = decode_answer(inference.response).text
    if answer is None:
        return None
    try:
        request = decode_request(inference.request)
    except InputError:
        return None
    turns = request.turns
    if request.opaque or not turns or turns[-1].role != "user":
        return None
    # The same instructions stand before thousands of requests: one copy of them is kept.
    messages = tuple(shared.setdefault(m, m) if m.role != "user" else m for m in request.messages[:-1])
    request = replace(request, messages=(*messages, request.messages[-1]))
    return Observation(id=inference.id, at=inference.created_at.timestamp(), request=request, answer=answer)
