"""Tells an OpenTelemetry collector of every request that was captured: spans and metrics, in a thread of its own.

Fails open: a collector that is down, slow or says no costs no answer and no capture. What waits for it is bounded;
what is dropped, refused or not taken is counted, and shows in Prometheus' metrics.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from tierwright import __version__
from tierwright.core.errors import ServiceError
from tierwright.gateway.telemetry.conventions import Servers, clipped
from tierwright.gateway.telemetry.meters import Meters
from tierwright.gateway.telemetry.otlp import METRICS, TRACES, OtlpSender
from tierwright.gateway.telemetry.spans import sampled, spans_of
from tierwright.gateway.telemetry.wire import Origin, rejected_points, rejected_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tierwright.core.inference import Inference
    from tierwright.gateway.config import BackendConfig
    from tierwright.gateway.observing import Seen
    from tierwright.gateway.telemetry.config import TelemetryConfig
    from tierwright.gateway.telemetry.otlp import Delivery

_LOG = logging.getLogger(__name__)
#: Requests whose spans are in one message.
_BATCH = 512
#: Seconds that a collector has to answer a ping.
_PING_S = 3.0


@dataclass(slots=True)
class TelemetryState:
    """What became of what was to be sent, since the start."""

    #: Spans that the collector took.
    spans_sent: int = 0
    #: Spans that it did not take: it could not be reached, or said no.
    spans_failed: int = 0
    #: Requests whose spans had no room to wait.
    requests_dropped: int = 0
    #: Messages with metrics that the collector took, and that it did not.
    metrics_sent: int = 0
    metrics_failed: int = 0
    #: Why the last message was not taken; None: it was.
    error: str | None = None


class TelemetryExporter:
    """Sends from `start` to `close`; an `Observer`."""

    def __init__(
        self, config: TelemetryConfig, config_of: Callable[[str], BackendConfig | None], *, instance: str
    ) -> None:
        """`config_of` knows the backends of now by name; `instance` tells this process from all others."""
        self._config = config
        self._servers = Servers(config_of)
        self._origin = Origin.of(
            service_name=config.service_name, version=__version__, instance=instance, process_id=os.getpid()
        )
        self._meters = Meters(self._servers, since_ns=time.time_ns()) if config.metrics else None
        self._otlp = OtlpSender(config)
        self._models: frozenset[str] = frozenset()
        self._changed = threading.Condition()
        # All below are guarded by `_changed`.
        self._waiting: deque[Seen] = deque()
        #: Requests whose spans are in a message under way.
        self._sending = 0
        self._state = TelemetryState()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="tierwright-telemetry", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def observe(self, seen: Seen) -> None:
        """As `Observer.observe`: counts, and leaves the spans to the thread. Keeps no content."""
        if self._meters is not None:
            self._meters.record(seen.inference)
        if not (self._config.traces and sampled(seen, self._config.sample_ratio)):
            return
        bare = seen._replace(inference=_bare(seen.inference))
        with self._changed:
            if self._deadline is not None or len(self._waiting) >= self._config.queue_limit:
                self._state.requests_dropped += 1
                return
            self._waiting.append(bare)
            if len(self._waiting) == _BATCH:
                self._changed.notify_all()

    def tell_apart(self, models: Collection[str]) -> None:
        """As `Observer.tell_apart`."""
        self._models = frozenset(models)
        if self._meters is not None:
            self._meters.tell_apart(models)

    def state(self) -> TelemetryState:
        """The counters of this moment."""
        with self._changed:
            return replace(self._state)

    def ping(self) -> str:
        """One line on how the collector is doing, asked with messages that bring nothing; not after `start`.

        Raises ServiceError where it does not take them.
        """
        asked = (
            (TRACES, self._config.traces, self._origin.spans),
            (METRICS, self._config.metrics, self._origin.metrics),
        )
        try:
            for path, wanted, message in asked:
                if wanted:
                    self._ask(path, message([]))
        finally:
            self._otlp.close()
        return f"{self._config.endpoint} takes what it is sent"

    def close(self) -> None:
        """Sends what is left, for at most `close_timeout_s`, and counts the rest as dropped; once."""
        with self._changed:
            if self._deadline is not None:
                return
            self._deadline = time.monotonic() + self._config.close_timeout_s
            self._changed.notify_all()
        self._otlp.abort()
        if self._thread.is_alive():
            self._thread.join(self._config.close_timeout_s)
        with self._changed:
            left = len(self._waiting) + self._sending
            self._state.requests_dropped += left
            self._waiting.clear()
        if left:
            _LOG.warning("the spans of %d requests could not be sent before the end", left)

    def _run(self) -> None:
        due = time.monotonic() + self._config.interval_s
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._deadline is not None or len(self._waiting) >= _BATCH,
                    max(0.0, due - time.monotonic()),
                )
                ending = self._deadline is not None
            on_time = ending or time.monotonic() >= due
            if on_time:
                # Before the spans, of which a slow collector may leave more and more.
                self._send_metrics()
                due = time.monotonic() + self._config.interval_s
            least = 1 if on_time else _BATCH
            while self._send_spans(least=least) and (ending or time.monotonic() < due):
                least = 1 if ending else _BATCH
            if ending:
                self._otlp.close()
                return

    def _send_spans(self, *, least: int) -> bool:
        """Sends the spans of some of the requests that wait; False: fewer than `least` do, or there is no time."""
        with self._changed:
            if len(self._waiting) < least or self._left_s() <= 0:
                return False
            group = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            self._sending = len(group)
        spans = [span for seen in group for span in self._spans_of(seen)]
        delivery = self._otlp.send(TRACES, self._origin.spans(spans), within_s=self._left_s())
        rejected = len(spans) if delivery.answer is None else _counted(rejected_spans, delivery.answer)
        with self._changed:
            self._sending = 0
            self._state.spans_sent += len(spans) - rejected
            self._state.spans_failed += rejected
        self._note(delivery)
        return True

    def _spans_of(self, seen: Seen) -> list[Span]:
        try:
            return spans_of(seen, self._servers, models=self._models)
        except Exception as error:  # noqa: BLE001 - a worker's loop: what one request looks like costs the others nothing
            # Without a traceback, which could hold a caller's text.
            _LOG.error("a request has no spans (%s); please report it", error.__class__.__name__)
            with self._changed:
                self._state.requests_dropped += 1
            return []

    def _send_metrics(self) -> None:
        if self._meters is None or self._left_s() <= 0:
            return
        metrics = self._meters.collected(time.time_ns())
        if not metrics:
            return
        delivery = self._otlp.send(METRICS, self._origin.metrics(metrics), within_s=self._left_s())
        taken = delivery.answer is not None and not _counted(rejected_points, delivery.answer)
        with self._changed:
            self._state.metrics_sent += taken
            self._state.metrics_failed += not taken
        self._note(delivery)

    def _ask(self, path: str, message: bytes) -> None:
        error = self._otlp.send(path, message, within_s=min(_PING_S, self._config.timeout_s)).error
        if error is not None:
            raise ServiceError(
                f"{self._config.endpoint}{path} does not take what it is sent ({error}); "
                "check otlp_endpoint and headers in [telemetry], and whether the collector runs"
            )

    def _left_s(self) -> float:
        """Seconds that a message may take."""
        if self._deadline is None:
            return self._config.timeout_s
        return min(self._config.timeout_s, self._deadline - time.monotonic())

    def _note(self, delivery: Delivery) -> None:
        """Logs when it begins to fail, and when it works again."""
        with self._changed:
            before, self._state.error = self._state.error, delivery.error
        if delivery.error is not None and before is None:
            _LOG.warning(
                "telemetry does not reach %s (%s); it goes on trying, and requests are answered as ever",
                self._config.endpoint,
                delivery.error,
            )
        elif delivery.error is None and before is not None:
            _LOG.warning("telemetry reaches %s again", self._config.endpoint)


def _bare(inference: Inference) -> Inference:
    """What spans are made of, and no more: it may have to wait, and a caller may name a model by a book."""
    calls = tuple(replace(call, model=clipped(call.model)) for call in inference.calls)
    return replace(
        inference, request=None, response=None, workload_id=None, model=clipped(inference.model), calls=calls
    )


def _counted(rejected: Callable[[bytes], int], answer: bytes) -> int:
    """How many a collector rejected; some answer with what is none of the protocol's messages: they took all."""
    try:
        return rejected(answer)
    except DecodeError:
        return 0
