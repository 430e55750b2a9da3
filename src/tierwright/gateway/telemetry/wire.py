"""OTLP's messages (opentelemetry-proto 1.45): attributes, the resource, and the two requests that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What an attribute may be.
Value = str | bool | int | float


def attributes(values: Mapping[str, Value | None]) -> list[KeyValue]:
    """Attributes as the protocol has them; None is left out."""
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items() if value is not None]


def _any(value: Value) -> AnyValue:
    # A bool is an int, too, so it comes first.
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)


class Origin(NamedTuple):
    """Who sends."""

    resource: Resource
    scope: InstrumentationScope

    @classmethod
    def of(cls, *, service_name: str, version: str, instance: str, process_id: int) -> Origin:
        """A process of the gateway; `instance` is unique among all that ever were."""
        resource: dict[str, Value | None] = {
            "service.name": service_name,
            "service.version": version,
            "service.instance.id": instance,
            "process.pid": process_id,
            "telemetry.sdk.name": "tierwright",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": version,
        }
        return cls(
            Resource(attributes=attributes(resource)), InstrumentationScope(name="tierwright.gateway", version=version)
        )

    def spans(self, spans: Iterable[Span]) -> bytes:
        """The message that brings spans."""
        scoped = ScopeSpans(scope=self.scope, spans=spans)
        message = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self.resource, scope_spans=[scoped])]
        )
        data: bytes = message.SerializeToString()
        return data

    def metrics(self, metrics: Iterable[Metric]) -> bytes:
        """The message that brings metrics."""
        scoped = ScopeMetrics(scope=self.scope, metrics=metrics)
        message = ExportMetricsServiceRequest(
            resource_metrics=[ResourceMetrics(resource=self.resource, scope_metrics=[scoped])]
        )
        data: bytes = message.SerializeToString()
        return data


def rejected_spans(answer: bytes) -> int:
    """How many of the spans a collector did not take although it took the message.

    Raises DecodeError where the answer is none of OTLP's.
    """
    count: int = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
    return count


def rejected_points(answer: bytes) -> int:
    """As `rejected_spans`, of metrics' points."""
    count: int = ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points
    return count
