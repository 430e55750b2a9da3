"""Reads a ledger's entries, one after another; refuses to judge whether they are as they were written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.errors import LedgerError
from tierwright.privacy.ledger.files import parts
from tierwright.privacy.ledger.lines import MOST_LINE_BYTES, RESERVED, instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a chain."""

    chain: str
    #: Its number in the chain, from 1.
    seq: int
    #: By the clock of the machine that wrote it, in UTC; a clock that was set back shows here.
    at: datetime
    kind: str
    facts: Mapping[str, object]

    @property
    def id(self) -> str:
        """As permits name it."""
        return f"{self.chain}:{self.seq}"


def entries(folder: Path, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[Entry]:
    """The entries from `since` on and before `until`, chain by chain, in order within each; reads as it goes.

    What a killed process was still writing is passed over. Raises LedgerError where a file can't be read or a line is
    no entry; `verify` says what is wrong with it.
    """
    first = b"" if since is None else instant(since)
    last = b"~" if until is None else instant(until)
    for part in parts(folder):
        try:
            with part.path.open("rb") as file:
                number = 0
                while raw := file.readline(MOST_LINE_BYTES + 1):
                    number += 1
                    if not raw.endswith(b"\n"):
                        break
                    entry = _entry(part.chain, raw, first, last, f"{part.path.name}, line {number}")
                    if entry is not None:
                        yield entry
        except OSError as error:
            raise LedgerError(f"the ledger's file {part.path} can't be read: {error.strerror}") from error


def _entry(chain: str, raw: bytes, first: bytes, last: bytes, where: str) -> Entry | None:
    """The entry in a line; None: it is of another time."""
    try:
        said: dict[str, object] = msgspec.json.decode(raw, type=dict[str, object])
        seq, at, kind = said["seq"], said["at"], said["kind"]
        if not (isinstance(seq, int) and isinstance(at, str) and isinstance(kind, str)):
            raise LedgerError(f"{where} of the ledger is no entry; see `tierwright privacy verify`")
        if not first <= at.encode() < last:
            return None
        facts = {name: value for name, value in said.items() if name not in RESERVED}
        return Entry(chain=chain, seq=seq, at=datetime.fromisoformat(at), kind=kind, facts=facts)
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        raise LedgerError(f"{where} of the ledger is no entry; see `tierwright privacy verify`") from error
