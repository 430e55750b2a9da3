"""Histograms as OTLP sends them: cumulative since the process began, one point for each set of attributes."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    HistogramDataPoint,
    Metric,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Histogram as HistogramData

from tierwright.gateway.telemetry.wire import attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.gateway.telemetry.wire import Value

    #: Attributes in one order.
    Key = tuple[tuple[str, Value], ...]

#: Sets of attributes of one histogram; what comes beyond is counted together, as OpenTelemetry's SDKs do.
_MOST_POINTS = 2000
_OVERFLOW = (("otel.metric.overflow", True),)


class _Point:
    __slots__ = ("counts", "largest", "smallest", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0
        self.smallest = float("inf")
        self.largest = float("-inf")


class Histogram:
    """One metric. Not thread-safe: whoever holds it sees to that."""

    def __init__(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> None:
        """`bounds` are the upper ends of all buckets but the last, ascending; a value on one is in the lower bucket."""
        self._name = name
        self._unit = unit
        self._description = description
        self._bounds = tuple(bounds)
        self._points: dict[Key, _Point] = {}

    def record(self, value: float, labels: dict[str, Value | None]) -> None:
        """Counts a value; attributes that are None are left out."""
        key = tuple((name, label) for name, label in labels.items() if label is not None)
        point = self._points.get(key)
        if point is None:
            if len(self._points) >= _MOST_POINTS:
                key = _OVERFLOW
            point = self._points.setdefault(key, _Point(len(self._bounds) + 1))
        point.counts[bisect_left(self._bounds, value)] += 1
        point.total += value
        point.smallest = min(point.smallest, value)
        point.largest = max(point.largest, value)

    def metric(self, since_ns: int, now_ns: int) -> Metric | None:
        """All that was counted; None: nothing was."""
        if not self._points:
            return None
        points = [
            HistogramDataPoint(
                attributes=attributes(dict(key)),
                start_time_unix_nano=since_ns,
                time_unix_nano=now_ns,
                count=sum(point.counts),
                sum=point.total,
                bucket_counts=point.counts,
                explicit_bounds=self._bounds,
                min=point.smallest,
                max=point.largest,
            )
            for key, point in self._points.items()
        ]
        data = HistogramData(data_points=points, aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE)
        return Metric(name=self._name, unit=self._unit, description=self._description, histogram=data)
