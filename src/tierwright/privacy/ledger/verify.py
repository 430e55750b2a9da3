"""Whether a ledger is as it was written; needs no secret, and no more memory for a long one.

Owns the order of the looks: what others know of the chains first, then the chains, each to its first break. What nobody
else knew can't be missed: the last lines of a killed process that no checkpoint covered, and a chain that was removed
with everything that named it. A second place for checkpoints is what narrows that to a minute.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError, LedgerError
from tierwright.privacy.ledger.claims import Claims, gathered
from tierwright.privacy.ledger.files import chain_of, in_use, parts
from tierwright.privacy.ledger.keys import PUBLIC_SUFFIX, PublicKey
from tierwright.privacy.ledger.verdict import Break, ChainVerdict, End, Flaw, Verdict
from tierwright.privacy.ledger.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tierwright.privacy.ledger.files import Part


def verify(
    folder: Path,
    *,
    checkpoints: Path | None = None,
    public_keys: Iterable[PublicKey] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """The verdict on a ledger's folder, with the checkpoints of a second place held against it.

    Signatures are held against `public_keys`; where none is given, against those that lie beside the checkpoints, which
    is worth as much as those places are: compare the fingerprints with what was noted elsewhere. `progress` is told of
    bytes read and of all. A folder that is not there has no chains; raises LedgerError where it can't be listed.
    """
    try:
        found = parts(folder)
    except OSError as error:
        raise LedgerError(f"the privacy ledger in {folder} can't be read: {error.strerror}") from error
    keys = {key.fingerprint: key for key in public_keys}
    breaks: list[Break] = []
    for place in () if keys else (folder, checkpoints):
        keys |= _beside(place, breaks)
    claims, flawed = gathered(folder, checkpoints, found, keys)
    read = _Read(sum(_size_bytes(part.path) for part in found), progress)
    files = {chain: list(some) for chain, some in groupby(found, key=lambda part: part.chain)}
    chains = []
    for chain in sorted(files.keys() | claims.keys()):
        verdict = _chain(chain, files.get(chain, []), claims.get(chain, Claims()), read, second=checkpoints is not None)
        if verdict.files:
            chains.append(verdict)
        if verdict.broken is not None:
            breaks.append(verdict.broken)
    # A stable order: of one chain, its own break before those of its checkpoints.
    breaks = sorted([*breaks, *flawed], key=lambda one: chain_of(one.file))
    return Verdict(chains=tuple(chains), breaks=tuple(breaks), keys=tuple(sorted(keys)))


def _chain(
    chain: str, files: Sequence[Part], claims: Claims, read: Callable[[int], None], *, second: bool
) -> ChainVerdict:
    # Asked before it is read: a process that ends meanwhile has not been killed. Of two files the older one first,
    # which is held until the newer one is.
    alive = any(_in_use(part.path) for part in files[-2:])
    walk = Walk(chain, files, claims.hashes, read)
    broken = walk.run()
    # Nor has one that went on in a file that was not there when the folder was looked at.
    alive = alive or len(walk.files) > len(files)
    return ChainVerdict(
        chain=chain,
        files=tuple(part.path.name for part in walk.files),
        entries=walk.seq,
        first_at=walk.first_at,
        last_at=walk.last_at,
        end=End.ENDED if walk.ended else End.OPEN if alive else End.KILLED,
        torn=walk.torn and not alive,
        checkpoints=len(claims.signed),
        signed_seq=max(claims.signed, default=0),
        second_seq=max(claims.second, default=0) if second else None,
        broken=broken,
    )


def _in_use(path: Path) -> bool:
    try:
        return in_use(path)
    except OSError:
        # Whoever walks it says so.
        return False


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _beside(place: Path | None, breaks: list[Break]) -> dict[str, PublicKey]:
    """The public keys that lie in a folder."""
    found: dict[str, PublicKey] = {}
    for path in () if place is None else sorted(place.glob(f"*{PUBLIC_SUFFIX}")):
        try:
            key = PublicKey.parse(path.read_bytes())
        except (InputError, OSError) as error:
            why = f"the public key in {place} can't be read: {error}"
            breaks.append(Break(file=path.name, line=None, seq=None, what=Flaw.UNREADABLE, why=why))
            continue
        found[key.fingerprint] = key
    return found


class _Read:
    """Counts bytes, and says so."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, size_bytes: int) -> None:
        self._done += size_bytes
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)
