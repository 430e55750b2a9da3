"""What was asked and answered reaches the store, whatever the store does, and never costs an answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web

from tests.integration.gateway.conftest import KEY, Running, eventually
from tests.integration.gateway.upstream import Script, Upstream, completion, events, plain, streaming
from tierwright.core.errors import StoreFull
from tierwright.core.inference import Content
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.inference import Inference
    from tierwright.store.sql import SqlStore

MESSAGES: Any = [{"role": "user", "content": "hi"}]
ROOT = Path(__file__).parents[3]


@dataclass
class Failing:
    """A store that can be full."""

    store: SqlStore
    full: bool = True
    attempts: int = 0

    def append(self, inferences: Sequence[Inference]) -> int:
        """Fails while it is full."""
        self.attempts += 1
        if self.full:
            raise StoreFull("no space left on the disk; free some")
        return self.store.append(inferences)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def ask(gateway: Running) -> str:
    """One plain completion."""
    return str(gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES).id)


def test_full_store_costs_no_answer_and_loses_nothing(start: Callable[..., Running], store: SqlStore) -> None:
    """While the store is full answers go on and wait in memory, readiness says so, and afterwards all are there."""
    failing = Failing(store)
    gateway = start(captured=failing)
    asked = {ask(gateway) for _ in range(5)}
    eventually(lambda: gateway.readiness()["capture"]["store_error"] == "StoreFull")
    state = gateway.readiness()
    assert state["status"] == "degraded"
    assert (state["capture"]["waiting"], state["capture"]["dropped"]) == (5, 0)
    failing.full = False
    assert {kept.id for kept in gateway.captured(5)} == asked
    eventually(lambda: gateway.readiness()["status"] == "ready")


def test_beyond_the_bound_drops_are_counted(start: Callable[..., Running], store: SqlStore) -> None:
    """What a full store and a full queue can't take is lost, counted, and costs no answer."""
    gateway = start(captured=Failing(store), capture={"queue_limit": 3, "close_timeout_s": 0.2})
    for _ in range(5):
        ask(gateway)
    state = gateway.readiness()["capture"]
    assert (state["waiting"], state["dropped"], state["captured"]) == (3, 2, 0)


def test_stopping_finishes_answers_and_stores_them(start: Callable[..., Running]) -> None:
    """An answer under way when the gateway is asked to stop still arrives, and is in the store afterwards."""
    gateway = start(capture={"max_delay_ms": 60_000.0})
    arrived, go_on = threading.Event(), threading.Event()

    async def slow(_: web.Request) -> web.Response:
        arrived.set()
        await asyncio.to_thread(go_on.wait, 20)
        return web.json_response(completion())

    gateway.upstream.script = slow
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(ask(gateway)))
    asking.start()
    assert arrived.wait(10)
    gateway.listener.stop()
    threading.Timer(0.3, go_on.set).start()
    asking.join(20)
    gateway.stop()
    assert found == [kept.id for kept in gateway.store.scan()]


def test_stream_that_outlasts_the_drain_is_cut_and_kept(start: Callable[..., Running]) -> None:
    """A stream that does not end in time breaks off for its caller, without a false end, and its part is stored."""
    gateway = start(drain_s=1)
    pieces = events(*["word "] * 1000, usage=False)
    gateway.upstream.script = streaming(pieces, pause_s=0.05)
    stream = gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    assert next(stream).id
    gateway.listener.stop()
    with pytest.raises(Exception, match=r"peer closed|incomplete|Connection|closed"):
        list(stream)
    gateway.thread.join(20)
    (kept,) = gateway.store.scan()
    assert (kept.error_code, kept.calls[0].error_code) == ("shut_down", "shut_down")
    assert b"word word" in (kept.response or b"")


