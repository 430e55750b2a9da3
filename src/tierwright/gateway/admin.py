"""What operators and their monitoring ask, on a socket of its own: never on the one that callers reach.

Owns GET /metrics; health is passed on to the gateway, which owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.gateway import problems, wire
from tierwright.gateway.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from tierwright.gateway.asgi import Application, Receive, Scope, Send
    from tierwright.gateway.metrics import Metrics

_METRICS, _HEALTH = "/metrics", "/health/"


class AdminApp:
    """The ASGI application of the admin listener."""

    def __init__(self, gateway: Application, metrics: Metrics) -> None:
        self._gateway = gateway
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path.startswith(_HEALTH):
            await self._gateway(scope, receive, send)
        elif path == _METRICS and method in ("GET", "HEAD"):
            await _send(200, self._metrics.render(), CONTENT_TYPE, send)
        elif path == _METRICS:
            await _send(405, problems.method_not_allowed(method, path, "GET").body(), wire.JSON, send)
        else:
            problem = problems.unknown_admin_url(method, path)
            await _send(404, problem.body(), wire.JSON, send)


async def _send(status: int, body: bytes, content_type: bytes, send: Send) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
