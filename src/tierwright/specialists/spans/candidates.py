"""Which of the likely spans are the answer: candidates, how likely each is, and the choice among them.

Owns the second look at what the chains found. A chain sees one token and its neighbours; here a string is seen with all
its occurrences in the text, its rivals, and what was answered in training. Refuses to know chains and formats.

Choosing every candidate above one probability, instead of the single most likely labelling, is what maximises the
expected F1 (Lipton, Elkan and Naryanaswamy 2014, Optimal thresholding of classifiers to maximize F1 measure).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.spans.answers import FoundString, tidied
from tierwright.specialists.spans.features import number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.spans.chain import Span
    from tierwright.specialists.spans.text import TokenText

#: Probability of a span from which it is a candidate.
LEAST = 0.02
#: Candidates of one field in one text at most, the likeliest.
_MOST = 60
#: Features of a candidate that don't depend on its field.
SHARED = 13
_EDGE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A string that may be an answer of a field."""

    field: int
    #: As it stands at its likeliest occurrence, characters `start` to `end`.
    text: str
    start: int
    end: int
    #: Tokens (first, last) of its likely occurrences, the likeliest first, and their probabilities.
    places: tuple[tuple[int, int], ...]
    probabilities: tuple[float, ...]

    @property
    def key(self) -> str:
        """What makes two spans the same answer."""
        return tidied(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gazetteer:
    """How often strings were answers in training; they are kept as numbers only."""

    #: Sorted, shape (strings,).
    numbers: NDArray[np.uint32]
    #: Shape (strings, fields).
    counts: NDArray[np.float32]

    def of(self, text: str) -> NDArray[np.float32]:
        """How often it was an answer of each field."""
        number = number_of(tidied(text).casefold())
        at = int(np.searchsorted(self.numbers, number))
        if at < len(self.numbers) and int(self.numbers[at]) == number:
            counts: NDArray[np.float32] = self.counts[at]
            return counts
        return np.zeros(self.counts.shape[1], dtype=np.float32)

    @classmethod
    def fit(cls, answers: Sequence[tuple[int, str]], fields: int) -> Gazetteer:
        """From (field, string) pairs."""
        table: dict[int, NDArray[np.float32]] = {}
        for field, text in answers:
            row = table.setdefault(number_of(tidied(text).casefold()), np.zeros(fields, dtype=np.float32))
            row[field] += 1
        numbers = np.array(sorted(table), dtype=np.uint32)
        counts = np.array([table[number] for number in numbers.tolist()], dtype=np.float32)
        return cls(numbers=numbers, counts=counts.reshape(-1, fields))


def gather(tokens: TokenText, spans: Sequence[Span]) -> list[Candidate]:
    """The candidates among spans (places are those in the text), the likeliest first."""
    grouped: dict[tuple[int, str], list[Span]] = {}
    for span in spans:
        grouped.setdefault((span.field, tidied(tokens.surface(span.first, span.last))), []).append(span)
    found = []
    for (field, _), members in grouped.items():
        members.sort(key=lambda span: (-span.probability, span.first))
        best = members[0]
        start, end = int(tokens.starts[best.first]), int(tokens.ends[best.last])
        found.append(
            Candidate(
                field=field,
                text=tokens.text[start:end],
                start=start,
                end=end,
                places=tuple((span.first, span.last) for span in members),
                probabilities=tuple(span.probability for span in members),
            )
        )
    found.sort(key=lambda one: (-one.probabilities[0], one.start, one.field))
    counts: dict[int, int] = {}
    kept = []
    for one in found:
        counts[one.field] = counts.get(one.field, 0) + 1
        if counts[one.field] <= _MOST:
            kept.append(one)
    return kept


def describe(
    tokens: TokenText, candidates: Sequence[Candidate], gazetteer: Gazetteer, fields: int
) -> NDArray[np.float64]:
    """What is known of each candidate, shape (n, SHARED + 2 * fields)."""
    result = np.zeros((len(candidates), SHARED + 2 * fields))
    best_of = np.zeros((fields, 2))
    for one in candidates:
        best_of[one.field] = sorted([*best_of[one.field], one.probabilities[0]])[1:]
    for row, one in enumerate(candidates):
        best = one.probabilities[0]
        missed = float(np.prod([1 - min(p, 1 - _EDGE) for p in one.probabilities]))
        told = gazetteer.of(one.text)
        times = max(tokens.text.count(one.text), 1)
        rival_here, rival_there = _rivals(one, candidates)
        others = best_of[one.field][0 if best >= best_of[one.field][1] else 1]
        first, last = one.places[0]
        result[row, :SHARED] = (
            _logit(best),
            _logit(1 - missed),
            np.log(len(one.places)),
            np.log(times),
            min(sum(one.probabilities) / times, 1.0),
            _logit(rival_here),
            _logit(rival_there),
            np.log(last - first + 1),
            np.log1p(told[one.field]),
            np.log1p(told.sum() - told[one.field]),
            others,
            first / max(len(tokens), 1),
            float(one.text[:1].isupper()),
        )
        result[row, SHARED + one.field] = 1.0
        result[row, SHARED + fields + one.field] = _logit(best)
    return result


def choose(
    candidates: Sequence[Candidate],
    probability: NDArray[np.float64],
    many: Sequence[bool],
    chains: Sequence[int],
    *,
    threshold: float,
) -> list[int]:
    """The places of the candidates that are answers: those above the threshold, the likeliest first.

    A candidate whose every occurrence overlaps a chosen one of the same chain is none, and a field that holds one
    string has one.
    """
    taken: dict[int, list[tuple[int, int]]] = {}
    filled: set[int] = set()
    chosen: list[int] = []
    for at in np.argsort(-probability, kind="stable").tolist():
        one = candidates[at]
        if probability[at] < threshold:
            break
        if not many[one.field] and one.field in filled:
            continue
        occupied = taken.setdefault(chains[one.field], [])
        free = [place for place in one.places if not any(_overlap(place, other) for other in occupied)]
        if not free:
            continue
        occupied.extend(one.places[: max(1, sum(p >= 0.5 for p in one.probabilities))])
        filled.add(one.field)
        chosen.append(at)
    return chosen


def found_string(one: Candidate) -> FoundString:
    """What is written of a chosen candidate."""
    return FoundString(
        text=one.text,
        start=one.start,
        end=one.end,
        times=max(1, sum(p >= 0.5 for p in one.probabilities)),
    )


def _rivals(one: Candidate, candidates: Sequence[Candidate]) -> tuple[float, float]:
    """The probability of the likeliest other candidate that overlaps it: of the same field, and of another."""
    here = there = 0.0
    place = one.places[0]
    for other in candidates:
        if other is one:
            continue
        for span, probability in zip(other.places, other.probabilities, strict=True):
            if _overlap(place, span):
                if other.field == one.field:
                    here = max(here, probability)
                else:
                    there = max(there, probability)
    return here, there


def _overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] <= second[1] and second[0] <= first[1]


def _logit(probability: float) -> float:
    clipped = min(max(probability, _EDGE), 1 - _EDGE)
    return float(np.log(clipped) - np.log1p(-clipped))
