"""Composes templates: sequences of fixed words and slots that hold given attributes once each.

Owns the search. It goes through what templates seen in training say next (an n-gram model with Witten and Bell's 1991
estimate of the unseen), takes every slot exactly once, and scores by the model and by the expected number of runs of
words shared with the text wanted (Tromble et al. 2008, Lattice minimum Bayes-risk decoding: linear in the runs, their
probabilities estimated from templates of the same and of overlapping attributes). Refuses to know what the words and
slots are: all are numbers here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from copy import copy
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Words an n-gram holds at most, and runs counted as shared.
ORDER, RUN = 5, 4
#: Hypotheses kept at each step, fixed words between two slots at most, and followers tried at most.
_WIDTH, _STRETCH, _FOLLOWERS = 10, 12, 10
#: Words of context that what comes next must have been seen after, and how many times as wide the search is: tried in
#: this order until some template is found.
_ATTEMPTS = ((2, 1), (1, 1), (1, 4))
#: Share of the templates of two things in which the first slot told of the second is of one series, for it to lead.
_LEADING = 0.75
#: How much less likely than the best of its stack a hypothesis may be, as a logarithm.
_MARGIN = 7.0
#: Contexts whose moves are kept.
_MEMORY = 100_000
START, END = -1, -2
_BEFORE = (START,) * (ORDER - 1)


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


#: A hypothesis: score, tokens with the start before them, slots left.
_Hypothesis = tuple[float, tuple[int, ...], frozenset[int]]


class Composer:
    """Templates of one act, ready for search. Thread-safe: what it remembers does not change what it answers."""

    def __init__(
        self,
        templates: Sequence[tuple[int, ...]],
        slot_of: Sequence[int],
        preference: Preference,
        series: Sequence[tuple[int, int]] = (),
        shared: Sequence[int] = (),
    ) -> None:
        """`slot_of` gives for each token the slot it fills, -1 for fixed words.

        `series` says for each slot which others it is one of, and which of them: `(3, 1)` is the second of series 3.
        None given: all slots differ. Where several series have a second member, each member belongs to one of several
        things that are told of, so composed templates fill all first members before any second one, and, where most
        templates name a thing before they tell of it, a member of that series before the others of its thing.

        `shared` gives for each token a number where it words a value that several names have and no other, -1 for
        others; none given: there are no such. Such a phrase tells what is spoken of, and the words around it tell what
        is said of it, so composed templates have only words around it that stood around a phrase of the same value.
        """
        self._shared = shared if max(shared, default=-1) >= 0 else ()
        self._attested: set[tuple[int, ...]] = set()
        self._series = series
        self._slot_of = slot_of
        self._preference = preference
        self._followers: list[dict[tuple[int, ...], dict[int, int]]] = [{} for _ in range(ORDER)]
        self._totals: dict[tuple[int, ...], int] = {}
        self._holding: dict[int, int] = defaultdict(int)
        self._runs: dict[tuple[int, ...], int] = defaultdict(int)
        self._count = len(templates)
        self._alike: dict[frozenset[int], list[tuple[int, ...]]] = defaultdict(list)
        self._together: dict[frozenset[int], int] = {}
        self._moves: dict[tuple[int, ...], list[_Move]] = {}
        self._vocabulary = len({token for template in templates for token in template}) + 1
        for place, template in enumerate(templates):
            self._add(place, template)
        self._leading = self._leading_series()
        for table in self._followers:
            for history, after in table.items():
                self._totals[history] = sum(after.values())

    def _add(self, place: int, template: tuple[int, ...]) -> None:
        slots = frozenset(slot for token in template if (slot := self._slot_of[token]) >= 0)
        self._alike[slots].append(template)
        for slot in slots:
            self._holding[slot] |= 1 << place
        sequence = (*_BEFORE, *template, END)
        for at in range(ORDER - 1, len(sequence)):
            token = sequence[at]
            for size in range(ORDER):
                table = self._followers[size].setdefault(sequence[at - size : at], {})
                table[token] = table.get(token, 0) + 1
        for run in _runs_of(template):
            self._runs[run] += 1
        if self._shared:
            self._attested.update(self._around(sequence[at : at + RUN]) for at in range(len(sequence) - RUN + 1))

    def _around(self, run: tuple[int, ...]) -> tuple[int, ...]:
        """A run with the number of the value in place of each phrase of a shared one; empty where it holds none."""
        numbers = [self._shared[token] if token >= 0 else -1 for token in run]
        if max(numbers) < 0:
            return ()
        return tuple(token if number < 0 else END - 1 - number for token, number in zip(run, numbers, strict=True))

    @property
    def known(self) -> Mapping[frozenset[int], int]:
        """The sets of slots that templates were seen with, and how many were."""
        return {slots: len(templates) for slots, templates in self._alike.items()}

    def preferring(self, preference: Preference) -> Composer:
        """The same templates with other weights; shares all tables but what depends on the weights."""
        other = copy(self)
        other._preference = preference  # noqa: SLF001 - its own kind
        other._moves = {}  # noqa: SLF001 - as above
        return other

    def compose(self, slots: frozenset[int], *, most: int, without: frozenset[int] = frozenset()) -> list[Candidate]:
        """At most `most` templates that hold each of the slots once, best first; none where the search finds none.

        None holds a token of `without`.
        """
        if not slots <= self._holding.keys():
            return []
        alike = [template for template in self._alike.get(slots, []) if without.isdisjoint(template)]
        own = Counter(run for template in alike for run in _runs_of(template))
        found: dict[tuple[int, ...], float] = {}
        rank = self._ranks(slots)
        for back, times in _ATTEMPTS:
            limits = _Limits(rank=rank, without=without, back=back, times=times)
            self._search(limits, slots, own, len(alike), found)
            if found:
                break
        seen = Counter(alike)
        for template in seen:
            if template not in found:
                found[template] = self._total(template, own, len(alike))
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most]
        return [self._candidate(tokens, score, seen[tokens], own, len(alike)) for tokens, score in ranked]

    def _several(self, slots: frozenset[int]) -> bool:
        """Whether several things are told of: several series have a second member."""
        return bool(self._series) and len({self._series[slot][0] for slot in slots if self._series[slot][1] > 0}) > 1

    def _leading_series(self) -> int | None:
        """The series with which templates usually begin to tell of another thing; None where there is no such."""
        first: Counter[int] = Counter()
        for slots, templates in self._alike.items():
            if self._several(slots):
                for template in templates:
                    filled = [self._series[slot] for token in template if (slot := self._slot_of[token]) >= 0]
                    first[next(series for series, nth in filled if nth > 0)] += 1
        series, count = max(first.items(), key=lambda item: item[1], default=(None, 0))
        return series if count >= _LEADING * first.total() else None

    def _ranks(self, slots: frozenset[int]) -> dict[int, int]:
        """The order slots must keep; empty where they need not."""
        if not self._several(slots):
            return {}
        return {slot: 2 * self._series[slot][1] + (self._series[slot][0] != self._leading) for slot in slots}

    def _search(
        self,
        limits: _Limits,
        slots: frozenset[int],
        own: Counter[tuple[int, ...]],
        alike: int,
        found: dict[tuple[int, ...], float],
    ) -> None:
        """Stacks by the number of slots filled, as in Koehn (2004): hypotheses compete with those as far along."""
        margin = self._preference.fluency * _MARGIN * limits.times
        width = _WIDTH * limits.times
        rank, without = limits.rank, limits.without
        stacks: list[dict[object, _Hypothesis]] = [{} for _ in range(len(slots) + 1)]
        stacks[0][()] = (0.0, _BEFORE, slots)
        for filled, stack in enumerate(stacks):
            frontier = _best(stack, margin, width)
            further = stacks[filled + 1] if filled < len(slots) else {}
            for _ in range(_STRETCH):
                grown: dict[object, _Hypothesis] = {}
                for hypothesis in frontier:
                    _, tokens, left = hypothesis
                    turn = min((rank[slot] for slot in left), default=0) if rank else 0
                    for move, total in self._extensions(hypothesis, own, alike, limits.back):
                        if move.token == END:
                            whole = tokens[ORDER - 1 :]
                            found[whole] = max(total, found.get(whole, -math.inf))
                            continue
                        if move.token in without or (rank and move.slot >= 0 and rank[move.slot] > turn):
                            continue
                        rest = left - {move.slot} if move.slot >= 0 else left
                        target = further if move.slot >= 0 else grown
                        key = (*tokens[2 - ORDER :], move.token, rest)
                        rival = target.get(key)
                        if rival is None or total > rival[0]:
                            target[key] = (total, (*tokens, move.token), rest)
                frontier = _best(grown, margin, width)
                if not frontier:
                    break

    def _extensions(
        self, hypothesis: _Hypothesis, own: Counter[tuple[int, ...]], alike: int, back: int
    ) -> Iterator[tuple[_Move, float]]:
        """What may come next, with the score of it all: no slot twice, and the end only when all are filled."""
        score, tokens, left = hypothesis
        context = tokens[1 - ORDER :]
        general = self._preference.prior / (alike + self._preference.prior)
        for move in self._after(context, back):
            if (left and move.token == END) if move.slot < 0 else move.slot not in left:
                continue
            total = score + move.fixed + general * move.general
            yield move, total + self._own_part(context, move.token, own, alike) if own else total

    def _after(self, context: tuple[int, ...], back: int) -> list[_Move]:
        """The tokens seen after the last `back` ones, the most frequent, with what they score."""
        key = context if back == 2 else (back, *context)
        moves = self._moves.get(key)
        if moves is None:
            table = self._followers[back].get(context[len(context) - back :], {})
            tokens = sorted(table, key=lambda token: (-table[token], token))
            if self._attested:
                tokens = [token for token in tokens if self._around((*context[1 - RUN :], token)) in self._attested]
            fixed = [token for token in tokens if token == END or self._slot_of[token] < 0][:_FOLLOWERS]
            slots = [token for token in tokens if token != END and self._slot_of[token] >= 0]
            moves = [self._move(context, token) for token in (*fixed, *slots)]
            if len(self._moves) >= _MEMORY:
                self._moves = {}
            self._moves[key] = moves
        return moves

    def _move(self, context: tuple[int, ...], token: int) -> _Move:
        weights = self._preference
        fixed = weights.fluency * math.log(self._probability(context, token))
        if token == END:
            return _Move(token, -1, fixed, 0.0)
        runs = _ending(context, token)
        general = sum(share * self._general(run) for share, run in zip(weights.shared, runs, strict=True))
        return _Move(token, self._slot_of[token], fixed + weights.length, general)

    def _own_part(self, context: tuple[int, ...], token: int, own: Counter[tuple[int, ...]], alike: int) -> float:
        """What the templates of the very same slots add."""
        if token == END:
            return 0.0
        runs = _ending(context, token)
        shared = sum(share * own[run] for share, run in zip(self._preference.shared, runs, strict=True) if run in own)
        return shared / (alike + self._preference.prior)

    def _probability(self, history: tuple[int, ...], token: int) -> float:
        estimate = 1 / self._vocabulary
        for size in range(ORDER):
            context = history[len(history) - size :]
            table = self._followers[size].get(context)
            if table is None:
                break
            estimate = (table.get(token, 0) + len(table) * estimate) / (self._totals[context] + len(table))
        return estimate

    def _general(self, run: tuple[int, ...]) -> float:
        """The share of the templates that hold a run, among those that hold its slots."""
        count = self._runs.get(run, 0)
        if not count:
            return 0.0
        slots = frozenset(slot for token in run if token >= 0 and (slot := self._slot_of[token]) >= 0)
        if not slots:
            return count / self._count
        together = self._together.get(slots)
        if together is None:
            bits = -1
            for slot in slots:
                bits &= self._holding.get(slot, 0)
            together = self._together[slots] = bits.bit_count()
        return count / together

    def _total(self, template: tuple[int, ...], own: Counter[tuple[int, ...]], alike: int) -> float:
        general = self._preference.prior / (alike + self._preference.prior)
        sequence = (*_BEFORE, *template, END)
        total = 0.0
        for at in range(ORDER - 1, len(sequence)):
            context, token = sequence[at - ORDER + 1 : at], sequence[at]
            move = self._move(context, token)
            total += move.fixed + general * move.general + self._own_part(context, token, own, alike)
        return total

    def _candidate(
        self, tokens: tuple[int, ...], score: float, seen: int, own: Counter[tuple[int, ...]], alike: int
    ) -> Candidate:
        prior = self._preference.prior
        sequence = (*_BEFORE, *tokens, END)
        fluency = 0.0
        shared = [0.0] * RUN
        for at in range(ORDER - 1, len(sequence)):
            context, token = sequence[at - ORDER + 1 : at], sequence[at]
            fluency += math.log(self._probability(context, token))
            if token != END:
                for size, run in enumerate(_ending(context, token)):
                    shared[size] += (own[run] + prior * self._general(run)) / (alike + prior)
        one, two, three, four = shared
        return Candidate(tokens=tokens, score=score, fluency=fluency, shared=(one, two, three, four), seen=seen)


class _Limits(NamedTuple):
    """What a search must heed."""

    #: The order slots must keep; empty where they need not.
    rank: dict[int, int]
    #: Tokens it must not use.
    without: frozenset[int]
    #: Words of context, and times as wide as usual: one of `_ATTEMPTS`.
    back: int
    times: int


class _Move(NamedTuple):
    """One token that may come next."""

    token: int
    #: The slot it fills; -1: none.
    slot: int
    #: What it scores whatever the slots are.
    fixed: float
    #: What all templates add.
    general: float


def _runs_of(template: tuple[int, ...]) -> set[tuple[int, ...]]:
    """The runs a template holds; those that begin it are told by the start before them."""
    sequence = _BEFORE[: RUN - 1] + template
    return {sequence[at - size : at] for at in range(RUN, len(sequence) + 1) for size in range(1, RUN + 1)}


def _ending(context: tuple[int, ...], token: int) -> tuple[tuple[int, ...], ...]:
    """The runs of 1 to 4 tokens that end with a token."""
    return (token,), (*context[-1:], token), (*context[-2:], token), (*context[-3:], token)


def _best(stack: dict[object, _Hypothesis], margin: float, width: int) -> list[_Hypothesis]:
    """The hypotheses worth going on with; ties are settled by their tokens, so that every run settles them alike."""
    if not stack:
        return []
    least = max(one[0] for one in stack.values()) - margin
    return nsmallest(width, (one for one in stack.values() if one[0] >= least), key=lambda one: (-one[0], one[1]))
