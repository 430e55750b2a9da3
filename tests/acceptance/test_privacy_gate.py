"""The gate as its users meet it: `init`, `serve`, `doctor`, and a ledger that has what was decided."""

from __future__ import annotations

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.acceptance.servers import eventually, gateway
from tierwright.privacy.ledger.entries import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.conftest import Cli

pytestmark = pytest.mark.slow

EMAIL = "jo.doe@mail.example.org"


class Upstream:
    """A third party that remembers every byte it was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Answers every request alike."""
                upstream.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                message = {"role": "assistant", "content": "Paris"}
                answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                body = json.dumps({**answer, "choices": [choice]}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A third party."""
    found = Upstream()
    yield found
    found.close()


def _begun(cli: Cli, upstream: Upstream, *more: str) -> str:
    """A folder as `init` leaves it, at any free port; the caller's key."""
    (cli.folder / "tierwright.toml").unlink(missing_ok=True)
    ran = cli("init", "--yes", "--json", "--base-url", upstream.url, "--api-key-variable", "-", *more)
    assert ran.code == 0, ran.err
    path = cli.folder / "tierwright.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("port = 8400", "port = 0"), encoding="utf-8")
    return str(ran.document["key"])


def _ask(address: str, key: str, content: str) -> Any:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=30) as client:
        messages: list[Any] = [{"role": "user", "content": content}]
        return client.chat.completions.with_raw_response.create(model="gpt-4o", messages=messages)


def test_from_init_to_a_refusal_that_is_written_down(cli: Cli, upstream: Upstream) -> None:
    """Ordinary requests are answered; an address stays here, even with promises that have ended; a reload opens it."""
    key = _begun(cli, upstream)
    path = cli.folder / "tierwright.toml"
    with gateway(cli.folder) as running:
        assert running.readiness()["privacy"] == {"gate": "on", "why": None}
        assert _ask(running.address, key, "Capital of France?").headers["x-tierwright-data-class"] == "internal"
        with pytest.raises(openai.PermissionDeniedError) as refused:
            _ask(running.address, key, f"write to {EMAIL}")
        assert refused.value.code == "privacy_blocked"
        assert EMAIL not in str(refused.value)
        assert not [body for body in upstream.bodies if EMAIL.encode() in body]
        # The provider has promised what is asked for, and the running gateway is told.
        ours = path.read_text(encoding="utf-8").replace("self_hosted = false", "self_hosted = true")
        path.write_text(ours.replace('["public", "internal"]', '["public", "internal", "confidential"]'), "utf-8")
        running.process.send_signal(signal.SIGHUP)

        def opened() -> bool:
            try:
                return bool(_ask(running.address, key, f"write to {EMAIL}").headers)
            except openai.PermissionDeniedError:
                return False

        eventually(opened)
        assert [body for body in upstream.bodies if EMAIL.encode() in body]
        assert running.stop() == 0
    found = list(entries(cli.folder / "ledger"))
    kinds = [entry.kind for entry in found]
    assert kinds[:4] == ["start", "policy", "permit", "refused"]
    assert kinds.count("policy") == 2
    assert kinds[-1] == "end"
    permits = [entry.facts["class"] for entry in found if entry.kind == "permit"]
    assert permits == ["internal", "confidential"]
    raw = b"".join(file.read_bytes() for file in (cli.folder / "ledger").iterdir())
    assert EMAIL.encode() not in raw


def test_the_table_can_not_be_taken_from_a_running_gateway(cli: Cli, upstream: Upstream) -> None:
    """It keeps what it kept, and readiness says why the file was refused."""
    key = _begun(cli, upstream)
    path = cli.folder / "tierwright.toml"
    with gateway(cli.folder) as running:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        start = next(at for at, line in enumerate(lines) if line.startswith("[backends.privacy]"))
        end = next(at for at, line in enumerate(lines) if line.startswith("[[callers]]"))
        path.write_text("".join([*lines[:start], *lines[end:]]), encoding="utf-8")
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.readiness()["settings_error"] is not None)
        assert "[privacy]" in running.readiness()["settings_error"]
        with pytest.raises(openai.PermissionDeniedError):
            _ask(running.address, key, f"write to {EMAIL}")


def test_init_asks_for_the_class_and_doctor_tells_who_sees_what(cli: Cli, upstream: Upstream) -> None:
    """The class that `--data-class` names; one that there is not is refused."""
    key = _begun(cli, upstream, "--data-class", "restricted")
    ran = cli("doctor", "--json")
    found = {finding["part"]: finding["says"] for finding in ran.document}
    assert "on, by default restricted" in found["privacy"]
    assert found["privacy of frontier"].startswith("may see public, internal; not confidential: not allowed")
    with gateway(cli.folder) as running, pytest.raises(openai.PermissionDeniedError):
        _ask(running.address, key, "Capital of France?")
    (cli.folder / "tierwright.toml").unlink()
    assert cli("init", "--yes", "--data-class", "secret").code == 2
