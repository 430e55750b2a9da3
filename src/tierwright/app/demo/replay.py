"""The replayed frontier model: an OpenAI-compatible server that answers from a log and from nothing else.

    python -m tierwright.app.demo.replay --log FILE [--port 0] [--speedup 20] [--ready-file PATH]

It stands in for a frontier model where there is no network or no key, and says so: every response has the header
`x-simulated-frontier: replay`. Bodies are exactly those of the log. Owns the matching of requests to logged answers and
the compressed waiting; refuses to think: a request that is not in the log gets a 404 with code `not_in_log`.

Two requests are the same if their JSON is equal without `stream` and `stream_options`, whatever the order of keys;
1 and 1.0 are equal at the top level. The same request asked again gets the next logged answer to it, in the order of
the log, and at last the last one again. An answer takes the log's latency divided by the speed-up; a streamed one
spreads it over its chunks. The server listens on the loopback interface only and asks for no key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn

from tierwright.app.demo.logfile import read_log
from tierwright.core.errors import InputError, TierwrightError, UsageError

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HOST: Final = "127.0.0.1"
#: A bigger body than any context window holds is refused unread.
MAX_BODY_BYTES: Final = 64 * 2**20
#: Assumed where the log has no latency.
UNKNOWN_LATENCY_MS: Final = 1_000.0
#: Most chunks between which a streamed answer pauses.
_STREAM_PAUSES: Final = 12
_WORDS = re.compile(r"\S+\s*|\s+")
_decode = msgspec.json.Decoder().decode
_canonical = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A logged answer."""

    #: The chat.completion, as it stands in the log.
    body: bytes
    latency_ms: float


class ReplayIndex:
    """Logged answers by request, in the order of the log; about 1 KB a request."""

    def __init__(self) -> None:
        """Start empty; `from_log` is the way to get a full one."""
        self._answers: dict[bytes, list[_Recorded]] = {}
        self._models: dict[str, None] = {}
        #: Number of answers.
        self.answers = 0
        #: Numbers of the lines that could not be used.
        self.bad_lines: list[int] = []

    @classmethod
    def from_log(cls, path: Path) -> ReplayIndex:
        """Read a log.

        Raises:
            InputError: the file can't be read, is damaged, or no line of it is a log line.

        """
        index = cls()
        for _, line in read_log(path, on_bad_line=index.bad_lines.append):
            request = _decode(line.request)
            if isinstance(request, dict):
                latency_ms = UNKNOWN_LATENCY_MS if line.latency_ms is None else line.latency_ms
                index._add(request, _Recorded(bytes(line.response), max(0.0, latency_ms)))
        if not index.answers:
            raise InputError(
                f"{path}: holds no line of a traffic log; give a file of JSON lines with request and response"
            )
        return index

    def _add(self, request: dict[str, Any], recorded: _Recorded) -> None:
        self._answers.setdefault(request_hash(request), []).append(recorded)
        if isinstance(model := request.get("model"), str):
            self._models[model] = None
        self.answers += 1

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models asked for in the log, in order of appearance."""
        return tuple(self._models)

    def find(self, request: dict[str, Any], asked: MutableMapping[bytes, int]) -> _Recorded | None:
        """The next answer to `request`, given how often each one was `asked`, which is counted on; None: not logged."""
        key = request_hash(request)
        answers = self._answers.get(key)
        if answers is None:
            return None
        if len(answers) == 1:
            return answers[0]
        number = asked.get(key, 0)
        asked[key] = number + 1
        return answers[min(number, len(answers) - 1)]


def request_hash(request: Mapping[str, Any]) -> bytes:
    """16 bytes, equal for requests that differ only in `stream`, `stream_options`, the order of keys or 1 for 1.0."""
    compared = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in request.items()
        if key not in ("stream", "stream_options")
    }
    return blake2b(_canonical(compared), digest_size=16).digest()


class ReplayApp:
    """The ASGI application."""

    def __init__(self, index: ReplayIndex, *, speedup: float) -> None:
        """Answer from `index`, `speedup` times as fast as the log says; infinity: at once."""
        if not speedup > 0:
            raise UsageError(f"the speed-up must be a positive number, not {speedup:g}; `inf` answers at once")
        self._index = index
        self._speedup = speedup
        self._asked: dict[bytes, int] = {}
        self._label = [
            (b"x-simulated-frontier", b"replay"),
            (b"x-simulated-fingerprint", f"replay-of-log; speedup={speedup:g}".encode()),
        ]

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._chat(receive, send)
            case "GET", "/v1/models":
                await self._respond(send, 200, _canonical(self._model_list()))
            case _, "/v1/chat/completions" | "/v1/models":
                await self._refuse(send, 405, "method_not_allowed", "this path does not know that method")
            case _:
                await self._refuse(
                    send, 404, "unknown_path", "the replayed model serves /v1/chat/completions and /v1/models only"
                )

    async def _chat(self, receive: _Receive, send: _Send) -> None:
        body = await _read_body(receive)
        if body is None:
            await self._refuse(send, 413, "body_too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
            return
        try:
            request = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            request = None
        if not isinstance(request, dict):
            await self._refuse(send, 400, "invalid_json", "the body is not a JSON object")
            return
        recorded = self._index.find(request, self._asked)
        if recorded is None:
            await self._refuse(
                send, 404, "not_in_log", "the replayed model only answers requests of its log, and this is none of them"
            )
            return
        wait_s = recorded.latency_ms / 1_000 / self._speedup
        if request.get("stream"):
            options = request.get("stream_options")
            usage = isinstance(options, dict) and bool(options.get("include_usage"))
            await self._stream(send, recorded.body, wait_s, usage=usage)
            return
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await self._respond(send, 200, recorded.body)

    async def _stream(self, send: _Send, body: bytes, wait_s: float, *, usage: bool) -> None:
        events = [b"data: " + _canonical(chunk) + b"\n\n" for chunk in chunks(_decode(body), usage=usage)]
        pauses = min(len(events), _STREAM_PAUSES)
        await send({
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream; charset=utf-8"), *self._label],
        })  # fmt: skip
        for part in range(pauses):
            if wait_s > 0:
                await asyncio.sleep(wait_s / pauses)
            first, last = part * len(events) // pauses, (part + 1) * len(events) // pauses
            for event in events[first:last]:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _respond(self, send: _Send, status: int, body: bytes) -> None:
        length = (b"content-length", str(len(body)).encode())
        headers = [(b"content-type", b"application/json"), length, *self._label]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _refuse(self, send: _Send, status: int, code: str, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        await self._respond(send, status, _canonical({"error": error}))

    def _model_list(self) -> dict[str, Any]:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "replay"} for name in self._index.models]
        return {"object": "list", "data": models}


def chunks(completion: Mapping[str, Any], *, usage: bool) -> Iterator[dict[str, Any]]:
    """Yield a chat.completion as the chat.completion.chunk objects of a stream.

    For each choice a delta with the role, deltas with a word of the content or a tool call each, and one with the
    finish_reason; with `usage` a last chunk without choices holds the usage, and all others hold null.
    """
    head = {key: completion[key] for key in ("id", "created", "model", "system_fingerprint") if key in completion}
    head |= {"object": "chat.completion.chunk"} | ({"usage": None} if usage else {})
    for choice in completion.get("choices") or ():
        at, message = choice.get("index", 0), choice.get("message") or {}
        deltas: list[dict[str, Any]] = [{"role": message.get("role", "assistant"), "content": ""}]
        deltas += [{"content": word} for word in _WORDS.findall(message.get("content") or "")]
        deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message.get("tool_calls") or ())]
        if message.get("refusal"):
            deltas.append({"refusal": message["refusal"]})
        for delta in deltas:
            yield {**head, "choices": [{"index": at, "delta": delta, "logprobs": None, "finish_reason": None}]}
        ending = {"index": at, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason", "stop")}
        yield {**head, "choices": [ending]}
    if usage:
        yield {**head, "choices": [], "usage": completion.get("usage")}


async def _read_body(receive: _Receive) -> bytes | None:
    """The request's body; None: too large."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        event = await receive()
        part = event.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        more = event.get("more_body", False)
    return b"".join(parts) if size <= MAX_BODY_BYTES else None


