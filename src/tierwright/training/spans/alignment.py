"""From answers to places in their inputs, and from all answers to the incumbent's habits.

Owns where each string of an answer stands in the input, which fields share a chain, and how the incumbent writes.
Refuses to know what is learned from it. A string is looked up as it is; then with white space, quotation marks and case
disregarded. Offsets are always those of the original text. What is not found is counted and not learned from.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.specialists.spans.answers import Habits, field_names, read_values, specs, strings_of, tidied
from tierwright.specialists.spans.text import tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.specialists.spans.answers import Json
    from tierwright.specialists.spans.text import TokenText

#: Share of the answers in which two fields point at the same words, from which they can't share a chain.
_SHARED = 0.01
_QUOTES = "[\"'`\u00b4\u2018\u2019\u201c\u201d\u00ab\u00bb]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """One example: its tokens, and where the strings of its answer stand."""

    tokens: TokenText
    #: For each field the strings of the answer.
    strings: tuple[tuple[str, ...], ...]
    #: For each field and string all its occurrences as tokens (first, last), in the order of the text; none: not found.
    places: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]

    @property
    def missing(self) -> int:
        """Strings that don't stand in the input."""
        return sum(not where for field in self.places for where in field)

    def keys(self) -> set[tuple[int, str]]:
        """The (field, string) pairs of the answer, white space tidied."""
        return {(field, tidied(text)) for field, texts in enumerate(self.strings) for text in texts}


def align(contract: OutputContract, text: str, answer: str, absent: Sequence[str]) -> Aligned | None:
    """Where an answer's strings stand; None where the answer has not the contract's form.

    `absent` is, for each field, the JSON of a value that says that nothing was found.
    """
    values = read_values(contract, answer)
    if values is None:
        return None
    tokens = tokenize(text)
    firsts = {int(start): place for place, start in enumerate(tokens.starts)}
    lasts = {int(end): place for place, end in enumerate(tokens.ends)}
    strings: list[tuple[str, ...]] = []
    for name, nothing in zip(field_names(contract), absent, strict=True):
        value = values[name]
        found = [] if json.dumps(value) == nothing else strings_of(value)
        strings.append(tuple(part for part in found or [] if part.strip()))
    places = tuple(tuple(_occurrences(text, part, firsts, lasts) for part in field) for field in strings)
    return Aligned(tokens=tokens, strings=tuple(strings), places=places)


def absent_values(contract: OutputContract, inputs: Sequence[str], answers: Sequence[str]) -> list[str]:
    """For each field the JSON of what is most often written where nothing in the input is."""
    result = []
    rows = [(text, read_values(contract, answer)) for text, answer in zip(inputs, answers, strict=True)]
    for spec in specs(contract):
        counts: Counter[str] = Counter()
        for text, values in rows:
            if values is None:
                continue
            strings = strings_of(values[spec.name])
            if strings is None or not any(part.strip() and part in text for part in strings):
                counts[json.dumps(values[spec.name])] += 1
        usual = "[]" if spec.many else "null" if contract.style is not None else '""'
        result.append(counts.most_common(1)[0][0] if counts else usual)
    return result


def learn_habits(
    contract: OutputContract, aligned: Sequence[Aligned], answers: Sequence[str], absent: Sequence[str]
) -> list[Habits]:
    """How the incumbent writes each field."""
    values = [read_values(contract, answer) for answer in answers]
    habits = []
    for place, spec in enumerate(specs(contract)):
        written: list[tuple[Json, Aligned]] = [
            (row[spec.name], one) for row, one in zip(values, aligned, strict=True) if row and one.strings[place]
        ]
        habits.append(_habits_of(spec.name, place, written, many=spec.many, absent=absent[place]))
    return habits


def _habits_of(name: str, place: int, written: Sequence[tuple[Json, Aligned]], *, many: bool, absent: str) -> Habits:
    """What most of the answers do in which it can be told."""
    single: Counter[bool] = Counter()
    repeats: Counter[bool] = Counter()
    ordered: Counter[str] = Counter()
    tidy: Counter[bool] = Counter()
    numeric: Counter[bool] = Counter()
    for value, one in written:
        strings, places = one.strings[place], one.places[place]
        if len(set(strings)) == 1:
            single[isinstance(value, str)] += 1
        numeric[isinstance(value, (int, float)) and not isinstance(value, bool)] += 1
        for text, where in zip(strings, places, strict=True):
            if len(where) > 1:
                repeats[strings.count(text) > 1] += 1
            if where:
                surface = one.tokens.surface(*where[0])
                if surface != tidied(surface):
                    tidy[text == tidied(surface)] += 1
        if len(set(strings)) > 1 and all(places):
            ordered["text"] += [where[0] for where in places] == sorted(where[0] for where in places)
            ordered["alphabetical"] += list(strings) == sorted(strings)
    return Habits(
        name=name,
        many=many,
        absent=absent,
        bare_single=many and bool(name) and single[True] > single[False],
        repeats=repeats[True] > repeats[False],
        alphabetical=ordered["alphabetical"] > ordered["text"],
        tidy=tidy[True] > tidy[False],
        numeric=numeric[True] > numeric[False],
    )


def group_fields(aligned: Sequence[Aligned], fields: int) -> list[list[int]]:
    """Which fields share a chain: fields that point at the same words don't. Greedy colouring, in the fields' order."""
    clashes: Counter[tuple[int, int]] = Counter()
    uses: Counter[int] = Counter()
    for one in aligned:
        spans = [[place for where in field for place in where] for field in one.places]
        filled = [at for at in range(fields) if spans[at]]
        uses.update(filled)
        for at in filled:
            for other in filled:
                if at < other and any(a[0] <= b[1] and b[0] <= a[1] for a in spans[at] for b in spans[other]):
                    clashes[at, other] += 1
    chains: list[list[int]] = []
    for field in range(fields):
        for chain in chains:
            if all(clashes[min(field, o), max(field, o)] <= _SHARED * max(uses[field], uses[o], 1) for o in chain):
                chain.append(field)
                break
        else:
            chains.append([field])
    return chains


def _occurrences(text: str, part: str, firsts: dict[int, int], lasts: dict[int, int]) -> tuple[tuple[int, int], ...]:
    """Where a string stands in a text, between borders of tokens, as tokens (first, last)."""
    wanted = part.strip()
    found = _at_borders(((m.start(), m.end()) for m in re.finditer(re.escape(wanted), text)), firsts, lasts)
    if found:
        return found
    loose = r"\s+".join(_loosely(word) for word in wanted.split())
    return _at_borders(((m.start(), m.end()) for m in re.finditer(loose, text, re.IGNORECASE)), firsts, lasts)


def _loosely(word: str) -> str:
    return "".join(_QUOTES if re.fullmatch(_QUOTES, c) else re.escape(c) for c in word)


def _at_borders(spans: object, firsts: dict[int, int], lasts: dict[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple((firsts[a], lasts[b]) for a, b in spans if a in firsts and b in lasts)  # type: ignore[attr-defined]
