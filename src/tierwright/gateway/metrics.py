"""What Prometheus is told: counted where inferences are stored, so that no request waits for it.

Owns names, labels and buckets. Labels have few values: models that the settings don't name are "other", and no label
holds a key, a caller, a task or a conversation. Names that OpenTelemetry's GenAI conventions have are theirs with
underscores; our own begin with `tierwright_`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from tierwright.core.inference import CallRole
from tierwright.gateway.lanes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from prometheus_client.core import Metric

    from tierwright.core.inference import Inference, ModelCall
    from tierwright.gateway.capture import CaptureState
    from tierwright.gateway.clearance import PrivacyState
    from tierwright.gateway.health import MonitorState
    from tierwright.gateway.second import SecondState
    from tierwright.gateway.telemetry.exporter import TelemetryState
    from tierwright.gateway.upstreams.upstreams import UpstreamsState

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_OTHER = "other"
_DURATION_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OVERHEAD_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


class Metrics:
    """The counters of one process."""

    def __init__(self, models: Collection[str]) -> None:
        """`models`: those that are told apart."""
        self._models = frozenset(models)
        self._children: dict[tuple[int, tuple[str, ...]], Any] = {}
        self._registry = registry = CollectorRegistry()
        call = ("endpoint", "backend", "model")
        self._requests = Counter(
            "tierwright_requests", "Requests answered.", (*call, "status", "reason"), registry=registry
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "From the request's last byte to the answer's last.",
            ("endpoint", "backend"),
            buckets=_DURATION_S,
            registry=registry,
        )
        self._overhead = Histogram(
            "tierwright_overhead_seconds",
            "The part of the duration that no model accounts for.",
            buckets=_OVERHEAD_S,
            registry=registry,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the call's begin to the first event of a streamed answer.",
            ("backend",),
            buckets=_DURATION_S,
            registry=registry,
        )
        self._tokens = Counter(
            "gen_ai_client_token_usage", "Tokens of calls.", ("backend", "model", "type"), registry=registry
        )
        self._cost = Counter("tierwright_cost_usd", "US dollars of calls.", ("backend", "model"), registry=registry)
        self._unpriced = Counter(
            "tierwright_unpriced_calls", "Calls with an answer and no price.", ("backend", "model"), registry=registry
        )
        self._estimated = Counter(
            "tierwright_estimated_calls",
            "Calls whose tokens were not counted by the provider.",
            ("backend", "model"),
            registry=registry,
        )
        self._further = Counter(
            "tierwright_further_attempts", "Calls after a first one.", ("backend", "role"), registry=registry
        )

        self._settings = Counter(
            "tierwright_settings_changes", "Changes of the settings by outcome.", ("outcome",), registry=registry
        )

    def settings_changed(self, *, taken: bool) -> None:
        """Counts a change of the settings that was taken or refused."""
        self._settings.labels("taken" if taken else "refused").inc()

    def watch(
        self,
        *,
        in_flight: Callable[[], int],
        capture: Callable[[], CaptureState],
        upstreams: Callable[[], UpstreamsState],
    ) -> None:
        """Adds what is read at the moment it is asked for."""
        self._registry.register(_Moment(in_flight, capture, upstreams))

    def watch_telemetry(self, state: Callable[[], TelemetryState]) -> None:
        """Adds what became of what a collector was to be told."""
        self._registry.register(_Told(state))

    def watch_second(self, state: Callable[[], SecondState]) -> None:
        """Adds what became of second answers."""
        self._registry.register(_Second(state))

    def watch_privacy(self, state: PrivacyState) -> None:
        """Adds what the privacy gate has permitted and refused."""
        self._registry.register(_Gated(state))

    def watch_monitor(self, state: MonitorState) -> None:
        """Adds how looking after the specialists is doing."""
        self._registry.register(Looked(state))

    def tell_apart(self, models: Collection[str]) -> None:
        """Replaces the models that are told apart."""
        self._models = frozenset(models)

    def observe(self, inference: Inference) -> None:
        """Counts one inference that was stored. Takes some tens of microseconds."""
        answer = inference.answering_call
        backend = "none" if answer is None else answer.backend
        endpoint, model = inference.endpoint.value, self._named(inference.model)
        status = f"{inference.status // 100}xx"
        self._at(self._requests, endpoint, backend, model, status, inference.route.reason.value).inc()
        if inference.latency_ms is not None:
            self._at(self._duration, endpoint, backend).observe(inference.latency_ms / 1000)
        if inference.overhead_ms is not None:
            self._overhead.observe(inference.overhead_ms / 1000)
        for call in inference.calls:
            self._observe_call(call)

    def render(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)

    def _observe_call(self, call: ModelCall) -> None:
        model = self._named(call.model)
        if call.role is not CallRole.PRIMARY:
            self._at(self._further, call.backend, call.role.value).inc()
        if call.first_token_ms is not None:
            self._at(self._first_token, call.backend).observe(call.first_token_ms / 1000)
        for kind, tokens in (
            ("input", call.prompt_tokens),
            ("output", call.completion_tokens),
            ("cached", call.cached_tokens),
            ("reasoning", call.reasoning_tokens),
        ):
            if tokens:
                self._at(self._tokens, call.backend, model, kind).inc(tokens)
        if call.cost_usd is not None:
            self._at(self._cost, call.backend, model).inc(float(call.cost_usd))
        elif call.answered and call.error_code is None:
            self._at(self._unpriced, call.backend, model).inc()
        if call.usage_estimated:
            self._at(self._estimated, call.backend, model).inc()

    def _at(self, metric: Any, *labels: str) -> Any:
        """The child of a metric that has these labels; finding it anew costs the library several microseconds."""
        key = (id(metric), labels)
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = metric.labels(*labels)
        return found

    def _named(self, model: str) -> str:
        return model if model in self._models else _OTHER


class _Moment:
    """A collector of what is true now."""

    def __init__(
        self,
        in_flight: Callable[[], int],
        capture: Callable[[], CaptureState],
        upstreams: Callable[[], UpstreamsState],
    ) -> None:
        self._in_flight = in_flight
        self._capture = capture
        self._upstreams = upstreams

    def collect(self) -> Iterable[Metric]:
        """The gauges, as Prometheus' collectors give them."""
        yield GaugeMetricFamily("tierwright_in_flight", "Requests under way.", value=self._in_flight())
        state = self._capture()
        waiting = GaugeMetricFamily("tierwright_capture", "Inferences by what became of them.", labels=["state"])
        for name, value in (
            ("stored", state.captured),
            ("waiting", state.waiting),
            ("spilled", state.spilled),
            ("content_dropped", state.content_dropped),
            ("lost", state.dropped),
        ):
            waiting.add_metric([name], value)
        yield waiting
        refusing = GaugeMetricFamily(
            "tierwright_capture_refusing",
            "Processes that refuse requests, since no capture is durable.",
            labels=["reason"],
        )
        refusing.add_metric([state.refusal or "none"], float(state.refusal is not None))
        yield refusing
        upstreams = self._upstreams()
        circuits = GaugeMetricFamily(
            "tierwright_deployment_state", "0 closed, 1 half open, 2 open.", labels=["deployment", "backend"]
        )
        flying = GaugeMetricFamily(
            "tierwright_deployment_in_flight", "Attempts under way.", labels=["deployment", "backend"]
        )
        for deployment in upstreams.deployments:
            names = [deployment.name, deployment.backend]
            circuits.add_metric(names, deployment.circuit.value)
            flying.add_metric(names, deployment.in_flight)
        refused = GaugeMetricFamily(
            "tierwright_backend_key_refused", "1: the backend refuses our key (HTTP 401 or 403).", labels=["backend"]
        )
        for backend in upstreams.backends:
            refused.add_metric([backend.name], float(backend.key_refused is not None))
        yield from (circuits, flying, refused)


