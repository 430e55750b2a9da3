"""Proposes a name for a task from its own words; no model is asked.

Owns the proposal; people change it with `tierwright task name`. A name says what is done and to what
(`summarise-legal-passage`): a verb of the prompt that goes with the form of the answers, and the words near it that the
other prompts do not have. Prompts in scripts without spaces are named by their answers.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from tierwright.core.contract import ContractKind
from tierwright.curation.naming_words import BEGINNINGS, CHOOSING, FUNCTION_WORDS, PROMPT_WORDS
from tierwright.curation.templates import UNSPACED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tierwright.core.contract import OutputContract

_WORD = re.compile(rf"[^\W\d_{UNSPACED}]{{3,}}")
#: Words of a prompt's beginning, where it says what the job is.
_OPENING = 60
#: Words from the verb on over which the weight of a word falls to half.
_NEAR = 6
#: How a noun made of a verb ends.
_NOUNS = ("ion", "fier", "ung")
#: Weight of the second word of what is worked on, as a share of the first, from which both are said.
_SECOND = 0.5
#: Characters of a name at most, where words have to be left out.
_LONGEST = 40
#: What is done where the prompt does not say it.
_BY_KIND = {
    ContractKind.LABEL: "classify",
    ContractKind.FIELDS: "classify",
    ContractKind.SPANS: "extract",
    ContractKind.TEXT: "write",
}


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
        name = _name([word.casefold() for word in opening], contract, spread, len(prompts))
        names.append(free_name(name, {*names, *taken}))
    return names


def propose_group_name(
    texts: Sequence[str], others: Sequence[str], contract: OutputContract, *, taken: Collection[str] = ()
) -> str:
    """A name for requests without a common prompt: the words that most of them hold and few others do."""
    here = Counter(word for text in texts for word in {w.casefold() for w in _WORD.findall(text)} if _tells(word))
    there = Counter(word for text in others for word in {w.casefold() for w in _WORD.findall(text)})

    def weight(word: str) -> float:
        inside = (here[word] + 0.5) / (len(texts) + 1)
        return inside * math.log(inside / ((there[word] + 0.5) / (len(others) + 1)))

    best = _best({word: weight(word) for word in here if not _verb(word)})
    return free_name(_joined([_BY_KIND.get(contract.kind, ""), *best]), taken)


def _name(opening: Sequence[str], contract: OutputContract, spread: Counter[str], tasks: int) -> str:
    place, verb = _what_is_done(opening, contract)
    said = _worked_on(opening, place, spread, tasks)
    fields = [spec.name for spec in contract.fields]
    if contract.kind is ContractKind.SPANS and 0 < len(fields) <= 2:
        said = fields
    if not said:
        said = (fields or list(contract.labels))[:2]
    return _joined([verb, *said]) or "task"


def _what_is_done(opening: Sequence[str], contract: OutputContract) -> tuple[int, str]:
    """Where the prompt says what is done, and the verb; that of the contract where it does not."""
    usual = _BY_KIND.get(contract.kind, "")
    verbs = [(place, verb) for place, word in enumerate(opening) if (verb := _verb(word))]
    choosing = contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}
    fitting = [(place, verb) for place, verb in verbs if (verb in CHOOSING) == choosing]
    if contract.kind is ContractKind.SPANS:
        fitting = [(place, verb) for place, verb in verbs if verb == usual]
    if fitting:
        return fitting[0]
    return (verbs[0][0] if verbs else 0), usual


def _worked_on(opening: Sequence[str], place: int, spread: Counter[str], tasks: int) -> list[str]:
    """One or two words that are frequent in this prompt, near the verb and rare in other prompts, as they are said.

    What stands before the verb is looked at only where nothing telling follows it, or right before a noun of it:
    `intent detection`.
    """
    counts = Counter(opening)
    telling = [(at, word) for at, word in enumerate(opening) if _tells(word) and not _verb(word)]
    weight: dict[str, float] = {}
    begin = place - 1 if opening and opening[place].endswith(_NOUNS) else place
    for at, word in [pair for pair in telling if pair[0] >= begin] or telling:
        found = (1 + math.log(counts[word])) * math.log((tasks + 1) / spread[word]) / (1 + abs(at - place) / _NEAR)
        weight[word] = max(weight.get(word, 0.0), found)
    return sorted(_best(weight), key=list(opening).index)


def _best(weight: Mapping[str, float]) -> list[str]:
    """The word of the greatest weight, and the second where it is not far behind."""
    best = sorted(weight, key=lambda word: (-weight[word], word))[:2]
    return best[:1] if len(best) == 2 and weight[best[1]] < _SECOND * weight[best[0]] else best


def _tells(word: str) -> bool:
    return word not in ENGLISH_STOP_WORDS and word not in PROMPT_WORDS and word not in FUNCTION_WORDS


def _verb(word: str) -> str:
    """The verb that a word is a form of, in one of several languages; empty: none of those known."""
    plain = _plain(word)
    return next((verb for beginning, verb in BEGINNINGS.items() if plain.startswith(beginning)), "")


def _plain(word: str) -> str:
    """Lower case, without accents, so that it can stand in a header."""
    apart = unicodedata.normalize("NFKD", word.casefold().replace("ß", "ss").replace("ø", "o").replace("æ", "ae"))
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return bare if bare.isascii() else word.casefold()


def _joined(words: Sequence[str]) -> str:
    kept: list[str] = []
    for word in words:
        plain = re.sub(r"[\W_]+", "-", _plain(word)).strip("-")
        if plain and plain not in kept and (not kept or len("-".join([*kept, plain])) <= _LONGEST):
            kept.append(plain)
    return "-".join(kept)[: 2 * _LONGEST]


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of it with a number that nobody has."""
    proposed, number = name or "task", 1
    while proposed in taken:
        number += 1
        proposed = f"{name or 'task'}-{number}"
    return proposed
