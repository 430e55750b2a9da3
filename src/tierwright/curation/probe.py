"""Whether a task's answers can be told from its inputs, by a quick cross-validated model of the cheapest recipe.

Owns the folds, the baselines, skill and the bound from which a field counts as learnable. The model comes from outside
(`Learner`). What is measured is agreement with the incumbent, errors of the incumbent's included: no model agrees with
it more often than it agrees with itself (`determinism`). A better recipe reaches more; what the probe does not find at
all, the others seldom find.

Inputs that are alike are in one fold, so that nothing is predicted that was learned by heart, and folds are stretches
of time, so that what counts was learned from one time and holds at another. A field that only follows from another one
is not taken for learned: it is held against what follows from the learnable fields that are told better than it is.

References:
    Goodman and Kruskal (1954), Measures of association for cross classifications, JASA 49:732-764: lambda, the share of
        the errors of always guessing the most frequent class that a predictor avoids. Skill is lambda, out of sample.
    Landis and Koch (1977), The measurement of observer agreement for categorical data, Biometrics 33:159-174: agreement
        beyond a baseline of 0.2 or less is "slight".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tierwright.core.profile import CurvePoint, FieldLearnability, Learnability
from tierwright.stats.cluster_robust import clustered_difference, clustered_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue, OutputContract
    from tierwright.core.estimate import Estimate

#: Examples of a task at most: more make the interval narrower than any decision needs.
MOST_EXAMPLES = 2400
#: Examples, and groups of inputs that are not alike, below which nothing is said.
FEWEST = 60
#: Skill from which a field counts as learnable, if it is above 0 by more than noise. Agreement beyond a baseline of up
#: to 0.2 is slight; half of that is enough for the weakest rung, with 1,600 examples at most and no calibration.
LEAST_SKILL = 0.1
_FOLDS = 3
#: Sizes of the learning curve at most, each a third of the next, and the smallest.
_SIZES, _STEP, _SMALLEST = 4, 3, 30
#: Of what a constant leaves: the share that the other fields may leave open of a field that they fix but for slips.
_SLIPS = 0.25
#: Examples of the same values in the other fields from which their most frequent value is a constant.
_MIN_STRATUM = 5
_METHOD = f"{_FOLDS}-fold cross-validated n-gram probe, folds by time, agreement with the incumbent"


class Learner(Protocol):
    """Some texts, and what can be learned of them again and again."""

    def predict(
        self,
        labels: NDArray[np.int64],
        names: Sequence[str],
        known: NDArray[np.int64],
        asked: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The labels of the texts `asked`, learned from those of the texts `known`; `names` are the labels in words."""


