"""Tests of numbers in the settings file that a type alone can't judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierwright.app.settings import MAX_SEED, load_settings
from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[training]\nseed = -1\n", "training.seed"),
        (f"[training]\nseed = {MAX_SEED + 1}\n", "training.seed"),
        ("[training]\nthreads = -2\n", "training.threads"),
        ("[evaluation]\nmargin = 0.0\n", "evaluation.margin"),
        ("[evaluation]\nlevel = 1.5\n", "evaluation.level"),
        ("[economics]\nutilisation = nan\n", "economics.utilisation"),
    ],
)
def test_number_out_of_its_range_is_named(tmp_path: Path, text: str, key: str) -> None:
    """A number that no later stage could use is refused when the file is read, by its key."""
    path = tmp_path / "tierwright.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=key):
        load_settings(path, {})


def test_largest_seed_is_taken(tmp_path: Path) -> None:
    """The bounds themselves are allowed."""
    path = tmp_path / "tierwright.toml"
    path.write_text(f"[training]\nseed = {MAX_SEED}\nthreads = 0\n", encoding="utf-8")
    assert load_settings(path, {}).file.training.seed == MAX_SEED
