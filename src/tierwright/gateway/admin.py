"""What operators and their monitoring ask, on a socket of its own: never on the one that callers reach.

Owns the addresses; what is answered there is known to what is watched, one process of the gateway or several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from tierwright.gateway import problems, wire
from tierwright.gateway.health import ALIVE, LIVELINESS, READINESS, readiness_status
from tierwright.gateway.metrics import CONTENT_TYPE
from tierwright.gateway.openapi import document_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.asgi import Receive, Scope, Send
    from tierwright.gateway.server import GatewayApp

_METRICS, _OPENAPI = "/metrics", "/openapi.json"
_READ = ("GET", "HEAD")


class Watched(Protocol):
    """What monitoring asks."""

    async def metrics(self) -> bytes:
        """The page that Prometheus reads."""

    async def readiness(self) -> Mapping[str, object]:
        """How it is doing; its "status" is "not_ready" where no request would be answered."""


class OneProcess:
    """A gateway of this process, as it is watched."""

    def __init__(self, app: GatewayApp) -> None:
        self._app = app

    async def metrics(self) -> bytes:
        """As `Watched.metrics`."""
        return self._app.metrics.render()

    async def readiness(self) -> Mapping[str, object]:
        """As `Watched.readiness`."""
        return self._app.readiness()


class AdminApp:
    """The ASGI application of the admin listener."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Serves one ASGI connection."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path not in (_METRICS, LIVELINESS, READINESS, _OPENAPI):
            await _send(404, problems.unknown_admin_url(method, path).body(), wire.JSON, send)
        elif method not in _READ:
            await _send(405, problems.method_not_allowed(method, path, "GET").body(), wire.JSON, send)
        elif path == _METRICS:
            await _send(200, await self._watched.metrics(), CONTENT_TYPE, send)
        elif path == _OPENAPI:
            await _send(200, document_bytes(), wire.JSON, send)
        elif path == LIVELINESS:
            await _send(200, ALIVE, wire.JSON, send)
        else:
            state = await self._watched.readiness()
            await _send(readiness_status(state), msgspec.json.encode(state), wire.JSON, send)


async def _send(status: int, body: bytes, content_type: bytes, send: Send) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), wire.NO_STORE]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
