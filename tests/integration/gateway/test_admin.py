"""Metrics and health on the admin listener, and never where callers are."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.conftest import Running, eventually
from tests.integration.gateway.test_specialists import ask
from tierwright.gateway.admin import AdminApp, OneProcess
from tierwright.gateway.config import AdminConfig, ServerConfig
from tierwright.gateway.openapi import document
from tierwright.gateway.serving import Beside, Listener

if TYPE_CHECKING:
    from collections.abc import Iterator


def read(url: str) -> bytes:
    """A page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: bytes = answer.read()
    return found


@pytest.fixture
def admin(gateway: Running) -> Iterator[str]:
    """The address of an admin listener beside the gateway."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = AdminApp(OneProcess(gateway.app))
    beside = Listener(_nothing, ServerConfig(port=0), beside=Beside(admin=(app, AdminConfig(port=port))))
    ready = threading.Event()
    thread = threading.Thread(target=beside.run, args=(lambda _: ready.set(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{port}"
    beside.stop()
    thread.join(20)
    assert not thread.is_alive()


async def _nothing(scope: object, receive: object, send: object) -> None:
    """An application that has a lifespan and nothing else."""
    del scope
    await receive()  # type: ignore[operator]
    await send({"type": "lifespan.startup.complete"})  # type: ignore[operator]
    await receive()  # type: ignore[operator]
    await send({"type": "lifespan.shutdown.complete"})  # type: ignore[operator]


def test_requests_show_in_the_metrics(gateway: Running, admin: str) -> None:
    """What was answered and stored is counted; circuits and the capture show, too."""
    ask(gateway)
    gateway.captured()
    eventually(lambda: b'tierwright_requests_total{backend="frontier"' in read(f"{admin}/metrics"))
    page = read(f"{admin}/metrics").decode()
    assert 'tierwright_deployment_state{backend="frontier",deployment="frontier-0-gpt-4o"} 0.0' in page
    assert 'tierwright_capture{state="lost"} 0.0' in page
    assert json.loads(read(f"{admin}/health/readiness"))["status"] == "ready"


def test_the_api_is_described(admin: str) -> None:
    """The OpenAPI document is where monitoring and tools find it, without a key."""
    assert json.loads(read(f"{admin}/openapi.json")) == document()


def test_callers_find_no_metrics(gateway: Running) -> None:
    """The listener that callers reach has no such page."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(f"{gateway.listener.address}/metrics")
    assert caught.value.code == 404
    caught.value.close()


def test_unknown_pages_of_the_admin_listener(admin: str) -> None:
    """404 with the pages there are; no chat is answered there."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(f"{admin}/v1/models")
    assert caught.value.code == 404
    assert b"/metrics" in caught.value.read()
    caught.value.close()
