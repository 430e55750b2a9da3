"""A collector: a real receiver of OTLP over HTTP, as each test scripts it."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Answer(NamedTuple):
    """What the collector says to a message."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    #: Whether the connection is closed without a word of it.
    close: bool = False


class Received(NamedTuple):
    """One message."""

    path: str
    headers: dict[str, str]
    #: As it was before it was compressed.
    body: bytes
    #: The other end of the connection.
    peer: Any


def values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as Python has them."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in attributes}


class Collector:
    """The server: `script` answers, `received` remembers."""

    def __init__(self) -> None:
        self.script: Callable[[Received], Answer] = lambda _: Answer()
        self.received: list[Received] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                message = Received(self.path, headers, body, self.client_address)
                collector.received.append(message)
                answer = collector.script(message)
                self.close_connection = answer.close
                if answer.status:
                    self.send_response(answer.status)
                    for name, value in answer.headers:
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.socket.close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """What the settings are given."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def of(self, path: str) -> list[Received]:
        """The messages sent to a path."""
        return [message for message in self.received if message.path.endswith(path)]

    def resources(self) -> list[dict[str, Any]]:
        """Who sent spans, a resource for each message."""
        return [
            values(resource.resource.attributes)
            for message in self.of("/v1/traces")
            for resource in ExportTraceServiceRequest.FromString(message.body).resource_spans
        ]

    def spans(self) -> list[Span]:
        """All spans, in the order sent."""
        return [
            span
            for message in self.of("/v1/traces")
            for resource in ExportTraceServiceRequest.FromString(message.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> dict[str, Metric]:
        """The metrics of the last message, by name."""
        messages = self.of("/v1/metrics")
        if not messages:
            return {}
        found = ExportMetricsServiceRequest.FromString(messages[-1].body)
        return {
            metric.name: metric
            for resource in found.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
