"""Loads whatever kind of specialist an artifact's directory holds.

Owns which recipe's artifacts which class reads; refuses to know what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import ArtifactError
from tierwright.specialists.artifact import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.core.protocols import Predictor
    from tierwright.specialists.encoder import Encoder


def load_specialist(directory: Path, *, encoder: Encoder | None) -> Predictor:
    """The specialist in a directory; `encoder` is the frozen one that some recipes stand on.

    Raises ArtifactError where the artifact is damaged, does not fit, or was made by a recipe this program can't serve.
    """
    recipe = read_manifest(directory).recipe
    if recipe in {"ngram", "encoder-head"}:
        from tierwright.specialists.specialist import Specialist  # noqa: PLC0415 - a kind's libraries only where needed

        return Specialist.load(directory, encoder=encoder)
    if recipe == "encoder-tuned":
        from tierwright.specialists.tuned import load_tuned  # noqa: PLC0415 - as above

        return load_tuned(directory)
    if recipe == "template":
        from tierwright.specialists.template import TemplateSpecialist  # noqa: PLC0415 - as above

        return TemplateSpecialist.load(directory)
    if recipe == "span-tagger":
        from tierwright.specialists.spans.tagger import SpanTagger  # noqa: PLC0415 - as above

        return SpanTagger.load(directory, encoder=encoder)
    raise ArtifactError(
        f"{directory} was made by the recipe {recipe!r}, which this version can't serve; train it again"
    )
