"""Finds templates that recur among texts of which most may have nothing in common.

Owns the search: which texts are compared, in which order, and that one template is not two. Refuses to say what is
evidence enough (frames.py does).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tierwright.curation.templates import mine, tokens, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierwright.core.task import Template

#: Different inputs a frame must have been seen with.
MIN_INPUTS = 8
#: Tokens of the runs by which texts of one template are found; texts, and characters of each, that are looked at.
_ANCHOR_TOKENS, _ANCHOR_TEXTS, _ANCHOR_CHARACTERS = 7, 2000, 6000
#: Characters by which texts begin or end alike.
_END_CHARACTERS = 16
#: Share of the texts with a run that must begin or end alike to be looked at without the others.
_MAJOR_SHARE = 0.3
#: Runs tried without success before the search for further templates ends.
_PATIENCE = 40
#: What a text begins with, as far as it may introduce the rest; and its last line.
_HEAD = re.compile(r"\A[^\n:\uff1a]{1,160}(?:[:\uff1a] ?\n?|\n)")
_TAIL = re.compile(r"\n[^\n]{1,160}\Z")
#: Texts that must begin or end with the same short line.
_MIN_ALIKE = 20
#: Values that a piece of the prompt, such as the question, has at most, and texts that have each at least.
_MOST_VALUES, _MIN_WITH_VALUE = 5, 20


def templates_among(
    texts: Sequence[str],
    *,
    accept: Callable[[Template, list[str]], bool] | None = None,
    accept_weak: Callable[[Template, list[str]], bool] | None = None,
) -> Iterator[tuple[Template, list[str]]]:
    """Templates that recur in the texts, each with the texts that have it and were not taken by an earlier one.

    Looks for the run of tokens that most texts share, takes the texts that hold it, and mines what else they share.
    What `accept` takes is found first; only then are shorter pieces tried on `accept_weak`: lines at the ends, then
    runs again.
    """
    rest = list(texts)
    for judge, propose in ((accept, _by_runs), (accept_weak, _by_ends), (accept_weak, _by_runs)):
        if judge is None:
            continue
        failed = 0
        proposals = propose(rest)
        while failed < _PATIENCE and (candidates := next(proposals, None)) is not None:
            for template in candidates:
                members = [text for text in rest if template.match(text) is not None]
                if template != whole() and len(members) >= MIN_INPUTS and judge(template, members):
                    yield from _versions(template, members)
                    chosen = set(members)
                    rest = [text for text in rest if text not in chosen]
                    proposals = propose(rest)
                    break
            else:
                failed += 1


def _versions(template: Template, texts: list[str]) -> Iterator[tuple[Template, list[str]]]:
    """The template, or one for each value of the pieces that hardly vary: another question, other fixed examples."""
    matched = [template.match(text) or () for text in texts]
    fixed = [n for n in range(template.slots) if _hardly_varies([slots[n] for slots in matched])]
    by_value: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for text, slots in zip(texts, matched, strict=True):
        by_value[tuple(slots[n] for n in fixed)].append(text)
    if len(fixed) == template.slots or min(map(len, by_value.values())) < _MIN_WITH_VALUE:
        yield template, texts
        return
    for same in by_value.values():
        yield (mine(same) if len(by_value) > 1 else template), same


def _hardly_varies(values: Sequence[str]) -> bool:
    counts = Counter(values)
    return 1 < len(counts) <= _MOST_VALUES and min(counts.values()) >= _MIN_WITH_VALUE


def _by_runs(texts: Sequence[str]) -> Iterator[Iterator[Template]]:
    for run in _shared_runs(texts):
        yield _candidates([text for text in texts if run in text])


def _by_ends(texts: Sequence[str]) -> Iterator[Iterator[Template]]:
    """Templates of texts with the same first and last line, then the same first, then the same last line."""
    ends = [(_line(_HEAD, text), _line(_TAIL, text)) for text in texts]
    both = Counter(pair for pair in ends if all(pair))
    heads, tails = Counter(head for head, _ in ends if head), Counter(tail for _, tail in ends if tail)
    wanted = [pair for pair, count in both.most_common() if count >= _MIN_ALIKE]
    wanted += [(head, "") for head, count in heads.most_common() if count >= _MIN_ALIKE]
    wanted += [("", tail) for tail, count in tails.most_common() if count >= _MIN_ALIKE]
    for first, last in wanted:
        alike = [t for t, (head, tail) in zip(texts, ends, strict=True) if first in {"", head} and last in {"", tail}]
        yield iter([mine(alike)])


def _line(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""


def _candidates(holding: list[str]) -> Iterator[Template]:
    """Templates of texts that hold the same run: of all, then of those that begin alike, then of those that end alike.

    The narrower ones leave out texts that hold the run by accident, so they must be no small part.
    """
    if len(holding) < MIN_INPUTS:
        return
    yield mine(holding)
    for side in (slice(None, _END_CHARACTERS), slice(-_END_CHARACTERS, None)):
        end, count = Counter(text[side] for text in holding).most_common(1)[0]
        if max(MIN_INPUTS, _MAJOR_SHARE * len(holding)) <= count < len(holding):
            yield mine([text for text in holding if text[side] == end])


def _shared_runs(texts: Sequence[str]) -> Iterator[str]:
    """Runs of tokens that enough of the texts hold, the most shared first, each saying something new.

    A run that is held by the same texts as one before, because both stand in one piece, is left out.
    """
    sample = texts[:: max(1, len(texts) // _ANCHOR_TEXTS)]
    counts: Counter[str] = Counter()
    for text in sample:
        found = tokens(text[:_ANCHOR_CHARACTERS])
        counts.update({"".join(found[i : i + _ANCHOR_TOKENS]) for i in range(len(found) - _ANCHOR_TOKENS + 1)})
    needed = MIN_INPUTS * len(sample) / max(1, len(texts))
    seen: set[frozenset[int]] = set()
    for run, count in counts.most_common():
        if count < needed:
            return
        holders = frozenset(index for index, text in enumerate(sample) if run in text)
        if holders not in seen:
            seen.add(holders)
            yield run
