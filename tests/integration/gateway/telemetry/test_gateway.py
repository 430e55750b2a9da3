"""A gateway that tells a collector of its traffic, and is not held up by one."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.integration.gateway.conftest import eventually
from tests.integration.gateway.telemetry.collector import Answer, Collector, Received, values
from tests.integration.gateway.upstream import Upstream, events, streaming
from tierwright.app.service import Service
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import open_parts
from tierwright.core.ids import InferenceId
from tierwright.gateway.serving import Listener
from tierwright.gateway.tracing import span_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., "Running"]

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REQUEST: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "the word is swordfish"}]}
SETTINGS = """
[server]
port = 0
[[backends]]
name = "frontier"
base_url = "{upstream}"
models = ["gpt-4o"]
[telemetry]
otlp_endpoint = "{collector}"
interval_s = 0.05
headers = {{ x-api-key = "env:COLLECTOR_KEY" }}
{more}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway as its settings make it."""

    service: Service
    listener: Listener
    thread: threading.Thread
    client: openai.OpenAI

    def stop(self) -> None:
        """As `tierwright serve` ends."""
        self.client.close()
        self.listener.stop()
        self.thread.join(30)
        self.service.close()
        assert not self.thread.is_alive()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A model server."""
    with Upstream() as made:
        yield made


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that takes everything."""
    with Collector() as made:
        yield made


@pytest.fixture
def start(tmp_path: Path, upstream: Upstream, collector: Collector) -> Iterator[Start]:
    """Starts a gateway; stops it at the end, if nobody did."""
    with ExitStack() as stack:

        def starting(more: str = "", endpoint: str = collector.endpoint) -> Running:
            text = SETTINGS.format(upstream=upstream.url, collector=endpoint, more=more)
            settings = parse_settings(text.encode(), tmp_path / "tierwright.toml", {"COLLECTOR_KEY": "swordfish-key"})
            service = Service(stack.enter_context(open_parts(settings)))
            listener = Listener(service.app, settings.server)
            ready = threading.Event()
            thread = threading.Thread(target=listener.run, args=(lambda _: ready.set(),), daemon=True)
            thread.start()
            assert ready.wait(30)
            client = openai.OpenAI(base_url=f"{listener.address}/v1", api_key="none", max_retries=0)
            running = Running(service, listener, thread, client)
            stack.callback(running.stop)
            return running

        yield starting


def test_a_request_is_traced_from_its_caller_to_the_model_server(
    start: Start, upstream: Upstream, collector: Collector
) -> None:
    """The caller's trace goes on in the gateway's span and in that of the call; no content, key or header is sent."""
    running = start()
    ask = running.client.chat.completions.with_raw_response
    raw = ask.create(**REQUEST, extra_headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    name = InferenceId(raw.headers["x-tierwright-inference-id"])
    eventually(lambda: len(collector.spans()) == 2)
    request, call = collector.spans()
    assert (request.trace_id.hex(), request.parent_span_id.hex(), request.span_id.hex()) == (
        TRACE,
        PARENT,
        span_id(name),
    )
    assert (call.trace_id, call.parent_span_id) == (request.trace_id, request.span_id)
    assert values(request.attributes)["tierwright.inference.id"] == name
    said = values(call.attributes)
    assert (said["gen_ai.provider.name"], said["server.address"]) == ("openai", "127.0.0.1")
    assert f":{said['server.port']}/" in upstream.url
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (100, 5)
    eventually(lambda: "gen_ai.client.token.usage" in collector.metrics())
    assert all(message.headers["x-api-key"] == "swordfish-key" for message in collector.received)
    assert all(
        b"swordfish" not in message.body and b"card_arrival" not in message.body for message in collector.received
    )


def test_who_has_an_answer_has_its_trace(start: Start, collector: Collector) -> None:
    """Without a caller's trace it has one of its own, whose id stands in the answer's; streams too."""
    running = start()
    answer = running.client.chat.completions.create(**REQUEST)
    eventually(lambda: len(collector.spans()) == 2)
    assert {span.trace_id.hex() for span in collector.spans()} == {answer.id.removeprefix("chatcmpl-")}


def test_a_stream_has_its_first_chunk(start: Start, upstream: Upstream, collector: Collector) -> None:
    """Measured as the caller saw it, in spans and in metrics."""
    upstream.script = streaming(events("a", "b", "c"), pause_s=0.02)
    running = start()
    list(running.client.chat.completions.create(**REQUEST, stream=True))
    running.stop()
    (call,) = (span for span in collector.spans() if span.parent_span_id)
    assert values(call.attributes)["gen_ai.response.time_to_first_chunk"] > 0
    assert "gen_ai.server.time_to_first_token" in collector.metrics()


def test_a_trace_its_caller_does_not_record_is_not_sent(start: Start, collector: Collector) -> None:
    """It counts in the metrics all the same."""
    running = start()
    running.client.chat.completions.create(**REQUEST, extra_headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    running.stop()
    assert collector.spans() == []
    assert collector.metrics()


@pytest.mark.parametrize("trouble", ["down", "hangs", "refuses"])
def test_a_collector_in_trouble_costs_no_answer(start: Start, collector: Collector, trouble: str) -> None:
    """Under load every request is answered and captured, the end comes, and Prometheus' page says what was lost."""
    go_on = threading.Event()

    def hanging(_: Received) -> Answer:
        go_on.wait(60)
        return Answer(500)

    collector.script = hanging if trouble == "hangs" else lambda _: Answer(400)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        running = start("queue_limit = 50", down if trouble == "down" else collector.endpoint)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: running.client.chat.completions.create(**REQUEST), range(300)))
        assert len({answer.id for answer in answers}) == 300
        eventually(lambda: len(list(running.service._parts.store.scan())) == 300)
        running.stop()
    go_on.set()
    assert running.service._telemetry is not None
    state = running.service._telemetry.state()
    assert (state.spans_sent, state.metrics_sent) == (0, 0)
    assert state.spans_failed / 2 + state.requests_dropped == 300
    page = running.service.app.metrics.render().decode()
    assert f"tierwright_telemetry_dropped_total {float(state.requests_dropped)}" in page
    assert f'tierwright_telemetry_spans_total{{outcome="failed"}} {float(state.spans_failed)}' in page
