"""The metrics of the conventions for generative AI, counted from what was captured.

Owns names, units and buckets, which are the conventions' own. Labels have few values, as in `gateway.metrics`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tierwright.gateway.telemetry import conventions as said
from tierwright.gateway.telemetry.histograms import Histogram

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from tierwright.core.inference import Inference, ModelCall
    from tierwright.gateway.telemetry.conventions import Servers
    from tierwright.gateway.telemetry.wire import Value

_DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = tuple(4.0**power for power in range(14))


class Meters:
    """The metrics of one process. May be used from several threads."""

    def __init__(self, servers: Servers, *, since_ns: int) -> None:
        """`since_ns`: nanoseconds since 1970 at which counting begins."""
        self._servers = servers
        self._since_ns = since_ns
        self._models: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._call_duration = Histogram(
            "gen_ai.client.operation.duration", "s", "Duration of a call of a model.", _DURATION_S
        )
        self._call_first = Histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Until the first chunk of a streamed answer.", _FIRST_S
        )
        self._tokens = Histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of a call, sent and received.", _TOKENS
        )
        self._duration = Histogram(
            "gen_ai.server.request.duration", "s", "From a request's last byte to its answer's last.", _DURATION_S
        )
        self._first = Histogram(
            "gen_ai.server.time_to_first_token", "s", "From a request's last byte to its answer's first.", _FIRST_S
        )
        self._per_token = Histogram(
            "gen_ai.server.time_per_output_token", "s", "Of a streamed answer after its first token.", _PER_TOKEN_S
        )

    def tell_apart(self, models: Collection[str]) -> None:
        """As `Observer.tell_apart`."""
        self._models = frozenset(models)

    def record(self, inference: Inference) -> None:
        """Counts one inference. Takes some tens of microseconds."""
        with self._lock:
            self._record_request(inference)
            for call in inference.calls:
                self._record_call(call, said.operation_of(inference))

    def collected(self, now_ns: int) -> list[Metric]:
        """All that was counted so far."""
        with self._lock:
            found = [
                histogram.metric(self._since_ns, now_ns)
                for histogram in (
                    self._call_duration,
                    self._call_first,
                    self._tokens,
                    self._duration,
                    self._first,
                    self._per_token,
                )
            ]
        return [metric for metric in found if metric is not None]

    def _record_request(self, inference: Inference) -> None:
        labels: dict[str, Value | None] = {
            said.OPERATION: said.operation_of(inference),
            said.PROVIDER: said.OURS,
            said.REQUEST_MODEL: self._named(inference.model),
        }
        latency_ms, answer = inference.latency_ms, inference.answering_call
        if latency_ms is not None:
            self._duration.record(latency_ms / 1000, {**labels, said.ERROR_TYPE: inference.error_code})
        # Only successful answers have a first token and a pace.
        if inference.error_code is not None or answer is None or answer.first_token_ms is None or latency_ms is None:
            return
        before_ms = (answer.started_at - inference.created_at).total_seconds() * 1000
        first_ms = max(0.0, before_ms) + answer.first_token_ms
        self._first.record(first_ms / 1000, labels)
        tokens = answer.completion_tokens
        if tokens is not None and tokens > 1:
            self._per_token.record(max(0.0, latency_ms - first_ms) / 1000 / (tokens - 1), labels)

    def _record_call(self, call: ModelCall, operation: str) -> None:
        server = self._servers.of(call)
        labels: dict[str, Value | None] = {
            said.OPERATION: operation,
            said.PROVIDER: server.provider,
            # The names of our own models are few, and made by us.
            said.REQUEST_MODEL: call.model if call.model_version_id is not None else self._named(call.model),
            said.SERVER_ADDRESS: server.address,
            said.SERVER_PORT: server.port,
        }
        if call.latency_ms is not None:
            self._call_duration.record(call.latency_ms / 1000, {**labels, said.ERROR_TYPE: said.error_of(call)})
        if call.first_token_ms is not None:
            self._call_first.record(call.first_token_ms / 1000, labels)
        counts = said.counts_of(call)
        for kind, tokens in (("input", counts.get(said.INPUT_TOKENS)), ("output", counts.get(said.OUTPUT_TOKENS))):
            if tokens is not None:
                self._tokens.record(tokens, {**labels, said.TOKEN_TYPE: kind})

    def _named(self, model: str) -> str:
        return model if model in self._models else said.OTHER
