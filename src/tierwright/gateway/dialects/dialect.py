"""What the exchange asks of a dialect: the one place where it meets the different APIs.

Owns the nouns only. A dialect is what callers speak (OpenAI's chat.completions, Responses or embeddings, Anthropic's
Messages); a passage is one request's way to one model server and its answer's way back. Refuses to do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tierwright.gateway.splice import replace_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import ChatRequest, Usage
    from tierwright.core.inference import Endpoint
    from tierwright.gateway.backends.kinds import BackendKind
    from tierwright.gateway.local import LocalAnswer
    from tierwright.gateway.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request body, read."""

    #: The model, as the caller named it.
    model: str
    #: The decoded body; never changed.
    payload: Mapping[str, Any] = field(repr=False)
    #: The body itself.
    body: bytes = field(repr=False)
    #: The body as the store keeps it.
    content: bytes = field(repr=False)
    #: As a chat; None: it is none, and belongs to no task.
    chat: ChatRequest | None
    #: Whether the answer is wanted as server-sent events.
    stream: bool = False
    #: Whether a stream should end with a chunk that holds the usage.
    include_usage: bool = False
    #: Whether a specialist could answer in the form asked for.
    for_specialists: bool = False
    #: The task the request itself names; None: it names none.
    task_name: str | None = None
    #: Tokens the answer may have at most; None: not said.
    max_completion_tokens: int | None = None

    def body_for(self, model: str) -> bytes:
        """The body for a server that knows the model by this name; untouched where that is the caller's name, too."""
        return self.body if model == self.model else replace_text(self.body, "model", model)


class Carried(NamedTuple):
    """An answer on its way from a model server to the caller."""

    #: For the caller.
    body: bytes
    #: For the store: a chat.completion where it is one; None: not kept.
    content: bytes | None
    #: The provider's id of the answer; None: it had none.
    upstream_id: str | None
    #: The model that says it answered; None: not said.
    model: str | None
    #: None: the provider sent no counts.
    usage: Usage | None


class StreamPassage(Protocol):
    """A streamed answer on its way: bytes in as they arrive, whole events for the caller out."""

    @property
    def done(self) -> bool:
        """Whether the stream has said that it is complete; nothing is passed on after that."""

    @property
    def saw_error(self) -> bool:
        """Whether the server reported an error inside the stream."""

    @property
    def upstream_id(self) -> str | None:
        """The provider's id of the answer; None: none seen yet."""

    @property
    def model(self) -> str | None:
        """The model that says it answers; None: not said yet."""

    @property
    def usage(self) -> Usage | None:
        """The last counts the server sent; None: none yet."""

    @property
    def payloads(self) -> list[bytes]:
        """What the answer can be put together from, in the order it came."""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now; empty: nothing yet.

        Raises BackendBroken where the stream can't be followed, RecursionError where it is nested too deeply.
        """

    def close(self) -> bytes:
        """What is left when the server has ended the stream."""

    def complete(self) -> bool:
        """Whether all of the answer has arrived, as far as the stream tells."""


class Passage(Protocol):
    """One request's way to one model server, and its answer's way back."""

    @property
    def path(self) -> str:
        """Where to post it, after the server's base URL."""

    @property
    def body(self) -> bytes:
        """What to post."""

    def whole(self, body: bytes) -> Carried | None:
        """A good answer that came in one piece; None: it is not what such a server answers.

        Raises BackendBroken where the caller's API can't tell it, RecursionError where it is nested too deeply.
        """

    def refusal(self, status: int, body: bytes) -> bytes:
        """The server's error answer, in the caller's form."""

    def stream(self) -> StreamPassage:
        """A new way back for an answer that comes as events."""


class Dialect(Protocol):
    """What callers of one endpoint speak."""

    @property
    def endpoint(self) -> Endpoint:
        """Which endpoint."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Asked | Problem:
        """The request in a body; a Problem that names what is wrong where it is none."""

    def passage(
        self, asked: Asked, kind: BackendKind, *, model: str, inference_id: str, created_at: int
    ) -> Passage | Problem:
        """The way to a server of that kind that knows the model by this name; a Problem where there is none.

        `created_at`, in Unix seconds, is what an answer is dated where the server does not say.
        """

    def local(self, asked: Asked, answer: LocalAnswer) -> bytes:
        """A specialist's answer, in one piece or as the whole event stream, as it was asked for."""

    def problem(self, problem: Problem) -> bytes:
        """The body of an error answer."""

    def problem_event(self, problem: Problem) -> bytes:
        """The event, or events, that end a stream which has begun with an error."""
