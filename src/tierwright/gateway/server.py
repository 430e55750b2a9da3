"""The gateway as a plain ASGI application: addresses, methods, keys, bodies, health and life cycle.

Owns the outermost `except`: whatever happens, a caller gets one OpenAI-shaped error and never a traceback.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from tierwright.core.inference import Endpoint
from tierwright.gateway import problems, wire
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.counting import CountingDialect
from tierwright.gateway.dialects.messages import MessagesDialect
from tierwright.gateway.dialects.plain import PlainDialect
from tierwright.gateway.dialects.responses import ResponsesDialect
from tierwright.gateway.health import ALIVE, LIVELINESS, READINESS, readiness_status
from tierwright.gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.protocols import Backend
    from tierwright.gateway.asgi import Message, Receive, Scope, Send
    from tierwright.gateway.auth import Authenticator
    from tierwright.gateway.dialects.dialect import Dialect
    from tierwright.gateway.exchange import Exchange
    from tierwright.gateway.feedback import FeedbackDesk
    from tierwright.gateway.health import MonitorState
    from tierwright.gateway.metrics import Metrics
    from tierwright.gateway.upstreams.upstreams import UpstreamsState

_LOG = logging.getLogger(__name__)
_MODELS, _FEEDBACK = "/v1/models", "/v1/feedback"
_MODEL = "/v1/models/"
_READ = ("GET", "HEAD")
_WRITE = ("POST",)
#: What callers speak, by the address they speak it at.
DIALECTS: Mapping[str, Dialect] = {
    wire.PATHS[dialect.endpoint]: dialect
    for dialect in (
        ChatDialect(),
        ResponsesDialect(),
        MessagesDialect(),
        CountingDialect(),
        PlainDialect(Endpoint.EMBEDDINGS),
        PlainDialect(Endpoint.MODERATIONS),
    )
}
_METHODS = {
    **dict.fromkeys((*DIALECTS, _FEEDBACK), _WRITE),
    **dict.fromkeys((_MODELS, LIVELINESS, READINESS), _READ),
}
_IDENTITY = (None, b"identity")
#: Seconds that answers cut by the server's own deadline have to record what they got.
_CUT_GRACE_S = 2.0


class _Gone(Exception):  # noqa: N818 - a state, as in HTTP
    """The caller left before its request was complete."""


@dataclass(slots=True)
class _Life:
    started_at_s: int = 0
    ready: bool = False
    #: Requests under way that began with fittings which have been replaced since are counted, too.
    in_flight: int = 0


@dataclass(slots=True, kw_only=True)
class Fittings:
    """What requests are answered with. Replaced as a whole: what began with one ends with it."""

    exchange: Exchange
    authenticator: Authenticator
    max_body_bytes: int
    #: Requests under way that began with it.
    in_flight: int = 0
    #: Set when the last of them has ended after it was replaced; None: it was not replaced.
    unused: asyncio.Event | None = None


class Gated(Protocol):
    """What the server knows of its privacy gate."""

    def said(self) -> Mapping[str, object]:
        """For readiness: "gate", on or refusing, and "why" it permits nothing; None: it permits what its rules do."""

    async def start(self) -> None:
        """Begins with what looks; before the first request."""

    async def aclose(self) -> None:
        """Ends what looks; after the last request."""


class GatewayApp:
    """The ASGI application; starts and stops its parts with the server's lifespan."""

    def __init__(self, fittings: Fittings, *, feedback: FeedbackDesk, metrics: Metrics) -> None:
        self._fittings = fittings
        self._feedback = feedback
        #: What monitoring reads.
        self.metrics = metrics
        metrics.watch(
            in_flight=lambda: self._life.in_flight,
            capture=fittings.exchange.capture.state,
            upstreams=self._upstreams_state,
        )
        metrics.watch_second(fittings.exchange.second.state)
        self._life = _Life()
        #: Why the last change of the settings was refused; None: it was not.
        self.settings_error: str | None = None
        #: How looking after the specialists is doing; None: it is not done here.
        self.monitor: MonitorState | None = None
        self._gate: Gated | None = None
        #: What was replaced and may still have requests under way.
        self._outgoing: list[Fittings] = []
        #: Those that close what replaced fittings leave behind.
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    def watched_by(self, state: MonitorState) -> None:
        """Told that this process looks after the specialists, and how it is doing."""
        self.monitor = state
        self.metrics.watch_monitor(state)

    def gated_by(self, gate: Gated) -> None:
        """Told that there is a privacy gate; it begins and ends with the server."""
        self._gate = gate

    async def start(self) -> None:
        """Loads what is deployed and starts the capture; called by the server's lifespan."""
        exchange = self._fittings.exchange
        self._life.started_at_s = int(exchange.sources.clock().timestamp())
        exchange.capture.start()
        if self._gate is not None:
            await self._gate.start()
        await exchange.specialists.start()
        exchange.second.start()
        self._life.ready = True

    async def aclose(self) -> None:
        """Stops every part and stores what was captured; called by the server's lifespan when answers have ended."""
        self._life.ready = False
        for _ in range(int(_CUT_GRACE_S / 0.02)):
            if not self._life.in_flight:
                break
            await asyncio.sleep(0.02)
        exchange = self._fittings.exchange
        await exchange.second.aclose()
        if self._gate is not None:
            await self._gate.aclose()
        await exchange.specialists.aclose()
        await exchange.catalogue.aclose()
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await exchange.capture.aclose()
        # Last: what was said a second time is added to what the capture has stored.
        await exchange.second.flush()

    def adopt(self, fittings: Fittings, *, left: Sequence[Backend] = ()) -> None:
        """Answers with other fittings from the next request on; on the event loop.

        `left`: the backends that no longer serve. Fittings before the last may use them, too, so they are closed when
        whatever began before has ended.
        """
        old, self._fittings = self._fittings, fittings
        old.unused = asyncio.Event()
        if not old.in_flight:
            old.unused.set()
        self._outgoing = [*(one for one in self._outgoing if one.in_flight), old]
        if left:
            closing = asyncio.create_task(
                _close_unused([one.unused for one in self._outgoing if one.unused], left),
                name="tierwright-close-backends",
            )
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            _LOG.critical("the gateway can't start (%s); please report it", error.__class__.__name__)
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticing(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                message["headers"].append(wire.NO_STORE)
            await send(message)

        fittings = self._fittings
        self._life.in_flight += 1
        fittings.in_flight += 1
        try:
            await self._dispatch(fittings, scope, receive, noticing)
        except _Gone:
            pass
        except Exception as error:  # noqa: BLE001 - the outermost loop of the server
            # Neither the message nor the source lines of a traceback are known to be free of a prompt's text.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            _LOG.error(
                "a request failed unexpectedly: %s at %s:%s; please report it",
                error.__class__.__name__,
                frame.filename,
                frame.lineno,
            )
            if begun:
                # An answer that has begun can only be cut: the server closes the connection.
                raise RuntimeError("the answer could not be completed") from None
            await _send_problem(scope["path"], problems.internal_error(), send)
        finally:
            self._life.in_flight -= 1
            fittings.in_flight -= 1
            if fittings.unused is not None and not fittings.in_flight:
                fittings.unused.set()

    async def _dispatch(self, fittings: Fittings, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        methods = _READ if path.startswith(_MODEL) else _METHODS.get(path)
        if methods is None:
            await _send_problem(path, problems.unknown_url(method, path), send)
        elif method not in methods:
            problem = problems.method_not_allowed(method, path, methods[0])
            await _send_problem(path, problem, send, more=((b"allow", ", ".join(methods).encode("ascii")),))
        elif path == LIVELINESS:
            await _send_bytes(200, ALIVE, send)
        elif path == READINESS:
            state = self.readiness()
            await _send_json(readiness_status(state), state, send)
        else:
            headers = wire.headers_in(scope["headers"])
            caller = fittings.authenticator.caller_of(headers)
            if isinstance(caller, Problem):
                await _send_problem(path, caller, send, more=((b"www-authenticate", b"Bearer"),))
            elif path == _MODELS:
                listed = await fittings.exchange.models(caller, created=self._life.started_at_s)
                await _send_json(200, {"object": "list", "data": listed}, send)
            elif path.startswith(_MODEL):
                listed = await fittings.exchange.models(caller, created=self._life.started_at_s)
                await _send_model(path.removeprefix(_MODEL), listed, send)
            else:
                body = await _body(headers, receive, fittings.max_body_bytes)
                if isinstance(body, Problem):
                    await _send_problem(path, body, send)
                elif path == _FEEDBACK:
                    status, answer = await self._feedback.take(body, headers, caller)
                    await _send_bytes(status, answer, send)
                else:
                    await fittings.exchange.answer(DIALECTS[path], body, headers, caller, receive=receive, send=send)

    def _upstreams_state(self) -> UpstreamsState:
        return self._fittings.exchange.frontier.state()

    def readiness(self) -> dict[str, object]:
        """How the gateway is doing; trouble that costs no answer only shows as degraded."""
        exchange = self._fittings.exchange
        registry, capture = exchange.specialists, exchange.capture.state()
        snapshot = registry.snapshot
        refused = {one.name: one.key_refused for one in self._upstreams_state().backends if one.key_refused is not None}
        trouble = (
            capture.store_error
            or capture.journal_error
            or registry.store_error
            or snapshot.failures
            or self.settings_error
            or refused
            or (self.monitor is not None and self.monitor.trouble)
        )
        gate = {"gate": "off", "why": None} if self._gate is None else self._gate.said()
        serving = self._life.ready and capture.refusal is None and gate["why"] is None
        status = "not_ready" if not serving else "degraded" if trouble else "ready"
        return {
            "status": status,
            "in_flight": self._life.in_flight,
            "settings_error": self.settings_error,
            "capture": {
                "captured": capture.captured,
                "waiting": capture.waiting,
                "spilled": capture.spilled,
                "content_dropped": capture.content_dropped,
                "dropped": capture.dropped,
                "store_error": capture.store_error,
                "journal_error": capture.journal_error,
                "refusal": capture.refusal,
            },
            # HTTP status by the name of a backend that refuses our key.
            "backends": {"key_refused": refused},
            "specialists": {
                "revision": snapshot.revision,
                "live": snapshot.live_tasks,
                "failed": dict(snapshot.failures),
                "store_error": registry.store_error,
            },
            "monitor": None if self.monitor is None else self.monitor.said(),
            "privacy": gate,
        }


async def _close_unused(unused: Sequence[asyncio.Event], backends: Sequence[Backend]) -> None:
    """Closes backends when the last request that may use them has ended, or when it is cancelled."""
    try:
        for one in unused:
            await one.wait()
    finally:
        await asyncio.gather(*(backend.aclose() for backend in backends))


async def _body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes | Problem:
    """The whole body. One that is too large is refused as soon as that is known, and not held."""
    if headers.get(b"content-encoding") not in _IDENTITY:
        return problems.unsupported_encoding()
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        return problems.too_large(limit)
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > limit:
            return problems.too_large(limit)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _send_json(status: int, value: Mapping[str, object], send: Send) -> None:
    await _send_bytes(status, msgspec.json.encode(value), send)


async def _send_model(name: str, listed: Sequence[Mapping[str, object]], send: Send) -> None:
    """One of the models listed; a model that is not for the caller is answered as one that is not there."""
    found = next((model for model in listed if model["id"] == name), None)
    if found is None:
        await _send_problem(_MODEL, problems.model_not_found(name), send)
    else:
        await _send_json(200, found, send)


async def _send_problem(path: str, problem: Problem, send: Send, *, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """The error in the form of the API that is spoken at an address; in OpenAI's where none is."""
    dialect = DIALECTS.get(path)
    body = problem.body() if dialect is None else dialect.problem(problem)
    await _send_bytes(problem.status, body, send, more=more)


async def _send_bytes(status: int, body: bytes, send: Send, *, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    headers = [(b"content-type", wire.JSON), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
