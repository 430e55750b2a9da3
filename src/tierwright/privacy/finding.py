"""What a detector says of a text: type and place, never the value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One stretch of a text that is, or looks like, personal or secret data."""

    #: One of the types of docs/detectors.md.
    type: str
    #: Offsets into the text that was scanned: start <= place < end.
    start: int
    end: int
    #: The rule that fired.
    detector: str
    #: Whether a checksum or a registry confirmed it; False: its form or the words around it.
    validated: bool
