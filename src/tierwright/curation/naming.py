"""Proposes a name for a task from its own words; no model is asked.

Owns the proposal; people change it with `tierwright task name`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tierwright.core.contract import OutputContract

_WORD = re.compile(r"[^\W\d_]{3,}")
#: Words of prompts that name no job.
_PROMPT_WORDS = frozenset(
    """answer answers answered assistant best choose copy copied correct decide each else exactly exact explanation fit
    fits follow following form format given helpful input instruction instructions json letter line list lists message
    messages model name object one only output outputs person pick print provide question read reply respond response
    return returned rule rules say says sends send single spelled string strings task text use user using want wants
    word words write written you your""".split()  # noqa: SIM905 - sixty quoted words on sixty lines are harder to read
)
#: Words of a prompt's beginning, where it says what the job is.
_OPENING = 60


def propose_names(
    prompts: Sequence[str], contracts: Sequence[OutputContract], *, taken: Collection[str] = ()
) -> list[str]:
    """A different name for each task, of one to three words joined by hyphens, from its prompt and its contract.

    None is `taken`.
    """
    openings = [_WORD.findall(prompt)[:_OPENING] for prompt in prompts]
    spread = Counter(word for found in openings for word in {w.casefold() for w in found})
    names: list[str] = []
    for opening, contract in zip(openings, contracts, strict=True):
        name = _from_fields(contract) or _from_words(opening, spread, len(prompts))
        proposed, number = name, 1
        while proposed in names or proposed in taken:
            number += 1
            proposed = f"{name}-{number}"
        names.append(proposed)
    return names


def _from_fields(contract: OutputContract) -> str:
    """The names of the fields, where they are few."""
    fields = [re.sub(r"\W+", "-", spec.name).strip("-").casefold() for spec in contract.fields]
    return "-".join(filter(None, fields[:3])) if len(fields) <= 3 else f"{contract.kind.value}-{fields[0]}"


def _from_words(opening: Sequence[str], spread: Counter[str], tasks: int) -> str:
    """The words that are frequent in this prompt and rare in the others, in the order they are said."""
    counts = Counter(word.casefold() for word in opening)
    weight = {
        word: (1 + math.log(count)) * math.log((tasks + 1) / spread[word]) * _early(word, opening)
        for word, count in counts.items()
        if word not in ENGLISH_STOP_WORDS and word not in _PROMPT_WORDS
    }
    best = sorted(weight, key=lambda word: (-weight[word], word))[:2]
    order = [word.casefold() for word in opening]
    return "-".join(sorted(best, key=order.index)) or "task"


def _early(word: str, opening: Sequence[str]) -> float:
    """A weight that falls with the place at which a word is first said."""
    place = next(i for i, said in enumerate(opening) if said.casefold() == word)
    return 1 / (1 + place / 20)
