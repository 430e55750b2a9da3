"""JSON that is nested without end, cut in the middle of an emoji or no UTF-8: from callers and from model servers."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from tests.integration.gateway.conftest import KEY
from tests.integration.gateway.test_errors import a_completion_body
from tests.integration.gateway.upstream import completion, events, streaming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway.conftest import Running

MESSAGES = json.dumps({"model": "gpt-4o", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}).encode()


def nested(before: bytes, after: bytes) -> Iterator[bytes]:
    """Values around the depth to which interpreters follow: a thousand less what they are in already, or far more."""
    for depth in (*range(850, 1000, 2), 5_000, 15_000, 50_000, 120_000):
        yield before + b'{"a":' * depth + b"1" + b"}" * depth + after


def sent(gateway: Running, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request("POST", path, body, {"authorization": f"Bearer {KEY}"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def says(body: bytes, *, status: int = 200, content_type: str = "application/json") -> Any:
    """A model server that answers this."""

    async def script(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"content-type": content_type})

    return script


@pytest.mark.parametrize(
    ("path", "before", "after", "read"),
    [
        ("/v1/chat/completions", a_completion_body()[:-1] + b',"response_format":', b"}", 200),
        ("/v1/responses", b'{"model":"gpt-4o","input":"a","text":{"format":', b"}}", 200),
        # It is read, and there is no such inference.
        ("/v1/feedback", b'{"inference_id":"i","output":', b"}", 404),
    ],
)
def test_requests_nested_without_end(gateway: Running, path: str, before: bytes, after: bytes, *, read: int) -> None:
    """Up to some depth they are read and beyond it refused, with a word on what to do; in between nothing else."""
    gateway.upstream.script = says(json.dumps({**completion(), "object": "response"}).encode())
    found = [sent(gateway, path, body) for body in nested(before, after)]
    assert {status for status, _ in found} == {read, 400}


@pytest.mark.parametrize("stream", [False, True])
def test_answers_nested_without_end(start: Callable[..., Running], *, stream: bool) -> None:
    """What can't be told to a caller of another API is the server's error, and is recorded."""
    gateway = start(backend={"kind": "mistral"})
    said = b'{"id":"a","choices":[{"index":0,"finish_reason":"tool_calls","%b":{"tool_calls":[{"index":0,"id":"t",' % (
        b"delta" if stream else b"message"
    )
    asked = MESSAGES[:-1] + b',"stream":true}' if stream else MESSAGES
    answers = []
    for body in nested(said + b'"function":{"name":"f","arguments":', b"}}]}}]}"):
        gateway.upstream.script = streaming([b"data: %b\n\n" % body, b"data: [DONE]\n\n"]) if stream else says(body)
        answers.append(sent(gateway, "/v1/messages", asked)[1])
    assert answers[0].count(b"tool_use") > 0
    assert answers[-1].count(b'"type":"error"') > 0
    assert not [answer for answer in answers if b"the gateway failed" in answer]
    assert len(gateway.captured(len(answers))) == len(answers)


@pytest.mark.parametrize("body", [b"upstream \xe9chou\xe9", b'{"error":{"message":"\xe9chou\xe9","code":"down"}}'])
def test_errors_that_are_no_utf_8_pass_through(gateway: Running, body: bytes) -> None:
    """A server that writes Latin-1 is still the one that failed, with its own status."""
    gateway.upstream.script = says(body, status=400)
    assert sent(gateway, "/v1/chat/completions", a_completion_body()) == (400, body)


def test_half_an_emoji_is_told_in_another_api(start: Callable[..., Running]) -> None:
    """A text that was cut in the middle of a character arrives as it was said, in one piece and streamed."""
    gateway = start(backend={"kind": "mistral"})
    gateway.upstream.script = says(json.dumps(completion("so \ud83d")).encode())
    status, body = sent(gateway, "/v1/messages", MESSAGES)
    assert (status, json.loads(body)["content"][0]["text"]) == (200, "so \ud83d")
    gateway.upstream.script = streaming(events("so \ud83d", "\ude00"))
    status, body = sent(gateway, "/v1/messages", MESSAGES[:-1] + b',"stream":true}')
    assert status == 200
    assert b"so \\ud83d" in body
    assert body.rstrip().endswith(b'{"type":"message_stop"}')
    assert [kept.error_code for kept in gateway.captured(2)] == [None, None]
