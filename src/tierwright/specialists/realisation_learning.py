"""Learns how attributes show in texts, from texts that were made from them.

Owns the statistics; what is learned and how it is used is `realisation`. Both a recipe (from its training examples) and
an evaluation (from the right answers it measures by) learn it, each for itself.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tierwright.specialists.realisation import NameRealisation, Phrase, Realisations, Telling, align
from tierwright.specialists.words import folded_words, occurrences, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.attributes import Attributes

#: Share of a value's texts that must hold it for it to be copied; the rest say it in other words, or leave it out. For
#: values that names share it is more, since these tell less.
_COPIED_SHARE, _SHARED_SHARE = 0.25, 0.5
#: Examples from which a value's own share counts; below, that of its name.
_KNOWN_VALUE = 4
#: Share of examples from which an attribute is given throughout.
_THROUGHOUT = 0.98
#: Share of the texts of a value that its phrases must be found in, where it is given throughout.
_COVERED = 0.8
#: Words of a phrase at most, and texts that must hold it.
_PHRASE_WORDS, _PHRASE_TEXTS = 4, 3
#: What a text that speaks against a phrase weighs against one that speaks for it.
_AGAINST = 4.0
#: Unexplained occurrences for each time a value is given, up to which it is telling; and of those without the name, up
#: to which it is bound to that.
_STRAY, _NAMELESS = 0.05, 0.25
#: Texts from which a word may be bound to names, its share in texts where one is given, and names at most.
_BOUND_TEXTS, _BOUND_SHARE, _BOUND_NAMES = 8, 0.97, 4
#: Share of all texts in which one of the names is given, beyond which that says nothing.
_BOUND_BASE = 0.75


def learn_realisations(given: Sequence[Attributes], texts: Sequence[str]) -> Realisations:
    """How the attributes show in the texts made from them; both sequences in parallel."""
    copied = _copied(given, texts)
    throughout = _throughout(given)
    bare = Realisations(
        names={
            name: NameRealisation(condition=False, copied=usual, exceptions=exceptions, phrases=())
            for name, (usual, exceptions) in copied.items()
        },
        telling=(),
    )
    rests = [_rest(bare, one, text) for one, text in zip(given, texts, strict=True)]
    table = _Table.of(rests)
    names: dict[str, NameRealisation] = {}
    for name, known in bare.names.items():
        phrases, covered = _phrases(name, given, bare, table)
        condition = name in throughout and not known.copied and covered < _COVERED
        names[name] = NameRealisation(
            condition=condition,
            copied=known.copied,
            exceptions=() if condition else known.exceptions,
            phrases=() if condition else phrases,
        )
    telling = _telling_values(given, bare, rests) + _bound_words(given, rests)
    unique = {one.words: one for one in reversed(telling)}
    return Realisations(names=names, telling=tuple(unique[words] for words in sorted(unique)))


def _throughout(given: Sequence[Attributes]) -> set[str]:
    counts = Counter(name for one in given for name in {name for name, _ in one.pairs})
    return {name for name, count in counts.items() if count >= _THROUGHOUT * len(given)}


def _copied(given: Sequence[Attributes], texts: Sequence[str]) -> dict[str, tuple[bool, tuple[str, ...]]]:
    """For each name, whether its values are usually copied, and the values for which the opposite holds.

    A value that several attributes share must stand in the text as often: nobody can tell whose a single `none` is.
    Values that names usually share are copied for all of these names or for none of them.
    """
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    held: dict[str, Counter[str]] = defaultdict(Counter)
    sharing: Counter[str] = Counter()
    for one, text in zip(given, texts, strict=True):
        folded = words_of(text).folded
        needed = Counter(folded_words(value) for _, value in one.pairs)
        names_of = Counter(value for _, value in set(one.pairs))
        for name, value in one.pairs:
            needle = folded_words(value)
            seen[name][value] += 1
            held[name][value] += len(occurrences(needle, folded, [False] * len(folded))) >= needed[needle]
            sharing[value] += names_of[value] > 1
    everywhere, standing = sum(seen.values(), Counter[str]()), sum(held.values(), Counter[str]())
    found: dict[str, tuple[bool, tuple[str, ...]]] = {}
    for name, values in seen.items():
        of_name = sum(held[name].values()) / sum(values.values())
        is_copied: dict[str, bool] = {}
        for value, count in values.items():
            if 2 * sharing[value] > everywhere[value]:
                often = standing[value] >= _SHARED_SHARE * everywhere[value]
            elif count >= _KNOWN_VALUE:
                often = held[name][value] >= _COPIED_SHARE * count
            else:
                often = of_name >= _COPIED_SHARE
            is_copied[value] = often and bool(folded_words(value))
        usual = 2 * sum(is_copied.values()) > len(is_copied)
        found[name] = usual, tuple(sorted(value for value, copied in is_copied.items() if copied is not usual))
    return found


def _rest(bare: Realisations, one: Attributes, text: str) -> list[list[str]]:
    """A text's words without the copied values: runs of words that stood next to each other."""
    found = align(bare, one, text)
    taken = {at for span in found.spans for at in range(span.start, span.end)}
    runs: list[list[str]] = [[]]
    for at, word in enumerate(found.words.folded):
        if at in taken:
            runs.append([])
        else:
            runs[-1].append(word)
    return [run for run in runs if run]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Which texts hold which runs of words: shape (texts, phrases), 0 or 1, columns of phrases held often enough."""

    phrases: tuple[str, ...]
    holds: sp.csc_matrix

    @classmethod
    def of(cls, rests: Sequence[list[list[str]]]) -> _Table:
        found = [
            {
                " ".join(run[start : start + size])
                for run in runs
                for size in range(1, _PHRASE_WORDS + 1)
                for start in range(len(run) - size + 1)
            }
            for runs in rests
        ]
        counts = Counter(phrase for phrases in found for phrase in phrases)
        kept = sorted(phrase for phrase, count in counts.items() if count >= _PHRASE_TEXTS)
        number = {phrase: column for column, phrase in enumerate(kept)}
        rows: list[int] = []
        columns: list[int] = []
        for row, phrases in enumerate(found):
            inside = sorted(number[phrase] for phrase in phrases if phrase in number)
            rows += [row] * len(inside)
            columns += inside
        holds = sp.csc_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(rests), len(kept)))
        return cls(phrases=tuple(kept), holds=holds)


def _phrases(
    name: str, given: Sequence[Attributes], bare: Realisations, table: _Table
) -> tuple[tuple[Phrase, ...], float]:
    """The decision list of a name's values that are not copied, and the share of their texts that it explains.

    Rivest (1987), Learning decision lists: rule after rule is chosen by the texts it explains, less those it explains
    wrongly, among the texts that no earlier rule has explained; texts without the attribute speak against every rule.
    Only where a worded value shares no act with another value of its name, texts of other acts have no say: there its
    phrases are never looked for, and need not tell it from copied values.
    """
    known = bare.names[name]
    values = _values_of(name, given)
    worded = sorted({v for one in values for v in one if (v in known.exceptions) is known.copied})
    if not worded:
        return (), 1.0
    is_value = {value: np.array([value in one for one in values], dtype=np.float64) for value in worded}
    concerned = np.any([marks > 0 for marks in is_value.values()], axis=0)
    often = np.flatnonzero(table.holds.T @ concerned >= _PHRASE_TEXTS)
    holds = table.holds[:, often]
    lengths = np.array([table.phrases[column].count(" ") for column in often], dtype=np.float64)
    left = np.array(_with_a_say(worded, given, values), dtype=np.float64)
    rules: list[Phrase] = []
    while often.size:
        held = holds.T @ left
        best: tuple[float, str, int] | None = None
        for value in worded:
            right = holds.T @ (left * is_value[value])
            score = np.where(right >= _PHRASE_TEXTS, right - _AGAINST * (held - right) + 1e-3 * lengths, -np.inf)
            column = int(score.argmax())
            if score[column] > 0 and (best is None or score[column] > best[0]):
                best = float(score[column]), value, column
        if best is None:
            break
        _, value, column = best
        rules.append(Phrase(words=table.phrases[often[column]], value=value))
        left[holds.indices[holds.indptr[column] : holds.indptr[column + 1]]] = 0.0
    explained = float((left[concerned] == 0).mean()) if concerned.any() else 1.0
    return tuple(rules), explained


def _with_a_say(worded: Sequence[str], given: Sequence[Attributes], values: Sequence[set[str]]) -> list[bool]:
    """Which texts the phrases of a name's worded values are learned from."""
    acts = {one.act for one, inside in zip(given, values, strict=True) if not inside.isdisjoint(worded)}
    alone = all(inside <= {worded[0]} for one, inside in zip(given, values, strict=True) if one.act in acts)
    return [one.act in acts for one in given] if alone else [True] * len(given)


