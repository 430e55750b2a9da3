"""A real HTTP server that plays the model server, as each test scripts it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


def completion(text: str = "card_arrival", **members: Any) -> dict[str, Any]:
    """A chat.completion as OpenAI sends it."""
    return {
        "id": "chatcmpl-upstream-1",
        "object": "chat.completion",
        "created": 1_756_684_940,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
        **members,
    }


def events(*words: str, usage: bool = True, done: bool = True) -> list[bytes]:
    """The events of a streamed answer, one for each word and those around them."""
    head = {"id": "chatcmpl-upstream-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in words]
    deltas.append(({}, "stop"))
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    if usage:
        chunks.append(
            {**head, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
        )
    found = [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks]
    return [*found, b"data: [DONE]\n\n"] if done else found


async def plain(_: web.Request) -> web.StreamResponse:
    """Answers every request the same."""
    return web.json_response(completion())


def streaming(pieces: list[bytes], *, pause_s: float = 0.0, cut: bool = False) -> Script:
    """Answers with these pieces of a stream, each in a write of its own; `cut` breaks the connection after them."""

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause_s)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return script


class Upstream:
    """The server: `script` answers, `seen` remembers."""

    def __init__(self) -> None:
        self.script: Script = plain
        #: Headers and exact body of every request.
        self.seen: list[tuple[dict[str, str], bytes]] = []
        #: Set when a request's connection was lost before it was answered.
        self.cancelled = threading.Event()
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        try:
            return await self.script(request)
        except (asyncio.CancelledError, ConnectionError):
            self.cancelled.set()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()
