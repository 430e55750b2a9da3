"""A trained `span-tagger` as a detector of names, addresses, dates or whatever it was taught.

Owns which type each of its fields becomes. Runs in the plug-in's process, which is why it stands on the floor where
detectors and specialists may meet: the host knows it by its dotted name only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tierwright.core.errors import ArtifactError
from tierwright.privacy.plugins.finder import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tierwright.specialists.spans.tagger import SpanTagger

#: Types by what fields of marked data are often called.
_USUAL: Final[Mapping[str, str]] = {
    "person": "name",
    "per": "name",
    "names": "name",
    "location": "address",
    "loc": "address",
    "street_address": "address",
    "addresses": "address",
    "date_time": "date",
    "dates": "date",
    "org": "organisation",
    "organization": "organisation",
    "corporation": "organisation",
}
_OTHER: Final = "other"
_ID_LETTERS = 16


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the settings say."""

    #: The artifact's directory.
    artifact: str
    #: The sentence encoder's directory, for a model that was trained with one.
    encoder: str | None = None
    #: Types by field, before the usual ones.
    types: dict[str, str] = {}
    #: Probability from which a string counts; None: the one that the model's answers are made with.
    threshold: float | None = None


class SpecialistFinder:
    """Asks a span tagger."""

    def __init__(
        self, tagger: SpanTagger, types: Sequence[str], version: str, *, threshold: float | None = None
    ) -> None:
        """`types` are those of the tagger's fields, in order."""
        self._tagger = tagger
        self._of_field = types
        self._threshold = threshold
        self.types = tuple(dict.fromkeys(types))
        self.version = version if threshold is None else f"{version}:{threshold:g}"

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """As `Finder.find`: every place of every string found; how sure the answer as a whole is does not matter."""
        return [self._spans(text) for text in texts]

    def _spans(self, text: str) -> list[Span]:
        found = self._tagger.locate(text, threshold=self._threshold)
        return [
            Span(kind, start, end)
            for kind, strings in zip(self._of_field, found, strict=True)
            for string in {text[one.start : one.end] for one in strings if one.start < one.end}
            for start, end in _places(text, string)
        ]


def _places(text: str, string: str) -> Iterator[tuple[int, int]]:
    at = text.find(string)
    while at >= 0:
        yield at, at + len(string)
        at = text.find(string, at + len(string))


def load(options: Mapping[str, object]) -> SpecialistFinder:
    """The tagger in an artifact; raises ArtifactError where it is damaged, of another recipe, or lacks its encoder."""
    from tierwright.specialists.artifact import artifact_id, read_manifest  # noqa: PLC0415 - only the process needs it
    from tierwright.specialists.encoder import Encoder  # noqa: PLC0415 - as above
    from tierwright.specialists.spans.tagger import SpanTagger  # noqa: PLC0415 - as above

    given = msgspec.convert(options, Options)
    directory = Path(given.artifact)
    manifest = read_manifest(directory)
    if manifest.recipe != "span-tagger":
        raise ArtifactError(
            f"{directory} was made by the recipe {manifest.recipe!r}; a detector is made by span-tagger"
        )
    needed = manifest.encoder is not None and given.encoder is not None
    encoder = Encoder.load(Path(str(given.encoder)), threads=1) if needed else None
    tagger = SpanTagger.load(directory, encoder=encoder)
    types = [type_of(name, given.types) for name in tagger.fields]
    return SpecialistFinder(tagger, types, artifact_id(directory)[:_ID_LETTERS], threshold=given.threshold)


def type_of(field: str, given: Mapping[str, str]) -> str:
    """The type of what a field finds: as given, else the usual one, else the field's own name if it can be one."""
    plain = field.casefold()
    name = given.get(field) or _USUAL.get(plain) or plain.replace("-", "_")
    return name if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) else _OTHER