class _Second:
    """A collector of what was answered a second time."""

    def __init__(self, state: Callable[[], SecondState]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """The counters, as Prometheus' collectors give them."""
        count = CounterMetricFamily(
            "tierwright_second_answers",
            "Answers of shadows and audits by what became of them.",
            labels=["role", "outcome"],
        )
        waiting = GaugeMetricFamily(
            "tierwright_second_answers_waiting", "Requests that wait for a second answer.", labels=["role"]
        )
        for role, lane in self._state().lanes.items():
            for outcome in Outcome:
                count.add_metric([role.value, outcome.value], lane.outcomes[outcome])
            waiting.add_metric([role.value], lane.waiting)
        yield from (count, waiting)


class _Gated:
    """A collector of what the privacy gate has decided."""

    def __init__(self, state: PrivacyState) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """The counters, as Prometheus' collectors give them."""
        for name, text, labels, counts in (
            ("permits", "Permits for bytes to leave.", ("backend", "data_class"), self._state.permits),
            ("denials", "Bytes that were not permitted to leave.", ("backend", "reason"), self._state.denials),
            ("refused", "Requests that nobody might see.", ("data_class", "code"), self._state.refused),
        ):
            family = CounterMetricFamily(f"tierwright_privacy_{name}", text, labels=labels)
            for values, count in list(counts.items()):
                family.add_metric(values, count)
            yield family


class Looked:
    """A collector of how looking after the specialists is doing."""

    def __init__(self, state: MonitorState) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """The counters, as Prometheus' collectors give them."""
        state = self._state
        looks = CounterMetricFamily("tierwright_monitor_looks", "Looks after the specialists.", labels=["outcome"])
        looks.add_metric(["done"], state.looks)
        looks.add_metric(["failed"], state.failures)
        yield looks
        yield CounterMetricFamily(
            "tierwright_monitor_rollbacks", "Specialists that were taken off.", value=state.rolled_back
        )
        yield GaugeMetricFamily(
            "tierwright_monitor_failing", "1: looks fail, one after another.", value=float(state.trouble)
        )


class _Told:
    """A collector of what telemetry has sent."""

    def __init__(self, state: Callable[[], TelemetryState]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """The counters, as Prometheus' collectors give them."""
        state = self._state()
        for name, text, sent, failed in (
            ("tierwright_telemetry_spans", "Spans", state.spans_sent, state.spans_failed),
            ("tierwright_telemetry_metrics", "Messages with metrics", state.metrics_sent, state.metrics_failed),
        ):
            family = CounterMetricFamily(name, f"{text} by whether the collector took them.", labels=["outcome"])
            family.add_metric(["sent"], sent)
            family.add_metric(["failed"], failed)
            yield family
        yield CounterMetricFamily(
            "tierwright_telemetry_dropped", "Requests whose spans had no room to wait.", value=state.requests_dropped
        )
