"""The spans of a request."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.fakes import NOON, a_call, an_inference
from tierwright.core.ids import InferenceId, ModelVersionId
from tierwright.core.inference import CallRole, Endpoint, Inference, Route, RouteReason
from tierwright.gateway.config import BackendConfig
from tierwright.gateway.observing import Seen
from tierwright.gateway.telemetry.conventions import Servers
from tierwright.gateway.telemetry.spans import sampled, spans_of
from tierwright.gateway.tracing import Trace, span_id, trace_of

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{DIGITS}-b7ad6b7169203331-01"
BACKENDS = {
    "openai": BackendConfig(name="openai", base_url="https://api.openai.com/v1"),
    "house": BackendConfig(name="house", base_url="http://gpu.internal:8000/v1", kind="vllm"),
    "azure": BackendConfig(name="azure", base_url="https://x.openai.azure.com/openai/v1", kind="azure"),
}
SERVERS = Servers(BACKENDS.get)


def seen(inference: Inference, task: str | None = None, traceparent: str | None = None) -> Seen:
    """What an observer is told."""
    return Seen(inference, task, trace_of(inference.id, traceparent))


def values(span: Span) -> dict[str, Any]:
    """A span's attributes."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes}


def own(inference: Inference, **more: Any) -> Span:
    """The span of the request."""
    return spans_of(seen(inference, **more), SERVERS)[0]


def call_span(**changes: Any) -> Span:
    """The span of one call."""
    return spans_of(seen(an_inference(calls=(a_call(**changes),))), SERVERS)[1]


def test_a_request_and_its_call_are_a_trace() -> None:
    """A server's span with a client's below it, named and timed as the record says."""
    inference = an_inference(
        id=InferenceId(f"chatcmpl-{DIGITS}"),
        calls=(a_call(started_at=NOON + timedelta(milliseconds=2), latency_ms=812.5),),
    )
    request, call = spans_of(seen(inference), SERVERS)
    noon_ns = int(NOON.timestamp()) * 1_000_000_000
    assert (request.name, request.kind) == ("chat gpt-4o", Span.SPAN_KIND_SERVER)
    assert (call.name, call.kind) == ("chat gpt-4o", Span.SPAN_KIND_CLIENT)
    assert request.trace_id.hex() == call.trace_id.hex() == DIGITS
    assert request.parent_span_id == b""
    assert call.parent_span_id == request.span_id != call.span_id
    assert (request.start_time_unix_nano, request.end_time_unix_nano) == (noon_ns, noon_ns + 815_000_000)
    assert (call.start_time_unix_nano, call.end_time_unix_nano) == (noon_ns + 2_000_000, noon_ns + 814_500_000)


def test_the_callers_span_is_the_parent() -> None:
    """With `traceparent` the request belongs to the caller's trace."""
    request = own(an_inference(), traceparent=PARENT)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (DIGITS, "b7ad6b7169203331")
    assert request.flags == 0x300
    assert own(an_inference()).flags == 0x100


def test_what_a_request_says() -> None:
    """Who asked for what, and who answered why."""
    route = Route(reason=RouteReason.LOW_CONFIDENCE, confidence=0.25)
    said = values(own(an_inference(route=route, streamed=True), task="card-intent"))
    assert said == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "tierwright",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "tierwright.inference.id": "chatcmpl-1",
        "tierwright.client": "helpdesk",
        "tierwright.task": "card-intent",
        "tierwright.route.reason": "low_confidence",
        "tierwright.route.confidence": 0.25,
        "tierwright.served_by": "openai",
        "tierwright.overhead_ms": 2.5,
        "tierwright.cost_usd": 0.0003,
    }


def test_what_a_call_says() -> None:
    """Whom it went to, and what it used."""
    said = values(
        call_span(
            backend="house", model="qwen3", first_token_ms=80.0, cached_tokens=40, reasoning_tokens=3, cost_usd=None
        )
    )
    assert said == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "qwen3",
        "gen_ai.request.stream": False,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.time_to_first_chunk": 0.08,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "server.address": "gpu.internal",
        "server.port": 8000,
        "http.response.status_code": 200,
        "tierwright.backend": "house",
        "tierwright.call.role": "primary",
    }


@pytest.mark.parametrize(
    ("backend", "provider", "port"),
    [("openai", "openai", 443), ("azure", "azure.ai.openai", 443), ("gone", "gone", None)],
)
def test_providers_have_their_well_known_names(backend: str, provider: str, port: int | None) -> None:
    """Ports are those of the scheme where none is written; of a backend that is gone its name is left."""
    said = values(call_span(backend=backend))
    assert (said["gen_ai.provider.name"], said.get("server.port")) == (provider, port)


