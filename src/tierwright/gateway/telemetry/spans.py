"""The spans of a request: its own, and one for each call of a model, all from the record and after the fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from tierwright.core.instants import to_us
from tierwright.gateway.telemetry import conventions as said
from tierwright.gateway.telemetry.wire import attributes
from tierwright.gateway.tracing import span_id
from tierwright.gateway.wire import PATHS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from tierwright.core.inference import Inference, ModelCall
    from tierwright.gateway.observing import Seen
    from tierwright.gateway.telemetry.conventions import Servers
    from tierwright.gateway.telemetry.wire import Value

_ERROR = Status(code=Status.STATUS_CODE_ERROR)
#: The last 56 bits of a trace's id, by which it is drawn (OpenTelemetry's consistent probability sampling).
_DRAW = 1 << 56


def sampled(seen: Seen, ratio: float) -> bool:
    """Whether a request's spans are sent: as its caller says, or else by the id of its trace."""
    if seen.trace.sampled is not None:
        return seen.trace.sampled
    return int(seen.trace.id, 16) % _DRAW < ratio * _DRAW


def spans_of(seen: Seen, servers: Servers, *, models: Collection[str] = ()) -> list[Span]:
    """The span of the request first, then those of its calls in the order made.

    `models`: those that the settings name. A name that is none of them, and that nobody was asked for, is what a caller
    wrote and nobody has looked at: it is not told.
    """
    inference = seen.inference
    own = span_id(inference.id)
    operation = said.operation_of(inference)
    told = bool(inference.calls) or inference.model in models
    model = said.clipped(inference.model) if told else said.OTHER
    failed = inference.status >= 500 or (inference.status < 400 and inference.error_code is not None)
    begin_ns, end_ns = _times(inference.created_at, inference.latency_ms)
    spans = [
        Span(
            trace_id=bytes.fromhex(seen.trace.id),
            span_id=bytes.fromhex(own),
            parent_span_id=b"" if seen.trace.parent is None else bytes.fromhex(seen.trace.parent),
            # Where there is a parent, it is in another process.
            flags=SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
            | (0 if seen.trace.parent is None else SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK),
            name=f"{operation} {model}",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=begin_ns,
            end_time_unix_nano=end_ns,
            attributes=attributes(_request(inference, seen.task, operation, model)),
            status=_ERROR if failed else None,
        )
    ]
    for place, call in enumerate(inference.calls):
        error = said.error_of(call)
        begin_ns, end_ns = _times(call.started_at, call.latency_ms)
        spans.append(
            Span(
                trace_id=bytes.fromhex(seen.trace.id),
                span_id=bytes.fromhex(span_id(inference.id, place)),
                parent_span_id=bytes.fromhex(own),
                flags=SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK,
                name=f"{operation} {said.clipped(call.model)}",
                kind=Span.SPAN_KIND_CLIENT if call.model_version_id is None else Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=begin_ns,
                end_time_unix_nano=end_ns,
                attributes=attributes(_call(call, servers, operation, error, streamed=inference.streamed)),
                status=None if error is None else _ERROR,
            )
        )
    return spans


def _request(inference: Inference, task: str | None, operation: str, model: str) -> dict[str, Value | None]:
    answer = inference.answering_call
    cost = inference.cost_usd
    return {
        said.OPERATION: operation,
        said.PROVIDER: said.OURS,
        said.REQUEST_MODEL: model,
        said.STREAM: inference.streamed,
        "http.request.method": "POST",
        "http.route": PATHS[inference.endpoint],
        "http.response.status_code": inference.status,
        said.ERROR_TYPE: inference.error_code,
        "tierwright.inference.id": inference.id,
        "tierwright.client": said.clipped(inference.client_id),
        "tierwright.task": None if task is None else said.clipped(task),
        "tierwright.route.reason": inference.route.reason.value,
        "tierwright.route.confidence": inference.route.confidence,
        "tierwright.served_by": None if answer is None else answer.backend,
        "tierwright.overhead_ms": inference.overhead_ms,
        "tierwright.cost_usd": None if cost is None else float(cost),
    }


def _call(
    call: ModelCall, servers: Servers, operation: str, error: str | None, *, streamed: bool
) -> dict[str, Value | None]:
    server = servers.of(call)
    first_s = None if call.first_token_ms is None else call.first_token_ms / 1000
    return {
        said.OPERATION: operation,
        said.PROVIDER: server.provider,
        said.REQUEST_MODEL: said.clipped(call.model),
        said.STREAM: streamed,
        said.RESPONSE_ID: None if call.upstream_id is None else said.clipped(call.upstream_id),
        said.TIME_TO_FIRST_CHUNK: first_s,
        **said.counts_of(call),
        said.SERVER_ADDRESS: server.address,
        said.SERVER_PORT: server.port,
        "http.response.status_code": None if call.model_version_id is not None else call.status,
        said.ERROR_TYPE: error,
        "tierwright.backend": call.backend,
        "tierwright.call.role": call.role.value,
        "tierwright.usage_estimated": call.usage_estimated or None,
        "tierwright.cost_usd": None if call.cost_usd is None else float(call.cost_usd),
    }


def _times(began: datetime, latency_ms: float | None) -> tuple[int, int]:
    """Begin and end in nanoseconds since 1970; what was not measured took no time."""
    begin_ns = to_us(began) * 1000
    return begin_ns, begin_ns + round((latency_ms or 0.0) * 1_000_000)
