"""Kills processes that send, several in one folder at a time, and counts what was sent without its entry."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from tierwright.privacy.ledger.verdict import Verdict

PROGRAM = Path(__file__).with_name("sending.py")
#: Processes in the folder at a time.
AT_A_TIME = 2
#: Seconds after its first breath within which each is killed.
WITHIN_S = 0.15


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of all rounds."""

    #: Names of the entries of what was sent, by request.
    sent: dict[str, str]
    #: Requests that were sent and have no entry under that name.
    unknown: tuple[str, ...]
    verdict: Verdict


def begun(folder: Path, second: Path) -> subprocess.Popen[str]:
    """A process that sends."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), str(second)], stdout=subprocess.PIPE, text=True, encoding="ascii"
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise RuntimeError(f"{PROGRAM.name} did not begin")
    return process


def killed(folder: Path, second: Path, *, rounds: int, seed: int) -> Outcome:
    """Rounds of processes that are killed at random moments, and what the ledger knows of what they sent."""
    rng = random.Random(seed)
    sent: dict[str, str] = {}
    for _ in range(rounds):
        processes = [begun(folder, second) for _ in range(AT_A_TIME)]
        for process in processes:
            time.sleep(rng.uniform(0, WITHIN_S))
            os.kill(process.pid, signal.SIGKILL)
        for process in processes:
            assert process.stdout is not None
            # The pipe takes a line as a whole or not at all.
            sent |= dict(line.split() for line in process.stdout)
            process.stdout.close()
            assert process.wait(60) == -signal.SIGKILL
    known = {str(entry.facts["request_id"]): entry.id for entry in entries(folder) if entry.kind == "permit"}
    unknown = tuple(request_id for request_id, entry in sent.items() if known.get(request_id) != entry)
    return Outcome(sent, unknown, verify(folder, checkpoints=second))
