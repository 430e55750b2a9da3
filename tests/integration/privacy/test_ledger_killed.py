"""Processes that are killed while they send, several in one folder at a time: nothing was sent without its entry."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.verdict import End
from tierwright.privacy.ledger.verify import verify

PROGRAM = Path(__file__).with_name("sending.py")
ROUNDS = 8


def begun(folder: Path, second: Path) -> subprocess.Popen[str]:
    """A process that sends."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), str(second)], stdout=subprocess.PIPE, text=True, encoding="ascii"
    )


@pytest.mark.slow
def test_nothing_is_sent_without_its_entry_whenever_the_process_is_killed(tmp_path: Path) -> None:
    """Two processes at a time in one folder, killed at random moments, again and again.

    Each line that came out has its entry, under the name that the line gives, and the ledger is sound.
    """
    folder, second, rng = tmp_path / "ledger", tmp_path / "second", random.Random(5)
    sent: dict[str, str] = {}
    for _ in range(ROUNDS):
        pair = [begun(folder, second) for _ in range(2)]
        for process in pair:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in pair:
            time.sleep(rng.uniform(0, 0.15))
            os.kill(process.pid, signal.SIGKILL)
        for process in pair:
            assert process.stdout is not None
            # The pipe takes a line as a whole or not at all.
            sent |= dict(line.split() for line in process.stdout)
            process.stdout.close()
            assert process.wait(60) == -signal.SIGKILL
    known = {str(entry.facts["request_id"]): entry.id for entry in entries(folder) if entry.kind == "permit"}
    assert len(sent) > ROUNDS
    assert {request_id: known.get(request_id) for request_id in sent} == sent
    verdict = verify(folder, checkpoints=second)
    assert verdict.breaks == ()
    assert len(verdict.chains) == 2 * ROUNDS
    assert {chain.end for chain in verdict.chains} == {End.KILLED}
    assert max(len(chain.files) for chain in verdict.chains) > 1


def test_a_process_that_lives_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    """While it writes its chain is open and sound, whenever one looks; afterwards it is that of a killed process."""
    folder, second = tmp_path / "ledger", tmp_path / "second"
    process = begun(folder, second)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        seen = []
        for _ in range(5):
            verdict = verify(folder, checkpoints=second)
            assert verdict.breaks == ()
            assert [chain.end for chain in verdict.chains] == [End.OPEN]
            seen.append(verdict.entries)
            # A reader that reads nothing would stop it.
            for _ in range(50):
                process.stdout.readline()
        assert seen == sorted(seen)
    finally:
        process.kill()
        process.communicate()
    verdict = verify(folder, checkpoints=second)
    assert verdict.breaks == ()
    assert [chain.end for chain in verdict.chains] == [End.KILLED]
    assert verdict.entries >= seen[-1]
