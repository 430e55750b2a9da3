"""Slices: the examples that have something in common, each compared on its own.

Owns how slices are made (a column, the length of the input, its language, terms that it names, the time) and their own
comparison: paired, at a level at which the intervals of all slices hold together (Bonferroni), with a verdict against
the slice's margin. A slice of too few examples is said to be one, never judged. Refuses to know how two arms are
compared: that is handed in.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.evals.compare import verdict_of
from tierwright.evals.languages import language_of
from tierwright.stats.multiplicity import simultaneous_level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.core.dataset import Example
    from tierwright.core.evaluation import Verdict
    from tierwright.stats.resampling import PairedFigures

#: Examples below which a slice is not judged, and slices of one dimension above which it is too fine.
MIN_SLICE, MOST_VALUES = 30, 200
#: The value of examples that have none.
NONE = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Examples that have something in common."""

    #: What is looked at: a column's name, "language", "length", "term", "time".
    dimension: str
    #: What the members have in common.
    value: str
    #: Their places among all examples, rising.
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceComparison:
    """A slice, compared."""

    slice: Slice
    #: Both arms on its members; None: see `reason`.
    figures: PairedFigures | None
    #: Against `margin`; None: not judged.
    verdict: Verdict | None
    margin: float
    #: Why it is not judged; empty: it is.
    reason: str


def by_value(dimension: str, values: Sequence[str]) -> list[Slice]:
    """A slice for each value of a column, most members first. Raises InputError where there are too many values."""
    members: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        members.setdefault(value or NONE, []).append(place)
    if len(members) > MOST_VALUES:
        raise InputError(
            f"{dimension!r} has {len(members):,} different values among {len(values):,} examples, more than the "
            f"{MOST_VALUES} that slices may have; slice by a column with few values, and give such a one to --cluster"
        )
    ordered = sorted(members.items(), key=lambda found: (-len(found[1]), found[0]))
    return [Slice(dimension=dimension, value=value, members=tuple(places)) for value, places in ordered]


def by_length(texts: Sequence[str], bounds: Sequence[int] | None = None) -> list[Slice]:
    """Slices by the number of characters: below each bound, and the rest; without bounds, the thirds of these texts."""
    lengths = np.array([len(text) for text in texts])
    if bounds is None:
        bounds = sorted({int(np.ceil(bound)) for bound in np.quantile(lengths, [1 / 3, 2 / 3])}) if lengths.size else []
    found = []
    for low, high in pairwise([0, *sorted(bounds), np.inf]):
        inside = np.flatnonzero((lengths >= low) & (lengths < high))
        value = f"from {low} characters" if high == np.inf else f"{low} to {high - 1} characters"
        if inside.size:
            found.append(Slice(dimension="length", value=value, members=tuple(inside.tolist())))
    return found


def by_language(texts: Sequence[str]) -> list[Slice]:
    """A slice for each language that is recognised (`evals.languages`)."""
    return by_value("language", [language_of(text) for text in texts])


def by_month(instants: Sequence[datetime]) -> list[Slice]:
    """A slice for each month, in order."""
    found = by_value("time", [instant.strftime("%Y-%m") for instant in instants])
    return sorted(found, key=lambda one: one.value)


def by_terms(texts: Sequence[str], lists: Mapping[str, Sequence[str]]) -> list[Slice]:
    """A slice for each named list: the texts that hold one of its terms as whole words, whatever their case.

    A text may be in several. Lists that no text speaks of give an empty slice, so that it is seen. Raises
    InputError for a list without terms.
    """
    folded = [_folded(text) for text in texts]
    found = []
    for name, terms in lists.items():
        patterns = [re.escape(_folded(term)) for term in terms if term.strip()]
        if not patterns:
            raise InputError(f"the list of terms {name!r} is empty; give it terms, or take it out")
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)")
        places = tuple(place for place, text in enumerate(folded) if pattern.search(text))
        found.append(Slice(dimension="term", value=name, members=places))
    return found


def of_examples(
    examples: Sequence[Example],
    *,
    clients: Sequence[str] | None = None,
    terms: Mapping[str, Sequence[str]] | None = None,
) -> list[Slice]:
    """The usual slices of a dataset's examples: language, length, label, month, client and terms where these are given.

    A dimension with one value only, or with too many to be one (labels that are texts), has no slices.
    """
    inputs = [example.input for example in examples]
    dimensions = [by_language(inputs), by_length(inputs), by_month([example.created_at for example in examples])]
    if len({example.output for example in examples}) <= min(MOST_VALUES, len(examples) // 2):
        dimensions.append(by_value("label", [example.output for example in examples]))
    if clients is not None:
        dimensions.append(by_value("client", clients))
    found = [one for slices in dimensions if len(slices) > 1 for one in slices]
    return [*found, *(by_terms(inputs, terms) if terms else [])]


def compare_slices(
    slices: Sequence[Slice],
    judge: Callable[[NDArray[np.int64], float], PairedFigures],
    *,
    margin: float,
    level: float = 0.95,
    min_n: int = MIN_SLICE,
    families: int = 1,
) -> list[SliceComparison]:
    """Each slice on its own; `judge` compares the arms on the examples at some places, at a level.

    The intervals of all slices with enough members hold together with probability `level` or more; where the same is
    asked for several candidates, `families` says for how many.
    """
    enough = [one for one in slices if len(one.members) >= max(min_n, 2)]
    each = simultaneous_level(level, max(1, len(enough)) * families)
    found = []
    for one in slices:
        if len(one.members) < max(min_n, 2):
            reason = f"too few: {len(one.members)} of the {max(min_n, 2)} examples that a slice needs"
            found.append(SliceComparison(slice=one, figures=None, verdict=None, margin=margin, reason=reason))
            continue
        try:
            figures = judge(np.asarray(one.members, dtype=np.int64), each)
        except NotEnoughData as error:
            found.append(SliceComparison(slice=one, figures=None, verdict=None, margin=margin, reason=str(error)))
            continue
        found.append(
            SliceComparison(
                slice=one, figures=figures, verdict=verdict_of(figures.difference, margin), margin=margin, reason=""
            )
        )
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
