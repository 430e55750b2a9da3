"""What is counted, and in which buckets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.fakes import NOON, a_call, an_inference
from tierwright.core.ids import ModelVersionId
from tierwright.gateway.config import BackendConfig
from tierwright.gateway.telemetry.conventions import Servers
from tierwright.gateway.telemetry.histograms import Histogram
from tierwright.gateway.telemetry.meters import Meters

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric

    from tierwright.core.inference import Inference

BACKEND = BackendConfig(name="openai", base_url="https://api.openai.com/v1")


def labels_of(point: HistogramDataPoint) -> dict[str, Any]:
    """A point's attributes."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in point.attributes}


def counted(*found: Inference) -> dict[str, Metric]:
    """What meters that know one model say of these, by name."""
    meters = Meters(Servers({"openai": BACKEND}.get), since_ns=7)
    meters.tell_apart(["gpt-4o"])
    for inference in found:
        meters.record(inference)
    return {metric.name: metric for metric in meters.collected(9)}


def points(metric: Metric) -> list[HistogramDataPoint]:
    """A histogram's points."""
    return list(metric.histogram.data_points)


def test_a_histogram_counts_in_its_buckets() -> None:
    """A value on a bound is in the bucket below it; sum, count, least and greatest are exact."""
    histogram = Histogram("h", "s", "A test.", (1.0, 2.0))
    assert histogram.metric(0, 1) is None
    for value in (0.5, 1.0, 1.5, 2.0, 99.0):
        histogram.record(value, {"a": "x", "b": None})
    metric = histogram.metric(3, 4)
    assert metric is not None
    (point,) = points(metric)
    assert list(point.bucket_counts) == [2, 2, 1]
    assert list(point.explicit_bounds) == [1.0, 2.0]
    assert (point.count, point.sum, point.min, point.max) == (5, 104.0, 0.5, 99.0)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (3, 4)
    assert labels_of(point) == {"a": "x"}
    histogram.record(1.0, {"a": "x"})
    again = histogram.metric(3, 5)
    assert again is not None
    assert points(again)[0].count == 6


def test_a_histogram_has_a_bound() -> None:
    """Beyond two thousand sets of attributes all others are counted together, and none is lost."""
    histogram = Histogram("h", "s", "A test.", (1.0,))
    for number in range(2100):
        histogram.record(1.0, {"n": number})
    metric = histogram.metric(0, 1)
    assert metric is not None
    assert len(points(metric)) == 2001
    rest = [point for point in points(metric) if labels_of(point) == {"otel.metric.overflow": True}]
    assert [point.count for point in rest] == [100]


def test_a_call_is_counted_as_the_conventions_say() -> None:
    """Duration and tokens, by operation, provider, model and server, in their units."""
    found = counted(an_inference())
    labels = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    assert set(found) == {
        "gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.server.request.duration"
    }  # fmt: skip
    duration = found["gen_ai.client.operation.duration"]
    (point,) = points(duration)
    assert (duration.unit, point.sum, labels_of(point)) == ("s", 0.8125, labels)
    usage = found["gen_ai.client.token.usage"]
    assert usage.unit == "{token}"
    assert [(point.sum, labels_of(point)) for point in points(usage)] == [
        (100, labels | {"gen_ai.token.type": "input"}),
        (5, labels | {"gen_ai.token.type": "output"}),
    ]
    (served,) = points(found["gen_ai.server.request.duration"])
    assert (served.sum, labels_of(served)["gen_ai.provider.name"]) == (0.815, "tierwright")


def test_a_streamed_answer_has_a_first_token_and_a_pace() -> None:
    """The caller's first token counts from its request, the call's first chunk from the call."""
    call = a_call(started_at=NOON + timedelta(milliseconds=100), first_token_ms=200.0, completion_tokens=6)
    found = counted(an_inference(streamed=True, latency_ms=1300.0, calls=(call,)))
    sums = {name: points(metric)[0].sum for name, metric in found.items()}
    assert sums["gen_ai.client.operation.time_to_first_chunk"] == 0.2
    assert round(sums["gen_ai.server.time_to_first_token"], 6) == 0.3
    assert round(sums["gen_ai.server.time_per_output_token"], 6) == 0.2


def test_an_answer_that_broke_off_has_no_pace() -> None:
    """Nor a first token; that it failed shows in the durations."""
    call = a_call(first_token_ms=200.0, error_code="upstream_lost")
    found = counted(an_inference(streamed=True, error_code="upstream_lost", calls=(call,)))
    assert not {"gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token"} & set(found)
    for name in ("gen_ai.client.operation.duration", "gen_ai.server.request.duration"):
        assert labels_of(points(found[name])[0])["error.type"] == "upstream_lost"


def test_a_specialist_uses_no_tokens() -> None:
    """What its record holds is what another model would have been sent."""
    call = a_call(backend="specialist", model="intent@v1", model_version_id=ModelVersionId("v"))
    found = counted(an_inference(calls=(call,)))
    assert "gen_ai.client.token.usage" not in found
    (point,) = points(found["gen_ai.client.operation.duration"])
    assert labels_of(point)["gen_ai.request.model"] == "intent@v1"


def test_models_nobody_knows_stand_together() -> None:
    """A caller can't make a new point with every request."""
    found = counted(*(an_inference(model=f"m{n}", calls=(a_call(model=f"m{n}"),)) for n in range(5)))
    for metric in found.values():
        assert {labels_of(point)["gen_ai.request.model"] for point in points(metric)} == {"other"}
