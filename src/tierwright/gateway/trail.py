"""What is known of one request while it is answered, and the Inference it becomes.

Owns the response headers that tell a caller who answered; written by the event loop first, then read once by the
capture's writer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tierwright.core.chat import decode_answer, decode_request, written
from tierwright.core.errors import InputError
from tierwright.core.inference import CallRole, Content, Endpoint, Inference, ModelCall, Route, RouteReason
from tierwright.gateway import problems
from tierwright.gateway.reassemble import reassemble
from tierwright.gateway.record import Record, decode, encode
from tierwright.gateway.wire import DATA_CLASS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tierwright.core.chat import ChatRequest, Usage
    from tierwright.core.ids import CallerKeyId, InferenceId, TaskId
    from tierwright.core.privacy import Assessment
    from tierwright.gateway.dialects.dialect import StreamPassage
    from tierwright.gateway.pseudonymising.desk import Disguised
    from tierwright.gateway.tenancy.quota import Reservation

    #: US dollars of a call of a model at an instant; None: the model has no price.
    Price = Callable[[str, Usage, datetime], Decimal | None]
    #: Tokens of a request and its answer's text, where the server sent no counts; takes milliseconds.
    Count = Callable[[ChatRequest, str | None, str], Usage]

_LOG = logging.getLogger(__name__)


class Tally(NamedTuple):
    """What an answer says about tokens, and their price."""

    #: None: the provider did not say.
    usage: Usage | None
    #: None: unpriced.
    cost_usd: Decimal | None


_UNCOUNTED = Tally(None, None)
_CHATS = frozenset({Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.MESSAGES})


class Attempt(NamedTuple):
    """A call of a backend that is under way."""

    role: CallRole
    backend: str
    model: str
    started_at: datetime
    #: Seconds of the timer when it began.
    began: float

    def call(
        self,
        ended: float,
        *,
        status: int | None,
        error_code: str | None = None,
        answered: bool = False,
        upstream_id: str | None = None,
        tally: Tally = _UNCOUNTED,
        first_token: float | None = None,
    ) -> ModelCall:
        """The finished call; `ended` and `first_token` are seconds of the timer."""
        return ModelCall(
            role=self.role,
            backend=self.backend,
            model=self.model,
            upstream_id=upstream_id,
            started_at=self.started_at,
            latency_ms=(ended - self.began) * 1000,
            status=status,
            error_code=error_code,
            first_token_ms=None if first_token is None else (first_token - self.began) * 1000,
            answered=answered,
            **_counts(tally),
        )


_UNROUTED = Route(reason=RouteReason.REQUESTED)


@dataclass(slots=True, kw_only=True)
class Trail:
    """The facts of one request, as they become known."""

    id: InferenceId
    created_at: datetime
    client_id: str
    endpoint: Endpoint = Endpoint.CHAT
    #: None: the caller has no key of its own in the store.
    key_id: CallerKeyId | None = None
    workload_id: str | None
    #: The person it is about, as a header says; None: no header says it.
    subject: str | None = None
    #: The trace context that the request came with; None: none that is valid.
    traceparent: str | None = None
    #: Seconds of the timer when the request's last byte had arrived.
    began: float
    #: Seconds of the timer when the answer's last byte had been handed over.
    ended: float = 0.0
    #: As the store keeps it.
    request: bytes
    model: str
    #: Whether content is kept, as far as anybody has a say in it.
    keep_content: bool = True
    #: What the caller's limits have admitted; None: nothing limits it, or nothing was admitted yet.
    reservation: Reservation | None = None
    #: The response headers that tell of the caller's limits.
    limit_headers: tuple[tuple[bytes, bytes], ...] = ()
    #: Whether it has been handed to the capture.
    captured: bool = False
    #: Whether what the server did not count was counted, as far as that is possible.
    counted: bool = False
    #: Whether that is durable, as soon as it is known; None: nobody is to wait for it.
    kept: asyncio.Future[bool] | None = None
    task_id: TaskId | None = None
    #: The task's name as a header value.
    task_label: bytes | None = None
    route: Route = _UNROUTED
    #: The class of the request; None: nobody has looked yet, or no gate is configured.
    assessment: Assessment | None = None
    #: The request as servers get it that may see it with tokens only; None: none was asked.
    disguised: Disguised | None = field(default=None, repr=False)
    #: In the order made.
    calls: list[ModelCall] = field(default_factory=list)
    #: Until an answer is sent the worst is assumed, so that a failure on the way is not taken for an answer.
    status: int = 500
    error_code: str | None = problems.INTERNAL_ERROR
    streamed: bool = False
    response: bytes | None = None
    #: The chunks of a streamed answer of a backend.
    stream: StreamPassage | None = None
    pricing: Pricing

    def headers(self, now: float) -> list[tuple[bytes, bytes]]:
        """The response headers, as far as the facts are known at this second of the timer."""
        found = [
            (b"x-tierwright-inference-id", self.id.encode("ascii")),
            (b"x-tierwright-route-reason", self.route.reason.value.encode("ascii")),
            *self.limit_headers,
        ]
        if self.assessment is not None:
            found.append((DATA_CLASS, self.assessment.data_class.label.encode("ascii")))
        if self.task_label is not None:
            found.append((b"x-tierwright-task", self.task_label))
        cost: Decimal | None = Decimal(0)
        spent_ms = 0.0
        for call in self.calls:
            cost = None if cost is None or call.cost_usd is None else cost + call.cost_usd
            spent_ms += call.latency_ms or 0.0
            if call.answered:
                found.append((b"x-tierwright-served-by", call.backend.encode("ascii")))
        if self.route.confidence is not None:
            found.append((b"x-tierwright-confidence", b"%.4f" % self.route.confidence))
        if cost is not None and self.calls:
            found.append((b"x-tierwright-cost-usd", format(cost, "f").encode("ascii")))
        found.append((b"x-tierwright-overhead-ms", b"%.2f" % max(0.0, (now - self.began) * 1000 - spent_ms)))
        return found

    def tally(self, usage: Usage | None, asked: str, answered_by: str | None) -> Tally:
        """As `Pricing.tally`."""
        return self.pricing.tally(usage, asked, answered_by, self.created_at)

    @property
    def counts_early(self) -> bool:
        """Whether what the server did not count is to be counted before the request is recorded.

        Afterwards there is no text to count where none is kept, and a caller's limits have been settled.
        """
        limited = self.reservation is not None and self.reservation.limited
        return (limited or not self.keep_content) and not self.counted and _lacks_usage(self.calls, self.endpoint)

    def counted_calls(self) -> list[ModelCall]:
        """The calls, with what the server did not count. Takes a while for long texts; changes nothing."""
        return list(self._draft(keep=True).counted_calls())

    def take(self, calls: list[ModelCall]) -> None:
        """Puts counted calls in the place of those that were not."""
        self.calls, self.counted = calls, True

    def settle(self) -> None:
        """Puts what was used in the place of what was reserved."""
        if self.reservation is None:
            return
        tokens, cost = 0, Decimal(0)
        counted = priced = True
        for call in self.calls:
            # A server's error costs nothing; an answer that nobody could count or price costs what was reserved.
            brought = call.answered and call.status is not None and call.status < 300
            if call.cost_usd is not None:
                cost += call.cost_usd
            elif brought:
                priced = False
            if call.model_version_id is not None:
                continue
            if call.prompt_tokens is not None and call.completion_tokens is not None:
                tokens += call.prompt_tokens + call.completion_tokens
            elif brought:
                counted = False
        self.reservation.settle(tokens=tokens if counted else None, cost_usd=cost if priced else None)

    def draft(self) -> Draft:
        """All there is to record: what is left to do with it takes a while and is not done here.

        What `counts_early` speaks of is done.
        """
        return self._draft(keep=self.keep_content)

    def _draft(self, *, keep: bool) -> Draft:
        latency_ms = (self.ended - self.began) * 1000
        calls = tuple(self.calls)
        streamed = self.stream is not None
        assessment = self.assessment
        return Draft(
            Inference(
                id=self.id,
                created_at=self.created_at,
                endpoint=self.endpoint,
                client_id=self.client_id,
                key_id=self.key_id,
                workload_id=self.workload_id,
                task_id=self.task_id,
                model=self.model,
                status=self.status,
                error_code=self.error_code,
                streamed=self.streamed,
                latency_ms=latency_ms,
                overhead_ms=max(0.0, latency_ms - sum(call.latency_ms or 0.0 for call in calls)),
                route=self.route,
                calls=calls,
                request=self.request if keep else None,
                response=self.response if keep and not streamed else None,
                content=Content.KEPT if keep else Content.OFF,
                data_class=None if assessment is None else assessment.data_class,
                findings={} if assessment is None else assessment.seen.counts,
                detectors=None if assessment is None else assessment.detectors,
                subject=self.subject,
            ),
            self.stream.payloads if self.stream is not None and keep else (),
            self.pricing,
            begun=streamed,
            traceparent=self.traceparent,
        )


@dataclass(frozen=True, slots=True)
class Pricing:
    """How what is recorded is counted and priced."""

    price: Price
    #: None: what a server does not count stays unknown.
    count: Count | None = None

    def tally(self, usage: Usage | None, asked: str, answered_by: str | None, at: datetime) -> Tally:
        """The tokens of an answer, priced as the model that was asked for, or else as the one that says it answered."""
        if usage is None:
            return _UNCOUNTED
        if usage.partial:
            return Tally(usage, None)
        cost = self.price(asked, usage, at)
        if cost is None and answered_by is not None and answered_by != asked:
            cost = self.price(answered_by, usage, at)
        return Tally(usage, cost)

    def restored(self, record: bytes) -> Draft:
        """What another process had left in its journal; raises InputError where it can't be read."""
        inference, payloads, traceparent = decode(record)
        return Draft(inference, payloads, self, traceparent=traceparent)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be stored of one request, as far as it was known when it was over."""

    #: Without its answer where that was streamed.
    bare: Inference
    #: The chunks of a streamed answer.
    payloads: Sequence[bytes]
    pricing: Pricing
    #: Whether the caller knows its status already.
    begun: bool = False
    #: The trace context that the request came with; None: none that is valid.
    traceparent: str | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of content held."""
        bare = self.bare
        held = (0 if bare.request is None else len(bare.request)) + (0 if bare.response is None else len(bare.response))
        return held + sum(map(len, self.payloads))

    def record(self) -> list[bytes]:
        """The same as bytes, in parts, for the journal."""
        return encode(Record(self.bare, self.payloads, self.traceparent))

    def without_content(self) -> Draft:
        """What is kept where there is no room for more: the ledger, and in it what only the content can tell."""
        calls = self.counted_calls()
        bare = replace(self.bare, calls=calls, request=None, response=None, content=Content.DROPPED)
        return Draft(bare, (), self.pricing, begun=self.begun, traceparent=self.traceparent)

    def unkept(self) -> Draft:
        """The same where the caller was told of an error instead, because it could not be made durable."""
        status = self.bare.status if self.begun else problems.capture_unavailable().status
        bare = replace(self.bare, status=status, error_code=problems.CAPTURE_UNAVAILABLE)
        return replace(self, bare=bare)

    def counted_calls(self) -> tuple[ModelCall, ...]:
        """The calls, with what the server did not count.

        Fails open, since a caller waits for it: where the answer can't be put together they stay as they are.
        """
        if not _lacks_usage(self.bare.calls, self.bare.endpoint):
            return self.bare.calls
        try:
            return self.inference().calls
        except Exception as error:  # noqa: BLE001 - whatever an answer holds, counting it must not cost the caller it
            _LOG.error("an answer could not be counted (%s); please report it", error.__class__.__name__)
            return self.bare.calls

    def inference(self) -> Inference:
        """The finished record: joins the chunks of a stream, and counts what the server did not. Takes a while."""
        bare = self.bare
        response = bare.response
        if self.payloads:
            response = reassemble(self.payloads, answer_id=bare.id).body
            bare = replace(bare, response=response)
        if response is None or bare.request is None or not _lacks_usage(bare.calls, bare.endpoint):
            return bare
        return replace(bare, calls=(*bare.calls[:-1], self._counted(bare.calls[-1], bare.request, response)))

    def _counted(self, call: ModelCall, request: bytes, response: bytes) -> ModelCall:
        if self.pricing.count is None:
            return call
        try:
            asked = decode_request(request)
        except InputError:
            return call
        try:
            usage = self.pricing.count(asked, written(response), call.model)
        except Exception as error:  # noqa: BLE001 - whatever a tokenizer does, its call stays in the ledger, unpriced
            _LOG.error("tokens could not be counted (%s); the call is kept unpriced", error.__class__.__name__)
            return call
        if call.prompt_tokens is not None:
            # The provider has counted what was asked, and the answer broke off.
            read, write = call.cached_tokens or 0, call.cache_write_tokens or 0
            usage = replace(usage, prompt_tokens=call.prompt_tokens, cached_tokens=read, cache_write_tokens=write)
        answered_by = decode_answer(response).model
        tally = self.pricing.tally(usage, call.model, answered_by, self.bare.created_at)
        return replace(call, **_counts(tally))


def _lacks_usage(calls: Sequence[ModelCall], endpoint: Endpoint) -> bool:
    """Whether the last call brought an answer, or a part of one, that nobody has counted."""
    if not calls or endpoint not in _CHATS:
        return False
    call = calls[-1]
    return call.answered and call.completion_tokens is None and call.status is not None and call.status < 300


def _counts(tally: Tally) -> dict[str, Any]:
    """The members of a call that an answer tells; none where it does not."""
    usage = tally.usage
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": None if usage.partial else usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage_estimated": usage.estimated,
        "cost_usd": tally.cost_usd,
    }
