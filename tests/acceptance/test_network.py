"""Nobody is told anything that the settings don't ask for: no telemetry, no lists or versions looked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_NAMESPACES = ["unshare", "--net", "--mount"]


def _may_isolate() -> bool:
    """Whether namespaces and their networks can be made here."""
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "mount"))):
        return False
    made = subprocess.run(
        [*_NAMESPACES, "ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1"],
        check=False,
        capture_output=True,
    )
    return made.returncode == 0


@pytest.mark.skipif(not _may_isolate(), reason="a network of one's own takes Linux, root, unshare and ip")
def test_no_packet_leaves_that_nobody_asked_for(tmp_path: Path) -> None:
    """In a network where each packet is counted none leaves, from the gateway's start to its end; one of ours would."""
    done = subprocess.run(
        [*_NAMESPACES, sys.executable, "-m", "tests.acceptance.alone", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counted = json.loads(done.stdout.splitlines()[-1])
    assert counted["before"] == counted["after"]
    assert counted["at_last"] > counted["after"]
