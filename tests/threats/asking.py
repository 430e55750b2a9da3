"""Requests as an attacker makes them: any path, any header, any bytes."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tests.integration.gateway.conftest import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The endpoints that send bytes on, each with a request that is sound.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]},
    "/v1/responses": {"model": "gpt-4o", "input": "hello"},
    "/v1/messages": {"model": "gpt-4o", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
    "/v1/messages/count_tokens": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]},
    "/v1/embeddings": {"model": "gpt-4o", "input": "hello"},
    "/v1/moderations": {"model": "gpt-4o", "input": "hello"},
}
#: The one that is answered without a server, where that counts no tokens.
COUNTED_HERE = "/v1/messages/count_tokens"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> Any:
        """The error's stable code; None: it is no error of ours."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        error = found.get("error") if isinstance(found, dict) else None
        return error.get("code") or error.get("type") if isinstance(error, dict) else None


def ask(
    address: str,
    path: str,
    body: object = None,
    *,
    method: str = "",
    key: str | None = KEY,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own; JSON is made of a body that is no bytes. No key: none is sent."""
    parts = urlsplit(address)
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json", **({} if key is None else {"authorization": f"Bearer {key}"})}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, raw, {**sent, **(headers or {})})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()
