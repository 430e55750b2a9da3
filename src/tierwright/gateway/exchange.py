"""One chat completion from its body to its answer: specialist or frontier model, plain or streamed, and its capture.

Owns the order of steps: read, recognise, route, ask, answer, capture. Every request that names a model is captured
once, whatever becomes of it. Refuses to know how connections, stores and models work.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwright.core.errors import BackendBroken, BackendError
from tierwright.core.ids import InferenceId, uuid7
from tierwright.core.inference import CallRole, ModelCall, RouteReason
from tierwright.gateway import problems, wire
from tierwright.gateway.batching import Failed
from tierwright.gateway.config import SPECIALIST
from tierwright.gateway.local import LocalAnswer
from tierwright.gateway.policy import draw_of
from tierwright.gateway.presence import Presence
from tierwright.gateway.problems import Problem
from tierwright.gateway.reassemble import reassemble
from tierwright.gateway.splice import replace_id
from tierwright.gateway.sse import ChunkStream
from tierwright.gateway.trail import Attempt, Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tierwright.core.protocols import Backend, Reply, RoutePolicy
    from tierwright.gateway.asgi import Receive, Send
    from tierwright.gateway.capture import Capture
    from tierwright.gateway.catalogue import Catalogue
    from tierwright.gateway.recognise import Recognised
    from tierwright.gateway.specialists import LiveSpecialist, SpecialistRegistry
    from tierwright.gateway.trail import Price
    from tierwright.gateway.wire import Asked

_PATH = "/chat/completions"
_NO_CACHE = ((b"cache-control", b"no-cache"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the world tells the gateway."""

    #: The time of day, aware.
    clock: Callable[[], datetime]
    #: At least 10 random bytes a call; asking for thousands at once is cheaper, since what is left over is kept.
    entropy: Callable[[], bytes]
    #: Seconds of a clock that never goes back.
    timer: Callable[[], float] = time.perf_counter


