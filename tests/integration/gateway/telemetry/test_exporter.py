"""What reaches a collector, and what becomes of what does not."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from tests.fakes import a_call, an_inference
from tests.integration.gateway.conftest import eventually
from tests.integration.gateway.telemetry.collector import Answer, Collector, Received
from tierwright.core.errors import ServiceError
from tierwright.core.ids import InferenceId
from tierwright.gateway.config import Secret
from tierwright.gateway.observing import Seen
from tierwright.gateway.telemetry.config import TelemetryConfig
from tierwright.gateway.telemetry.exporter import TelemetryExporter
from tierwright.gateway.tracing import trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., TelemetryExporter]

SOON = {"interval_s": 0.02}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that takes everything."""
    with Collector() as made:
        yield made


@pytest.fixture
def make(collector: Collector) -> Iterator[Make]:
    """Makes exporters to the collector, started; closes them at the end."""
    made: list[TelemetryExporter] = []

    def making(**changes: Any) -> TelemetryExporter:
        config = TelemetryConfig(**{"endpoint": collector.endpoint, **changes})
        made.append(TelemetryExporter(config, lambda _: None, instance="instance-1"))
        made[-1].start()
        return made[-1]

    yield making
    for exporter in made:
        exporter.close()


def seen(name: str = "chatcmpl-1") -> Seen:
    """What an observer is told of one request, which has a span of its own and one of a call."""
    inference = an_inference(id=InferenceId(name))
    return Seen(inference, None, trace_of(inference.id, None))


def test_spans_and_metrics_arrive(collector: Collector, make: Make) -> None:
    """At the collector's paths, compressed, with the headers of the settings and the process as the resource."""
    exporter = make(
        **SOON, endpoint=f"{collector.endpoint}/base/", headers={"x-api-key": Secret("swordfish")}, service_name="desk"
    )
    exporter.tell_apart(["gpt-4o"])
    exporter.observe(seen())
    eventually(lambda: bool(collector.spans()) and bool(collector.metrics()))
    assert {message.path for message in collector.received} == {"/base/v1/traces", "/base/v1/metrics"}
    for message in collector.received:
        assert message.headers["x-api-key"] == "swordfish"
        assert message.headers["content-type"] == "application/x-protobuf"
        assert message.headers["content-encoding"] == "gzip"
    assert [span.name for span in collector.spans()] == ["chat gpt-4o"] * 2
    (resource,) = collector.resources()
    assert (resource["service.name"], resource["service.instance.id"]) == ("desk", "instance-1")
    assert resource["process.pid"] > 0
    assert "gen_ai.client.operation.duration" in collector.metrics()
    eventually(lambda: exporter.state().spans_sent == 2 and exporter.state().metrics_sent > 0)


def test_the_end_sends_what_is_left(collector: Collector, make: Make) -> None:
    """Nothing waits for its interval when the gateway ends; after it nothing more is taken."""
    exporter = make(interval_s=3600.0)
    exporter.observe(seen())
    exporter.close()
    assert len(collector.spans()) == 2
    assert collector.metrics()
    exporter.observe(seen("late"))
    assert exporter.state().requests_dropped == 1


def test_many_do_not_wait_for_the_interval(collector: Collector, make: Make) -> None:
    """As soon as there are 512 requests their spans are sent, in one message."""
    exporter = make(interval_s=3600.0, metrics=False)
    for number in range(600):
        exporter.observe(seen(f"i{number}"))
    eventually(lambda: len(collector.of("/v1/traces")) == 1)
    assert len(collector.spans()) == 1024


@pytest.mark.parametrize("what", ["traces", "metrics"])
def test_each_kind_can_be_left_out(collector: Collector, make: Make, what: str) -> None:
    """Then nothing of it is sent, at the end neither."""
    exporter = make(**{what: False})
    exporter.observe(seen())
    exporter.close()
    assert {message.path for message in collector.received} == {"/v1/metrics" if what == "traces" else "/v1/traces"}


