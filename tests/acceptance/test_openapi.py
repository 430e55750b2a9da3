"""`tierwright serve` tells what it serves, with one process and with several."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.servers import gateway, settings
from tierwright.gateway.openapi import document

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 2])
def test_the_admin_listener_has_the_document(tmp_path: Path, workers: int) -> None:
    """Where [admin] has a port, /openapi.json is what `docs/openapi.json` is."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = settings("http://127.0.0.1:9/v1").replace("port = 0", f"port = 0\nworkers = {workers}")
    config += f'[admin]\nport = {port}\n[capture]\nspool = "spool"\n'
    (tmp_path / "tierwright.toml").write_text(config, encoding="utf-8")
    with gateway(tmp_path), urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=10) as answer:
        assert json.load(answer) == document()
