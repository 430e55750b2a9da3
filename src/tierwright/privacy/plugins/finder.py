"""What a detector is inside its process.

Owns the shape that every kind of plug-in is brought to; refuses to know how it is asked from outside (`host`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Span(msgspec.Struct, frozen=True, array_like=True):
    """One finding: its type, and its place in the text that was looked at, start <= place < end."""

    type: str
    start: int
    end: int
    #: Whether a checksum or a registry confirmed it.
    validated: bool = False


class Finder(Protocol):
    """Looks at texts, one call at a time."""

    @property
    def version(self) -> str:
        """Changes whenever the same text may give other findings."""

    @property
    def types(self) -> Sequence[str]:
        """Every type that a finding can have, known before the first text: no type can carry words of one."""

    def find(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        """What is in each text, in order. Raises where it can't tell."""


if TYPE_CHECKING:
    #: Makes a finder of what the settings say; runs in the process that is to look.
    FinderFactory = Callable[[Mapping[str, object]], Finder]
