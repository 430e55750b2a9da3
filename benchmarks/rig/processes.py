"""Programs as child processes: the cores they run on, the processor time and memory they use, and their end.

Refuses to know what the programs are.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB = 1024
#: Positions in /proc/PID/stat, counted after the name (proc(5)).
_SESSION, _USER_TICKS, _SYSTEM_TICKS = 3, 11, 12


class Program:
    """A running program with all it started; left as a context it is ended, gently first."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cores: set[int],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it in a folder, where what it says is kept in a file; `environment` is added to ours."""
        folder.mkdir(parents=True, exist_ok=True)
        self._name = Path(command[0]).name
        self._said = folder / "said.log"
        with self._said.open("wb") as said, _on_cores(cores):
            # A session of its own: what it starts can be found again, whatever it is called.
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float = 120) -> None:
        """Waits; raises RuntimeError with its last words where the program ends first or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._said.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"{self._name} did not come up; it said:\n{said}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Asks it to end, and ends what is left after a minute."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        for pid in self._members():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    @property
    def processor_s(self) -> float:
        """Processor seconds used so far, all threads and processes."""
        fields = [_stat(pid) for pid in self._members()]
        return sum(int(each[_USER_TICKS]) + int(each[_SYSTEM_TICKS]) for each in fields if each) / _TICKS_PER_S

    @property
    def resident_bytes(self) -> int:
        """Resident memory now, summed over the processes; pages that they share are counted for each."""
        return self._status_bytes("VmRSS")

    @property
    def peak_resident_bytes(self) -> int:
        """The largest resident memory of each process so far, summed."""
        return self._status_bytes("VmHWM")

    def _status_bytes(self, name: str) -> int:
        total = 0
        for pid in self._members():
            with suppress(OSError):
                found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
                total += int(found[1]) * _KIB if found else 0
        return total

    def _members(self) -> list[int]:
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - read every second
        return [pid for pid in pids if (fields := _stat(pid)) and int(fields[_SESSION]) == self._process.pid]


def two_cores() -> tuple[int, int]:
    """The core of the gateways, and the core of the load and of the model server."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def machine() -> dict[str, object]:
    """The hardware, and how busy others keep it."""
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name; empty where the process has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


@contextmanager
def _on_cores(cores: set[int]) -> Iterator[None]:
    """What is started here runs on these cores: a child inherits them from the thread that starts it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
