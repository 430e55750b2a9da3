"""Reads a text and says which of its spans are likely to be answers.

Owns the way from a string to candidates: ranges, features, vectors, chains. Training and serving take this same way.
Refuses to know which candidates are chosen and how they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.spans.candidates import LEAST, gather
from tierwright.specialists.spans.chain import Order, likely_spans, walk
from tierwright.specialists.spans.features import NOVELTY_SLOTS, hash_tokens
from tierwright.specialists.spans.passages import read_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

    from tierwright.specialists.spans.candidates import Candidate
    from tierwright.specialists.spans.chain import ChainWeights, Span
    from tierwright.specialists.spans.features import Features
    from tierwright.specialists.spans.passages import Relevance
    from tierwright.specialists.spans.text import TokenText
    from tierwright.specialists.spans.vectors import TokenVectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A text ready for the chains; n is the number of tokens to read."""

    tokens: TokenText
    #: Tokens to read: (first, after the last).
    ranges: list[tuple[int, int]]
    #: Places of these tokens in the text, shape (n,).
    rows: NDArray[np.int64]
    #: Shape (n, features).
    hashed: NDArray[np.uint32]
    #: Shape (n, dimension), as the encoder gives them; None: there is no encoder.
    vectors: NDArray[np.float32] | None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each range."""
        return np.array([after - first for first, after in self.ranges], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Brings vectors to mean 0 and a common spread."""

    #: Shape (dimension,) each.
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def of(self, vectors: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """The standardised vectors; None: there are none."""
        return None if vectors is None else (vectors - self.mean) * self.scale


def prepare(
    tokens: TokenText,
    *,
    relevance: NDArray[np.float32] | None,
    vectors: TokenVectors | None,
    also: Sequence[int] = (),
) -> Prepared:
    """A text for the chains; `relevance` are the scores of its sentences, `also` those to read in any case."""
    ranges = read_ranges(tokens, relevance, also)
    parts = [np.arange(first, after) for first, after in ranges]
    rows = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    return Prepared(
        tokens=tokens,
        ranges=ranges,
        rows=rows,
        hashed=hash_tokens(tokens, rows, relevance),
        vectors=None if vectors is None else vectors.of(tokens, ranges),
    )


def read_spans(
    prepared: Prepared,
    sparse: sp.csr_matrix,
    dense: NDArray[np.float32] | None,
    chains: Sequence[ChainWeights],
    fields: Sequence[Sequence[int]],
) -> list[Span]:
    """The likely spans of all chains; places are those in the text, fields those of the contract."""
    found: list[Span] = []
    if len(prepared.rows) == 0:
        return found
    order = Order.of(prepared.lengths)
    rows = prepared.rows
    for chain, own in zip(chains, fields, strict=True):
        walked = walk(chain.scores(sparse, dense), order, chain.transitions)
        found.extend(
            replace(span, field=own[span.field], first=int(rows[span.first]), last=int(rows[span.last]))
            for span in likely_spans(walked, chain.transitions, order.finals, least=LEAST)
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """All that reads."""

    features: Features
    chains: tuple[ChainWeights, ...]
    #: The contract's fields of each chain, by their places.
    fields: tuple[tuple[int, ...], ...]
    #: None: texts were short in training.
    relevance: Relevance | None
    standard: Standard | None
    #: None: made without an encoder.
    vectors: TokenVectors | None

    def read(self, tokens: TokenText) -> tuple[list[Candidate], float]:
        """The candidates of a text and the share of what was read that is new, in [0, 1]."""
        relevance = None if self.relevance is None or len(tokens) == 0 else self.relevance.scores(tokens)
        prepared = prepare(tokens, relevance=relevance, vectors=self.vectors)
        sparse = self.features.transform(prepared.hashed)
        dense = None if self.standard is None else self.standard.of(prepared.vectors)
        spans = read_spans(prepared, sparse, dense, self.chains, self.fields)
        return gather(tokens, spans), novelty(prepared.hashed, self.features.columns)


def novelty(hashed: NDArray[np.uint32], known: NDArray[np.uint32]) -> float:
    """The share of a text's words and pairs of words that are not among the known features; 0 for no words."""
    numbers = hashed[:, NOVELTY_SLOTS].ravel()
    if len(numbers) == 0 or len(known) == 0:
        return float(len(numbers) > 0)
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return float((known[places] != numbers).mean())
