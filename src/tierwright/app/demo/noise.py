"""Hurried typing: slips, lost accents, lower case. Owns how a text is worn; refuses to know what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_WORD = re.compile(r"[^\W\d_]{4,}")
_PLAIN = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "é": "e", "è": "e", "ê": "e", "à": "a", "ç": "c", "ù": "u", "œ": "oe",
    "á": "a", "í": "i", "ó": "o", "ú": "u", "ñ": "n", "¿": "", "¡": "",
})  # fmt: skip


def wear(text: str, rng: Random, *, slips: float, protected: frozenset[str] = frozenset()) -> str:
    """Type `text` carelessly: a share `slips` of its words gets a slip; whole texts lose case, accents, punctuation.

    With `protected` words only slips happen, and never in these words: strings to be found in the text stay findable.
    """
    worn = _WORD.sub(lambda m: _slip(m[0], rng) if m[0] not in protected and rng.random() < slips else m[0], text)
    if protected:
        return worn
    if rng.random() < 0.16:
        worn = worn.lower()
    if rng.random() < 0.18:
        worn = worn.translate(_PLAIN)
    if rng.random() < 0.08:
        worn = re.sub(r"[.,!?]", "", worn)
    if rng.random() < 0.03:
        worn = worn.upper()
    return worn


def _slip(word: str, rng: Random) -> str:
    """Swap, drop or double one letter inside `word`."""
    at = rng.randrange(1, len(word) - 1)
    match rng.randrange(3):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case _:
            return word[:at] + word[at] + word[at:]
