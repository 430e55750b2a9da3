"""Asks model servers: one after the other until one answers, and passes its answer on.

Owns the attempts of one request: what is sent, what a failure leads to, and that an answer which has begun is never
begun again. Refuses to know who is asked next (`search`), what may leave (`egress`) and what the bodies say
(`dialects`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.errors import BackendBroken, BackendError
from tierwright.core.inference import CallRole
from tierwright.core.privacy import Outgoing
from tierwright.gateway import problems, wire
from tierwright.gateway.clearance import Closed
from tierwright.gateway.egress import Denied, Egress
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.passages import Passages
from tierwright.gateway.problems import Problem
from tierwright.gateway.relay import Relay, too_deep, too_long
from tierwright.gateway.search import Search
from tierwright.gateway.trail import Attempt
from tierwright.gateway.upstreams.failures import classify_error, classify_status
from tierwright.gateway.upstreams.lease import AttemptRole, RefusalReason, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.inference import ModelCall
    from tierwright.core.protocols import Reply
    from tierwright.gateway.call import Call
    from tierwright.gateway.catalogue import ServedBackend
    from tierwright.gateway.clearance import Clearance
    from tierwright.gateway.dialects.dialect import Asked, Dialect, Passage, StreamPassage
    from tierwright.gateway.pseudonymising.desk import PseudonymDesk
    from tierwright.gateway.sources import Sources
    from tierwright.gateway.trail import Trail
    from tierwright.gateway.upstreams.lease import Lease
    from tierwright.gateway.upstreams.upstreams import Upstreams, UpstreamsState

_ROLES = {AttemptRole.RETRY: CallRole.RETRY}
#: Members of a request that say how an answer is streamed.
_OF_STREAMS = frozenset({"stream", "stream_options"})
_BUSY = frozenset({RefusalReason.TOO_BUSY})
_NOT_NOW = frozenset({RefusalReason.CIRCUITS_OPEN, RefusalReason.COOLING_DOWN, RefusalReason.TOO_BUSY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One request that a model server is to answer."""

    call: Call
    asked: Asked
    #: The model, as callers name it.
    model: str
    #: Why a model server is asked at all: the role of the first attempt.
    role: CallRole
    #: Number in [0, 1) by which deployments of equal rank are chosen, the same for a conversation; None: a new one.
    sticky: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request that was answered already, and that a model server is to answer once more, for nobody who waits."""

    dialect: Dialect
    asked: Asked
    #: The model, as callers name it.
    model: str
    role: CallRole
    trail: Trail


class _Answer(NamedTuple):
    """An error that the caller gets unless somebody else answers."""

    status: int
    body: bytes
    code: str
    headers: tuple[tuple[bytes, bytes], ...]
    content_type: bytes


class Frontier:
    """The model servers of one gateway."""

    def __init__(
        self,
        upstreams: Upstreams,
        backends: Mapping[str, ServedBackend],
        *,
        clearance: Clearance,
        sources: Sources,
        request_timeout_s: float,
        most_bytes: int,
        pseudonyms: PseudonymDesk | None = None,
    ) -> None:
        """`most_bytes`: a longer answer is broken, in one piece or streamed; `pseudonyms` as in `Passages`."""
        self._upstreams = upstreams
        self._backends = backends
        self._clearance = clearance
        self._passages = Passages(clearance, pseudonyms)
        self._egress = Egress(clearance)
        self._sources = sources
        self._request_timeout_s = request_timeout_s
        self._most_bytes = most_bytes

    def state(self) -> UpstreamsState:
        """How the model servers are doing."""
        return self._upstreams.state()

    async def answer(self, errand: Errand) -> None:
        """Answers the caller: with the first server's answer, or with the error of the last that was asked."""
        deadline = errand.call.trail.began + self._request_timeout_s
        trail = errand.call.trail
        search = Search(self._clearance, self._upstreams, errand.model, trail, deadline=deadline, sticky=errand.sticky)
        last: _Answer | None = None
        while True:
            found = await search.next()
            if isinstance(found, Closed):
                found = self._clearance.refuse(errand.model, trail, found, role=errand.role)
            if isinstance(found, Problem):
                await errand.call.refuse(found)
                return
            if isinstance(found, Refused):
                break
            with found as lease:
                try:
                    last = await self._attempt(errand, lease)
                except Denied as denied:
                    search.denied(lease, denied)
                    continue
            if last is None:
                return
        if last is not None and not (found.why is RefusalReason.DEADLINE and last.status >= 500):
            await self._give(errand.call, last)
        elif found.why in _NOT_NOW:
            busy = found.why in _BUSY
            after = found.retry_after_s
            await errand.call.refuse(problems.nobody_to_ask(errand.model, busy=busy, retry_after_s=after))
        else:
            await errand.call.refuse(problems.out_of_time())

    async def ask(self, query: Query) -> tuple[ModelCall, bytes | None] | None:
        """Asks one server once, in one piece: the call, and the chat.completion it brought; None: it brought none.

        None in place of both: nobody can be asked now, or not for this.
        """
        deadline = self._sources.timer() + self._request_timeout_s
        search = Search(self._clearance, self._upstreams, query.model, query.trail, deadline=deadline, sticky=None)
        while True:
            found = await search.next()
            if isinstance(found, Closed | Problem | Refused):
                return None
            with found as lease:
                try:
                    return await self._query(query, lease)
                except Denied as denied:
                    search.denied(lease, denied)

    async def _query(self, query: Query, lease: Lease) -> tuple[ModelCall, bytes | None] | None:
        trail, served = query.trail, self._backends[lease.deployment.backend]
        asked = in_one_piece(query.dialect, query.asked)
        passage = (
            asked
            if isinstance(asked, Problem)
            else await self._passages.find(query.dialect, asked, trail, served, model=lease.upstream_model, headers={})
        )
        if isinstance(passage, Problem):
            return None
        outgoing = Outgoing(passage.path, passage.body)
        name = served.backend.name
        permit = await self._egress.permit(trail, query.role, outgoing, backend=name, attempt=lease.number)
        attempt = Attempt(query.role, name, lease.model, self._sources.clock(), self._sources.timer())
        timeout_s = max(0.001, lease.attempt_deadline - attempt.began)
        status: int | None = None
        try:
            reply = await self._egress.send(served.backend, outgoing, permit, timeout_s=timeout_s)
            status = reply.status
            try:
                body = await self._read(reply, attempt.backend)
            finally:
                await reply.aclose()
            if status >= 300:
                code = wire.code_in(body)
                lease.failed(classify_status(status, reply.headers, clock=self._sources.clock, code=code))
                return attempt.call(self._sources.timer(), status=status, error_code=problems.UPSTREAM_ERROR), None
            carried = passage.whole(body)
            if carried is None:
                raise BackendBroken(f"the backend '{attempt.backend}' answered HTTP {status} with no such answer")
        except BackendError as error:
            lease.failed(classify_error(error))
            code = problems.upstream_failed(error).code
            return attempt.call(self._sources.timer(), status=status, error_code=code), None
        except RecursionError:
            lease.failed(classify_error(too_deep(attempt.backend)))
            return attempt.call(self._sources.timer(), status=status, error_code=problems.UPSTREAM_BROKEN), None
        lease.succeeded()
        tally = trail.tally(carried.usage, attempt.model, carried.model)
        ended = self._sources.timer()
        return attempt.call(ended, status=status, upstream_id=carried.upstream_id, tally=tally), carried.content

    async def _give(self, call: Call, last: _Answer) -> None:
        """Answers with the error of the last server that was asked."""
        trail = call.trail
        if last.code == problems.UPSTREAM_ERROR:
            trail.calls[-1] = replace(trail.calls[-1], answered=True)
            # What a proxy on the way writes is often HTML; only JSON is kept.
            trail.response = last.body if last.body[:1] == b"{" else None
        await call.answer(last.body, last.content_type, last.headers, status=last.status, code=last.code)

    async def _attempt(self, errand: Errand, lease: Lease) -> _Answer | None:
        """One attempt; None: the caller has been answered, whatever with. Raises Denied where nobody was asked."""
        trail, sources = errand.call.trail, self._sources
        served = self._backends[lease.deployment.backend]
        passage = await self._passages.find(
            errand.call.dialect,
            errand.asked,
            trail,
            served,
            model=lease.upstream_model,
            headers=errand.call.headers,
        )
        if isinstance(passage, Problem):
            await errand.call.refuse(passage)
            return None
        stands_in = lease.model != errand.model
        role = CallRole.FALLBACK if stands_in else _ROLES.get(lease.role_hint, errand.role)
        outgoing = Outgoing(passage.path, passage.body, wire.forwarded(errand.call.headers))
        name = served.backend.name
        permit = await self._egress.permit(trail, role, outgoing, backend=name, attempt=lease.number)
        # What the gate takes is our own time, and no server's.
        attempt = Attempt(role, name, lease.model, sources.clock(), sources.timer())
        timeout_s = max(0.001, lease.attempt_deadline - attempt.began)
        try:
            reply = await self._egress.send(served.backend, outgoing, permit, timeout_s=timeout_s)
        except BackendError as error:
            return self._failed(errand, lease, attempt, error, None)
        try:
            if reply.status >= 300:
                return await self._refused(errand, lease, attempt, passage, reply)
            # Whoever asked for no stream could not read one, whatever the answer is called.
            if errand.asked.stream and reply.headers.get("content-type", "").startswith("text/event-stream"):
                await self._relay(errand, lease, attempt, passage.stream(), reply)
                return None
            return await self._pass_on(errand, lease, attempt, passage, reply)
        finally:
            await reply.aclose()

    def _failed(
        self, errand: Errand, lease: Lease, attempt: Attempt, error: BackendError, status: int | None
    ) -> _Answer:
        """Nobody answered."""
        lease.failed(classify_error(error))
        problem = problems.upstream_failed(error)
        errand.call.trail.calls.append(attempt.call(self._sources.timer(), status=status, error_code=problem.code))
        return _Answer(problem.status, errand.call.dialect.problem(problem), problem.code, problem.headers(), wire.JSON)

    async def _refused(
        self, errand: Errand, lease: Lease, attempt: Attempt, passage: Passage, reply: Reply
    ) -> _Answer | None:
        """The server answered with an error."""
        try:
            body = await self._read(reply, attempt.backend)
        except BackendError as error:
            return self._failed(errand, lease, attempt, error, reply.status)
        failure = classify_status(reply.status, reply.headers, clock=self._sources.clock, code=wire.code_in(body))
        lease.failed(failure)
        code = problems.UPSTREAM_ERROR
        errand.call.trail.calls.append(attempt.call(self._sources.timer(), status=reply.status, error_code=code))
        content_type = reply.headers.get("content-type", "application/json").encode("latin-1")
        body = passage.refusal(reply.status, body)
        return _Answer(reply.status, body, code, _passed_on(errand.call.trail, reply), content_type)

    async def _pass_on(
        self, errand: Errand, lease: Lease, attempt: Attempt, passage: Passage, reply: Reply
    ) -> _Answer | None:
        """Passes on an answer that comes in one piece."""
        trail, status = errand.call.trail, reply.status
        try:
            carried = passage.whole(await self._read(reply, attempt.backend))
            if carried is None:
                raise BackendBroken(
                    f"the backend '{attempt.backend}' answered HTTP {status} with something that is no such answer; "
                    "check its base_url"
                )
        except BackendError as error:
            return self._failed(errand, lease, attempt, error, status)
        except RecursionError:
            return self._failed(errand, lease, attempt, too_deep(attempt.backend), status)
        lease.succeeded()
        tally = trail.tally(carried.usage, attempt.model, carried.model)
        trail.calls.append(
            attempt.call(
                self._sources.timer(), status=status, answered=True, upstream_id=carried.upstream_id, tally=tally
            )
        )
        trail.response = carried.content
        await errand.call.answer(carried.body, wire.JSON, _passed_on(trail, reply), status=status)
        return None

    async def _relay(self, errand: Errand, lease: Lease, attempt: Attempt, stream: StreamPassage, reply: Reply) -> None:
        """Passes on a stream, event by event; what was received is kept, however it ends."""
        trail = errand.call.trail
        lease.succeeded()
        trail.streamed, trail.stream, trail.status = True, stream, reply.status
        # The headers leave before anything is known of the end.
        trail.calls.append(attempt.call(self._sources.timer(), status=reply.status, answered=True))
        await errand.call.begin(wire.EVENT_STREAM, _passed_on(trail, reply))
        error = await Relay(errand.call, attempt, stream, most_bytes=self._most_bytes).run(reply)
        if error is not None:
            lease.failed(classify_error(error))

    async def _read(self, reply: Reply, backend: str) -> bytes:
        """The whole body. Raises BackendBroken where it is longer than any answer."""
        pieces: list[bytes] = []
        size = 0
        async for piece in reply.chunks():
            size += len(piece)
            if size > self._most_bytes:
                raise too_long(backend, self._most_bytes)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _passed_on(trail: Trail, reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in reply.headers.items()
        # A caller with limits of its own is told of these, and not of what the gateway itself may use.
        if name != "content-type" and not (trail.limit_headers and name.startswith("x-ratelimit-"))
    )


def in_one_piece(dialect: Dialect, asked: Asked) -> Asked | Problem:
    """The same request, for an answer in one piece."""
    if not asked.stream:
        return asked
    members = {name: value for name, value in asked.payload.items() if name not in _OF_STREAMS}
    return dialect.read(encoded(members), {})
