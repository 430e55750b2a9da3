"""What `verify` finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Flaw(StrEnum):
    """What is wrong with a line or a file."""

    #: The line is not what its hash, the next line or a checkpoint says it was.
    CHANGED = "changed"
    #: The line is not there; those after it are.
    MISSING = "missing"
    #: The line is there, further on.
    REORDERED = "reordered"
    #: A line stands where none was written: a second copy, or one after the end.
    INSERTED = "inserted"
    #: The line, and all after it, are not there though somebody else knew them.
    CUT_OFF = "cut off"
    #: The line is no entry, or the file can't be read.
    UNREADABLE = "unreadable"
    #: A checkpoint is not signed by a key that is known.
    SIGNATURE = "signature"
    #: The file is not there though somebody else knew it.
    GONE = "chain gone"
    #: The file was written under another name.
    RENAMED = "renamed"


class End(StrEnum):
    """How a chain ends."""

    #: Its process closed it.
    ENDED = "ended"
    #: Its process is alive.
    OPEN = "open"
    #: Its process is gone and did not close it: it was killed, or the machine was.
    KILLED = "killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first thing that is wrong in a chain."""

    #: Name of the file, in the ledger's folder unless `why` says otherwise.
    file: str
    #: From 1; None: the file as a whole.
    line: int | None
    #: Number of the entry that should stand there; None: not known.
    seq: int | None
    what: Flaw
    #: How it shows, for people.
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVerdict:
    """One chain, as far as it was read: to its end, or to its first break."""

    chain: str
    #: Names of its files, in order.
    files: tuple[str, ...]
    #: Entries that are as they were written.
    entries: int
    #: When the first and the last of them were written, by the writer's clock; None: there are none.
    first_at: str | None
    last_at: str | None
    end: End
    #: Whether it ends in the middle of a line, which was never acknowledged.
    torn: bool
    #: Good checkpoints of it, in the ledger's folder, and the last entry that one covers; 0: none.
    checkpoints: int
    signed_seq: int
    #: The same for the second place; None: none was looked at.
    second_seq: int | None
    broken: Break | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A whole folder."""

    chains: tuple[ChainVerdict, ...]
    #: Every chain's first break, and those of the checkpoints, in the order in which the chains were begun.
    breaks: tuple[Break, ...]
    #: Fingerprints of the public keys that checkpoints were held against.
    keys: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found that is not as it was written."""
        return not self.breaks

    @property
    def entries(self) -> int:
        """Of all chains, up to their first breaks."""
        return sum(chain.entries for chain in self.chains)
