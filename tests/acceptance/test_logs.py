"""The log of `tierwright serve`: what is in it, and what must never be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.acceptance.servers import FRONTIER, KEY, gateway, settings
from tests.integration.gateway.upstream import Upstream, completion, events, streaming

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("logs")]

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET = "swordfish"
REQUEST: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"the word is {SECRET}"}]}
MEMBERS = {
    *("time", "level", "logger", "message", "id", "at", "client", "key_id", "endpoint", "task", "model", "route"),
    *("backend", "backend_model", "status", "error", "streamed", "calls", "latency_ms", "overhead_ms"),
    *("first_token_ms", "input_tokens", "output_tokens", "tokens_estimated", "cost_usd", "trace_id"),
}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A model server that repeats the secret."""

    async def repeating(_: web.Request) -> web.StreamResponse:
        return web.json_response(completion(f"you said {SECRET}"))

    with Upstream() as made:
        made.script = repeating
        yield made


def written(folder: Path, upstream: Upstream, *, workers: int, log: str) -> Path:
    """Settings with these log lines; the file that standard error goes to."""
    text = settings(upstream.url).replace("port = 0", f"port = 0\nworkers = {workers}", 1)
    (folder / "tierwright.toml").write_text(f"{text}[log]\n{log}", encoding="utf-8")
    return folder / "tierwright.toml.ready.log"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_line_is_an_object_and_every_request_has_one(tmp_path: Path, upstream: Upstream, workers: int) -> None:
    """Answers, streams and refusals have a line each, of one process or several; no prompt, answer or key is in any."""
    said = written(tmp_path, upstream, workers=workers, log='format = "json"\nrequests = true\n')
    with gateway(tmp_path) as running:
        ask = running.client.chat.completions.with_raw_response
        raw = ask.create(**REQUEST, extra_headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "x-a": SECRET})
        plain = raw.headers["x-tierwright-inference-id"]
        upstream.script = streaming(events(SECRET))
        list(running.client.chat.completions.create(**REQUEST, stream=True))
        with pytest.raises(Exception, match="swordfish"):
            ask.create(**{**REQUEST, "model": f"task:{SECRET} never heard of"})
        assert running.stop() == 0
    lines = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    requests = {
        line["status"]: line for line in lines if line["logger"] == "tierwright.request" and not line["streamed"]
    }
    assert all(set(line) == MEMBERS for line in requests.values())
    answered, refused = requests[200], requests[404]
    assert (answered["id"], answered["trace_id"], answered["client"]) == (plain, TRACE, "shop")
    assert (answered["route"], answered["backend"], answered["error"]) == ("requested", FRONTIER, None)
    assert (answered["input_tokens"], answered["output_tokens"], answered["tokens_estimated"]) == (100, 5, False)
    assert answered["cost_usd"] > 0
    assert answered["latency_ms"] >= answered["overhead_ms"] > 0
    assert (refused["backend"], refused["error"], refused["cost_usd"]) == (None, "task_not_found", None)
    streams = [line for line in lines if line.get("streamed")]
    assert [(line["output_tokens"], line["trace_id"]) for line in streams] == [(3, None)]
    # The name of a model is the caller's own, and said; everything else the caller sent is not.
    refused.pop("model")
    whole = json.dumps(lines)
    assert SECRET not in whole
    assert KEY not in whole
    assert any(line["message"].startswith("listening on http://") for line in lines)


def test_an_error_that_ends_the_command_is_an_object_too(cli: Cli) -> None:
    """A log shipper can read why the gateway did not start; the exit code is as ever."""
    (cli.folder / "tierwright.toml").write_text('version = 1\n[log]\nformat = "json"\n', encoding="utf-8")
    ran = cli("serve")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert "names no model server" in json.loads(line)["message"]


def test_without_requests_nothing_is_said_of_them(tmp_path: Path, upstream: Upstream) -> None:
    """By default a request that is answered leaves no line."""
    said = written(tmp_path, upstream, workers=1, log="")
    with gateway(tmp_path) as running:
        running.client.chat.completions.create(**REQUEST)
        assert running.stop() == 0
    assert [line.partition(" ")[0] for line in said.read_text(encoding="utf-8").splitlines()] == ["listening"]
