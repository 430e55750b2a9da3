"""`tierwright serve` with several workers and a collector."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.acceptance.servers import KEY, eventually, gateway, settings
from tests.integration.gateway.telemetry.collector import Collector
from tests.integration.gateway.upstream import Upstream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("telemetry")]

REQUEST: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "the word is swordfish"}]}


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_every_worker_tells_what_it_has_answered(tmp_path: Path) -> None:
    """Each as an instance of its own, nothing twice, all of it by the end; Prometheus' page has the sum."""
    admin = free_port()
    with Upstream() as upstream, Collector() as collector:
        text = settings(upstream.url).replace("port = 0", "port = 0\nworkers = 2", 1)
        text += f'[admin]\nport = {admin}\n[telemetry]\notlp_endpoint = "{collector.endpoint}"\ninterval_s = 0.2\n'
        (tmp_path / "tierwright.toml").write_text(f'{text}[log]\nformat = "json"\nrequests = true\n', encoding="utf-8")
        names = []
        with gateway(tmp_path) as running:

            def ask() -> str:
                # A connection of its own, so that either worker may get it.
                with openai.OpenAI(base_url=f"{running.address}/v1", api_key=KEY, max_retries=0) as client:
                    return client.chat.completions.create(**REQUEST).id

            def instances() -> set[str]:
                return {resource["service.instance.id"] for resource in collector.resources()}

            eventually(lambda: names.append(ask()) or len(instances()) == 2)  # type: ignore[func-returns-value]

            def page() -> str:
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as answer:
                    found: str = answer.read().decode()
                return found

            sent = f'tierwright_telemetry_spans_total{{outcome="sent"}} {2.0 * len(names)}'
            eventually(lambda: sent in page())
            names.append(ask())
            assert running.stop() == 0
        own = [span for span in collector.spans() if not span.parent_span_id]
        assert sorted(span.trace_id.hex() for span in own) == sorted(name.removeprefix("chatcmpl-") for name in names)
        assert len(collector.spans()) == 2 * len(names)
        assert len({resource["process.pid"] for resource in collector.resources()}) == 2
        lines = map(json.loads, (tmp_path / "tierwright.toml.ready.log").read_text(encoding="utf-8").splitlines())
        traces = {line["id"]: line["trace_id"] for line in lines if line["logger"] == "tierwright.request"}
        assert traces == {name: name.removeprefix("chatcmpl-") for name in names}


def test_doctor_asks_the_collector(cli: Cli) -> None:
    """It says whether the collector takes what it is sent, and what to look at where it does not."""
    with Collector() as collector:
        cli.settings(f'[telemetry]\notlp_endpoint = "{collector.endpoint}"\n')
        found = {finding["part"]: finding for finding in cli("doctor", "--json").document}
        assert found["telemetry"]["ok"]
        assert (len(collector.received), collector.spans()) == (2, [])
    ran = cli("doctor", "--json")
    found = {finding["part"]: finding for finding in ran.document}
    assert (ran.code, found["telemetry"]["ok"]) == (3, False)
    assert "check otlp_endpoint and headers in [telemetry]" in found["telemetry"]["says"]
