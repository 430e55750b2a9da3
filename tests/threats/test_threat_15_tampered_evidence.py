"""Threat 15: a ledger that is changed, cut or written over, so that nobody sees what left."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.canaries.values import phrase
from tests.threats.asking import BODIES, ask
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.threats.gates import Gated

ROUNDS = 6
FLIPS = 300


@pytest.fixture
def written(gated: Callable[..., Gated]) -> Callable[[], Gated]:
    """Makes a gateway that was asked by callers, refused some of them, and has ended: its ledger is at rest."""

    def write() -> Gated:
        gate = gated()
        for number in range(ROUNDS):
            for path, body in BODIES.items():
                ask(gate.url, path, body)
            card = {"model": "gpt-4o", "messages": [{"role": "user", "content": phrase("card", number)}]}
            assert ask(gate.url, "/v1/chat/completions", card).status == 403
        gate.running.stop()
        gate.ledger.close()
        assert gate.facts("permit")
        assert len(gate.facts("refused")) == ROUNDS
        assert verify(gate.folder, checkpoints=gate.second).sound
        return gate

    return write


def _chain(gate: Gated) -> Path:
    (chain,) = gate.folder.glob("*.jsonl")
    return chain


def _sound(gate: Gated) -> bool:
    return verify(gate.folder, checkpoints=gate.second).sound


def test_threat_15_tampered_evidence(written: Callable[[], Gated], probes: Callable[[int], None]) -> None:
    """Any flipped bit, and any line dropped, doubled, moved or cut off, is found; so is a chain that is gone."""
    rng = random.Random(15)
    gate = written()
    chain = _chain(gate)
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
        assert not _sound(gate), number
    chain.unlink()
    assert not _sound(gate)
    chain.write_bytes(sound)
    assert _sound(gate)
    probes(len(changed) + 1)


def test_threat_15_tampered_evidence_what_was_decided(
    written: Callable[[], Gated], probes: Callable[[int], None]
) -> None:
    """A refusal made into something harmless, or a class, a server or a caller in another's place, is found."""
    gate = written()
    chain = _chain(gate)
    sound = chain.read_bytes()
    swaps = [
        (b'"refused"', b'"permits"'),
        (b'"restricted"', b'"internal"'),
        (b'"internal"', b'"public"'),
        (b'"frontier"', b'"house"'),
        (b'"desk"', b'"shop"'),
        (b'"card":1', b'"card":0'),
    ]
    for before, after in swaps:
        assert before in sound, before
        chain.write_bytes(sound.replace(before, after))
        assert not _sound(gate), before
    probes(len(swaps))


def test_threat_15_tampered_evidence_a_rewritten_chain(
    written: Callable[[], Gated], probes: Callable[[int], None]
) -> None:
    """A whole new chain under the old one's name, with sound hashes, is held against the second place's checkpoints."""
    gate, forged = written(), written()
    shutil.copy(_chain(forged), _chain(gate))
    assert not _sound(gate)
    probes(1)


def test_threat_15_tampered_evidence_the_second_place(
    written: Callable[[], Gated], probes: Callable[[int], None]
) -> None:
    """A folder that was emptied, or put back as it was earlier, is shown by the checkpoints kept elsewhere."""
    gate = written()
    for path in list(gate.folder.iterdir()):
        path.unlink()
    assert not _sound(gate)
    other = written()
    chain = _chain(other)
    lines = chain.read_bytes().splitlines(keepends=True)
    # As whoever owns the folder could: an earlier chain, and no checkpoint beside it that says more.
    chain.write_bytes(b"".join(lines[: len(lines) // 2]))
    for path in list(other.folder.iterdir()):
        if path != chain and "key" not in path.name:
            path.unlink()
    assert not _sound(other)
    probes(2)
