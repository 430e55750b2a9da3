"""One captured request as discovery sees it.

Owns reading an `Inference` into what tells tasks apart; refuses to know labels, clients and workload names, so that the
same traffic gives the same tasks whoever sent it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.calls import render_calls
from tierwright.core.chat import decode_answer, decode_request
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A request that was answered, reduced to its texts."""

    id: InferenceId
    #: Seconds since 1970, UTC.
    at: float
    request: ChatRequest
    #: The answer's text; of one that calls tools, what `core.calls` renders: the text beside a call is talk.
    answer: str
    #: The tools that the answer calls, in order.
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


def observe(inferences: Iterable[Inference], left_out: Counter[str] | None = None) -> Iterator[Observation]:
    """The observations among the inferences, in order; the others are counted in `left_out`, by what is wrong.

    Left out, because no frame can be read from them: requests that failed, whose content was not kept or that have no
    answer; such that end neither with a user message nor with a tool's result; and such with pictures, sound or files
    in them, whose input is more than a text.
    """
    shared: dict[Message, Message] = {}
    counted = Counter[str]() if left_out is None else left_out
    for inference in inferences:
        found = _observation(inference, shared)
        if isinstance(found, str):
            counted[found] += 1
        else:
            yield found


def _observation(inference: Inference, shared: dict[Message, Message]) -> Observation | str:
    """The observation, or what is wrong."""
    if inference.request is None or inference.response is None or inference.error_code is not None:
        return "content not kept" if inference.error_code is None else "failed"
    answer = decode_answer(inference.response)
    if answer.text is None and not answer.calls:
        return "no answer"
    try:
        request = decode_request(inference.request)
    except InputError:
        return "not a chat"
    if request.media or not request.turns or not (request.after or request.turns[-1].role == "user"):
        return "pictures, sound or files" if request.media else "no question"
    # The same instructions and earlier turns stand in thousands of requests: one copy of them is kept.
    messages = tuple(shared.setdefault(message, message) for message in request.messages[:-1])
    return Observation(
        id=inference.id,
        at=inference.created_at.timestamp(),
        request=replace(request, messages=(*messages, request.messages[-1])),
        answer=render_calls(answer.calls) if answer.calls else answer.text or "",
        calls=tuple(call.name for call in answer.calls),
    )
