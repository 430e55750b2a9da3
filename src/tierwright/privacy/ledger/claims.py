"""What others know of a chain: checkpoints in both places, and the first lines of chains that were begun later.

Owns gathering them and telling good ones from bad; refuses to read the chains they are about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.privacy.ledger.checkpoints import MOST_BYTES, SUFFIX, checkpoint
from tierwright.privacy.ledger.files import chain_of
from tierwright.privacy.ledger.heads import named_heads
from tierwright.privacy.ledger.verdict import Break, Flaw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tierwright.privacy.ledger.checkpoints import Checkpoint
    from tierwright.privacy.ledger.files import Head, Part
    from tierwright.privacy.ledger.keys import PublicKey


@dataclass(slots=True, kw_only=True)
class Claims:
    """Of one chain."""

    #: By the number of an entry: the hash it has to have, in which file, and who says so.
    hashes: dict[int, list[tuple[Head, str]]] = field(default_factory=dict)
    #: Entries that a checkpoint in the ledger's folder, and in the second place, is for.
    signed: set[int] = field(default_factory=set)
    second: set[int] = field(default_factory=set)

    def add(self, head: Head, who: str) -> None:
        """Somebody knows this entry."""
        self.hashes.setdefault(head.seq, []).append((head, who))


def gathered(
    folder: Path, second: Path | None, found: Iterable[Part], keys: Mapping[str, PublicKey]
) -> tuple[dict[str, Claims], list[Break]]:
    """All claims by chain, and what is wrong with the checkpoints themselves.

    To be read before the chains: what is claimed is durable by then, also where its process goes on writing.
    """
    claims: dict[str, Claims] = {}
    breaks: list[Break] = []
    # The second place first: a checkpoint is in the ledger's folder before it is there.
    if second is not None:
        for head in _good(second, keys, breaks, f" (in {second})"):
            _of(claims, head).add(head, f"a checkpoint in {second}")
            _of(claims, head).second.add(head.seq)
    for head in _good(folder, keys, breaks, ""):
        _of(claims, head).add(head, "a checkpoint")
        _of(claims, head).signed.add(head.seq)
    for chain, known in claims.items():
        lost = known.second - known.signed
        if lost:
            why = f"{len(lost):,} of its checkpoints are in {second} alone: they were taken out here"
            breaks.append(Break(file=f"{chain}{SUFFIX}", line=None, seq=min(lost), what=Flaw.MISSING, why=why))
    for part in found:
        if part.number == 1:
            for head in _named(part):
                _of(claims, head).add(head, f"the first line of {part.path.name}")
    return claims, breaks


def _of(claims: dict[str, Claims], head: Head) -> Claims:
    return claims.setdefault(chain_of(head.file), Claims())


def _named(part: Part) -> list[Head]:
    try:
        return named_heads(part.path)
    except OSError:
        # Whoever walks this chain says so.
        return []


def _good(folder: Path, keys: Mapping[str, PublicKey], breaks: list[Break], where: str) -> Iterator[Head]:
    """The heads that are signed by a known key, of all files of checkpoints in a folder."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with path.open("rb") as file:
                number = 0
                while raw := file.readline(MOST_BYTES):
                    number += 1
                    read = checkpoint(raw)
                    flaw = _flaw(raw, read, keys)
                    if flaw is not None:
                        what, why = flaw
                        seq = None if read is None else read.head.seq
                        breaks.append(Break(file=path.name, line=number, seq=seq, what=what, why=why + where))
                        break
                    if read is not None:
                        yield read.head
        except OSError as error:
            why = f"it can't be read: {error.strerror}{where}"
            breaks.append(Break(file=path.name, line=None, seq=None, what=Flaw.UNREADABLE, why=why))


def _flaw(raw: bytes, read: Checkpoint | None, keys: Mapping[str, PublicKey]) -> tuple[Flaw, str] | None:
    if read is None:
        # Without its newline, and no longer than one may be, it is what a killed process left: nobody counted on it.
        torn = not raw.endswith(b"\n") and len(raw) < MOST_BYTES
        return None if torn else (Flaw.UNREADABLE, "this line is no checkpoint")
    key = keys.get(read.key)
    if key is None:
        return Flaw.SIGNATURE, f"it names the key {read.key[:16]}…, which is not among those that are known"
    if not read.good(key):
        return Flaw.SIGNATURE, "the signature is not one of this checkpoint"
    return None
