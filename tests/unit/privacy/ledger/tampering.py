"""Random damage to a ledger that nobody writes any more, and whether it is found."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.unit.privacy.ledger.ledgers import KEY
from tierwright.privacy.ledger.keys import PublicKey
from tierwright.privacy.ledger.lines import line
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.privacy.ledger.verdict import Verdict

PUBLIC = PublicKey.parse(KEY.public_pem)


class Kept(NamedTuple):
    """A ledger, and the second place of its checkpoints."""

    folder: Path
    second: Path

    def looked_at(self) -> Verdict:
        """With all that there is to hold against it."""
        return verify(self.folder, checkpoints=self.second, public_keys=[PUBLIC])

    def files(self, chain: int) -> list[Path]:
        """Of the chain of this number, in order."""
        return [self.folder / name for name in self.looked_at().chains[chain].files]


@dataclass(slots=True)
class Outcome:
    """Of many tamperings."""

    #: By what was done.
    done: dict[str, int] = field(default_factory=dict)
    #: What was done and where, of those that nobody noticed, and of those whose first break was named elsewhere.
    missed: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit."""
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def delete(data: bytes, rng: random.Random) -> bytes:
    """One line or a few."""
    lines = data.splitlines(keepends=True)
    first = rng.randrange(len(lines))
    del lines[first : first + rng.randint(1, 3)]
    return b"".join(lines)


def swap(data: bytes, rng: random.Random) -> bytes:
    """Two lines; where there is one only, it goes."""
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return b""
    one, other = rng.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def duplicate(data: bytes, rng: random.Random) -> bytes:
    """A line once more, anywhere."""
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def insert(data: bytes, rng: random.Random) -> bytes:
    """A line that was never written, with a hash that is right."""
    lines = data.splitlines(keepends=True)
    seq, prev = rng.randrange(1, 40), rng.randbytes(32).hex().encode()
    forged, _ = line(seq, b"2026-11-28T14:00:25.123456Z", b'"kind":"permit","request_id":"forged"', prev)
    lines.insert(rng.randrange(len(lines) + 1), forged)
    return b"".join(lines)


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Anywhere, at the end of a line too."""
    if rng.random() < 0.3:
        lines = data.splitlines(keepends=True)
        return b"".join(lines[: rng.randrange(len(lines))])
    return data[: rng.randrange(len(data))]


TAMPERINGS = (flip, delete, swap, duplicate, insert, truncate)


def tampered(ledger: Kept, *, count: int, seed: int) -> Outcome:
    """One random tampering with one file of a chain at a time, taken back after each look.

    The first break is to be in this file, at the first line that differs.
    """
    rng, outcome = random.Random(seed), Outcome()
    chains = [path for number in range(len(ledger.looked_at().chains)) for path in ledger.files(number)]
    while sum(outcome.done.values()) < count:
        path, tamper = rng.choice(chains), rng.choice(TAMPERINGS)
        before = path.read_bytes()
        after = tamper(before, rng)
        if after == before:
            continue
        path.write_bytes(after)
        breaks = ledger.looked_at().breaks
        path.write_bytes(before)
        same = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
        place = min(len(before), len(after)) if same is None else same
        expected = (path.name, before.count(b"\n", 0, place) + 1)
        outcome.done[tamper.__name__] = outcome.done.get(tamper.__name__, 0) + 1
        if not breaks:
            outcome.missed.append(f"{tamper.__name__} at {expected}")
        elif (breaks[0].file, breaks[0].line) != expected:
            outcome.misnamed.append(f"{tamper.__name__} at {expected}: {breaks[0]}")
    return outcome
