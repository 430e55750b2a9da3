"""New kinds of requests among those a specialist handed on.

Owns how they are found, told from what was there before, and described. Refuses to know where requests come from.

Requests that the specialist did not answer itself, late and early ones alike, are grouped by their likeness without
regard to time; a group is kept if it comes out again when half of the requests are left out. As groups know nothing of
time, permuting blocks of time says whether one has grown. A group that has grown is new if few early requests are like
it, those answered locally included. Its texts are not kept: terms, and ids to look them up by.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.lifecycle.drift import gram_of_texts
from tierwright.specialists.words import folded_words
from tierwright.stats.multiplicity import holm
from tierwright.stats.stable_clusters import cut_of, stable_clusters
from tierwright.stats.two_sample import share_test

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId
    from tierwright.lifecycle.windows import Windows
    from tierwright.stats.stable_clusters import Cluster

#: Requests of each side that are grouped, and early ones they are compared with, at most; random samples of more.
_MOST = 1000
#: Probability of any group taken for grown at one look, if nothing has changed.
_LEVEL = 0.05
#: Known requests by which it is learned how alike requests of one kind are, and fewest of them.
_KNOWN, _FEWEST_KNOWN = 600, 100
#: The same where nothing is known, as a distance: with n-grams alone, and with embeddings.
_CUT, _CUT_EMBEDDED = 0.85, 0.65
#: Requests of the smallest group.
SMALLEST = 8
_EXAMPLES, _TERMS = 5, 6
#: Words of the prior of the terms, in all.
_PRIOR = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One kind of requests that the specialist hands on."""

    #: Whether its share of the requests has grown by more than noise.
    grown: bool
    #: Whether, besides, hardly any early request, handed on or not, was like it.
    new: bool
    #: Late requests of it among those grouped.
    size: int
    #: Share of late requests that are of it and were handed on.
    share: float
    #: The same, less that of the early requests.
    growth: Estimate
    #: Probability of such a growth if blocks of time were exchangeable, after Holm's correction for all groups.
    adjusted_p: float
    #: Share of all early requests that are like it, answered locally or not.
    familiar: float
    #: How surely it comes out again when half of the requests are left out.
    stability: Estimate
    #: Words that are frequent here and rare elsewhere, the most telling first.
    terms: tuple[str, ...]
    #: The most typical late requests.
    examples: tuple[InferenceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """A random sample of requests, and which of them are grouped."""

    #: Places of all of them.
    rows: list[int]
    #: Of those that are grouped, then those that are not but lie early.
    grouped: list[int]
    others: list[int]
    #: How many of the sample each of the others stands for.
    weight: float


def find_intents(
    windows: Windows,
    known: Sequence[tuple[str, str]],
    *,
    seed: int,
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None,
) -> tuple[Intent, ...]:
    """The groups of what was handed on and came late, new ones first, then those that have grown, then the largest.

    `known` are inputs with their label, from which it is learned how alike requests of one kind are. Where no
    specialist was asked on one of the sides, all requests are grouped. Empty where there are too few to be grouped.
    """
    generator = np.random.default_rng(seed)
    pool = _pool(windows, generator)
    if len(pool.grouped) < 2 * SMALLEST:
        return ()
    texts = [windows.observed[row].input for row in (*pool.grouped, *pool.others)]
    similarity = _similarity(texts, embed)
    cut = _cut(known, embed, generator)
    count = len(pool.grouped)
    clusters = stable_clusters(similarity[:count, :count], generator, cut=cut, smallest=SMALLEST)
    nearest = _nearest(similarity, clusters, count)
    design = windows.design(pool.rows)
    members = [{pool.grouped[place] for place in cluster.members.tolist()} for cluster in clusters]
    grown = [share_test([float(row in of) for row in pool.rows], design, generator) for of in members]
    adjusted = holm([found.p_value for found in grown]).tolist() if grown else []
    background = Counter(word for row in pool.rows for word in set(folded_words(windows.observed[row].input)))
    late, early = (sum((row < windows.early) == side for row in pool.rows) for side in (False, True))
    found = []
    for number, (cluster, of, growth) in enumerate(zip(clusters, members, grown, strict=True)):
        before = sum(row < windows.early for row in of) + pool.weight * sum(place == number for place in nearest)
        grew = adjusted[number] <= _LEVEL and growth.size.value > 0
        size, familiar = sum(row >= windows.early for row in of), before / max(1, early)
        found.append(
            Intent(
                grown=grew,
                new=grew and familiar < size / max(1, late) / 2,
                size=size,
                share=size / max(1, late),
                growth=growth.size,
                adjusted_p=adjusted[number],
                familiar=familiar,
                stability=cluster.stability,
                terms=_terms([windows.observed[row].input for row in sorted(of)], background, len(pool.rows)),
                examples=_examples(windows, [pool.grouped[place] for place in cluster.members.tolist()]),
            )
        )
    return tuple(
        sorted(
            (intent for intent in found if intent.size),
            key=lambda intent: (not intent.new, not intent.grown, -intent.size),
        )
    )


def _pool(windows: Windows, generator: np.random.Generator) -> _Pool:
    """The same share of both sides, so that no more than `_MOST` of either are grouped."""
    places = range(len(windows.observed))
    sides = [[row for row in places if (row < windows.early) == side] for side in (True, False)]
    asked = all(any(windows.observed[row].local is not None for row in side) for side in sides)
    handed_on = {row for row in places if windows.observed[row].local is False or not asked}
    most = max(sum(row in handed_on for row in side) for side in sides)
    kept = generator.random(len(windows.observed)) < _MOST / max(1, most)
    rows = [row for row in places if kept[row]]
    others = [row for row in rows if row < windows.early and row not in handed_on]
    chosen = [others[at] for at in np.sort(generator.permutation(len(others))[:_MOST]).tolist()]
    return _Pool(
        rows=rows,
        grouped=[row for row in rows if row in handed_on],
        others=chosen,
        weight=len(others) / max(1, len(chosen)),
    )


def _examples(windows: Windows, members: Sequence[int]) -> tuple[InferenceId, ...]:
    late = [row for row in members if row >= windows.early]
    return tuple(windows.observed[row].id for row in late[:_EXAMPLES])


def _similarity(
    texts: Sequence[str], embed: Callable[[Sequence[str]], NDArray[np.float32]] | None
) -> NDArray[np.float64]:
    """Likeness of texts, 1 for equal ones: by n-grams, or the mean of that and of their embeddings' cosines."""
    found = gram_of_texts(texts)
    if embed is not None:
        vectors = embed(texts).astype(np.float64)
        found = (found + vectors @ vectors.T) / 2
    return np.asarray(found)


def _cut(
    known: Sequence[tuple[str, str]],
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None,
    generator: np.random.Generator,
) -> float:
    labels = {label for _, label in known}
    if len(known) < _FEWEST_KNOWN or len(labels) < 2:
        return _CUT if embed is None else _CUT_EMBEDDED
    chosen = [known[at] for at in np.sort(generator.permutation(len(known))[:_KNOWN]).tolist()]
    return cut_of(_similarity([text for text, _ in chosen], embed), [label for _, label in chosen])


def _nearest(similarity: NDArray[np.float64], clusters: Sequence[Cluster], grouped: int) -> list[int | None]:
    """The group that each of the others belongs to; None: it is less alike any than nine of ten members are."""
    if not clusters:
        return []
    likeness = np.stack([similarity[grouped:, cluster.members].mean(axis=1) for cluster in clusters], axis=1)
    least = np.array([_least_likeness(similarity[np.ix_(of.members, of.members)]) for of in clusters])
    best = (likeness - least).argmax(axis=1)
    return [
        int(number) if likeness[place, number] >= least[number] else None for place, number in enumerate(best.tolist())
    ]


def _least_likeness(within: NDArray[np.float64]) -> float:
    """The mean likeness to the other members that nine of ten have."""
    return float(np.quantile((within.sum(axis=1) - np.diag(within)) / (len(within) - 1), 0.1))


def _terms(texts: Sequence[str], background: Counter[str], total: int) -> tuple[str, ...]:
    """Words by their log-odds against all requests, with the frequencies of these as the prior.

    Monroe, Colaresi and Quinn (2008), Fightin' words, Political Analysis 16:372-403.
    """
    here = Counter(word for text in texts for word in set(folded_words(text)) if len(word) > 1)
    everywhere = sum(background.values())
    inside, outside = sum(here.values()), everywhere - sum(here.values())

    def z(word: str) -> float:
        prior = _PRIOR * background[word] / everywhere
        a, b = here[word] + prior, background[word] - here[word] + prior
        difference = np.log(a / (inside + _PRIOR - a)) - np.log(b / max(1e-9, outside + _PRIOR - b))
        return float(difference / np.sqrt(1 / a + 1 / b))

    telling = [word for word in here if here[word] >= 0.2 * len(texts) and background[word] < total / 2]
    return tuple(sorted(telling, key=lambda word: (-z(word), word))[:_TERMS])
