from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from tierwright.specialists.spans.chain import Order, Transitions, allowed, begins, goes_on, likely_spans, walk

FIELDS, LABELS = 2, 5


def a_chain(seed: int) -> Transitions:
    """Random scores of neighbours."""
    rng = np.random.default_rng(seed)
    return Transitions(
        between=rng.normal(size=(LABELS, LABELS)), first=rng.normal(size=LABELS), last=rng.normal(size=LABELS)
    )


def paths(scores: np.ndarray, moves: Transitions) -> dict[tuple[int, ...], float]:
    """The unnormalised weight of every possible labelling of one sequence, by enumeration."""
    follows, opens = allowed(LABELS)
    found = {}
    for path in product(range(LABELS), repeat=len(scores)):
        if not opens[path[0]] or any(not follows[a, b] for a, b in pairwise(path)):
            continue
        score = moves.first[path[0]] + moves.last[path[-1]] + sum(scores[at, label] for at, label in enumerate(path))
        found[path] = float(np.exp(score + sum(moves.between[a, b] for a, b in pairwise(path))))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_forward_backward_is_enumeration(seed: int) -> None:
    """Totals and probabilities of labels are those of all labellings written out, for packed sequences of any order."""
    lengths, moves = np.array([2, 5, 1, 3]), a_chain(seed)
    scores = np.random.default_rng(seed + 100).normal(size=(11, LABELS)) * 2
    found = walk(scores, Order.of(lengths), moves)
    total, at = 0.0, 0
    for length in lengths:
        every = paths(scores[at : at + length], moves)
        whole = sum(every.values())
        total += np.log(whole)
        for step, label in product(range(length), range(LABELS)):
            share = sum(weight for path, weight in every.items() if path[step] == label) / whole
            assert found.marginals()[at + step, label] == pytest.approx(share, abs=1e-12)
        at += length
    assert found.log_total == pytest.approx(total)


@pytest.mark.parametrize("seed", range(4))
def test_spans_are_enumeration(seed: int) -> None:
    """The probability of every span is that of all labellings in which it is one, and none is missing."""
    lengths, moves = np.array([4, 3]), a_chain(seed)
    scores = np.random.default_rng(seed + 200).normal(size=(7, LABELS))
    order = Order.of(lengths)
    spans = likely_spans(walk(scores, order, moves), moves, order.finals, least=1e-6)
    found = {(span.field, span.first, span.last): span.probability for span in spans}
    wanted: dict[tuple[int, int, int], float] = {}
    for begin, length in ((0, 4), (4, 3)):
        every = paths(scores[begin : begin + length], moves)
        whole = sum(every.values())
        for path, weight in every.items():
            for at, label in enumerate(path):
                if label % 2 == 1:
                    last = at
                    while last + 1 < length and path[last + 1] == label + 1:
                        last += 1
                    key = ((label - 1) // 2, begin + at, begin + last)
                    wanted[key] = wanted.get(key, 0.0) + weight / whole
    assert {key for key, value in wanted.items() if value >= 1e-6} == set(found)
    for key, value in found.items():
        assert value == pytest.approx(wanted[key], abs=1e-9)


def test_only_possible_labels() -> None:
    """A further token follows its own field only, and labels that are closed to a token have no probability there."""
    follows, opens = allowed(LABELS)
    assert follows[begins(1), goes_on(1)]
    assert not follows[begins(0), goes_on(1)]
    assert not opens[goes_on(0)]
    scores = np.zeros((3, LABELS))
    open_to = np.ones((3, LABELS), dtype=np.bool_)
    open_to[1, 1:] = False
    found = walk(scores, Order.of(np.array([3])), a_chain(0), open_to=open_to).marginals()
    assert found[1, 0] == pytest.approx(1.0)
    assert found[2, goes_on(0)] == 0.0


def test_large_scores_stay_finite() -> None:
    """Scores of hundreds neither overflow nor lose the sum of probabilities."""
    scores = np.random.default_rng(0).normal(size=(400, LABELS)) * 300
    found = walk(scores, Order.of(np.array([400])), a_chain(1))
    assert np.isfinite(found.log_total)
    np.testing.assert_allclose(found.marginals().sum(axis=1), 1.0)