def probe(
    inputs: Sequence[str],
    parsed: Sequence[tuple[FieldValue, ...] | None],
    groups: NDArray[np.int64],
    contract: OutputContract,
    learner: Callable[[Sequence[str]], Learner],
    *,
    seed: int,
) -> Learnability | None:
    """How well each field and the whole answer can be told from the input; None: no closed sets, or too few requests.

    All are in order of time. `parsed` are the answers' values in the order of `contract.heads`; None where an answer
    breaks the contract, which is left out here. `groups` says which inputs are alike.
    """
    rng = np.random.default_rng(seed)
    rows = np.array([at for at, values in enumerate(parsed) if values is not None], dtype=np.int64)
    if not contract.heads or len(rows) < FEWEST or len(np.unique(groups[rows])) < FEWEST:
        return None
    if len(rows) > MOST_EXAMPLES:
        rows = np.sort(rng.choice(rows, size=MOST_EXAMPLES, replace=False))
    codes = np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)
    answers = [values for at in rows.tolist() if (values := parsed[at]) is not None]
    heads = [_head([values[place] for values in answers]) for place in range(len(contract.heads))]
    labels = np.stack([found for found, _ in heads], axis=1)
    run = _Run(learner([inputs[at] for at in rows.tolist()]), labels, [names for _, names in heads], _plan(codes, rng))
    predictions = [run.predictions(size) for size in run.sizes]
    clusters = codes.tolist()
    whole = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    curve = [
        CurvePoint(
            examples=size,
            agreement=_said(clustered_share((found == labels).all(axis=1), clusters), _METHOD),
        )
        for size, found in zip(run.sizes, predictions, strict=True)
    ]
    return Learnability(
        agreement=curve[-1].agreement,
        majority=_said(clustered_share(_is_majority(whole), clusters), "always the most frequent answer"),
        fields=_fields(contract.heads, run, predictions[-1], clusters),
        curve=tuple(curve),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """Texts with a learner, their labels, shape (n, heads), with names, and for each fold whom it asks and knows."""

    learner: Learner
    labels: NDArray[np.int64]
    names: list[list[str]]
    plan: list[tuple[NDArray[np.int64], NDArray[np.int64]]]

    @property
    def sizes(self) -> list[int]:
        """Numbers of examples to learn from, ascending; the last is what every fold has."""
        largest = min(len(known) for _, known in self.plan)
        least = max(_SMALLEST, *map(len, self.names))
        cut = [largest // _STEP**step for step in range(_SIZES)]
        return [size for size in reversed(cut) if size >= least or size == largest]

    def predictions(self, size: int) -> NDArray[np.int64]:
        """The label of each head of each example, learned from so many others; shape (n, heads)."""
        found = np.zeros_like(self.labels)
        for asked, known in self.plan:
            for place, names in enumerate(self.names):
                if len(names) > 1:
                    found[asked, place] = self.learner.predict(self.labels[:, place], names, known[:size], asked)
        return found

    def followed(self, given: NDArray[np.int64], place: int, others: list[int]) -> NDArray[np.int64]:
        """The most frequent label of a head for given labels of some others, learned outside the fold; shape (n,)."""
        found = np.zeros(len(given), dtype=np.int64)
        both = np.vstack([self.labels[:, others], given[:, others]])
        codes = np.unique(both, axis=0, return_inverse=True)[1].ravel()
        own, asked_for = np.split(codes, 2)
        for asked, known in self.plan:
            counts = np.zeros((int(codes.max()) + 1, len(self.names[place])), dtype=np.int64)
            np.add.at(counts, (own[known], self.labels[known, place]), 1)
            best = np.where(counts.sum(axis=1) >= _MIN_STRATUM, counts.argmax(axis=1), counts.sum(axis=0).argmax())
            found[asked] = best[asked_for[asked]]
        return found


def _plan(codes: NDArray[np.int64], rng: np.random.Generator) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each fold whom it asks, and whom it learns from, in the order in which they are added.

    Folds are stretches of time; a group is in the fold of its first member.
    """
    first = np.unique(codes, return_index=True)[1]
    fold = np.argsort(np.argsort(first))[codes] * _FOLDS // len(first)
    order = np.argsort(rng.permutation(len(first))[codes], kind="stable")
    return [(np.flatnonzero(fold == number), order[fold[order] != number]) for number in range(_FOLDS)]


def _head(values: Sequence[FieldValue]) -> tuple[NDArray[np.int64], list[str]]:
    """The label of each example, and the labels in words."""
    column = [(type(value).__name__, value) for value in values]  # True is not 1
    place = {member: number for number, member in enumerate(sorted(set(column), key=repr))}
    names = [" ".join("".join(c if c.isalnum() else " " for c in str(value)).split()) for _, value in place]
    return np.array([place[member] for member in column], dtype=np.int64), names


def _fields(
    heads: Sequence[str], run: _Run, predicted: NDArray[np.int64], clusters: list[int]
) -> tuple[FieldLearnability, ...]:
    """The fields, each held against what follows from the learnable ones that are told better than it is."""
    plain = np.stack([_is_majority(column) for column in run.labels.T], axis=1)
    gained = ((predicted == run.labels).mean(axis=0) - plain.mean(axis=0)) / np.maximum(1 - plain.mean(axis=0), 1e-9)
    found: dict[int, FieldLearnability] = {}
    for place in np.argsort(-gained, kind="stable").tolist():
        before = [other for other, field in found.items() if field.learnable]
        found[place] = _field(heads[place], run, predicted, place, before, clusters)
    return tuple(found[place] for place in range(len(heads)))


def _field(
    name: str, run: _Run, predicted: NDArray[np.int64], place: int, before: list[int], clusters: list[int]
) -> FieldLearnability:
    labels = run.labels[:, place]
    hits, constant, what = predicted[:, place] == labels, _is_majority(labels), "always the most frequent value"
    follows = False
    if before:
        followed = run.followed(predicted, place, before) == labels
        fixed = float((run.followed(run.labels, place, before) == labels).mean())
        # A field that learnable ones fix, but for a few slips, is learned with them.
        follows = 1 - fixed < _SLIPS * (1 - float(constant.mean()))
        if not follows and followed.mean() > constant.mean():
            constant, what = followed, "the most frequent value for what the probe says of other fields"
    difference = clustered_difference(hits, constant, clusters)
    left = 1 - float(constant.mean())
    # A constant answer leaves nothing to learn.
    value, low, high = (
        (difference.value / left, difference.ci_low / left, difference.ci_high / left) if left > 0 else (0.0, 0.0, 0.0)
    )
    skill = replace(
        difference,
        value=min(1.0, value),
        ci_low=min(1.0, low),
        ci_high=min(1.0, high),
        method=f"(agreement - majority) / (1 - majority); {difference.method}",
    )
    return FieldLearnability(
        name=name,
        agreement=_said(clustered_share(hits, clusters), _METHOD),
        majority=_said(clustered_share(constant, clusters), what),
        skill=skill,
        learnable=skill.value > 0 if follows else skill.ci_low > 0 and skill.value >= LEAST_SKILL,
    )


def _is_majority(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = labels == np.bincount(labels).argmax()
    return found


def _said(estimate: Estimate, method: str) -> Estimate:
    return replace(estimate, method=f"{method}; {estimate.method}")
