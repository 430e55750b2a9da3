"""`tierwright serve` with several workers, and with settings that change while it answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import psutil
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import PROGRAM, Cli
from tests.acceptance.servers import KEY, Gateway, eventually, gateway, settings
from tests.integration.gateway.upstream import Upstream, completion, events, streaming
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tierwright.core.inference import Inference

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]

REQUEST: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 10}
WORDS = [f"word-{number} " for number in range(40)]
#: An answer of the upstream: 100 tokens in, 5 out.
PRICE = '[[economics.prices]]\nmodel = "gpt-4o"\ninput_usd_per_million = "10"\noutput_usd_per_million = "1000"\n'
COST_USD, RESERVED_AT_LEAST_USD = Decimal("0.006"), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with settings, and the model server they name."""

    folder: Path
    upstream: Upstream
    admin_port: int

    def write(self, *, workers: int = 2, backend: str = "", more: str = PRICE, text: str | None = None) -> None:
        """Writes the settings file anew, as a whole and at once."""
        if text is None:
            text = settings(self.upstream.url).replace("port = 0", f"port = 0\nworkers = {workers}", 1)
            text = text.replace('models = ["gpt-4o"]\n', f'models = ["gpt-4o"]\n{backend}', 1)
            text += f"[admin]\nport = {self.admin_port}\n{more}"
        new = self.folder / "tierwright.toml.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self.folder / "tierwright.toml")

    def state(self) -> dict[str, Any]:
        """What the admin listener says of all workers."""
        found: dict[str, Any] = json.loads(self._read("/health/readiness"))
        return found

    def pids(self) -> list[int]:
        """The workers."""
        return [worker["pid"] for worker in self.state()["workers"]]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self._read("/metrics"))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def kept(self) -> list[Inference]:
        """What is stored."""
        store = open_store(f"sqlite:///{self.folder / 'tierwright.db'}")
        try:
            return list(store.scan())
        finally:
            store.close()

    def _read(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
            found: bytes = answer.read()
        return found.decode("utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Settings of two workers in front of a model server that answers well."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Upstream() as upstream:
        made = Site(tmp_path, upstream, port)
        made.write()
        yield made


def ask_anew(running: Gateway, key: str = KEY) -> int:
    """One request on a connection of its own, so that any worker may get it; its status."""
    with openai.OpenAI(base_url=f"{running.address}/v1", api_key=key, max_retries=0, timeout=30) as client:
        try:
            client.chat.completions.create(**REQUEST)
        except openai.APIStatusError as error:
            return error.status_code
        return 200


def at_once(count: int, ask: Callable[[], int]) -> list[int]:
    """The statuses of so many requests, 16 at a time."""
    with ThreadPoolExecutor(16) as pool:
        return [future.result() for future in [pool.submit(ask) for _ in range(count)]]


def test_a_killed_worker_is_begun_again(site: Site) -> None:
    """SIGKILL of one: the other answers meanwhile, a new one takes its place, sums never fall, all is stored once."""
    with gateway(site.folder) as running:
        assert at_once(40, lambda: ask_anew(running)) == [200] * 40
        # Counted when it is stored.
        eventually(lambda: site.metric("tierwright_requests_total", status="2xx") == 40)
        before = site.pids()
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(site.pids()) == 2 and before[0] not in site.pids())
        assert before[1] in site.pids()
        assert site.state()["status"] == "ready"
        assert at_once(40, lambda: ask_anew(running)) == [200] * 40
        eventually(lambda: site.metric("tierwright_requests_total", status="2xx") == 80)
        assert site.metric("tierwright_worker_restarts_total") == 1
        assert site.metric("tierwright_workers", state="running") == 2
        assert running.stop() == 0
    kept = site.kept()
    assert len(kept) == len({inference.id for inference in kept}) == 80


def test_sigterm_lets_the_workers_finish(site: Site) -> None:
    """A stream that is under way when the supervisor is asked to end arrives whole and is stored; exit code 0."""
    site.upstream.script = streaming(events(*WORDS), pause_s=0.03)
    told: list[str] = []
    with gateway(site.folder) as running:
        asking = threading.Thread(target=lambda: told.append(running.stream(REQUEST)))
        asking.start()
        eventually(lambda: site.state()["in_flight"] == 1)
        assert running.stop() == 0
        asking.join(30)
    assert told == ["".join(WORDS)]
    (kept,) = site.kept()
    assert kept.status == 200


def test_a_supervisor_that_is_killed_takes_its_workers_with_it(site: Site) -> None:
    """Nothing goes on unwatched: the workers end, what they held is stored at the latest by the next start."""
    with gateway(site.folder) as running:
        assert at_once(20, lambda: ask_anew(running)) == [200] * 20
        workers = [psutil.Process(pid) for pid in site.pids()]
        running.process.kill()
        running.process.wait(10)
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert alive == []
    with gateway(site.folder) as running:
        assert running.stop() == 0
    assert len(site.kept()) == 20


def test_a_second_gateway_at_the_same_address_is_refused(site: Site) -> None:
    """Workers share a port with each other and with nobody else."""
    with gateway(site.folder) as running:
        port = running.address.rpartition(":")[2]
        text = (
            (site.folder / "tierwright.toml").read_text("utf-8").replace("port = 0\nworkers", f"port = {port}\nworkers")
        )
        (site.folder / "second.toml").write_text(text.replace(f"port = {site.admin_port}", "port = 0"), "utf-8")
        command = [PROGRAM, "serve", "--config", "second.toml"]
        ran = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode != 0
        assert port in ran.stderr
        assert "Traceback" not in ran.stderr
        assert ask_anew(running) == 200


def test_workers_that_cannot_start_say_why_once(site: Site) -> None:
    """A mistake that shows only in the workers ends the command with its message and exit code."""
    site.write(backend="max_connections = 1\n")
    command = [PROGRAM, "serve"]
    ran = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert ran.stderr.count("can't be shared out among 2 workers") == 1
    assert "Traceback" not in ran.stderr


def test_a_rate_limit_holds_exactly_over_workers(site: Site) -> None:
    """Of three times as many requests as a minute allows, spread over both workers, exactly the allowed get through."""
    made = Cli(site.folder)("key", "create", "--client", "shop-2", "--rpm", "30", "--json").document
    with gateway(site.folder) as running:
        found = at_once(90, lambda: ask_anew(running, made["key"]))
        assert running.stop() == 0
    assert (found.count(200), found.count(429)) == (30, 60)
    assert sum(one.client_id == "shop-2" and one.status == 200 for one in site.kept()) == 30


def test_a_budget_holds_exactly_over_workers(site: Site) -> None:
    """Whatever 16 callers ask at once, no more is spent than the budget; what is left is less than a reservation."""
    made = Cli(site.folder)("key", "create", "--client", "shop-3", "--budget-usd", "0.30", "--json").document
    with gateway(site.folder) as running:
        found = at_once(120, lambda: ask_anew(running, made["key"]))
        assert set(found) <= {200, 402, 429}
        # Reservations of the crowd have been given back: one at a time, it is used up.
        while (status := ask_anew(running, made["key"])) == 200:
            pass
        assert status in (402, 429)
        assert running.stop() == 0
    spent = [call.cost_usd or 0 for one in site.kept() if one.client_id == "shop-3" for call in one.calls]
    assert set(spent) == {COST_USD}
    assert Decimal("0.30") - 3 * RESERVED_AT_LEAST_USD < sum(spent, Decimal(0)) <= Decimal("0.30")


def rotated(site: Site) -> None:
    """Waits until the upstream is sent the second key."""
    eventually(lambda: any(headers["authorization"] == "Bearer sk-second" for headers, _ in site.upstream.seen))


@pytest.mark.parametrize("workers", [1, 2])
def test_settings_change_without_dropping_a_request(site: Site, workers: int) -> None:
    """Under load a key is replaced, a broken file refused, and a price changed: every answer is whole.

    A stream that began with the old settings ends with them. Fault 37 of the list.
    """
    key = site.folder / "upstream.key"
    key.write_text("sk-first\n", "utf-8")
    backend = 'api_key = "file:upstream.key"\n'
    site.write(workers=workers, backend=backend)
    slow, quick = streaming(events(*WORDS), pause_s=0.05), streaming(events("quick"))

    async def script(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if asked.get("stream"):
            return await (slow if asked["messages"][0]["content"] == "slowly" else quick)(request)
        return web.json_response(completion("whole"))

    site.upstream.script = script
    with gateway(site.folder) as running, under_load(running) as load:
        told: list[str] = []
        slowly = {**REQUEST, "messages": [{"role": "user", "content": "slowly"}]}
        asking = threading.Thread(target=lambda: told.append(running.stream(slowly)))
        asking.start()
        eventually(lambda: load.answers > 20)

        key.write_text("sk-second\n", "utf-8")
        running.process.send_signal(signal.SIGHUP)
        rotated(site)
        eventually(lambda: site.metric("tierwright_settings_changes_total", outcome="taken") == 1)
        asking.join(30)
        assert told == ["".join(WORDS)]

        site.write(text="[server]\nworkers = many\n")
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: site.state()["settings_error"] is not None)
        assert "not valid TOML" in site.state()["settings_error"]
        assert site.state()["status"] == "degraded"

        site.write(workers=workers, backend=backend, more=PRICE.replace('"1000"', '"2000"'))
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: site.state()["status"] == "ready")
        answered = load.answers
        eventually(lambda: load.answers > answered + 20)
        load.stop.set()
        load.join()
        asked_with = [headers["authorization"] for headers, _ in site.upstream.seen]
        assert running.stop() == 0
    assert load.wrong == []
    # All workers change at the same instant, or nearly: no old key long after the first new one.
    assert set(asked_with) == {"Bearer sk-first", "Bearer sk-second"}
    assert asked_with[-20:] == ["Bearer sk-second"] * 20
    kept = site.kept()
    assert len(kept) == load.answers + 1
    assert {one.status for one in kept} == {200}
    assert {call.cost_usd for one in kept[-5:] for call in one.calls} <= {Decimal("0.011"), Decimal("0.00607")}


@dataclass
class Load:
    """Callers that ask all the time, plain and streamed in turn."""

    running: Gateway
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> None:
        """One caller; it opens a connection for each request, and so meets every worker."""
        streamed = False
        while not self.stop.is_set():
            streamed = not streamed
            with openai.OpenAI(base_url=f"{self.running.address}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
                try:
                    text = Gateway(self.running.process, self.running.address, client)
                    found = text.stream(REQUEST) if streamed else text.ask(REQUEST)[0]
                except openai.OpenAIError as error:
                    found = repr(error)
            with self.guard:
                self.answers += 1
                if found != ("quick" if streamed else "whole"):
                    self.wrong.append(found)

    def join(self) -> None:
        """Waits until they have ended."""
        for thread in self.threads:
            thread.join(30)


@contextmanager
def under_load(running: Gateway) -> Iterator[Load]:
    """Four callers."""
    load = Load(running)
    load.threads = [threading.Thread(target=load.ask) for _ in range(4)]
    for thread in load.threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        load.join()