def _values_of(name: str, given: Sequence[Attributes]) -> list[set[str]]:
    return [{value for known, value in one.pairs if known == name} for one in given]


def _telling_values(given: Sequence[Attributes], bare: Realisations, rests: Sequence[list[list[str]]]) -> list[Telling]:
    """Copied values that hardly ever stand in a text whose attributes don't hold them.

    Those that stand in more such texts, but seldom in one without an attribute of the name, are bound to the name.
    """
    holders: dict[str, set[tuple[str, str]]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for one in given:
        for name, value in one.pairs:
            known = bare.names[name]
            words = " ".join(folded_words(value))
            if words and (value in known.exceptions) is not known.copied:
                holders[words].add((name, value))
                counts[words] += 1
    names_of = {words: {name for name, _ in pairs} for words, pairs in holders.items()}
    longest = max((words.count(" ") + 1 for words in holders), default=0)
    strays: Counter[str] = Counter()
    nameless: Counter[str] = Counter()
    for one, runs in zip(given, rests, strict=True):
        found = {
            words
            for run in runs
            for start in range(len(run))
            for end in range(start + 1, min(start + longest, len(run)) + 1)
            if (words := " ".join(run[start:end])) in holders
        }
        strays.update(found)
        names = {name for name, _ in one.pairs}
        nameless.update(words for words in found if names.isdisjoint(names_of[words]))
    telling: list[Telling] = []
    for words, pairs in holders.items():
        if strays[words] <= _STRAY * counts[words]:
            telling.append(Telling(words=words, pairs=tuple(sorted(pairs))))
        elif nameless[words] <= _NAMELESS * counts[words]:
            telling.append(Telling(words=words, names=tuple(sorted(names_of[words]))))
    return telling


def _bound_words(given: Sequence[Attributes], rests: Sequence[list[list[str]]]) -> list[Telling]:
    """Single words that stand only where one of a few names is given, though these are not given everywhere."""
    names = sorted({name for one in given for name, _ in one.pairs})
    has = np.zeros((len(given), len(names)), dtype=np.bool_)
    number = {name: column for column, name in enumerate(names)}
    for row, one in enumerate(given):
        for name, _ in one.pairs:
            has[row, number[name]] = True
    texts_of: dict[str, list[int]] = defaultdict(list)
    for row, runs in enumerate(rests):
        for word in {word for run in runs for word in run}:
            texts_of[word].append(row)
    found: list[Telling] = []
    for word in sorted(texts_of):
        rows = texts_of[word]
        if len(rows) >= _BOUND_TEXTS and any(letter.isalnum() for letter in word):
            chosen = _explaining(has[rows], has, len(texts_of))
            if chosen:
                found.append(Telling(words=word, names=tuple(names[column] for column in chosen)))
    return found


def _explaining(inside: NDArray[np.bool_], everywhere: NDArray[np.bool_], tried: int) -> list[int]:
    """A few columns of which one is set in nearly every row inside, by how much oftener they are set there.

    None where chance could do the same: the probability that as many rows drawn at random all have one of the columns,
    times the number of ways to choose columns and the number of words tried (Bonferroni), must be below 5 %. None also
    where one of the columns is set nearly everywhere.
    """
    usual = everywhere.mean(axis=0)
    chosen: list[int] = []
    left = np.ones(len(inside), dtype=np.bool_)
    while left.sum() > (1 - _BOUND_SHARE) * len(inside):
        gains = inside[left].mean(axis=0) - usual
        if len(chosen) == _BOUND_NAMES or not gains.size or gains.max() <= 0:
            return []
        chosen.append(int(gains.argmax()))
        left &= ~inside[:, chosen[-1]]
    base = float(everywhere[:, chosen].any(axis=1).mean()) if chosen else 1.0
    ways = math.log(tried) + len(chosen) * math.log(max(2, len(usual))) - math.log(0.05)
    return chosen if base <= _BOUND_BASE and len(inside) * -math.log(base) >= ways else []
