"""Threat 3: a caller, or a server asked, that chooses where the gateway connects to and with whose key."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.integration.gateway.conftest import UPSTREAM_KEY
from tests.threats.asking import BODIES, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway.conftest import Running

#: Members and headers by which gateways have been told where to send a request.
_MEMBERS = (
    *("api_base", "base_url", "api_url", "url", "endpoint", "host", "custom_host", "proxy", "proxies", "webhook"),
    *("callback_url", "azure_endpoint", "openai_api_base", "litellm_params", "router_settings", "fallbacks", "api_key"),
)
_HEADERS = (
    *("x-api-base", "x-base-url", "x-portkey-custom-host", "x-upstream", "x-forwarded-host", "x-forwarded-server"),
    *("x-original-url", "x-rewrite-url", "forwarded", "x-host", "x-proxy-url", "helicone-target-url", "referer"),
    *("x-tierwright-backend", "x-tierwright-base-url", "proxy", "x-http-host-override", "destination"),
)
_STATUSES = (301, 302, 303, 307, 308)


class Trap:
    """A server that nobody was told to ask."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        visits = self.visits

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                visits.append(f"{self.command} {self.path} {self.headers.get('authorization')}")
                self.send_response(200)
                self.end_headers()

            do_GET = do_CONNECT = do_POST  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def addresses(self) -> list[str]:
        """Ways to write where it is."""
        port = self.port
        return [
            f"http://127.0.0.1:{port}/v1",
            f"http://localhost:{port}/v1",
            f"http://[::ffff:127.0.0.1]:{port}/v1",
            f"http://2130706433:{port}/v1",
            f"http://127.1:{port}/v1",
            f"//127.0.0.1:{port}/v1",
            f"127.0.0.1:{port}",
        ]


@pytest.fixture
def trap() -> Iterator[Trap]:
    """The server."""
    made = Trap()
    yield made
    made.server.shutdown()
    made.thread.join(10)
    made.server.server_close()


def test_threat_03_caller_chosen_url(gateway: Running, trap: Trap, probes: Callable[[int], None]) -> None:
    """No member, header, address, model name or Host makes the gateway connect elsewhere than its settings say."""
    tried = 0
    first, *rest = trap.addresses()
    for path, body in BODIES.items():
        for name in _MEMBERS:
            value: Any = {"api_base": first} if name.endswith(("params", "settings")) else first
            ask(gateway.url, path, {**body, name: value})
            tried += 1
    for name in _HEADERS:
        ask(gateway.url, "/v1/chat/completions", BODIES["/v1/chat/completions"], headers={name: first})
        tried += 1
    for address in (first, *rest):
        body = BODIES["/v1/chat/completions"]
        ask(gateway.url, "/v1/chat/completions", {**body, "model": address})
        ask(gateway.url, "/v1/chat/completions", {**body, "api_base": address, "base_url": address})
        ask(gateway.url, "/v1/chat/completions", body, headers={"host": address.split("//")[-1].split("/")[0]})
        # As a proxy is asked.
        ask(gateway.url, f"{address}/chat/completions", body)
        picture = {"type": "image_url", "image_url": {"url": f"{address}/x.png"}}
        ask(gateway.url, "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": [picture]}]})
        tried += 5
    assert ask(gateway.url, f"127.0.0.1:{trap.port}", method="CONNECT").status >= 400
    assert trap.visits == []
    assert {seen["host"] for seen, _ in gateway.upstream.seen} == {gateway.upstream.url.split("/")[2]}
    probes(tried + 1)


def test_threat_03_caller_chosen_url_redirects(gateway: Running, trap: Trap, probes: Callable[[int], None]) -> None:
    """A server's redirect is not followed: no second connection, no key anywhere, and the caller is told."""
    tried = 0
    for status in _STATUSES:
        for address in trap.addresses():

            async def script(_: web.Request, *, status: int = status, to: str = address) -> web.Response:
                return web.Response(status=status, headers={"location": to})

            gateway.upstream.script = script
            answer = ask(gateway.url, "/v1/chat/completions", BODIES["/v1/chat/completions"])
            # After a few of them the server is taken for broken, and not asked.
            assert (answer.status, answer.code) in ((502, "upstream_broken"), (503, "upstream_unavailable"))
            assert UPSTREAM_KEY.encode() not in answer.body
            tried += 1
    assert trap.visits == []
    probes(tried)


def test_threat_03_caller_chosen_url_keys_stay(gateway: Running, probes: Callable[[int], None]) -> None:
    """A caller's key never goes to a server, and a server's key can't be replaced or read by a caller."""
    body = BODIES["/v1/chat/completions"]
    tried = 0
    for name in ("x-api-key", "api-key", "openai-organization", "cookie", "proxy-authorization", "x-goog-api-key"):
        answer = ask(gateway.url, "/v1/chat/completions", body, headers={name: "callers-own"})
        assert UPSTREAM_KEY not in repr(answer)
        tried += 1
    for seen, _ in gateway.upstream.seen:
        assert seen["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert "callers-own" not in {seen.get(name) for name in ("x-api-key", "api-key", "cookie")}
    assert len(gateway.upstream.seen) == tried
    probes(tried)
