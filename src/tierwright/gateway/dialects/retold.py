"""What the APIs that are told as chats have in common: reading a request, and the way to a chat server and back.

Owns the way; refuses to know the APIs: each gives its own translations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tierwright.core.chat import read_request, read_usage
from tierwright.core.errors import InputError
from tierwright.gateway import problems
from tierwright.gateway.dialects.chat import ChatPassage, encoded_chat, is_for_specialists, most_tokens
from tierwright.gateway.dialects.dialect import Asked, Carried
from tierwright.gateway.dialects.streams import RetoldStream, as_chunk
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.problems import Problem
from tierwright.gateway.wire import decode_object, named_task, object_in, text_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.dialects.streams import Teller
    from tierwright.gateway.local import LocalAnswer


class Reading(Protocol):
    """A request of another API, read as a chat."""

    @property
    def request(self) -> dict[str, Any]:
        """The chat that asks for the same, as far as chat can."""

    @property
    def needs(self) -> str | None:
        """What only the API's own servers can honour; None: nothing."""


class Telling(Protocol):
    """Tells answers of chat servers in the API that one request was made in."""

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """A chat.completion as the API's answer."""

    def teller(self) -> Teller:
        """A new teller of one stream."""

    def refusal(self, status: int, body: bytes) -> bytes:
        """A chat server's error in the API's form."""


def read_as_chat(
    body: bytes, headers: Mapping[bytes, bytes], read: Callable[[Mapping[str, Any]], Reading]
) -> Asked | Problem:
    """As `Dialect.read`, for an API that `read` understands."""
    payload = decode_object(body)
    if isinstance(payload, Problem):
        return payload
    try:
        reading = read(payload)
        chat = read_request(reading.request)
        content = encoded(reading.request)
    except (InputError, RecursionError) as error:
        return problems.unreadable(error)
    return Asked(
        model=chat.model,
        payload=payload,
        body=body,
        content=content,
        chat=chat,
        stream=payload.get("stream") is True,
        include_usage=True,
        for_specialists=reading.needs is None and is_for_specialists(reading.request, chat),
        task_name=named_task(payload, headers),
        max_completion_tokens=most_tokens(payload),
    )


def to_chat_server(
    asked: Asked,
    kind: BackendKind,
    telling: Telling,
    *,
    chat_request: Callable[[Mapping[str, Any]], dict[str, Any]],
    model: str,
    inference_id: str,
) -> RetoldPassage | Problem:
    """The way of a request to a server that speaks chat.completions; a Problem where a chat can't ask for the same."""
    try:
        chat = chat_request(asked.payload)
        if not kind.streams_usage:
            chat.pop("stream_options", None)
        return RetoldPassage(encoded_chat(chat, kind, model=model), inference_id, telling)
    except (InputError, RecursionError) as error:
        return problems.unreadable(error)


def told_locally(asked: Asked, answer: LocalAnswer, telling: Telling) -> bytes:
    """As `Dialect.local`."""
    completion = msgspec.json.decode(answer.completion())
    if not asked.stream:
        return msgspec.json.encode(telling.whole(completion))
    teller = telling.teller()
    return teller.tell(msgspec.json.decode(as_chunk(completion))) + teller.close()


class RetoldPassage:
    """A request of another API to a server that has chat.completions only."""

    path = ChatPassage.path

    __slots__ = ("_id", "_telling", "body")

    def __init__(self, body: bytes, inference_id: str, telling: Telling) -> None:
        self.body = body
        self._id = inference_id
        self._telling = telling

    def whole(self, body: bytes) -> Carried | None:
        """As `Passage.whole`."""
        found = object_in(body)
        if found is None or not isinstance(found.get("choices"), list):
            return None
        return Carried(
            encoded(self._telling.whole(found)),
            encoded({**found, "id": self._id}),
            text_or_none(found.get("id")),
            text_or_none(found.get("model")),
            read_usage(found.get("usage"), found.get("service_tier")),
        )

    def refusal(self, status: int, body: bytes) -> bytes:
        """As `Passage.refusal`."""
        return self._telling.refusal(status, body)

    def stream(self) -> RetoldStream:
        """As `Passage.stream`."""
        return RetoldStream(self._id, self._telling.teller())