def test_a_specialist_is_called_within() -> None:
    """No server, no status of HTTP, and no tokens: what it is recorded with is what another model would have used."""
    call = a_call(
        backend="specialist",
        model="card-intent@v2",
        model_version_id=ModelVersionId("v"),
        answered=False,
        cost_usd=Decimal("0.000001"),
    )
    _, first, second = spans_of(seen(an_inference(calls=(call, a_call(role=CallRole.ESCALATION)))), SERVERS)
    assert first.kind == Span.SPAN_KIND_INTERNAL
    assert values(first) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "tierwright",
        "gen_ai.request.model": "card-intent@v2",
        "gen_ai.request.stream": False,
        "gen_ai.response.id": "chatcmpl-1",
        "tierwright.backend": "specialist",
        "tierwright.call.role": "primary",
        "tierwright.cost_usd": 0.000001,
    }
    assert values(second)["tierwright.call.role"] == "escalation"
    assert first.span_id.hex() == span_id(InferenceId("chatcmpl-1"), 0)
    assert second.span_id.hex() == span_id(InferenceId("chatcmpl-1"), 1)


@pytest.mark.parametrize(
    ("status", "code", "failed"),
    [
        (200, None, False),
        (200, "upstream_lost", True),
        (429, "rate_limit_exceeded", False),
        (404, "model_not_found", False),
        (502, "upstream_broken", True),
    ],
)
def test_a_request_fails_by_the_servers_fault(status: int, code: str | None, failed: bool) -> None:  # noqa: FBT001
    """As HTTP's conventions have it; an answer that broke off is one, whatever its status said."""
    span = own(an_inference(status=status, error_code=code))
    assert (span.status.code == Status.STATUS_CODE_ERROR) == failed
    assert values(span).get("error.type") == code


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(200, None, None), (429, None, "429"), (None, "upstream_unavailable", "upstream_unavailable")],
)
def test_a_call_fails_by_any(status: int | None, code: str | None, error: str | None) -> None:
    """Whatever was not an answer is an error of the call, with a class of few values."""
    span = call_span(status=status, error_code=code)
    assert values(span).get("error.type") == error
    assert (span.status.code == Status.STATUS_CODE_ERROR) == (error is not None)


@pytest.mark.parametrize(
    ("endpoint", "operation"),
    [(Endpoint.MESSAGES, "chat"), (Endpoint.RESPONSES, "chat"), (Endpoint.EMBEDDINGS, "embeddings")],
)
def test_operations_have_their_well_known_names(endpoint: Endpoint, operation: str) -> None:
    """However it was asked for."""
    assert own(an_inference(endpoint=endpoint)).name == f"{operation} gpt-4o"


def test_every_endpoint_has_a_name_and_an_address() -> None:
    """A new one can't be forgotten."""
    for endpoint in Endpoint:
        assert values(own(an_inference(endpoint=endpoint)))["http.route"].startswith("/v1/")


def test_no_text_of_a_prompt_or_an_answer_is_in_a_span() -> None:
    """Neither in one that went well nor in one that did not."""
    body = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "swordfish"}]}'
    for status in (200, 500):
        spans = spans_of(seen(an_inference(request=body, response=body, status=status)), SERVERS)
        assert all(b"swordfish" not in span.SerializeToString() for span in spans)


def test_strange_names_are_sent_all_the_same() -> None:
    """What no UTF-8 text can hold is replaced; what is very long is cut."""
    request = own(an_inference(model="\ud83d" + "x" * 1000, client_id="\ud83d"), task="\ud83d")
    assert request.name == "chat ?" + "x" * 255
    assert values(request)["tierwright.client"] == "?"


def test_a_refused_request_has_no_calls() -> None:
    """Nor has what was never measured a duration."""
    (span,) = spans_of(seen(an_inference(calls=(), latency_ms=None, status=429)), SERVERS)
    assert span.start_time_unix_nano == span.end_time_unix_nano


def test_a_name_that_nobody_was_asked_for_is_not_told() -> None:
    """A model that the settings don't name is what a caller wrote: it leaves only where it was asked for."""
    refused = an_inference(model="4111 1111 1111 1111", calls=(), status=404)
    (span,) = spans_of(seen(refused), SERVERS, models={"gpt-4o"})
    assert (span.name, values(span)["gen_ai.request.model"]) == ("chat other", "other")
    (span,) = spans_of(seen(an_inference(calls=(), status=403)), SERVERS, models={"gpt-4o"})
    assert span.name == "chat gpt-4o"


def drawn(ratio: float, traces: Sequence[Trace]) -> list[bool]:
    """Which of the traces are sent."""
    return [sampled(Seen(an_inference(), None, trace), ratio) for trace in traces]


def test_a_caller_decides_for_its_trace() -> None:
    """Whatever the share is."""
    assert drawn(0.0, [Trace(DIGITS, PARENT, sampled=True)]) == [True]
    assert drawn(1.0, [Trace(DIGITS, PARENT, sampled=False)]) == [False]


def test_a_share_of_our_own_traces_is_sent() -> None:
    """By the last 56 bits of the id, so that every process, and every collector, draws the same."""
    traces = [
        Trace(f"ffffffffffffffffff{draw:014x}", None, None) for draw in (0, (1 << 55) - 1, 1 << 55, (1 << 56) - 1)
    ]
    assert drawn(0.0, traces) == [False] * 4
    assert drawn(0.5, traces) == [True, True, False, False]
    assert drawn(1.0, traces) == [True] * 4
