"""Requests of callers: every body and every header is read or refused, and what goes to a model server is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.fakes import a_task
from tests.fuzz.harness import Harness, is_json, seeds
from tests.fuzz.samples import CHATS, MESSAGES_REQUESTS, PLAIN, RESPONSES
from tierwright.core.chat import ChatRequest, decode_request
from tierwright.core.errors import InputError
from tierwright.core.inference import Endpoint
from tierwright.economics.count import prompt_estimate
from tierwright.gateway import wire
from tierwright.gateway.auth import Authenticator
from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.counting import CountingDialect
from tierwright.gateway.dialects.messages import MessagesDialect
from tierwright.gateway.dialects.plain import PlainDialect
from tierwright.gateway.dialects.responses import ResponsesDialect
from tierwright.gateway.problems import Problem
from tierwright.gateway.recognise import TaskIndex
from tierwright.gateway.splice import read_head
from tierwright.gateway.tenancy.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.gateway.dialects.dialect import Asked, Dialect

#: One of each: with the Responses API, with Anthropic's, with neither and with other names for some members.
MAKES = tuple(KINDS[name] for name in ("openai", "anthropic", "mistral", "ollama"))
_OTHER_NAME = "upstream-model"
_INDEX = TaskIndex([a_task()])
_OPEN = Authenticator((), host="127.0.0.1")


def _of(dialect: Dialect) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        """A body is a request or a problem that is the caller's; each way to a server is a request or a problem."""
        asked = dialect.read(data, {})
        if isinstance(asked, Problem):
            _check_problem(dialect, asked)
            return
        assert asked.model
        if asked.chat is not None:
            _check_chat(asked, asked.chat)
        assert prompt_estimate(len(asked.body)) >= 0
        for kind in MAKES:
            for model in (asked.model, _OTHER_NAME):
                passage = dialect.passage(asked, kind, model=model, inference_id="chatcmpl-1", created_at=1)
                if isinstance(passage, Problem):
                    _check_problem(dialect, passage)
                    continue
                assert is_json(passage.body)
                # Moderations need not name one.
                assert "model" not in asked.payload or model_in(passage.body) == model

    return check


def model_in(body: bytes) -> object:
    """The model that a server is asked for."""
    head = read_head(body)
    assert head is not None
    return msgspec.json.decode(head.model)


def _check_problem(dialect: Dialect, problem: Problem) -> None:
    assert 400 <= problem.status < 500
    # It names members, and never says what was in them.
    assert len(problem.message) < 1000
    assert is_json(dialect.problem(problem))
    assert dialect.problem_event(problem)


def _check_chat(asked: Asked, chat: ChatRequest) -> None:
    _INDEX.recognise(chat)
    wire.alias_of(asked.model)
    wire.characters_of(chat)
    # What the store keeps can be read again, for datasets are made of it, unless it is nested too deeply for that.
    try:
        kept = decode_request(asked.content)
    except InputError as error:
        assert "deeply" in str(error) or "RecursionError" in str(error)  # noqa: PT017 - as right as the other outcome
    else:
        assert kept.messages == chat.messages


def check_headers(data: bytes) -> None:
    """Headers of any bytes have a meaning or none, and what is sent back in one is printable ASCII."""
    values = [*data.split(b"\x00"), b"", b"", b"", b""]
    found = _OPEN.caller_of({b"origin": values[0], b"host": values[1]})
    assert isinstance(found, (Caller, Problem))
    instant = wire.recorded_at({wire.RECORDED_AT: values[2]})
    assert instant is None or isinstance(instant, Problem) or instant.tzinfo is not None
    name = wire.named_task({}, {wire.TASK: values[3]})
    assert wire.header_text(name or "").decode("ascii").isprintable()
    wire.conversation_of({b"x-session-id": values[0]})
    wire.forwarded({b"traceparent": values[0], b"x-request-id": values[1]})


def check_text(data: bytes) -> None:
    """What a store holds as a request is a chat with a model and messages, or an InputError."""
    try:
        chat = decode_request(data)
    except InputError:
        return
    assert chat.model
    assert chat.messages


_PLAIN = (PlainDialect(Endpoint.EMBEDDINGS), PlainDialect(Endpoint.MODERATIONS))


def check_plain(data: bytes) -> None:
    """Both endpoints that pass a body on, as `_of`."""
    for dialect in _PLAIN:
        _of(dialect)(data)


HARNESSES = {
    "chat-requests": Harness(_of(ChatDialect()), seeds(*CHATS)),
    "responses-requests": Harness(_of(ResponsesDialect()), seeds(*RESPONSES)),
    "messages-requests": Harness(_of(MessagesDialect()), seeds(*MESSAGES_REQUESTS)),
    "counting-requests": Harness(_of(CountingDialect()), seeds(*MESSAGES_REQUESTS)),
    "plain-requests": Harness(check_plain, seeds(*PLAIN)),
    "stored-requests": Harness(check_text, seeds(*CHATS)),
    "headers": Harness(
        check_headers,
        (
            b"http://localhost:3000\x00127.0.0.1:8400\x001756684940.5\x00card%2Dintent",
            b"http://[::1]:80\x00[::1]\x00nan\x00\xff",
            b"null\x00a:b@c\x00-1e9\x00%",
        ),
    ),
}
