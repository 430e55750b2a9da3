"""Writes a dataset's examples to files: as JSON Lines, or as a bundle for another trainer.

Owns where the files go; what is in a bundle is `training.bundles`'s. A bundle appears whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tierwright.app.base_weights import known_weights
from tierwright.core.errors import UsageError
from tierwright.training.bundles import TRAINERS, Base, make_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.app.settings import Settings
    from tierwright.core.dataset import Dataset, Example


def write_lines(file: Path, examples: Sequence[Example]) -> list[str]:
    """One example a line; returns the file's name. Raises OSError."""
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for example in examples:
            row = {
                "id": example.id,
                "input": example.input,
                "output": example.output,
                "source": example.source.value,
                "incumbent_output": example.incumbent_output,
                "split": example.split.value,
                "group": example.group,
            }
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return [file.name]


def write_bundle(
    directory: Path, dataset: Dataset, examples: Sequence[Example], *, trainer: str, base: str, settings: Settings
) -> list[str]:
    """A bundle in a directory that is new or empty; returns the names of its files.

    Raises UsageError for an unknown trainer, no base weights or a directory with something in it, NotEnoughData as
    `make_bundle` does, OSError where it can't be written.
    """
    if trainer not in TRAINERS:
        raise UsageError(f"there is no format {trainer!r}; there are jsonl, {', '.join(TRAINERS)}")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there and not empty; name a new directory for the bundle")
    files = make_bundle(dataset, examples, trainer=trainer, base=_base(base, settings))
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as scratch:
        built = Path(scratch) / "bundle"
        built.mkdir()
        for name, content in files.items():
            (built / name).write_bytes(content)
        if directory.exists():
            shutil.rmtree(directory)
        built.rename(directory)
    return sorted(files)


def _base(name: str, settings: Settings) -> Base:
    wanted = name or settings.file.training.lm
    if not wanted:
        raise UsageError("which weights are to be tuned? Name them with --base, or in [training] lm")
    found = known_weights(settings).lms.get(wanted)
    if found is None:
        return Base(name=wanted, revision="", billions=None)
    return Base(name=found.repository or found.path, revision=found.revision, billions=found.billions)
