"""Reads one chain from its first line to its last, or to the first that is not as it was written.

Owns what each kind of damage is called; keeps nothing but where it is. A line that was rewritten together with its hash
shows at the next line, or at the next that somebody else knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from tierwright.privacy.ledger.files import Part, file_name
from tierwright.privacy.ledger.lines import GENESIS, MOST_LINE_BYTES, Line, taken_apart
from tierwright.privacy.ledger.verdict import Break, Flaw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tierwright.privacy.ledger.files import Head

#: Entries that name a chain or a file.
_NAMING: Final = frozenset({b"start", b"roll"})
#: Characters of a file's name that are looked at: no longer one is ours.
_MOST_NAME: Final = 200
#: Lines between two reports of progress.
_LINES: Final = 4096


class _Found(Exception):  # noqa: N818 - an outcome: the walk is over
    """The first break."""

    def __init__(self, broken: Break) -> None:
        self.broken = broken


class Walk:
    """One chain; after `run`, how far it is sound."""

    def __init__(
        self,
        chain: str,
        files: Sequence[Part],
        hashes: Mapping[int, list[tuple[Head, str]]],
        read: Callable[[int], None],
    ) -> None:
        """`hashes` is what others know of it; `read` is told of bytes that were read."""
        self._chain, self._hashes, self._read = chain, hashes, read
        #: Those given, and those that were made meanwhile.
        self.files = list(files)
        self.seq, self._prev = 0, GENESIS
        self.first_at: str | None = None
        self.last_at: str | None = None
        self.ended = False
        #: Whether it ends in the middle of a line.
        self.torn = False
        #: The file that the last line says follows; empty: none.
        self._next = ""
        #: The last entry that somebody else knew, and was right about.
        self._confirmed = 0

    def run(self) -> Break | None:
        """The first break; None: there is none."""
        try:
            for number, part in enumerate(tuple(self.files), start=1):
                if part.number != number:
                    self._gone(file_name(self._chain, number))
                self._file(part, self.files[number - 2] if number > 1 else part)
            while self._next:
                self._follow()
            self._look_beyond()
        except _Found as found:
            return found.broken
        return None

    def _follow(self) -> None:
        """Goes on in a file that was made after the folder was looked at: the chain's own next one, and no other."""
        before = self.files[-1]
        following = Part(
            self._chain, before.number + 1, before.path.with_name(file_name(self._chain, before.number + 1))
        )
        if self._next != following.path.name or not following.path.exists():
            self._gone(self._next)
        self.files.append(following)
        self._file(following, before)

    def _file(self, part: Part, before: Part) -> None:
        name, number, unsaid = part.path.name, 0, 0
        try:
            with part.path.open("rb") as file:
                while raw := file.readline(MOST_LINE_BYTES + 1):
                    number += 1
                    if number == 1 and part is not before:
                        self._go_on(name, before)
                    self._line(part, number, raw)
                    unsaid += len(raw)
                    if number % _LINES == 0:
                        self._read(unsaid)
                        unsaid = 0
                self._read(unsaid)
        except OSError as error:
            self._stop(name, number + 1, Flaw.UNREADABLE, f"the file can't be read: {error.strerror}")
        if self._next == name:
            # It was made, and its process killed before it wrote into it.
            self._next = ""

    def _go_on(self, name: str, before: Part) -> None:
        if self._next != name:
            self._cut_off(before.path, f"{name} goes on where it doesn't end")
        self._next = ""

    def _line(self, part: Part, number: int, raw: bytes) -> None:
        """Takes a line that is as it was written, and no other."""
        name, expected = part.path.name, self.seq + 1
        if self.ended or self._next:
            self._stop(name, number, Flaw.INSERTED, "it stands behind the last line that was written here")
        read = taken_apart(raw)
        if read is None:
            if not self._may_be_torn(raw):
                self._stop(name, number, Flaw.UNREADABLE, "this line is no entry")
            self.torn = True
            return
        if not read.true:
            self._stop(name, number, Flaw.CHANGED, "its hash is not that of its bytes")
        if read.seq < expected:
            self._stop(name, number, Flaw.INSERTED, f"it is entry {read.seq} once more")
        if read.seq > expected:
            where = self._later(part, expected)
            why = f"entry {read.seq} stands in its place" + (f", and it stands in {where}" if where else "")
            self._stop(name, number, Flaw.REORDERED if where else Flaw.MISSING, why)
        if read.prev != self._prev:
            self._stop(name, number, Flaw.CHANGED, "it does not go on from the line before: one of both is new")
        self._hold_against_others(name, number, read)
        self._take(name, number, raw, read)

    def _may_be_torn(self, raw: bytes) -> bool:
        """Whether this is how a line begins that nobody finished; a power cut leaves zeros where bytes were to be."""
        written = raw.rstrip(b"\0")
        begins = b'{"seq":%d,"at":"' % (self.seq + 1)
        return (
            not raw.endswith(b"\n")
            and (written.startswith(begins) or begins.startswith(written))
            # A whole line whose newline became something else.
            and taken_apart(written[:-1] + b"\n") is None
        )

    def _hold_against_others(self, name: str, number: int, read: Line) -> None:
        for head, who in self._hashes.get(read.seq, ()):
            if head.hash != read.hash:
                since = f"after entry {self._confirmed}" if self._confirmed else "from the first entry on"
                why = f"{who} knows another entry {read.seq}: the chain was rewritten, somewhere {since}"
                self._stop(name, number, Flaw.CHANGED, why)
            self._confirmed = read.seq

    def _take(self, name: str, number: int, raw: bytes, read: Line) -> None:
        if read.kind in _NAMING:
            try:
                said = msgspec.json.decode(raw, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._stop(name, number, Flaw.UNREADABLE, "its hash is right, and it is no JSON")
            if read.kind == b"roll":
                self._next = str(said.get("next"))[:_MOST_NAME]
            elif said.get("chain") != self._chain:
                self._stop(name, number, Flaw.RENAMED, f"it was written as {str(said.get('chain'))[:_MOST_NAME]}")
        self.ended = read.kind == b"end"
        self.seq, self._prev = read.seq, read.hash
        self.last_at = read.at.decode()
        self.first_at = self.first_at or self.last_at

    def _later(self, part: Part, seq: int) -> str:
        """Where an entry stands further on; empty: nowhere."""
        begins = b'{"seq":%d,' % seq
        for one in self.files[part.number - 1 :]:
            for number, raw in _lines(one.path):
                if raw.startswith(begins):
                    return f"line {number} of {one.path.name}"
        return ""

    def _look_beyond(self) -> None:
        """Whether somebody knew more of it than there is."""
        most = max(self._hashes, default=0)
        if most <= self.seq:
            return
        _, who = self._hashes[most][0]
        if not self.files:
            self._stop(file_name(self._chain, 1), None, Flaw.GONE, f"{who} knows its entry {most}")
        self._cut_off(self.files[-1].path, f"{who} knows entry {most}")

    def _cut_off(self, path: Path, why: str) -> NoReturn:
        whole = sum(1 for _, raw in _lines(path) if raw.endswith(b"\n"))
        self._stop(path.name, whole + 1, Flaw.CUT_OFF, why)

    def _gone(self, name: str) -> NoReturn:
        self._stop(name, None, Flaw.GONE, "the lines around it belong to a chain that it is a part of")

    def _stop(self, name: str, number: int | None, what: Flaw, why: str) -> NoReturn:
        raise _Found(Break(file=name, line=number, seq=self.seq + 1, what=what, why=why))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, with their numbers."""
    with path.open("rb") as file:
        yield from enumerate(iter(lambda: file.readline(MOST_LINE_BYTES + 1), b""), start=1)
