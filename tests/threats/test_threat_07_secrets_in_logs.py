"""Threat 7: keys, or what was asked and answered, in logs, metrics, spans, errors or the store's other columns."""

from __future__ import annotations

import base64
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from sqlalchemy import LargeBinary

from tests.acceptance.conftest import cli
from tests.acceptance.servers import KEY, eventually, gateway, settings
from tests.acceptance.test_telemetry import free_port
from tests.integration.gateway.telemetry.collector import Collector
from tests.integration.gateway.upstream import Upstream, completion, events, plain, streaming
from tests.integration.privacy.echoing import echo
from tests.threats.asking import BODIES, ask
from tierwright.store.schema import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.acceptance.conftest import Cli
    from tests.threats.asking import Answer

__all__ = ["cli"]

pytestmark = pytest.mark.slow

#: What is asked, what is answered, and the keys of the caller and of the server.
ASKED, ANSWERED = "asked-canary-5b1e", "answered-canary-c0de"
BACKEND_KEY = "sk-backend-canary-9d9d"
#: Where the store keeps content, which is what it is for.
CONTENT = {
    *(("contents", "request"), ("contents", "response"), ("feedback", "output")),
    *(("scores", "text"), ("scores", "comment"), ("second_answers", "output")),
    *(("examples", "input"), ("examples", "output"), ("examples", "incumbent_output")),
}
#: Bytes that are content, and that nobody can read without the key.
SEALED = {("pseudonyms", "sealed")}
#: Personal data that a third party gets tokens for, and a number that it never gets.
EMAIL, SSN = "canary4711@clinic.example", "219-09-9999"


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


def test_threat_07_secrets_in_logs_columns(probes: Callable[[int], None]) -> None:
    """What the store keeps as bytes is content, known by name here; everything else has no place for a prompt."""
    columns = [(table.name, column) for table in METADATA.tables.values() for column in table.columns]
    found = {(table, column.name) for table, column in columns if isinstance(column.type, LargeBinary)}
    assert found == CONTENT | SEALED
    probes(len(columns))


def test_threat_07_secrets_in_logs_behind_the_gate(cli: Cli, probes: Callable[[int], None]) -> None:
    """With a gate, tokens and seals, no value and no key is in any file, log, report, check or message."""
    folder, admin = cli.folder, free_port()
    key = base64.b64encode(bytes(range(32))).decode()
    (folder / "content.key").write_text(key, encoding="ascii")
    (folder / "content.key").chmod(0o600)
    with Upstream() as upstream:
        upstream.script = echo
        text = settings(upstream.url).replace("[routing]", f"{_GATE}[routing]", 1)
        (folder / "tierwright.toml").write_text(
            f'{text}[admin]\nport = {admin}\n[log]\nlevel = "debug"\nrequests = true\n', encoding="utf-8"
        )
        said: list[bytes] = []
        with gateway(folder) as running:
            address = running.address
            answered = [_ask(address, f"write to {EMAIL}", stream=stream) for stream in (False, True)]
            assert [answer.status for answer in answered] == [200, 200]
            assert EMAIL.encode() in answered[0].body
            for path, body in BODIES.items():
                holding = json.loads(json.dumps(body).replace("hello", f"my SSN is {SSN}"))
                said += [ask(address, path, {**holding, "stream": stream}, key=KEY).body for stream in (False, True)]
            eventually(lambda: running.readiness()["capture"]["waiting"] == 0)
            said += [json.dumps(running.readiness()).encode(), ask(f"http://127.0.0.1:{admin}", "/metrics").body]
            dry = ("privacy", "erase", "--subject", "ada", "--dry-run")
            for command in (*_TOLD, dry):
                ran = cli(*command)
                assert ran.code in (0, 3), ran.err
                said += [ran.out.encode(), ran.err.encode()]
            assert running.stop() == 0
        left = b"\n".join(body for _, body in upstream.seen)
        # There was something to be found.
        assert b"[EMAIL_A]" in left
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    del files[folder / "content.key"]
    sinks = {"third party": left, "told": b"\n".join(said), **{path.name: held for path, held in files.items()}}
    assert {"tierwright.db", "tierwright-keys.db", "out.html"} <= set(sinks)
    assert any(name.endswith(".jsonl") for name in sinks)
    for name, sink in sinks.items():
        for secret in (EMAIL, SSN, SSN.replace("-", ""), KEY, key):
            assert secret.encode() not in sink, (name, secret)
        assert bytes(range(32)) not in sink, name
    for path in (*(folder / "ledger").rglob("*"), folder / "tierwright-keys.db", folder / "tierwright.db"):
        assert not path.stat().st_mode & 0o077 or path.suffix == ".pub", path
    probes(len(sinks) * 6)


#: One third party: what is confidential becomes tokens, what is restricted stays.
_GATE = """
[privacy]
default_class = "internal"
content_key = "file:content.key"
[privacy.modes]
confidential = "pseudonymise"
restricted = "block"
"""
#: What people ask the program about privacy.
_TOLD = (
    ("privacy", "check", f"write to {EMAIL}, SSN {SSN}"),
    ("privacy", "check", f"write to {EMAIL}, SSN {SSN}", "--json"),
    ("privacy", "verify"),
    ("report", "privacy"),
    ("report", "privacy", "--json"),
    ("report", "privacy", "--html", "out.html"),
    ("doctor",),
)


def _ask(address: str, content: str, *, stream: bool) -> Answer:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], "stream": stream}
    headers = {"x-tierwright-subject": "ada", "x-conversation-id": "c1"}
    return ask(address, "/v1/chat/completions", body, key=KEY, headers=headers)
