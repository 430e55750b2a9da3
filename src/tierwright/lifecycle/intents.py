"""New kinds of requests among those a specialist handed on.

Owns how they are found, told from what was there before, and described. Refuses to know where requests come from.

Late requests that the specialist did not answer itself are grouped by their likeness; a group is shown if it comes out
again when half of the requests are left out, and called new if requests like it make up a larger share of the late
traffic than of all early traffic, answered locally or not. Its texts are not kept: terms, and ids to look them up by.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.lifecycle.drift import gram_of_texts
from tierwright.specialists.words import folded_words
from tierwright.stats.multiplicity import simultaneous_level
from tierwright.stats.stable_clusters import cut_of, stable_clusters
from tierwright.stats.two_sample_sizes import difference_of_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId
    from tierwright.lifecycle.windows import Windows
    from tierwright.stats.stable_clusters import Cluster

#: Requests that are grouped, and early ones they are compared with, at most; random samples of more.
_MOST = 1000
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

    #: Whether requests like these are more frequent than they were, by more than noise.
    new: bool
    #: Requests of it among those grouped.
    size: int
    #: Share of late requests, less the share of early requests that are alike; at a level that holds for all groups.
    growth: Estimate
    #: Share of late requests.
    share: float
    #: How surely it comes out again when half of the requests are left out.
    stability: Estimate
    #: Words that are frequent here and rare elsewhere, the most telling first.
    terms: tuple[str, ...]
    #: The most typical requests.
    examples: tuple[InferenceId, ...]


def find_intents(
    windows: Windows,
    known: Sequence[tuple[str, str]],
    *,
    seed: int,
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None,
) -> tuple[Intent, ...]:
    """The groups of what was handed on late, new ones first, then the largest.

    `known` are inputs with their label, from which it is learned how alike requests of one kind are. Where no
    specialist was asked late, all late requests are grouped. Empty where there are too few to be grouped.
    """
    generator = np.random.default_rng(seed)
    rows, grouped = _sampled(windows, generator)
    late = [row for row in rows if row in grouped]
    early = [row for row in rows if row < windows.early]
    texts = [windows.observed[row].input for row in (*late, *early)]
    if len(late) < 2 * SMALLEST:
        return ()
    similarity = _similarity(texts, embed)
    cut = _cut(known, embed, generator)
    clusters = stable_clusters(similarity[: len(late), : len(late)], generator, cut=cut, smallest=SMALLEST)
    if not clusters:
        return ()
    nearest = _nearest(similarity, clusters, len(late), cut)
    background = Counter(word for row in rows for word in set(folded_words(windows.observed[row].input)))
    design = windows.design(rows)
    level = simultaneous_level(0.95, len(clusters))
    found = []
    for number, cluster in enumerate(clusters):
        members = {late[place] for place in cluster.members.tolist()}
        alike = members | {row for row, of in zip(early, nearest, strict=True) if of == number}
        growth = difference_of_shares(
            [float(row in alike) for row in rows], design, name="share of requests alike", level=level
        )
        found.append(
            Intent(
                new=growth.ci_low > 0,
                size=len(members),
                growth=growth,
                share=len(members) / max(1, len(rows) - len(early)),
                stability=cluster.stability,
                terms=_terms([windows.observed[row].input for row in members], background, len(rows)),
                examples=tuple(windows.observed[late[place]].id for place in cluster.members[:_EXAMPLES].tolist()),
            )
        )
    return tuple(sorted(found, key=lambda intent: (not intent.new, -intent.size)))


def _sampled(windows: Windows, generator: np.random.Generator) -> tuple[list[int], frozenset[int]]:
    """Requests of both sides, the same share of all kinds, and which of the late ones are grouped."""
    late = range(windows.early, len(windows.observed))
    asked = any(windows.observed[row].local is not None for row in late)
    handed_on = [row for row in late if windows.observed[row].local is False or not asked]
    rate = min(1.0, _MOST / max(1, len(handed_on)))
    kept = [row for row in late if rate >= 1 or generator.random() < rate]
    before = np.sort(generator.permutation(windows.early)[:_MOST]).tolist()
    return [*before, *kept], frozenset(handed_on) & frozenset(kept)


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


def _nearest(
    similarity: NDArray[np.float64], clusters: Sequence[Cluster], grouped: int, cut: float
) -> list[int | None]:
    """The group each early request would have joined; None: none."""
    likeness = np.stack([similarity[grouped:, cluster.members].mean(axis=1) for cluster in clusters], axis=1)
    best = likeness.argmax(axis=1) if len(likeness) else np.zeros(0, dtype=np.int64)
    return [int(number) if likeness[row, number] >= 1 - cut else None for row, number in enumerate(best.tolist())]


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
