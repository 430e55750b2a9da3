"""With `acknowledge = "commit"` callers have the end of an answer only when its record is on the disk."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest

from tests.faults.disk import Breakable
from tests.integration.gateway.conftest import KEY, Running, Sure, eventually
from tests.integration.gateway.test_specialists import ask as ask_task
from tests.integration.gateway.test_specialists import deploy
from tests.integration.gateway.upstream import events, streaming
from tierwright.gateway.config import Acknowledge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture
def disk() -> Breakable:
    """A disk that works."""
    return Breakable()


@pytest.fixture
def gateway(start: Callable[..., Running], disk: Breakable, tmp_path: Path) -> Running:
    """A gateway that acknowledges what is durable."""
    return start(capture={"spool": tmp_path / "spool", "acknowledge": Acknowledge.COMMIT}, disk=disk.disk)


def readiness(gateway: Running) -> tuple[int, dict[str, Any]]:
    """Status and body, whatever they are."""
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    connection.request("GET", "/health/readiness")
    answer = connection.getresponse()
    found = answer.status, json.load(answer)
    connection.close()
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_the_end_of_an_answer_waits_for_the_disk(gateway: Running, disk: Breakable, *, stream: bool) -> None:
    """Words of a stream pass on at once, its end and every other answer when the record is durable."""
    if stream:
        gateway.upstream.script = streaming(events("card", "_lost"), pause_s=0.02)
    disk.free.clear()
    said: list[str] = []

    def ask() -> None:
        client = gateway.client()
        if stream:
            for chunk in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True):
                said.extend(choice.delta.content or "" for choice in chunk.choices)
        else:
            answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            said.append(str(answer.choices[0].message.content))

    asking = threading.Thread(target=ask)
    asking.start()
    assert disk.asked.wait(10)
    if stream:
        eventually(lambda: "".join(said) == "card_lost")
    assert asking.is_alive()
    assert gateway.store.count() == 0
    disk.free.set()
    asking.join(10)
    assert not asking.is_alive()
    assert "".join(said) == ("card_lost" if stream else "card_arrival")
    (kept,) = gateway.captured()
    assert (kept.status, kept.error_code) == (200, None)


def test_a_broken_disk_stops_acknowledging_before_anything_is_spent(
    gateway: Running, disk: Breakable, caplog: pytest.LogCaptureFixture
) -> None:
    """The request under way gets an error, later ones are refused before a model server sees them, and it shows."""
    client = gateway.client()
    assert client.chat.completions.create(model="gpt-4o", messages=MESSAGES).id
    disk.broken = True
    with pytest.raises(openai.InternalServerError) as under_way:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    disk.broken = False
    seen = len(gateway.upstream.seen)
    with pytest.raises(openai.InternalServerError) as later:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    with (
        anthropic.Anthropic(base_url=gateway.listener.address, api_key=KEY, max_retries=0) as other,
        pytest.raises(anthropic.InternalServerError, match="durable record") as in_its_shape,
    ):
        other.messages.create(model="gpt-4o", max_tokens=9, messages=MESSAGES)
    assert len(gateway.upstream.seen) == seen
    for caught in (under_way.value, later.value):
        assert (caught.status_code, caught.code) == (503, "capture_unavailable")
        assert "x-tierwright-inference-id" not in caught.response.headers
        assert "retry-after" not in caught.response.headers
    assert in_its_shape.value.status_code == 503
    status, state = readiness(gateway)
    assert (status, state["status"], state["capture"]["refusal"]) == (503, "not_ready", "EIO")
    assert b'tierwright_capture_refusing{reason="EIO"} 1.0' in gateway.app.metrics.render()
    assert "EIO" in caplog.text
    # What was used is in the ledger, with what the caller got.
    kept = gateway.captured(2)
    assert sorted(one.status for one in kept) == [200, 503]
    assert all(one.calls[0].cost_usd for one in kept)


def test_a_stream_under_way_on_a_broken_disk_ends_in_an_error(gateway: Running, disk: Breakable) -> None:
    """The caller has had words by then: an error event stands where the end would be."""
    gateway.upstream.script = streaming(events("card", "_lost"), pause_s=0.02)
    disk.broken = True
    words: list[str] = []

    def read() -> None:
        for chunk in gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True):
            words.extend(choice.delta.content or "" for choice in chunk.choices)

    with pytest.raises(openai.APIError) as caught:
        read()
    assert caught.value.code == "capture_unavailable"
    assert "".join(words) == "card_lost"
    (kept,) = gateway.captured()
    assert (kept.status, kept.error_code) == (200, "capture_unavailable")


def test_a_specialist_waits_for_the_disk_too(gateway: Running, disk: Breakable) -> None:
    """What our own model says is acknowledged like everything else."""
    deploy(gateway, Sure())
    assert ask_task(gateway)[0].choices[0].message.content == "card_lost"
    disk.broken = True
    with pytest.raises(openai.InternalServerError):
        ask_task(gateway)
    assert gateway.upstream.seen == []