def test_sigterm_ends_the_process_cleanly(upstream: Upstream, tmp_path: Path) -> None:
    """A gateway process that gets SIGTERM stores what it captured, runs what follows `serve` and exits with 0."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    command = [sys.executable, "-m", "tests.integration.gateway.program", upstream.url, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with openai.OpenAI(base_url=address + "/v1", api_key=KEY, max_retries=0) as client:
            answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            # Nobody needs a key here: whoever calls may judge.
            said = client.post("/feedback", body={"id": answer.id, "score": 1}, cast_to=object)
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out.strip(), err) == (0, "stopped", "")
    store = open_store(url)
    (kept,) = store.scan()
    judged = store.scores_of([kept.id])
    store.close()
    assert kept.id == answer.id
    assert said["new"] is True  # type: ignore[index]
    assert [score.number for score in judged] == [1.0]
    assert kept.client_id == "local"
    assert json.loads(kept.request or b"")["messages"] == MESSAGES


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_answered_survives_a_kill(upstream: Upstream, tmp_path: Path, *, stream: bool) -> None:
    """Killed with SIGKILL before anything was stored: the next start stores every answer that a caller has, once."""
    url, spool = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "spool"
    command = [sys.executable, "-m", "tests.integration.gateway.program", upstream.url, url, str(spool)]
    upstream.script = streaming(events("card", "_arrival")) if stream else plain
    had: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with openai.OpenAI(base_url=address + "/v1", api_key=KEY, max_retries=0) as client:
            for _ in range(20):
                if stream:
                    with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as chunks:
                        had.append([chunk.id for chunk in chunks][-1])
                else:
                    had.append(client.chat.completions.create(model="gpt-4o", messages=MESSAGES).id)
        os.kill(process.pid, signal.SIGKILL)
    store = open_store(url)
    assert store.count() == 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        eventually(lambda: store.count() == len(had))
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
    found = list(store.scan())
    store.close()
    assert sorted(kept.id for kept in found) == sorted(had)
    answers = {json.loads(kept.response or b"")["choices"][0]["message"]["content"] for kept in found}
    assert answers == {"card_arrival"}
    assert all(kept.calls[0].prompt_tokens for kept in found)
    assert list(spool.iterdir()) == []


def test_taken_port_is_said(gateway: Running) -> None:
    """A second gateway on the same port is refused with what to do about it."""
    from tierwright.core.errors import ServiceError  # noqa: PLC0415 - next to what raises it
    from tierwright.gateway.config import ServerConfig  # noqa: PLC0415 - as above
    from tierwright.gateway.serving import Listener  # noqa: PLC0415 - as above

    port = int(gateway.listener.address.rsplit(":", 1)[1])

    async def nothing(*_: object) -> None:
        """No application."""

    with pytest.raises(ServiceError, match=r"another port in \[server\]"):
        Listener(nothing, ServerConfig(port=port))


def test_content_can_be_switched_off_and_the_ledger_stays(start: Callable[..., Running]) -> None:
    """Neither question nor answer is kept, whole or streamed; tokens, cost and route are."""
    gateway = start(capture={"keep_content": False})
    client = gateway.client()
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    gateway.upstream.script = streaming(events("card"))
    with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
        assert list(stream)
    for kept in gateway.captured(2):
        assert (kept.request, kept.response, kept.content) == (None, None, Content.OFF)
        assert kept.calls[0].prompt_tokens
        assert kept.calls[0].cost_usd


def uncounted(text: str, *, n: int = 1) -> Script:
    """Answers every request with `n` choices and no usage."""

    async def script(_: web.Request) -> web.StreamResponse:
        said = {key: value for key, value in completion(text).items() if key != "usage"}
        choices = [{**said["choices"][0], "index": index} for index in range(n)]
        return web.json_response({**said, "choices": choices})

    return script


def test_what_no_provider_counts_is_counted_although_no_content_is_kept(start: Callable[..., Running]) -> None:
    """Whole, streamed or cut by the caller, the ledger has an estimate and its price, the same as with content."""
    found: list[list[tuple[int | None, int | None, bool]]] = []
    for keep in (True, False):
        gateway = start(capture={"keep_content": keep})
        client, before = gateway.client(), gateway.store.count()
        gateway.upstream.script = uncounted("a few words to count")
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        gateway.upstream.script = streaming(events("some ", "more ", "words", usage=False))
        with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
            assert list(stream)
        gateway.upstream.script = streaming(events(*["word "] * 3, usage=False)[:3], pause_s=0.2)
        with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
            assert [next(stream).id for _ in range(3)]
        kept = gateway.captured(before + 3)[before:]
        calls = [one.calls[0] for one in kept]
        assert {one.content for one in kept} == {Content.KEPT if keep else Content.OFF}
        assert all((one.request is None) != keep for one in kept)
        assert all(call.cost_usd for call in calls)
        found.append([(call.prompt_tokens, call.completion_tokens, call.usage_estimated) for call in calls])
    assert found[0] == found[1]
    assert found[0][0] == (8, 5, True)


def test_all_that_a_model_wrote_is_counted(gateway: Running) -> None:
    """Every choice of several is part of the estimate, as it is of the bill."""
    for n in (1, 3):
        gateway.upstream.script = uncounted("a few words to count", n=n)
        ask(gateway)
    one, three = (kept.calls[0].completion_tokens for kept in gateway.captured(2))
    assert one == 5
    assert three is not None
    assert 15 <= three <= 17


@pytest.mark.parametrize("stream", [False, True])
def test_no_text_is_in_a_journal_that_must_not_be_kept_and_its_counts_are(
    upstream: Upstream, tmp_path: Path, *, stream: bool
) -> None:
    """Killed before anything was stored: without content the spool holds no word, and the ledger is complete."""
    url, spool = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "spool"
    command = [sys.executable, "-m", "tests.integration.gateway.program", upstream.url, url, str(spool), "no-content"]
    upstream.script = streaming(events("xylo", "phone", usage=False)) if stream else uncounted("xylophone")
    messages: Any = [{"role": "user", "content": "zeppelin"}]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with openai.OpenAI(base_url=address + "/v1", api_key=KEY, max_retries=0) as client:
            answer = client.chat.completions.create(model="gpt-4o", messages=messages, stream=stream)
            assert not stream or list(answer)
        os.kill(process.pid, signal.SIGKILL)
    written = b"".join(path.read_bytes() for path in spool.rglob("*.segment"))
    assert b"gpt-4o" in written
    assert b"zeppelin" not in written
    assert b"xylo" not in written
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        store = open_store(url)
        eventually(lambda: store.count() == 1)
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
    (kept,) = store.scan()
    store.close()
    (call,) = kept.calls
    assert (kept.request, kept.response, kept.content) == (None, None, Content.OFF)
    assert call.usage_estimated
    assert call.prompt_tokens
    assert call.completion_tokens
    assert call.cost_usd == (call.prompt_tokens + call.completion_tokens) / Decimal(1_000_000)
