"""What the chains and the relevance model are to learn from aligned examples: labels of tokens and of sentences.

Owns which occurrence of a string is taken to be meant. In a short text all are. In a long one the first is; the others
may be or may not be, and the chain is free to decide. Refuses to know how anything is fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from tierwright.specialists.spans.chain import OUTSIDE, begins, goes_on
from tierwright.specialists.spans.passages import LONG, Relevance, sentence_features, sentence_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.spans.reader import Prepared
    from tierwright.training.spans.alignment import Aligned

#: Sentences without an answer that are learned from for each long text.
_NEGATIVES = 40
#: C of the relevance model, and how often a feature must occur there.
_STRENGTH, _MIN_COUNT = 10.0, 3


def is_long(one: Aligned) -> bool:
    """Whether only some sentences of a text are read."""
    return len(one.tokens) > LONG


def meant(one: Aligned, field: int) -> list[tuple[int, int]]:
    """The occurrences that are taken to be meant, tokens (first, last)."""
    count = 1 if is_long(one) else None
    return sorted({place for where in one.places[field] for place in where[:count]})


def possible_labels(one: Aligned, prepared: Prepared, fields: Sequence[int]) -> NDArray[np.bool_]:
    """The labels each read token may have in the chain of some fields, shape (n, labels)."""
    count = len(prepared.rows)
    possible = np.zeros((count, 1 + 2 * len(fields)), dtype=np.bool_)
    possible[:, OUTSIDE] = True
    row_of = {int(token): row for row, token in enumerate(prepared.rows)}
    range_of = np.repeat(np.arange(len(prepared.ranges)), prepared.lengths)
    taken = np.zeros(count, dtype=np.bool_)

    def rows(place: tuple[int, int]) -> NDArray[np.int64] | None:
        first, last = row_of.get(place[0]), row_of.get(place[1])
        if first is None or last is None or range_of[first] != range_of[last]:
            return None
        return np.arange(first, last + 1)

    spans = [(place, at) for at, field in enumerate(fields) for place in meant(one, field)]
    for place, at in sorted(spans, key=lambda span: span[0][0] - span[0][1]):
        where = rows(place)
        if where is None or taken[where].any():
            continue
        taken[where] = True
        possible[where, OUTSIDE] = False
        possible[where[0], begins(at)] = True
        possible[where[1:], goes_on(at)] = True
    if is_long(one):
        for at, field in enumerate(fields):
            for place in sorted({place for found in one.places[field] for place in found}):
                where = rows(place)
                if where is not None and not taken[where].any():
                    possible[where[0], begins(at)] = True
                    possible[where[1:], goes_on(at)] = True
    return possible


def fit_relevance(aligned: Sequence[Aligned], fields: int, seed: int) -> Relevance | None:
    """A model of the sentences in which answers stand, from the long texts; None where there are too few of these."""
    rng = np.random.default_rng(seed)
    texts = [one for one in aligned if is_long(one) and any(meant(one, field) for field in range(fields))]
    if len(texts) < 10:
        return None
    picked = []
    for one in texts:
        total = int(one.tokens.sentences[-1]) + 1
        labels = np.zeros((total, fields), dtype=np.bool_)
        for field in range(fields):
            for first, last in meant(one, field):
                labels[one.tokens.sentences[first] : one.tokens.sentences[last] + 1, field] = True
        holding = np.flatnonzero(labels.any(axis=1))
        others = np.flatnonzero(~labels.any(axis=1))
        drawn = rng.choice(others, size=min(_NEGATIVES, len(others)), replace=False)
        picked.append((np.concatenate([holding, np.sort(drawn)]), labels))
    numbers = []
    for one, (chosen, _) in zip(texts, picked, strict=True):
        found, owners = sentence_features(one.tokens)
        numbers.append(np.unique(found[np.isin(owners, chosen)]))
    columns, counts = np.unique(np.concatenate(numbers), return_counts=True)
    columns = columns[counts >= _MIN_COUNT]
    matrix = sp.vstack(
        [sentence_matrix(one.tokens, columns)[chosen] for one, (chosen, _) in zip(texts, picked, strict=True)]
    ).tocsr()
    target = np.concatenate([labels[chosen] for chosen, labels in picked])
    weights = np.zeros((len(columns), fields), dtype=np.float32)
    bias = np.full(fields, -4.0, dtype=np.float32)
    for field in range(fields):
        if target[:, field].any() and not target[:, field].all():
            model = LogisticRegression(C=_STRENGTH, solver="liblinear", random_state=seed)
            model.fit(matrix, target[:, field])
            weights[:, field], bias[field] = model.coef_[0], model.intercept_[0]
    return Relevance(columns=columns, weights=weights, bias=bias)


def answer_sentences(one: Aligned) -> list[int]:
    """The sentences in which a text's answers stand."""
    spans = [place for field in range(len(one.places)) for place in meant(one, field)]
    return sorted({int(one.tokens.sentences[at]) for first, last in spans for at in range(first, last + 1)})
