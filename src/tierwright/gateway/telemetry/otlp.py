"""Sends messages to a collector by OTLP over HTTP (opentelemetry.io/docs/specs/otlp, section OTLP/HTTP).

Blocks, so it is used in a thread of its own. It goes to the address it is given and nowhere else: it reads no variable
of the environment, takes no proxy and follows no redirection. OpenTelemetry's own exporter would add what
OTEL_EXPORTER_OTLP_HEADERS holds to every message, whomever that was meant for.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tierwright.gateway.telemetry.config import TelemetryConfig

TRACES, METRICS = "/v1/traces", "/v1/metrics"
#: Statuses after which the same message may be sent again.
_PASSING = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S = 0.5
#: Bytes of an answer that are read: it says how much was rejected, and why.
_ANSWER_BYTES = 65_536


class Delivery(NamedTuple):
    """What became of a message."""

    #: The collector's answer; None: it was not taken.
    answer: bytes | None
    #: Why it was not taken: an HTTP status or the class of an error.
    error: str | None


class OtlpSender:
    """One connection to one collector; used by one thread, but `abort` by any."""

    def __init__(self, config: TelemetryConfig) -> None:
        self._url = urlsplit(config.endpoint)
        self._headers = {
            **{name: secret.reveal() for name, secret in config.headers.items()},
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
        }
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = threading.Event()

    def send(self, path: str, message: bytes, *, within_s: float) -> Delivery:
        """Sends a message, again where that can help; never raises for what happens on the way."""
        deadline = time.monotonic() + within_s
        body, pause_s = gzip.compress(message, compresslevel=1), _FIRST_PAUSE_S
        while True:
            status, after_s, answer, error = self._attempt(path, body, deadline - time.monotonic())
            if status is not None and 200 <= status < 300:
                return Delivery(answer, None)
            error = error or str(status)
            wait_s = pause_s if after_s is None else after_s
            if not (status is None or status in _PASSING) or time.monotonic() + wait_s >= deadline:
                return Delivery(None, error)
            if self._aborted.wait(wait_s):
                return Delivery(None, error)
            pause_s *= 2

    def abort(self) -> None:
        """Has no message sent again from now on."""
        self._aborted.set()

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _attempt(self, path: str, body: bytes, within_s: float) -> tuple[int | None, float | None, bytes, str | None]:
        """Status, Retry-After in seconds, body and class of the error of one attempt."""
        reused = self._connection is not None
        try:
            return self._exchange(path, body, within_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                return None, None, b"", error.__class__.__name__
        # A connection that was idle may have been closed by the other end meanwhile: that is no failure.
        try:
            return self._exchange(path, body, within_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return None, None, b"", error.__class__.__name__

    def _exchange(self, path: str, body: bytes, within_s: float) -> tuple[int | None, float | None, bytes, str | None]:
        connection = self._connected(max(0.001, within_s))
        connection.request("POST", f"{self._url.path.rstrip('/')}{path}", body, self._headers)
        response = connection.getresponse()
        answer = response.read(_ANSWER_BYTES)
        if not response.isclosed():
            self.close()
        return response.status, _seconds(response.getheader("retry-after", "")), answer, None

    def _connected(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._url.hostname or "", self._url.port
            if self._url.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        return self._connection


def _seconds(value: str) -> float | None:
    """A Retry-After, where it is a number of seconds."""
    return float(value) if value.isascii() and value.isdigit() else None
