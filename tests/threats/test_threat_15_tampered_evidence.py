"""Threat 15: a ledger that is changed, cut or written over, so that nobody sees what left."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("tierwright.privacy.ledger.ledger", reason="there is no ledger in this version")
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Ledger
from tierwright.privacy.ledger.verify import verify

ENTRIES = 60
FLIPS = 300


def _written(folder: Path, second: Path) -> Path:
    """A ledger with entries, closed, its checkpoints in a second place, too; its one chain's file."""
    folder.mkdir()
    second.mkdir()
    ledger = Ledger(folder, key=SigningKey.of_folder(folder), checkpoints=second)
    ledger.start()
    for number in range(ENTRIES):
        ledger.note("permit", {"request_id": f"r{number}", "backend": "frontier", "class": "internal"})
    ledger.close()
    assert verify(folder, checkpoints=second).sound
    (chain,) = folder.glob("*.jsonl")
    return chain


def test_threat_15_tampered_evidence(tmp_path: Path, probes: Callable[[int], None]) -> None:
    """Any flipped bit, and any line dropped, doubled, moved or cut off, is found; so is a chain that is gone."""
    rng = random.Random(15)
    folder, second = tmp_path / "ledger", tmp_path / "second"
    chain = _written(folder, second)
    sound = chain.read_bytes()
    lines = sound.splitlines(keepends=True)
    changed: list[bytes] = []
    for _ in range(FLIPS):
        place = rng.randrange(len(sound))
        changed.append(sound[:place] + bytes([sound[place] ^ (1 << rng.randrange(8))]) + sound[place + 1 :])
    for place in range(1, len(lines) - 1):
        changed.append(b"".join([*lines[:place], *lines[place + 1 :]]))
        changed.append(b"".join([*lines[:place], lines[place], *lines[place:]]))
        changed.append(b"".join([*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]))
    changed += [b"".join(lines[:place]) for place in range(len(lines))]
    for number, content in enumerate(changed):
        chain.write_bytes(content)
        assert not verify(folder, checkpoints=second).sound, number
    chain.unlink()
    assert not verify(folder, checkpoints=second).sound
    chain.write_bytes(sound)
    assert verify(folder, checkpoints=second).sound
    probes(len(changed) + 1)


def test_threat_15_tampered_evidence_a_rewritten_chain(tmp_path: Path, probes: Callable[[int], None]) -> None:
    """A whole new chain under the old one's name, with sound hashes, is held against the second place's checkpoints."""
    chain = _written(tmp_path / "ledger", tmp_path / "second")
    other = _written(tmp_path / "forged", tmp_path / "forged-second")
    shutil.copy(other, chain)
    assert not verify(tmp_path / "ledger", checkpoints=tmp_path / "second").sound
    probes(1)
