"""Threat 7: keys, or what was asked and answered, in logs, metrics, spans, errors or the store's other columns."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.acceptance.servers import KEY, gateway, settings
from tests.acceptance.test_telemetry import free_port
from tests.integration.gateway.telemetry.collector import Collector
from tests.integration.gateway.upstream import Upstream, completion, events, plain, streaming
from tests.threats.asking import BODIES, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

#: What is asked, what is answered, and the keys of the caller and of the server.
ASKED, ANSWERED = "asked-canary-5b1e", "answered-canary-c0de"
BACKEND_KEY = "sk-backend-canary-9d9d"
#: Where the store keeps content, which is what it is for.
CONTENT = {
    *(("contents", "request"), ("contents", "response"), ("feedback", "output")),
    *(("scores", "text"), ("scores", "comment")),
}


async def _failing(request: web.Request) -> web.StreamResponse:
    """A server that repeats what it was sent in its error."""
    return web.json_response({"error": {"message": (await request.read()).decode()}}, status=500)


async def _babbling(_: web.Request) -> web.StreamResponse:
    return web.Response(text=f"<html>{ANSWERED}", content_type="text/html")


SCRIPTS = {
    "plain": plain,
    "answer": lambda _: _answering(),
    "stream": streaming(events(ANSWERED)),
    "cut": streaming(events(ANSWERED, done=False)[:2], cut=True),
    "failing": _failing,
    "babbling": _babbling,
}


def _holding() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every endpoint with a request that holds the canary, plain and streamed."""
    for path, body in BODIES.items():
        holding = json.loads(json.dumps(body).replace("hello", ASKED))
        for stream in (False, True):
            yield path, {**holding, "user": ASKED, "stream": stream}


async def _answering() -> web.StreamResponse:
    return web.json_response(completion(ANSWERED))


def _held(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Table, column and value of everything in a store."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for column in row.keys():  # noqa: SIM118 - a row is no mapping
                    value = row[column]
                    yield table, column, value if isinstance(value, bytes) else str(value).encode()


def test_threat_07_secrets_in_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probes: Callable[[int], None]
) -> None:
    """With everything logged and every endpoint failing in every way, keys are nowhere and content is content only."""
    monkeypatch.setenv("BACKEND_KEY", BACKEND_KEY)
    admin, tried = free_port(), 0
    errors: list[bytes] = []
    with Upstream() as upstream, Collector() as collector:
        text = settings(upstream.url).replace("models =", 'api_key = "env:BACKEND_KEY"\nmodels =')
        text += f'[admin]\nport = {admin}\n[log]\nlevel = "debug"\nrequests = true\n'
        text += f'[telemetry]\notlp_endpoint = "{collector.endpoint}"\ninterval_s = 0.2\n'
        (tmp_path / "tierwright.toml").write_text(text, encoding="utf-8")
        with gateway(tmp_path) as running:
            for script in SCRIPTS.values():
                upstream.script = script  # type: ignore[assignment]
                answers = [ask(running.address, path, body, key=KEY) for path, body in _holding()]
                # Those of ours; a server's own error passes through as it came, to the one who asked.
                if script is not _failing:
                    errors += [answer.body for answer in answers if answer.status >= 400]
                tried += len(answers)
            for wrong in (f'{{"model": "{ASKED}'.encode(), f"{ASKED}".encode(), b"\xff" + ASKED.encode(), b"[" * 5000):
                for path in (*BODIES, "/v1/feedback"):
                    errors.append(ask(running.address, path, wrong, key=KEY).body)
                    tried += 1
            errors += [ask(running.address, "/v1/models", key=key).body for key in (f"{KEY}-{ASKED}", ASKED)]
            readiness = json.dumps(running.readiness()).encode()
            metrics = ask(f"http://127.0.0.1:{admin}", "/metrics", key=None).body
            assert running.stop() == 0
        spans = b"".join(message.body + json.dumps(message.headers).encode() for message in collector.received)
    log = (tmp_path / "tierwright.toml.ready.log").read_bytes()
    sinks = {"log": log, "metrics": metrics, "readiness": readiness, "errors": b"\n".join(errors), "spans": spans}
    assert all(sinks.values())
    for name, sink in sinks.items():
        for secret in (ASKED, ANSWERED, KEY, BACKEND_KEY):
            assert secret.encode() not in sink, (name, secret)
    kept = list(_held(tmp_path / "tierwright.db"))
    assert {(table, column) for table, column, value in kept if ASKED.encode() in value} <= CONTENT
    assert {(table, column) for table, column, value in kept if ANSWERED.encode() in value} <= CONTENT
    assert not [(table, column) for table, column, value in kept if KEY.encode() in value]
    assert not [(table, column) for table, column, value in kept if BACKEND_KEY.encode() in value]
    # The canaries were there to be found.
    assert any(ASKED.encode() in value for _, _, value in kept)
    assert any(ANSWERED.encode() in value for _, _, value in kept)
    # And nobody else on the machine can read what was written.
    for path in (tmp_path / "tierwright.db", *(tmp_path / "spool").rglob("*")):
        assert not path.stat().st_mode & 0o077, path
    probes(tried * len(sinks))
