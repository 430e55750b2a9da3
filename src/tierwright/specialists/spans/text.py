"""A text as tokens with exact offsets, and as sentences.

Owns where tokens and sentences begin and end; refuses to know what any of them means. Offsets count characters (Unicode
code points) of the original string, which is never changed: a token is always `text[start:end]`.

Letters, digits and every other visible character are told apart, so that a span may begin or end at any of these
borders. Scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) give one token a character.
Combining marks, variation selectors and joiners stay with the character they follow.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

#: What stands before a token: nothing, space, the end of a line, an empty line or the beginning of the text.
TOUCHING, SPACE, LINE, PARAGRAPH = 0, 1, 2, 3
#: Tokens after which a sentence is cut even if it does not end.
_LONGEST_SENTENCE = 100
_STOPS = frozenset(".!?;")
_WIDE_STOPS = frozenset("\u3002\uff01\uff1f\uff1b")
#: Scripts without spaces between words.
_UNSPACED = (
    "\u0e01-\u0e2e\u0e2f-\u0e30\u0e32-\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2-\u0eb3\u0ec0-\u0ec6\u1000-\u102a\u1780-\u17b3"
    "\u3041-\u3096\u30a1-\u30fa\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenText:
    """A text and its n tokens."""

    text: str
    #: Offsets of the first character and of the one after the last, shape (n,).
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    words: Sequence[str]
    #: What stands before each token, shape (n,).
    breaks: NDArray[np.int64]
    #: The number of each token's sentence, from 0, shape (n,).
    sentences: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.words)

    def surface(self, first: int, last: int) -> str:
        """The characters from token `first` to token `last`, both included."""
        return self.text[self.starts[first] : self.ends[last]]


def tokenize(text: str) -> TokenText:
    """The tokens of any string; white space and control characters are none."""
    found = [match.span() for match in _pattern().finditer(text)]
    spans = np.array(found, dtype=np.int64).reshape(-1, 2)
    words = [text[start:end] for start, end in found]
    breaks = np.full(len(words), PARAGRAPH, dtype=np.int64)
    for at in range(1, len(words)):
        start, end = found[at - 1][1], found[at][0]
        breaks[at] = TOUCHING if start == end else _gap(text[start:end])
    return TokenText(
        text=text,
        starts=spans[:, 0],
        ends=spans[:, 1],
        words=words,
        breaks=breaks,
        sentences=_sentences(words, breaks),
    )


def _gap(between: str) -> int:
    lines = between.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    return SPACE if lines == 0 else LINE if lines == 1 else PARAGRAPH


def _sentences(words: Sequence[str], breaks: NDArray[np.int64]) -> NDArray[np.int64]:
    """A sentence ends at an empty line, and at a stop that is followed by space and something but a small letter."""
    numbers = np.zeros(len(words), dtype=np.int64)
    number = length = 0
    for at in range(1, len(words)):
        length += 1
        before = words[at - 1]
        stopped = before in _WIDE_STOPS or (
            before in _STOPS
            and breaks[at] != TOUCHING
            and not words[at][:1].islower()
            and not (at > 1 and len(words[at - 2]) == 1 and words[at - 2].isalpha() and breaks[at - 1] == TOUCHING)
        )
        if stopped or breaks[at] == PARAGRAPH or length >= _LONGEST_SENTENCE:
            number, length = number + 1, 0
        numbers[at] = number
    return numbers


@cache
def _pattern() -> re.Pattern[str]:
    """Built on first use: the marks of all scripts are looked up in the Unicode tables."""
    marks = _ranges(lambda character: unicodedata.category(character).startswith("M") or character in "\u200d\u200c")
    extra = f"[{marks}]*"
    letter = f"[^\\W\\d_{_UNSPACED}]"
    return re.compile(
        f"[{_UNSPACED}]{extra}|(?:{letter}{extra})+|\\d+{extra}|[{marks}]+|[^\\s\\x00-\\x1f\\x7f]{extra}",
    )


def _ranges(wanted: Callable[[str], bool]) -> str:
    """The inside of a character class of all characters that are wanted."""
    parts: list[str] = []
    begun: int | None = None
    # Beyond the supplementary special-purpose plane's variation selectors there are no marks.
    for code in range(0x300, min(0xE01F1, sys.maxunicode)):
        # Ideographs and unassigned planes have none.
        inside = not 0x20000 <= code < 0xE0100 and wanted(chr(code))
        if inside and begun is None:
            begun = code
        elif not inside and begun is not None:
            parts.append(f"\\U{begun:08x}-\\U{code - 1:08x}")
            begun = None
    if begun is not None:
        parts.append(f"\\U{begun:08x}-\\U{0xE01EF:08x}")
    return "".join(parts)
