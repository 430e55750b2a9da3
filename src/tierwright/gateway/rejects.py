"""Lines that can't be imported, set aside: nothing is dropped in silence, and nothing bad stops the rest.

Owns the file they are written to. Refuses to know why a line is bad; it is told.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from tierwright.core.errors import InputError, StoreFull

if TYPE_CHECKING:
    from pathlib import Path

#: Rejects a report names; the file has them all.
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One line that was set aside."""

    #: From 1.
    line: int
    #: What is wrong with it; holds nothing of its content.
    reason: str


class Rejects:
    """A JSON Lines file of `{"line", "reason", "raw"}`, made when there is something to write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        #: Lines set aside.
        self.count = 0
        #: The first few of them.
        self.first: list[Reject] = []

    @property
    def path(self) -> Path | None:
        """Where they are; None: there are none."""
        return self._path if self.count else None

    def add(self, line: int, reason: str, raw: bytes) -> None:
        """Sets a line aside; bytes that are no UTF-8 are shown by their numbers.

        Raises InputError where the file can't be written, StoreFull where the disk is full.
        """
        entry = {"line": line, "reason": reason, "raw": raw.decode("utf-8", "backslashreplace")}
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8")
            self._file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise self._failed(error) from error
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(Reject(line=line, reason=reason))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise self._failed(error) from error

    def _failed(self, error: OSError) -> InputError | StoreFull:
        what = f"the lines that can't be imported can't be set aside in {self._path} ({error.strerror})"
        if error.errno == errno.ENOSPC:
            return StoreFull(f"{what}; free some disk space, then import again: what is in is not doubled")
        return InputError(f"{what}; name another file for the rejects")
