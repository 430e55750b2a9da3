"""What the program leaves on its machine is for its user alone."""

from __future__ import annotations

import resource
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.servers import KEY, gateway, settings
from tests.integration.gateway.upstream import Upstream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="modes and limits are looked up as Linux has them"),
]


def test_files_are_their_users_alone_and_no_core_is_dumped(cli: Cli, tmp_path: Path) -> None:
    """Settings, store and journals can't be read by others; a process that crashes leaves no memory behind."""
    (tmp_path / "tierwright.toml").unlink()
    assert cli("init", "--yes").code == 0
    with Upstream() as upstream:
        (tmp_path / "served.toml").write_text(settings(upstream.url), encoding="utf-8")
        with gateway(tmp_path, config="served.toml") as running:
            running.client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
            # Workers inherit it.
            soft, _ = resource.prlimit(running.process.pid, resource.RLIMIT_CORE)
            assert soft == 0
            assert running.stop() == 0
    written = {path.name for path in tmp_path.rglob("*")}
    assert "tierwright.db" in written
    ours = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in ("served.toml", "served.toml.ready.log")
    ]
    assert not [path for path in ours if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert KEY not in "".join(path.read_text("utf-8", "replace") for path in ours)
