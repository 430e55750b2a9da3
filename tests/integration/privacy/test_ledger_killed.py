"""Processes that are killed while they send, several in one folder at a time: nothing was sent without its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.privacy.killing import AT_A_TIME, begun, killed
from tierwright.privacy.ledger.verdict import End
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 8


@pytest.mark.slow
def test_nothing_is_sent_without_its_entry_whenever_the_process_is_killed(tmp_path: Path) -> None:
    """Two processes at a time in one folder, killed at random moments, again and again.

    Each line that came out has its entry, under the name that the line gives, and the ledger is sound.
    """
    outcome = killed(tmp_path / "ledger", tmp_path / "second", rounds=ROUNDS, seed=5)
    assert len(outcome.sent) > ROUNDS
    assert outcome.unknown == ()
    assert outcome.verdict.breaks == ()
    assert len(outcome.verdict.chains) == AT_A_TIME * ROUNDS
    assert {chain.end for chain in outcome.verdict.chains} == {End.KILLED}


def test_a_process_that_lives_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    """While it writes its chain is open and sound, whenever one looks; afterwards it is that of a killed process."""
    folder, second = tmp_path / "ledger", tmp_path / "second"
    process = begun(folder, second)
    assert process.stdout is not None
    try:
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
