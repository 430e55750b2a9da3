"""Composes templates: sequences of fixed words and slots that hold given attributes once each.

Owns the search. It goes through what templates seen in training say next (an n-gram model with Witten and Bell's 1991
estimate of the unseen), takes every slot exactly once, and scores by the model and by the expected number of runs of
words shared with the text wanted (Tromble et al. 2008, Lattice minimum Bayes-risk decoding: linear in the runs, their
probabilities estimated from templates of the same and of overlapping attributes). Refuses to know what the words and
slots are: all are numbers here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Words an n-gram holds at most, and runs counted as shared.
ORDER, RUN = 5, 4
#: Hypotheses kept at each step, fixed words between two slots at most, and followers tried at most.
_WIDTH, _STRETCH, _FOLLOWERS = 12, 14, 16
#: Results of token scores kept.
_MEMORY = 300_000
START, END = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Weights of a score per word; learned in training."""

    #: Of the logarithm of the n-gram probability.
    fluency: float
    #: Of the probabilities of the runs of 1 to 4 words that end here.
    shared: tuple[float, float, float, float]
    #: Added for every word.
    length: float
    #: How many templates of the same attributes the estimate from all templates is worth.
    prior: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One composed template."""

    tokens: tuple[int, ...]
    score: float
    #: Of its n-gram model, per word.
    fluency: float
    #: Mean over words of the probability of each run length.
    shared: tuple[float, float, float, float]
    #: Templates seen in training with exactly these words and slots.
    seen: int


@dataclass(slots=True, kw_only=True)
class _Hypothesis:
    tokens: tuple[int, ...]
    score: float
    left: frozenset[int]


class Composer:
    """Templates of one act, ready for search. What it remembers does not change what it answers."""

    def __init__(self, templates: Sequence[tuple[int, ...]], slot_of: Sequence[int]) -> None:
        """`slot_of` gives for each token the slot it fills, -1 for fixed words."""
        self._slot_of = slot_of
        self._followers: list[dict[tuple[int, ...], dict[int, int]]] = [defaultdict(dict) for _ in range(ORDER)]
        self._holding: dict[int, int] = defaultdict(int)
        self._runs: dict[tuple[int, ...], int] = defaultdict(int)
        self._count = len(templates)
        self._alike: dict[frozenset[int], list[tuple[int, ...]]] = defaultdict(list)
        self._together: dict[frozenset[int], int] = {}
        self._memory: dict[tuple[int, ...], tuple[float, tuple[float, ...]]] = {}
        self._vocabulary = len({token for template in templates for token in template}) + 1
        for place, template in enumerate(templates):
            self._add(place, template)

    def _add(self, place: int, template: tuple[int, ...]) -> None:
        slots = frozenset(slot for token in template if (slot := self._slot_of[token]) >= 0)
        self._alike[slots].append(template)
        for slot in slots:
            self._holding[slot] |= 1 << place
        sequence = (START,) * (ORDER - 1) + template + (END,)
        for at in range(ORDER - 1, len(sequence)):
            token = sequence[at]
            for size in range(ORDER):
                table = self._followers[size][sequence[at - size : at]]
                table[token] = table.get(token, 0) + 1
        for run in _runs_of(template):
            self._runs[run] += 1

    def compose(self, slots: frozenset[int], preference: Preference, *, most: int) -> list[Candidate]:
        """At most `most` templates that hold each of the slots once, best first; none where the search finds none."""
        alike = self._alike.get(slots, [])
        own: dict[tuple[int, ...], int] = defaultdict(int)
        for template in alike:
            for run in _runs_of(template):
                own[run] += 1
        weight = 1 / (len(alike) + preference.prior)
        found: dict[tuple[int, ...], float] = {}
        for back in (2, 1):
            self._search(slots, preference, own, weight, back, found)
            if found:
                break
        seen: dict[tuple[int, ...], int] = defaultdict(int)
        for template in alike:
            seen[template] += 1
            if template not in found:
                found[template] = self._total(template, preference, own, weight)
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most]
        return [self._candidate(tokens, score, seen[tokens], own, weight, preference) for tokens, score in ranked]

    def _search(
        self,
        slots: frozenset[int],
        preference: Preference,
        own: dict[tuple[int, ...], int],
        weight: float,
        back: int,
        found: dict[tuple[int, ...], float],
    ) -> None:
        stacks: list[dict[tuple[object, ...], _Hypothesis]] = [{} for _ in range(len(slots) + 1)]
        stacks[0][()] = _Hypothesis(tokens=(START,) * (ORDER - 1), score=0.0, left=slots)
        for filled in range(len(slots) + 1):
            frontier = _best(stacks[filled])
            for _ in range(_STRETCH):
                grown: dict[tuple[object, ...], _Hypothesis] = {}
                for hypothesis in frontier:
                    for token in self._next(hypothesis.tokens, hypothesis.left, back):
                        score = hypothesis.score + self._step(hypothesis.tokens, token, preference, own, weight)
                        if token == END:
                            tokens = hypothesis.tokens[ORDER - 1 :]
                            if score > found.get(tokens, -math.inf):
                                found[tokens] = score
                            continue
                        slot = self._slot_of[token]
                        longer = _Hypothesis(
                            tokens=(*hypothesis.tokens, token),
                            score=score,
                            left=hypothesis.left - {slot} if slot >= 0 else hypothesis.left,
                        )
                        stack = stacks[filled + 1] if slot >= 0 else grown
                        key = (longer.tokens[1 - ORDER :], longer.left)
                        rival = stack.get(key)
                        if rival is None or score > rival.score:
                            stack[key] = longer
                frontier = _best(grown)
                if not frontier:
                    break

    def _next(self, tokens: tuple[int, ...], left: frozenset[int], back: int) -> list[int]:
        """Tokens seen after the last ones that may come here, the most frequent first."""
        table = self._followers[back].get(tokens[len(tokens) - back :], {})
        slot_of = self._slot_of
        able = [
            token
            for token in table
            if (not left if token == END else slot_of[token] < 0 or slot_of[token] in left)
        ]
        if len(able) > _FOLLOWERS:
            able = sorted(able, key=lambda token: (-table[token], token))[:_FOLLOWERS]
        return able

    def _step(
        self,
        tokens: tuple[int, ...],
        token: int,
        preference: Preference,
        own: dict[tuple[int, ...], int],
        weight: float,
    ) -> float:
        fluency, general = self._parts((*tokens[1 - ORDER :], token))
        total = preference.fluency * fluency
        if token == END:
            return total
        total += preference.length
        for size, (share, usual) in enumerate(zip(preference.shared, general, strict=True), 1):
            run = (*tokens[len(tokens) - size + 1 :], token) if size > 1 else (token,)
            total += share * weight * (own.get(run, 0) + preference.prior * usual)
        return total

    def _parts(self, window: tuple[int, ...]) -> tuple[float, tuple[float, ...]]:
        """Of the last token of five: its logarithm of probability, and the general probabilities of its runs."""
        known = self._memory.get(window)
        if known is not None:
            return known
        general = tuple(self._general(window[len(window) - size :]) for size in range(1, RUN + 1))
        result = math.log(self._probability(window[:-1], window[-1])), general
        if len(self._memory) > _MEMORY:
            self._memory = {}
        self._memory[window] = result
        return result

    def _probability(self, history: tuple[int, ...], token: int) -> float:
        estimate = 1 / self._vocabulary
        for size in range(ORDER):
            table = self._followers[size].get(history[len(history) - size :])
            if table is None:
                break
            total, kinds = sum(table.values()), len(table)
            estimate = (table.get(token, 0) + kinds * estimate) / (total + kinds)
        return estimate

    def _general(self, run: tuple[int, ...]) -> float:
        """The share of the templates that hold a run, among those that hold its slots."""
        count = self._runs.get(run, 0)
        if not count:
            return 0.0
        slots = frozenset(slot for token in run if (slot := self._slot_of[token]) >= 0)
        if not slots:
            return count / self._count
        together = self._together.get(slots)
        if together is None:
            bits = -1
            for slot in slots:
                bits &= self._holding.get(slot, 0)
            together = self._together[slots] = bits.bit_count()
        return count / together

    def _total(
        self, template: tuple[int, ...], preference: Preference, own: dict[tuple[int, ...], int], weight: float
    ) -> float:
        tokens: tuple[int, ...] = (START,) * (ORDER - 1)
        total = 0.0
        for token in (*template, END):
            total += self._step(tokens, token, preference, own, weight)
            tokens = (*tokens, token)
        return total

    def _candidate(
        self,
        tokens: tuple[int, ...],
        score: float,
        seen: int,
        own: dict[tuple[int, ...], int],
        weight: float,
        preference: Preference,
    ) -> Candidate:
        history: tuple[int, ...] = (START,) * (ORDER - 1)
        fluency = 0.0
        shared = [0.0] * RUN
        for token in (*tokens, END):
            log_probability, general = self._parts((*history[1 - ORDER :], token))
            fluency += log_probability
            if token != END:
                for size in range(1, RUN + 1):
                    run = (*history[len(history) - size + 1 :], token) if size > 1 else (token,)
                    shared[size - 1] += weight * (own.get(run, 0) + preference.prior * general[size - 1])
            history = (*history, token)
        a, b, c, d = shared
        return Candidate(tokens=tokens, score=score, fluency=fluency, shared=(a, b, c, d), seen=seen)


def _runs_of(template: tuple[int, ...]) -> set[tuple[int, ...]]:
    """The runs a template holds; those that begin it are told by the start before them."""
    sequence = (START,) * (RUN - 1) + template
    return {sequence[at - size : at] for at in range(RUN, len(sequence) + 1) for size in range(1, RUN + 1)}


def _best(stack: dict[tuple[object, ...], _Hypothesis]) -> list[_Hypothesis]:
    return sorted(stack.values(), key=lambda one: (-one.score, one.tokens))[:_WIDTH]
