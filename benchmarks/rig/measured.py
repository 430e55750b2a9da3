"""Keeps measured figures where the package has them: `tierwright/privacy/measured.json`.

Owns the merging of one command's figures with those of others; refuses to measure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import tierwright.privacy.measured
from tierwright.privacy.detector import VERSION
from tierwright.privacy.measured import Figure, figures
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = Path(tierwright.privacy.measured.__file__).with_suffix(".json")


def figure(subject: str, data: str, hits: int, n: int, command: str) -> Figure:
    """What the rules of this package found, with Wilson's interval."""
    share = wilson(hits, n)
    return Figure(
        subject=subject,
        data=data,
        hits=hits,
        n=n,
        ci_low=share.ci_low,
        ci_high=share.ci_high,
        detectors=f"rules/{VERSION}",
        command=command,
    )


def keep(found: Sequence[Figure], command: str) -> None:
    """These are from now on the figures that this command measured."""
    others = [one for one in figures() if one.command != command]
    kept = sorted([*others, *found], key=lambda one: (one.command, one.data, one.subject))
    _FILE.write_text(
        json.dumps([one.document() for one in kept], indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
