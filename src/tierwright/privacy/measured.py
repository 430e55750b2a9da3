"""What was measured of the detectors, and by which command.

Owns the figures that come with the package (`measured.json`, written by the benchmarks); refuses to measure. A figure
is one of the detectors' version that it names: of another one it says nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

_PACKAGE, _NAME = "tierwright.privacy", "measured.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How many of some values were found."""

    #: What was looked for.
    subject: str
    #: What it was looked for in.
    data: str
    #: Values found, and values there were.
    hits: int
    n: int
    #: Ends of the interval of `recall` at 95 % (Wilson).
    ci_low: float
    ci_high: float
    #: What looked, with its version.
    detectors: str
    #: Which prints the figure.
    command: str

    @property
    def recall(self) -> float:
        """Share that was found."""
        return self.hits / self.n

    def document(self) -> dict[str, Any]:
        """As the file has it."""
        return asdict(self)


def figures() -> list[Figure]:
    """All figures of the package, by command, data and subject."""
    text = resources.files(_PACKAGE).joinpath(_NAME).read_text(encoding="utf-8")
    return [Figure(**one) for one in json.loads(text)]