class EntropyPool:
    """Hands out random bytes by tens: a system call for each request would give its processor away each time."""

    __slots__ = ("_at", "_pool", "_source")

    def __init__(self, source: Callable[[], bytes]) -> None:
        self._source = source
        self._pool = b""
        self._at = 0

    def draw(self) -> bytes:
        """Ten bytes that are handed out once."""
        if self._at + 10 > len(self._pool):
            self._pool, self._at = self._source(), 0
        at = self._at
        self._at = at + 10
        return self._pool[at : at + 10]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Answers chat completions."""

    catalogue: Catalogue
    specialists: SpecialistRegistry
    policy: RoutePolicy
    capture: Capture
    price: Price
    sources: Sources
    entropy: EntropyPool
    #: Whether a request may say when it was first made.
    accept_recorded_at: bool

    async def answer(
        self, body: bytes, headers: Mapping[bytes, bytes], client_id: str, *, receive: Receive, send: Send
    ) -> None:
        """Answers one request, whose body has just arrived, and captures it."""
        trail = self._begin(body, headers, client_id)
        asked = wire.read_body(body)
        if not isinstance(asked, Problem) and self.accept_recorded_at:
            recorded = wire.recorded_at(headers)
            if isinstance(recorded, Problem):
                asked = recorded
            elif recorded is not None:
                trail.created_at = recorded
        if isinstance(asked, Problem):
            # It names no model and no task: there is nothing to learn from it, and nothing was spent.
            await self._send_problem(trail, asked, send)
            return
        trail.model = asked.request.model
        try:
            await self._serve(trail, asked, headers, receive=receive, send=send)
        except asyncio.CancelledError:
            trail.error_code = problems.SHUT_DOWN
            raise
        finally:
            trail.ended = self.sources.timer()
            self.capture.put(trail.inference, trail.size_bytes)

    def _begin(self, body: bytes, headers: Mapping[bytes, bytes], client_id: str) -> Trail:
        now = self.sources.clock()
        workload = headers.get(wire.WORKLOAD)
        return Trail(
            id=InferenceId("chatcmpl-" + uuid7(now, self.entropy.draw())),
            created_at=now,
            client_id=client_id,
            workload_id=None if workload is None else workload.decode("latin-1"),
            began=self.sources.timer(),
            request=body,
            model="",
            price=self.price,
        )

    async def _serve(
        self, trail: Trail, asked: Asked, headers: Mapping[bytes, bytes], *, receive: Receive, send: Send
    ) -> None:
        snapshot = self.specialists.snapshot
        found = snapshot.index.recognise(asked.request)
        if found is not None:
            trail.task_id = found.task.id
            trail.task_label = snapshot.labels[found.task.id]
        backend = self.catalogue.serving(trail.model)
        if backend is None:
            await self._send_problem(trail, problems.model_not_found(trail.model), send)
            return
        role = CallRole.PRIMARY
        live = snapshot.specialists.get(found.task.id) if found is not None and asked.for_specialists else None
        if live is None or found is None:
            trail.route = self.policy.decide(None, draw=0.0)
        else:
            draw = draw_of(found.task.id, wire.conversation_of(headers) or trail.id)
            trail.route = self.policy.decide(live.deployment, draw=draw)
            if trail.route.reason is RouteReason.SPECIALIST:
                local = await self._ask_specialist(trail, asked, found, live)
                if isinstance(local, LocalAnswer):
                    await self._send_local(trail, asked, local, send)
                    return
                role = local
        await self._ask_frontier(trail, backend, role, headers, receive=receive, send=send)

    async def _ask_specialist(
        self, trail: Trail, asked: Asked, found: Recognised, live: LiveSpecialist
    ) -> LocalAnswer | CallRole:
        """The specialist's answer, or the role in which the frontier model is to be asked; the route says why."""
        started_at, began = self.sources.clock(), self.sources.timer()
        outcome = await live.queue.predict(found.input)
        call = ModelCall(
            role=CallRole.PRIMARY,
            backend=SPECIALIST,
            model=live.model,
            model_version_id=live.version.id,
            started_at=started_at,
            latency_ms=(self.sources.timer() - began) * 1000,
            status=None,
            answered=False,
        )
        if isinstance(outcome, Failed):
            trail.calls.append(replace(call, error_code=outcome.code))
            trail.route = replace(trail.route, reason=RouteReason.SPECIALIST_FAILED)
            return CallRole.FALLBACK
        confidence = outcome.prediction.confidence
        call = replace(call, status=200, cost_usd=live.terms.cost_usd(outcome.seconds))
        # A confidence that is no number is not above the threshold.
        if not confidence >= live.deployment.threshold:
            trail.calls.append(call)
            trail.route = replace(trail.route, reason=RouteReason.LOW_CONFIDENCE, confidence=confidence)
            return CallRole.ESCALATION
        usage = live.terms.usage(wire.characters_of(asked.request))
        trail.route = replace(trail.route, confidence=confidence)
        trail.calls.append(
            replace(
                call,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                answered=True,
            )
        )
        return LocalAnswer(
            inference_id=trail.id,
            model=trail.model,
            content=outcome.prediction.output,
            usage=usage,
            version_id=live.version.id,
            created_at=self.sources.clock(),
        )

    async def _send_local(self, trail: Trail, asked: Asked, local: LocalAnswer, send: Send) -> None:
        trail.status, trail.error_code = 200, None
        trail.response = local.completion()
        if asked.request.stream:
            trail.streamed = True
            events = local.events(include_usage=asked.include_usage)
            await self._send(trail, events, send, content_type=wire.EVENT_STREAM, more=_NO_CACHE)
        else:
            await self._send(trail, trail.response, send, content_type=wire.JSON)

    async def _ask_frontier(
        self,
        trail: Trail,
        backend: Backend,
        role: CallRole,
        headers: Mapping[bytes, bytes],
        *,
        receive: Receive,
        send: Send,
    ) -> None:
        attempt = Attempt(role, backend.name, trail.model, self.sources.clock(), self.sources.timer())
        try:
            reply = await backend.send(_PATH, trail.request, headers=wire.forwarded(headers))
        except BackendError as error:
            await self._send_failure(trail, attempt, None, error, send)
            return
        try:
            if reply.status < 300 and reply.headers.get("content-type", "").startswith("text/event-stream"):
                await self._relay(trail, reply, attempt, receive=receive, send=send)
            else:
                await self._pass_on(trail, reply, attempt, send)
        finally:
            await reply.aclose()

    async def _pass_on(self, trail: Trail, reply: Reply, attempt: Attempt, send: Send) -> None:
        """Passes on an answer that comes in one piece."""
        status = reply.status
        try:
            body = b"".join([chunk async for chunk in reply.chunks()])
            spliced = replace_id(body, trail.id) if status < 300 else None
            if status < 300 and spliced is None:
                raise BackendBroken(
                    f"the backend '{attempt.backend}' answered HTTP {status} with something that is no JSON object; "
                    "check its base_url"
                )
        except BackendError as error:
            await self._send_failure(trail, attempt, status, error, send)
            return
        ended = self.sources.timer()
        if spliced is None:
            trail.error_code = problems.UPSTREAM_ERROR
            trail.calls.append(attempt.call(ended, status=status, error_code=problems.UPSTREAM_ERROR, answered=True))
            # What a proxy on the way writes is often HTML; only JSON is kept.
            trail.response = body if replace_id(body, trail.id) is not None else None
        else:
            trail.error_code = None
            tally = trail.tally(spliced.head)
            upstream_id = spliced.upstream_id
            trail.calls.append(attempt.call(ended, status=status, answered=True, upstream_id=upstream_id, tally=tally))
            trail.response = body = spliced.body
        trail.status = status
        content_type = reply.headers.get("content-type", "application/json").encode("latin-1")
        await self._send(trail, body, send, content_type=content_type, more=_passed_on(reply))

    async def _relay(self, trail: Trail, reply: Reply, attempt: Attempt, *, receive: Receive, send: Send) -> None:
        """Passes on a stream, chunk by chunk; what was received is kept, however it ends."""
        stream = ChunkStream(trail.id)
        trail.streamed, trail.stream, trail.status = True, stream, reply.status
        # The headers leave before anything is known of the end.
        trail.calls.append(attempt.call(self.sources.timer(), status=reply.status, answered=True))
        content_type = reply.headers["content-type"].encode("latin-1")
        await send(self._start(trail, content_type, None, (*_NO_CACHE, *_passed_on(reply))))
        # Stands in the capture where this task is cancelled on the way.
        code: str | None = problems.SHUT_DOWN
        error: BackendError | None = None
        try:
            async with Presence(receive) as presence:
                error = await _pump(reply, stream, send, attempt.backend)
            code = _how_it_ended(presence, error, stream)
        finally:
            trail.error_code = code
            trail.calls[-1] = attempt.call(
                self.sources.timer(),
                status=reply.status,
                error_code=code,
                answered=True,
                upstream_id=stream.upstream_id,
            )

    async def _send_failure(
        self, trail: Trail, attempt: Attempt, status: int | None, error: BackendError, send: Send
    ) -> None:
        problem = problems.upstream_failed(error)
        trail.calls.append(attempt.call(self.sources.timer(), status=status, error_code=problem.code))
        await self._send_problem(trail, problem, send)

    async def _send_problem(self, trail: Trail, problem: Problem, send: Send) -> None:
        trail.status, trail.error_code, trail.response = problem.status, problem.code, problem.body()
        await self._send(trail, trail.response, send, content_type=wire.JSON)

    async def _send(
        self,
        trail: Trail,
        body: bytes,
        send: Send,
        *,
        content_type: bytes,
        more: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        await send(self._start(trail, content_type, len(body), more))
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _start(
        self, trail: Trail, content_type: bytes, length: int | None, more: tuple[tuple[bytes, bytes], ...]
    ) -> dict[str, object]:
        headers = [(b"content-type", content_type), *more, *trail.headers(self.sources.timer())]
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        return {"type": "http.response.start", "status": trail.status, "headers": headers}


async def _pump(reply: Reply, stream: ChunkStream, send: Send, backend: str) -> BackendError | None:
    """Everything from the backend to the caller; how the backend failed, which the caller has then been told."""
    error: BackendError | None = None
    events = b""
    try:
        async for data in reply.chunks():
            events = stream.feed(data)
            if events:
                await send({"type": "http.response.body", "body": events, "more_body": True})
        events = stream.close()
        if not (stream.done or stream.saw_error or reassemble(stream.payloads).finished):
            error = BackendBroken(f"the answer of the backend '{backend}' ended before it was complete; try again")
    except BackendError as failure:
        error, events = failure, b""
    if error is not None:
        events += problems.upstream_failed(error).event()
    await send({"type": "http.response.body", "body": events, "more_body": False})
    return error


def _how_it_ended(presence: Presence, error: BackendError | None, stream: ChunkStream) -> str | None:
    if presence.gone:
        return problems.CLIENT_DISCONNECTED
    if error is not None:
        return problems.upstream_failed(error).code
    return problems.UPSTREAM_ERROR if stream.saw_error else None


def _passed_on(reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in reply.headers.items()
        if name != "content-type"
    )