async def serve(index: ReplayIndex, *, port: int, speedup: float, ready_file: Path | None) -> None:
    """Serve until the process is told to stop.

    `port` 0 takes a free one. Once requests are answered, `ready_file` gets {"url", "port", "pid", "answers"}.

    Raises:
        UsageError: the port is taken or may not be used.

    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"port {port} of {HOST} can't be used ({error}); choose another one, or 0") from error
        app = ReplayApp(index, speedup=speedup)
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", access_log=False, log_level="warning", http="httptools", ws="none")
        )
        announcing = asyncio.create_task(_announce(server, listener.getsockname()[1], index.answers, ready_file))
        await server.serve(sockets=[listener])
        if announcing.done():
            announcing.result()
        announcing.cancel()


async def _announce(server: uvicorn.Server, port: int, answers: int, ready_file: Path | None) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, but no event
        await asyncio.sleep(0.01)
    state = {"url": f"http://{HOST}:{port}/v1", "port": port, "pid": os.getpid(), "answers": answers}
    if ready_file is not None:
        # Renamed into place, so that nobody reads half of it.
        draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}.part")
        try:
            draft.write_text(json.dumps(state), encoding="utf-8")
            draft.replace(ready_file)
        except OSError as error:
            server.should_exit = True
            raise UsageError(
                f"{ready_file} can't be written ({error.strerror}); name a file in a folder of yours"
            ) from (error)
    sys.stderr.write(f"replayed frontier model: {answers} logged answers at {state['url']}\n")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the server from the command line; the return value is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tierwright.app.demo.replay", description=(__doc__ or "")[:80])
    parser.add_argument("--log", type=Path, required=True, help="traffic log, JSON lines, plain or gzip")
    parser.add_argument("--port", type=int, default=0, help="on the loopback interface; 0: a free one")
    parser.add_argument("--speedup", type=float, default=20.0, help="how much faster than the log; inf: at once")
    parser.add_argument("--ready-file", type=Path, help="gets the address as JSON once the server answers")
    given = parser.parse_args(arguments)
    try:
        index = ReplayIndex.from_log(given.log)
        if index.bad_lines:
            sys.stderr.write(f"{given.log}: {len(index.bad_lines)} lines left out, the first is {index.bad_lines[0]}\n")
        asyncio.run(serve(index, port=given.port, speedup=given.speedup, ready_file=given.ready_file))
    except TierwrightError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
