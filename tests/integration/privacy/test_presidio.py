"""Presidio's analyzer as a detector, where the extra is installed; with a language model that knows no words."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tierwright.core.errors import DetectorError
from tierwright.privacy.plugins.host import PluginDetector
from tierwright.privacy.plugins.process import PluginSpec

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("presidio_analyzer", reason="pip install 'tierwright[presidio]'")


def found_by(model: str, text: str) -> set[tuple[str, str]]:
    """Types and values that it finds in a text."""
    spec = PluginSpec(
        name="presidio",
        factory="tierwright.privacy.plugins.presidio:load",
        options={"model": model},
        deadline_s=30.0,
    )

    async def main() -> set[tuple[str, str]]:
        detector = PluginDetector(spec, environment={"PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent"})
        try:
            await detector.start()
            (found,) = await detector.find([text])
            return {(one.type, text[one.start : one.end]) for one in found}
        finally:
            await detector.aclose()

    return asyncio.run(main())


def test_its_findings_have_our_types(tmp_path: Path) -> None:
    """An address and a card are found under our names of types, with no connection to anywhere."""
    import spacy  # noqa: PLC0415 - comes with the extra

    spacy.blank("en").to_disk(tmp_path / "blank")
    found = found_by(str(tmp_path / "blank"), "mail jo.doe@example.org, card 4111 1111 1111 1111")
    assert {("email", "jo.doe@example.org"), ("card", "4111 1111 1111 1111")} <= found


def test_a_model_that_is_not_there_is_not_fetched() -> None:
    """It says which model is missing."""
    with pytest.raises(DetectorError, match="xx_no_such_model"):
        found_by("xx_no_such_model", "text")
