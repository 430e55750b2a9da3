"""Finds the fixed pieces that many texts share.

Owns alignment of texts; refuses to know which texts belong together (discovery decides) and what they mean.
"""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from tierwright.core.task import Template

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Words, single marks, and runs of white space: joined again they give the text back.
_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")
_WORD = re.compile(r"\w+")
_ATTRIBUTE = re.compile(r"\s*[-*]?\s*[^\s:][^:\n]{0,60}:\s*\S")
#: A run without white space that holds a digit and touches a slot.
_NUMBER_AT_END = re.compile(r"[^\s\d]*\d\S*\Z")
_NUMBER_AT_START = re.compile(r"\A[^\s\d]*\d\S*")
#: Texts aligned to find the pieces; more hardly change the outcome.
_ALIGNED = 24
#: Tokens of a text that are aligned at most, from each end.
_ALIGNED_TOKENS = 600


def tokens(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return _TOKEN.findall(text)


def words(text: str) -> list[str]:
    """The words of a text, case folded."""
    return [word.casefold() for word in _WORD.findall(text)]


def fixed_words(template: Template) -> int:
    """Number of words in the fixed pieces."""
    return sum(len(_WORD.findall(literal)) for literal in template.literals)


def whole() -> Template:
    """The template of texts that share nothing: one slot."""
    return Template(literals=("", ""))


def mine(texts: Sequence[str], *, inner: bool = True) -> Template:
    """The most specific template that every one of the texts has, by what they share in the same order.

    `texts` are distinct; at least two. Pieces that could be shared by chance are left to the slots: a piece counts if
    it holds two words or more, or is a marker such as `Title:` or a delimiter line. With `inner` also pieces between
    the first and the last are looked for. JSON documents are taken as a whole: their punctuation is no boilerplate.
    """
    if all(_is_json(text) for text in texts):
        return whole()
    prefix, suffix = _shared_ends(texts)
    prefix = _spare_structure(prefix, texts)
    cores = [text[len(prefix) : len(text) - len(suffix)] for text in texts]
    pieces = () if not inner or all(map(is_attributes, cores[:_ALIGNED])) else _shared_pieces(cores)
    template = _loosened((prefix, *pieces, suffix))
    if all(template.match(text) is not None for text in texts):
        return template
    return _loosened((prefix, suffix))


def _loosened(literals: tuple[str, ...]) -> Template:
    """The template with numbers given back to the slots they touch: a date's year is as variable as its day."""
    last = len(literals) - 1
    cut = [
        _NUMBER_AT_START.sub("", _NUMBER_AT_END.sub("", piece) if place < last else piece, count=1)
        if place
        else _NUMBER_AT_END.sub("", piece)
        for place, piece in enumerate(literals)
    ]
    kept = [piece for piece in cut[1:-1] if _is_inner_marker(piece)]
    return Template(literals=(cut[0], *kept, cut[-1]))


def _shared_ends(texts: Sequence[str]) -> tuple[str, str]:
    """The common prefix and suffix, cut back to whole tokens that are no accident."""
    prefix = _common_prefix(texts)
    suffix = _common_prefix([text[::-1] for text in texts])[::-1]
    prefix = _cut_prefix(prefix, texts)
    suffix = _cut_suffix(suffix, texts)
    if any(len(prefix) + len(suffix) > len(text) for text in texts):
        suffix = ""
    return (prefix if _is_marker(prefix) else ""), (suffix if _is_marker(suffix) else "")


def _common_prefix(texts: Sequence[str]) -> str:
    """What all texts begin with: what the first and the last in order begin with."""
    first, last = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _cut_prefix(prefix: str, texts: Sequence[str]) -> str:
    """Without the last word where some text goes on inside it."""
    if prefix and prefix[-1:].isalnum() and any(text[len(prefix) : len(prefix) + 1].isalnum() for text in texts):
        return re.sub(r"\w+\Z", "", prefix)
    return prefix


def _cut_suffix(suffix: str, texts: Sequence[str]) -> str:
    if suffix and suffix[:1].isalnum() and any(text[-len(suffix) - 1 : -len(suffix)].isalnum() for text in texts):
        return re.sub(r"\A\w+", "", suffix)
    return suffix


def _is_marker(piece: str) -> bool:
    """Whether a shared piece is boilerplate: two words, a word with a colon or line break, or a delimiter line."""
    found = len(_WORD.findall(piece))
    if found >= 2:
        return True
    if found == 1:
        return any(mark in piece for mark in ":\n=#<>[]|")
    return len(piece.strip()) >= (1 if "\n" in piece else 3)


def _shared_pieces(texts: Sequence[str]) -> tuple[str, ...]:
    """The fixed pieces inside the texts, in order, by aligning the shortest with the others one after another."""
    sample = (
        sorted(texts, key=len)[: 4 * _ALIGNED : 4] if len(texts) > 4 * _ALIGNED else sorted(texts, key=len)[:_ALIGNED]
    )
    blocks = [_ends(tokens(sample[0]))] if sample[0] else []
    for other in sample[1:]:
        if not blocks:
            break
        blocks = _common_blocks(blocks, _ends(tokens(other)))
    pieces = ("".join(block) for block in blocks)
    return tuple(piece for piece in pieces if _is_inner_marker(piece))


def _is_inner_marker(piece: str) -> bool:
    """Between two slots chance agreements are likelier: three words, or a word with a colon after a line break."""
    found = len(_WORD.findall(piece))
    return found >= 3 or (found >= 1 and "\n" in piece and ":" in piece)


def _ends(found: list[str]) -> list[str]:
    return found if len(found) <= 2 * _ALIGNED_TOKENS else [*found[:_ALIGNED_TOKENS], *found[-_ALIGNED_TOKENS:]]


def _common_blocks(blocks: list[list[str]], other: list[str]) -> list[list[str]]:
    """The parts of the blocks that the other sequence holds in the same order."""
    gap = "\0"  # no token: keeps two blocks from matching as one
    joined = [token for block in blocks for token in (*block, gap)]
    matcher = SequenceMatcher(None, joined, other, autojunk=False)
    return [joined[start : start + size] for start, _, size in matcher.get_matching_blocks() if size]


def is_attributes(text: str) -> bool:
    """Whether a text is a list of attributes: a JSON document, or two `name: value` lines or more and nothing else."""
    if _is_json(text):
        return True
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) >= 2 and all(_ATTRIBUTE.match(line) for line in lines)


def _spare_structure(prefix: str, texts: Sequence[str]) -> str:
    """The prefix without the beginning of attributes that belongs to the input."""
    brackets = [found.start() for found in re.finditer(r"[{\[]", prefix)]
    for cut in (*brackets[:1], prefix.rfind("\n") + 1):
        if cut < len(prefix) and all(is_attributes(text[cut:]) for text in texts[:_ALIGNED]):
            return prefix[:cut]
    return prefix


def _is_json(text: str) -> bool:
    if text[:1] not in "{[":
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
