"""The program at work where every packet that leaves the machine is counted.

    unshare --net --mount python -m tests.acceptance.alone FOLDER

Run as root in namespaces of its own, it gives the machine one way out, behind which nobody is, and one name server,
which is out there, too. Prints the packets that left before, after, and after it had tried to reach somebody itself.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.acceptance.conftest import PROGRAM
from tests.acceptance.servers import gateway, settings
from tests.integration.gateway.upstream import Upstream, events, plain, streaming

_WAY_OUT = "out0"
_HERE, _NOBODY = "192.0.2.1", "192.0.2.2"
_REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def isolate(folder: Path) -> None:
    """The way out, and the name server beyond it."""
    for command in (
        "ip link set lo up",
        f"ip link add {_WAY_OUT} type veth peer name beyond",
        # No packets of the kernel's own.
        f"ip link set {_WAY_OUT} addrgenmode none",
        "ip link set beyond addrgenmode none",
        f"ip addr add {_HERE}/24 dev {_WAY_OUT}",
        "ip link set beyond up",
        f"ip link set {_WAY_OUT} up",
        f"ip route add default via {_NOBODY} dev {_WAY_OUT}",
    ):
        subprocess.run(command.split(), check=True)
    servers = folder / "resolv.conf"
    servers.write_text(f"nameserver {_NOBODY}\noptions timeout:1 attempts:1\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", str(servers), "/etc/resolv.conf"], check=True)


def left() -> int:
    """Packets that have left, refused ones included."""
    counted = Path(f"/sys/class/net/{_WAY_OUT}/statistics")
    if counted.is_dir():
        return int((counted / "tx_packets").read_text(encoding="utf-8"))
    for line in Path("/proc/self/net/dev").read_text(encoding="utf-8").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == _WAY_OUT:
            return int(numbers.split()[9])
    raise AssertionError("the way out is gone")


def work(folder: Path) -> None:
    """A gateway from its start to its end, and the commands around it."""
    with Upstream() as upstream:
        (folder / "tierwright.toml").write_text(settings(upstream.url), encoding="utf-8")
        with gateway(folder) as running:
            asked, headers = running.ask(_REQUEST)
            assert asked
            upstream.script = streaming(events("card"))
            assert running.stream(_REQUEST) == "card"
            upstream.script = plain
            word = {"id": headers["x-tierwright-inference-id"], "output": "card_lost", "score": 1}
            running.client.post("/feedback", body=word, cast_to=object)
            subprocess.run([PROGRAM, "doctor"], cwd=folder, check=False, stdout=sys.stderr)
            assert running.stop() == 0
    for command in ("--version", "task list", "report savings --json", "key create --client shop", "key list"):
        subprocess.run([PROGRAM, *command.split()], cwd=folder, check=False, stdout=sys.stderr)


def reach_out() -> None:
    """What must be counted: a name that is looked up, and a connection."""
    with suppress(OSError):
        socket.getaddrinfo("example.com", 443)
    with socket.socket() as made, suppress(OSError):
        made.settimeout(0.5)
        made.connect(("198.51.100.1", 443))


def main(folder: Path) -> None:
    """Isolates, works, and says what left."""
    isolate(folder)
    before = left()
    work(folder)
    after = left()
    reach_out()
    print(json.dumps({"before": before, "after": after, "at_last": left()}))  # noqa: T201 - what it is run for


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    main(Path(sys.argv[1]))