def test_the_environment_is_not_read(collector: Collector, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where to send, nor what else to send with it, nor by way of whom: all that is in the settings."""
    for name, value in {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer of-another",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,secret=swordfish",
        "OTEL_SERVICE_NAME": "other",
        "OTEL_SDK_DISABLED": "true",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    exporter = make()
    exporter.observe(seen())
    exporter.close()
    assert len(collector.spans()) == 2
    assert all("authorization" not in message.headers for message in collector.received)
    assert [resource["service.name"] for resource in collector.resources()] == ["tierwright"]
    assert all(b"swordfish" not in message.body for message in collector.received)


def test_a_message_is_sent_again_where_that_helps(collector: Collector, make: Make) -> None:
    """After a status that passes, and not before the collector wants it; the same bytes come again."""
    answers = iter(
        [Answer(503, headers=(("retry-after", "0"),)), Answer(429, headers=(("retry-after", "0"),)), Answer()]
    )
    collector.script = lambda _: next(answers)
    exporter = make(**SOON, metrics=False)
    exporter.observe(seen())
    eventually(lambda: exporter.state().spans_sent == 2)
    assert len({message.body for message in collector.received}) == 1
    assert len(collector.received) == 3
    assert (exporter.state().spans_failed, exporter.state().error) == (0, None)


@pytest.mark.parametrize("status", [400, 401, 404, 301])
def test_a_refusal_is_final(collector: Collector, make: Make, status: int) -> None:
    """What the collector does not want is not sent again, nor elsewhere; it is counted."""
    with Collector() as other:
        collector.script = lambda _: Answer(status, headers=(("location", f"{other.endpoint}/v1/traces"),))
        exporter = make(**SOON, metrics=False)
        exporter.observe(seen())
        eventually(lambda: exporter.state().spans_failed == 2)
        exporter.close()
        assert other.received == []
    assert len(collector.received) == 1
    assert exporter.state().error == str(status)


def test_what_a_collector_rejects_is_counted(collector: Collector, make: Make) -> None:
    """It may take a message and not all of its spans; an answer in another language means that it took all."""
    partial = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=1))
    collector.script = lambda _: Answer(body=partial.SerializeToString())
    exporter = make(**SOON, metrics=False)
    exporter.observe(seen())
    eventually(lambda: exporter.state().spans_sent == 1)
    assert exporter.state().spans_failed == 1
    collector.script = lambda _: Answer(body=b"<html>thank you</html>")
    exporter.observe(seen("other"))
    eventually(lambda: exporter.state().spans_sent == 3)


def test_a_connection_that_was_idle_may_be_gone(collector: Collector, make: Make) -> None:
    """The collector closes it after an answer: the next message goes over a new one, at the first attempt."""

    def closing(_: Received) -> Answer:
        return Answer(close=True)

    collector.script = closing
    exporter = make(**SOON, metrics=False)
    for number in range(3):
        exporter.observe(seen(f"i{number}"))
        eventually(lambda number=number: exporter.state().spans_sent == 2 * (number + 1))  # type: ignore[misc]
    assert exporter.state().spans_failed == 0
    assert len({message.peer for message in collector.received}) == 3


def test_a_collector_that_is_down_costs_spans_and_is_told_of_once(
    make: Make, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """They are counted, and one line of the log says so, without a secret in it."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with caplog.at_level(logging.WARNING):
            exporter = make(
                **SOON, metrics=False, endpoint=down, timeout_s=0.05, headers={"x-key": Secret("swordfish")}
            )
            for number in range(3):
                exporter.observe(seen(f"i{number}"))
                eventually(lambda number=number: exporter.state().spans_failed == 2 * (number + 1))  # type: ignore[misc]
    assert exporter.state().error == "ConnectionRefusedError"
    (line,) = (record.message for record in caplog.records)
    assert line.startswith(f"telemetry does not reach {down} (ConnectionRefusedError); it goes on trying")


def test_a_collector_that_hangs_holds_nobody_up(collector: Collector, make: Make) -> None:
    """What waits is bounded and what has no room is counted; the end does not wait for it for long."""
    go_on = threading.Event()

    def hanging(_: Received) -> Answer:
        go_on.wait(60)
        return Answer()

    collector.script = hanging
    exporter = make(**SOON, metrics=False, queue_limit=10, timeout_s=60.0, close_timeout_s=0.2)
    exporter.observe(seen("first"))
    eventually(lambda: bool(collector.received))
    for number in range(100):
        exporter.observe(seen(f"i{number}"))
    assert exporter.state().requests_dropped == 90
    exporter.close()
    # All are accounted for: those that had no room, those that waited, and the one that was under way.
    assert exporter.state().requests_dropped == 101
    go_on.set()


def test_what_waits_is_small(make: Make) -> None:
    """Of a request that may have to wait for a collector neither content nor a model's endless name is held."""
    exporter = make(interval_s=3600.0)
    call = a_call(model="m" * 100_000)
    inference = an_inference(model="m" * 100_000, calls=(call,), request=b"r" * 100_000, response=b"a" * 100_000)
    exporter.observe(Seen(inference, None, trace_of(inference.id, None)))
    (waiting,) = exporter._waiting
    assert len(pickle.dumps(waiting)) < 5_000


def test_metrics_are_sent_although_spans_pile_up(collector: Collector, make: Make) -> None:
    """A collector that is slow with spans gets the metrics all the same."""

    def slow(message: Received) -> Answer:
        if message.path == "/v1/traces":
            for number in range(1024):
                exporter.observe(seen(f"{len(collector.received)}-{number}"))
        return Answer()

    collector.script = slow
    exporter = make(**SOON)
    exporter.observe(seen())
    eventually(lambda: len(collector.of("/v1/metrics")) > 3)
    assert exporter.state().metrics_sent > 0
    collector.script = lambda _: Answer()


def test_a_request_that_breaks_something_costs_only_its_spans(
    collector: Collector, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread lives on, the loss is counted, and no text of it is in the log."""
    exporter = make(**SOON, metrics=False)
    broken = seen("broken")._replace(trace=trace_of(InferenceId("x"), None)._replace(id="swordfish"))
    with exporter._changed:
        exporter._waiting.append(broken)
    exporter.observe(seen())
    eventually(lambda: exporter.state().spans_sent == 2)
    assert exporter.state().requests_dropped == 1
    assert "swordfish" not in caplog.text
    assert "a request has no spans (ValueError)" in caplog.text


def test_a_ping_asks_without_telling_anything(collector: Collector) -> None:
    """Both kinds are asked for, with messages that bring nothing; what is wrong is said with what to do."""
    exporter = TelemetryExporter(TelemetryConfig(endpoint=collector.endpoint), lambda _: None, instance="i")
    assert exporter.ping() == f"{collector.endpoint} takes what it is sent"
    assert [message.path for message in collector.received] == ["/v1/traces", "/v1/metrics"]
    assert (collector.spans(), collector.metrics()) == ([], {})
    collector.script = lambda message: Answer(401 if "metrics" in message.path else 200)
    with pytest.raises(ServiceError, match=r"/v1/metrics does not take what it is sent \(401\); check otlp_endpoint"):
        exporter.ping()
