"""Finds the fixed pieces that many texts share.

Owns alignment of texts; refuses to know which texts belong together (discovery decides) and what they mean.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from tierwright.core.task import Template
from tierwright.curation.attributes import attribute_values

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Letters of scripts that put no spaces between words; each counts as half a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
#: Words, single marks and letters, and runs of white space: joined again they give the text back.
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]|\s+")
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
#: A run without white space that holds a digit and touches a slot.
_NUMBER_AT_END = re.compile(rf"[^\s\d{UNSPACED}]*\d[^\s\uff1a{UNSPACED}]*\Z")
_NUMBER_AT_START = re.compile(rf"\A[^\s\d{UNSPACED}]*\d[^\s\uff1a{UNSPACED}]*")
#: The name of a field between two slots, as in `| Reviewer: `.
_NAMED = re.compile(r"[\n|;,(/•·\u2014\u2013-]\s*\w[^\n:\uff1a]*[:\uff1a]")
#: Lines from which texts that are lists of attributes throughout are taken as such.
_ATTRIBUTE_LINES = 3
#: Words of the longest value in a list of two lines, from which they are sentences in a template.
_VALUE_WORDS = 5
#: A whole string value in a piece of JSON, and the words from which it is a sentence.
_VALUE, _SENTENCE_WORDS = re.compile(r':\s*"((?:[^"\\]|\\.)*)"'), 5
#: Texts aligned to find the pieces; more hardly change the outcome.
_ALIGNED = 24
#: Tokens of a text that are aligned at most, from each end.
_ALIGNED_TOKENS = 600


#: Share of some texts that hold a word, from which it tells nothing: a list, examples, names of attributes.
_CONSTANT = 0.9
#: Share of all words that such words are at least for them to be left out, and inputs that are looked at for it.
_MUCH, _LOOKED_AT = 0.3, 200


def tokens(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return _TOKEN.findall(text)


def words(text: str) -> list[str]:
    """The words of a text, case folded."""
    return [word.casefold() for word in _WORD.findall(text)]


def without_constant_words(given: Sequence[str]) -> list[str] | None:
    """The inputs without the words that nearly all of them hold, where these are much of the text; else None.

    Such words are a list of labels that comes in another order each time, examples, or names of attributes. As many
    occurrences are left out as nearly all inputs have, so that a label's name in the text itself stays.
    """
    told = [Counter(words(text)) for text in given[:: max(1, len(given) // _LOOKED_AT)]]
    rank = len(told) - math.ceil(_CONSTANT * len(told))
    held = Counter(word for found in told for word in found)
    usual = {
        word: sorted(found[word] for found in told)[rank] for word, count in held.items() if count >= len(told) - rank
    }
    if sum(usual.values()) * len(told) < _MUCH * sum(found.total() for found in told):
        return None
    result = []
    for text in given:
        left = dict(usual)
        rest = []
        for word in words(text):
            if left.get(word, 0):
                left[word] -= 1
            else:
                rest.append(word)
        result.append(" ".join(rest))
    return result


def word_count(text: str) -> int:
    """Number of words, where two letters of a script without spaces make one."""
    found = _WORD.findall(text)
    letters = len(_UNSPACED_LETTER.findall(text))
    return len(found) - letters + (letters + 1) // 2


def fixed_words(template: Template) -> int:
    """Number of words in the fixed pieces."""
    return sum(map(word_count, template.literals))


def whole() -> Template:
    """The template of texts that share nothing: one slot."""
    return Template(literals=("", ""))


def mine(texts: Sequence[str], *, inner: bool = True) -> Template:
    """The most specific template that every one of the texts has, by what they share in the same order.

    `texts` are distinct; at least two. Pieces that could be shared by chance are left to the slots: a piece counts if
    it holds two words or more, or is a marker such as `Title:` or a delimiter line. With `inner` also pieces between
    the first and the last are looked for. JSON documents are taken as a whole, unless they hold the
    instructions: their punctuation is no boilerplate.
    """
    prefix, suffix = _shared_ends(texts)
    if are_attributes(texts):
        return _loosened((prefix, suffix)) if _instructs(prefix) or _instructs(suffix) else whole()
    if prefix and are_attributes([text[len(prefix) :] for text in texts]):
        suffix = ""
    prefix, suffix = _spare_structure(prefix, suffix, texts)
    cores = [text[len(prefix) : len(text) - len(suffix)] for text in texts]
    pieces = () if not inner or are_attributes(cores) else _shared_pieces(cores)
    template = _loosened((prefix, *pieces, suffix))
    if all(template.match(text) is not None for text in texts):
        return template
    return _loosened((prefix, suffix))


def _instructs(piece: str) -> bool:
    """Whether what JSON documents share holds a sentence as a value: instructions are sent beside the input."""
    return any(word_count(value) >= _SENTENCE_WORDS for value in _VALUE.findall(piece))


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
    found = word_count(piece)
    if found >= 2:
        return True
    if found == 1:
        return any(mark in piece for mark in ":\uff1a\n=#<>[]|")
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
        # A block that is no marker has none in it: it would only cost time and lead the alignment astray.
        blocks = [block for block in _common_blocks(blocks, _ends(tokens(other))) if _is_inner_marker("".join(block))]
    return tuple("".join(block) for block in blocks)


def _is_inner_marker(piece: str) -> bool:
    """Between two slots chance agreements are likelier: three words, or a name with a colon after a mark or line."""
    found = word_count(piece)
    return found >= 3 or (found >= 1 and _NAMED.search(piece) is not None)


def _ends(found: list[str]) -> list[str]:
    return found if len(found) <= 2 * _ALIGNED_TOKENS else [*found[:_ALIGNED_TOKENS], *found[-_ALIGNED_TOKENS:]]


def _common_blocks(blocks: list[list[str]], other: list[str]) -> list[list[str]]:
    """The parts of the blocks that the other sequence holds in the same order."""
    gap = "\0"  # no token: keeps two blocks from matching as one
    joined = [token for block in blocks for token in (*block, gap)]
    matcher = SequenceMatcher(None, joined, other, autojunk=False)
    return [joined[start : start + size] for start, _, size in matcher.get_matching_blocks() if size]


def are_attributes(texts: Sequence[str]) -> bool:
    """Whether the texts are lists of attributes throughout; two labelled sentences are likelier a template."""
    sample = texts[:: max(1, len(texts) // _ALIGNED)]
    sizes = [len(values) for values in map(attribute_values, sample) if values is not None]
    if len(sizes) < len(sample):
        return False
    several_lines = sum("\n" in text for text in sample) > len(sample) / 2
    if not several_lines or sample[0][:1] in {"{", "["} or sorted(sizes)[len(sizes) // 2] >= _ATTRIBUTE_LINES:
        return True
    longest = sorted(max(map(word_count, attribute_values(text) or [""])) for text in sample)
    return longest[len(longest) // 2] <= _VALUE_WORDS


def _spare_structure(prefix: str, suffix: str, texts: Sequence[str]) -> tuple[str, str]:
    """The ends without what belongs to attributes in the input: `name: ` that all of them begin with."""
    if not prefix:
        return prefix, suffix
    starts = [0, *(found.end() for found in re.finditer(r"\n|: ", prefix))]
    brackets = [found.start() for found in re.finditer(r"[{\[]", prefix)]
    # More fixed lines than variable ones, such as a list of definitions, are part of the prompt.
    lines_after = sorted(text.count("\n", len(prefix)) for text in texts)[len(texts) // 2]
    for cut in sorted({*starts, *brackets[:1]}):
        if cut >= len(prefix) or prefix[cut].isspace() or prefix.count("\n", cut) > lines_after:
            continue
        if are_attributes([text[cut:] for text in texts]):
            return prefix[:cut], ""
        if suffix and are_attributes([text[cut : len(text) - len(suffix)] for text in texts]):
            return prefix[:cut], suffix
    return prefix, suffix
