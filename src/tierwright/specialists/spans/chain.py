"""A linear-chain conditional random field: labels of tokens, and how likely every span is.

Owns labels, forward-backward and the probability of spans; refuses to know where scores come from and how they were
fitted. Lafferty, McCallum and Pereira (2001), Conditional random fields.

A chain of F fields has 1 + 2 F labels: outside, and for each field the first token of a span and every further one
(BIO; Ramshaw and Marcus 1995). A further token follows its own field only: no other sequence has any probability.
Sequences are packed: their tokens stand one after the other in one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

OUTSIDE = 0
_TINY = 1e-300


def begins(field: int) -> int:
    """The label of the first token of a field's span."""
    return 1 + 2 * field


def goes_on(field: int) -> int:
    """The label of every further token of a field's span."""
    return 2 + 2 * field


def allowed(labels: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which label may follow which, shape (from, to), and which may be first."""
    further = np.arange(labels) % 2 == 0
    further[OUTSIDE] = False
    follows = np.ones((labels, labels), dtype=np.bool_)
    follows[:, further] = False
    for at in np.flatnonzero(further).tolist():
        follows[[at - 1, at], at] = True
    return follows, ~further


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Scores of neighbouring labels; those of impossible ones don't count."""

    #: Shape (labels, labels): from, to.
    between: NDArray[np.float64]
    #: Shape (labels,): of the first label and of the last.
    first: NDArray[np.float64]
    last: NDArray[np.float64]

    def factors(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The exponentials, 0 where impossible."""
        follows, opens = allowed(len(self.first))
        return np.exp(self.between) * follows, np.exp(self.first) * opens, np.exp(self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainWeights:
    """A fitted chain."""

    #: Shapes (columns, labels), (dimension, labels), (labels,).
    sparse: NDArray[np.float32]
    dense: NDArray[np.float32] | None
    bias: NDArray[np.float32]
    transitions: Transitions

    def scores(self, sparse: sp.csr_matrix, dense: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Scores of n tokens' labels, shape (n, labels)."""
        found = np.asarray(sparse @ self.sparse) + self.bias
        return found if dense is None or self.dense is None else found + dense @ self.dense


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Packed sequences in the order in which they are walked: all at once, the longest first."""

    #: For each step the places of the tokens at that step, the longest sequence's first.
    steps: tuple[NDArray[np.int64], ...]
    #: The place of the last token of each sequence, shape (sequences,).
    finals: NDArray[np.int64]

    @classmethod
    def of(cls, lengths: NDArray[np.int64]) -> Order:
        """Of sequences with these lengths, none of them 0."""
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        ranked = np.argsort(-lengths, kind="stable")
        starts, sorted_lengths = starts[ranked], lengths[ranked]
        running = [
            int(np.searchsorted(-sorted_lengths, -step, side="left"))
            for step in range(int(sorted_lengths[0]) if len(lengths) else 0)
        ]
        return cls(
            steps=tuple(starts[:count] + step for step, count in enumerate(running)),
            finals=starts + sorted_lengths - 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What forward-backward found for n tokens; a label's probability is `forward * backward`."""

    #: Exponentials of the scores, the largest of each token 1, shape (n, labels).
    factors: NDArray[np.float64]
    #: Scaled (Rabiner 1989), shape (n, labels).
    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    #: The scale of each token, shape (n,).
    scales: NDArray[np.float64]
    #: Sum over the sequences of the logarithm of all paths' total.
    log_total: float

    def marginals(self) -> NDArray[np.float64]:
        """The probability of each label at each token, shape (n, labels)."""
        return self.forward * self.backward


def walk(
    scores: NDArray[np.floating], order: Order, transitions: Transitions, *, open_to: NDArray[np.bool_] | None = None
) -> Walk:
    """Forward-backward over packed sequences; with `open_to`, shaped as the scores, only labels that are True in it."""
    between, first, last = transitions.factors()
    highest = scores.max(axis=1, keepdims=True) if len(scores) else np.zeros((0, 1))
    factors = np.exp((scores - highest).astype(np.float64))
    if open_to is not None:
        factors *= open_to
    # By steps instead of by sequences, so that a step is a slice: its first rows go on from the step before.
    places = np.concatenate(order.steps) if order.steps else np.empty(0, dtype=np.int64)
    stepped = factors[places]
    ahead, back = np.zeros_like(factors), np.zeros_like(factors)
    sums = np.ones((len(factors), 1))
    sizes = [len(rows) for rows in order.steps]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    for step, size in enumerate(sizes):
        here = slice(starts[step], starts[step] + size)
        before = slice(starts[step - 1], starts[step - 1] + size)
        found = (first if step == 0 else ahead[before] @ between) * stepped[here]
        sums[here] = np.maximum(found.sum(axis=1, keepdims=True), _TINY)
        ahead[here] = found / sums[here]
    forward, scales = np.empty_like(ahead), np.empty(len(factors))
    forward[places], scales[places] = ahead, sums[:, 0]
    ends = np.maximum(forward[order.finals] @ last, _TINY)
    final = np.empty_like(ahead)
    final[order.finals] = last / ends[:, None]
    back[:] = final[places]
    stepped /= sums
    for step in range(len(sizes) - 1, 0, -1):
        size = sizes[step]
        here = slice(starts[step], starts[step] + size)
        back[starts[step - 1] : starts[step - 1] + size] = (back[here] * stepped[here]) @ between.T
    backward = np.empty_like(back)
    backward[places] = back
    log_total = float(highest.sum()) + float(np.log(scales).sum() + np.log(ends).sum())
    return Walk(factors=factors, forward=forward, backward=backward, scales=scales, log_total=log_total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A possible span: tokens `first` to `last` (both included, places in the packed array) of a field."""

    field: int
    first: int
    last: int
    probability: float


def likely_spans(found: Walk, transitions: Transitions, finals: NDArray[np.int64], *, least: float) -> list[Span]:
    """Every span whose probability is at least `least`, exactly, in the order of the text."""
    between = transitions.factors()[0]
    final = np.zeros(len(found.scales), dtype=np.bool_)
    final[finals] = True
    marginals = found.marginals()
    spans: list[Span] = []
    for field in range((marginals.shape[1] - 1) // 2):
        first, further = begins(field), goes_on(field)
        for at in np.flatnonzero(marginals[:, first] >= least).tolist():
            mass, before, here = float(found.forward[at, first]), first, at
            while True:
                # What is still open is the mass of all spans that begin here and have come this far.
                still_open = mass * float(found.backward[here, before])
                onward = 0.0
                if not final[here]:
                    onward = mass * float(between[before, further])
                    onward *= float(found.factors[here + 1, further] / found.scales[here + 1])
                longer = 0.0 if final[here] else onward * float(found.backward[here + 1, further])
                if still_open - longer >= least:
                    spans.append(Span(field=field, first=at, last=here, probability=min(still_open - longer, 1.0)))
                if longer < least:
                    break
                mass, before, here = onward, further, here + 1
    return sorted(spans, key=lambda span: (span.first, span.last, span.field))
