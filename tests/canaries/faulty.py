"""A detector's function that finds nothing, raises, or hangs; it runs in the plug-in's own process."""

from __future__ import annotations

import time


def nothing(text: str) -> list[tuple[str, int, int]]:
    """Finds nothing."""
    return []


def raising(text: str) -> list[tuple[str, int, int]]:
    """Can't tell."""
    raise RuntimeError(text)


def hanging(text: str) -> list[tuple[str, int, int]]:
    """Never answers."""
    time.sleep(3600)
    return []
