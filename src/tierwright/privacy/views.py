"""Other readings of a text: normalised, and with encodings undone; each knows where its characters came from.

Owns the mapping of offsets; refuses to know what is looked for. An encoding that can't be undone has no view.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

#: Characters of an encoded stretch that are decoded at most.
_LONGEST = 100_000
#: Characters nobody sees: zero-width ones, fillers, soft hyphen, byte order mark, direction marks, variation selectors,
#: tags; and marks put over or through the character before.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_DOTS = frozenset("\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb\uff0e\uff65")
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u02d7\u06d4\u2043\ufe58\ufe63\uff0d")
#: Letters of other scripts that look like Latin ones (Unicode confusables), taken as these beside Latin letters.
_LOOKALIKES = dict(
    zip(
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03b9\u03bd\u03c1",
        "aeopcyxijsdqABEKMHOPCTXIJSABEZHIKMNOPTYXoivp",
        strict=True,
    )
)
#: Here and below: nothing begins inside of a word, so that a long one is gone through once.
_MIXED = re.compile(
    r"(?<![A-Za-z0-9@._-])[A-Za-z0-9@._-]*+[\u0391-\u03c9\u0400-\u051f][A-Za-z0-9@._\u0391-\u03c9\u0400-\u051f-]*"
)
#: What is in every such word; found several times as fast.
_ALIKE = re.compile("[\u0391-\u03c9\u0400-\u051f]")
_ASCII_LETTER = re.compile("[A-Za-z]")

_PERCENT = re.compile(r"(?<![\w.~+-])(?:%[0-9A-Fa-f]{2}|[\w.~+-])*%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}|[\w.~+-])*")
_JSON_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|u\{0{0,6}([0-9A-Fa-f]{1,5})\}|x([0-9A-Fa-f]{2})|([nrt/\"\\]))")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
_BASE64 = re.compile(r"(?<![\w+/=-])(?=[a-z_-]*[A-Z0-9+/])[A-Za-z0-9+/_-]{14,}={0,2}(?![\w+/=])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?((?:[0-9A-Fa-f]{2}[ :]?){7,}[0-9A-Fa-f]{2})(?![0-9A-Za-z])")
#: Digits in words, in eight languages.
DIGIT_WORDS = {
    word: digit
    for digit, words in enumerate(
        (
            "zero oh null cero zéro nul",
            "one eins uno un um een",
            "two zwei dos deux due dois twee",
            "three drei tres trois tre três drie",
            "four vier cuatro quatre quattro quatro",
            "five fünf cinco cinq cinque vijf",
            "six sechs seis sei zes",
            "seven sieben siete sept sette sete zeven",
            "eight acht ocho huit otto oito",
            "nine neun nueve neuf nove negen",
        )
    )
    for word in words.split()
}
_WORD_RUN = re.compile(
    rf"\b(?:{'|'.join(sorted(DIGIT_WORDS, key=len, reverse=True))})"
    rf"(?:[ ,.-]{{1,2}}(?:{'|'.join(sorted(DIGIT_WORDS, key=len, reverse=True))})\b){{5,}}",
    re.IGNORECASE,
)
_DECODED_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A reading of a text."""

    text: str
    #: Starts of stretches in `text`, ascending, with where each begins and ends in the original. Inside a stretch of
    #: equal length places correspond one to one; in any other every place stands for the whole stretch.
    starts: tuple[int, ...]
    origins: tuple[tuple[int, int], ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where characters start to end of the view stand in the original."""
        return self._one(start)[0], self._one(end - 1)[1]

    def _one(self, at: int) -> tuple[int, int]:
        stretch = bisect_right(self.starts, at) - 1
        low, high = self.origins[stretch]
        after = self.starts[stretch + 1] if stretch + 1 < len(self.starts) else len(self.text)
        if high - low == after - self.starts[stretch]:
            within = low + at - self.starts[stretch]
            return within, within + 1
        return low, high


def normalised(text: str) -> View | None:
    """NFKC, digits of all scripts as ASCII, invisible characters and marks gone, dashes alike, lookalikes as Latin.

    None where that is the text itself.
    """
    if text.isascii():
        return None
    strange = [c for c in set(text) if not c.isascii() and _plain(c) != c]
    plain = None
    if strange:
        pattern = re.compile(f"[{re.escape(''.join(sorted(strange)))}]")
        plain = _rewritten(text, pattern, lambda match: _plain(match[0]))
    if plain is None:
        plain = View(text=text, starts=(0,), origins=((0, len(text)),))
    # A letter for a letter, so that places stay.
    latin = _MIXED.sub(_as_latin, plain.text) if _ALIKE.search(plain.text) else plain.text
    return None if latin == text else replace(plain, text=latin)


def decoded(text: str, encodings: Container[str]) -> Iterator[View]:
    """The text with one encoding undone wherever it stands, for each of those that hide something; UTF-8 inside."""
    for name, (pattern, rewrite) in _ENCODINGS.items():
        if name in encodings and (view := _rewritten(text, pattern, rewrite)) is not None:
            yield view


def _rewritten(text: str, pattern: re.Pattern[str], rewrite: Callable[[re.Match[str]], str | None]) -> View | None:
    """The text with what the pattern matches rewritten, or left where that is None; None: all of it is left."""
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[tuple[int, int]] = []
    length = last = 0

    def add(piece: str, low: int, high: int) -> None:
        nonlocal length
        if piece:
            pieces.append(piece)
            starts.append(length)
            origins.append((low, high))
            length += len(piece)

    for match in pattern.finditer(text):
        new = rewrite(match)
        if new is not None and new != match[0]:
            low, high = match.span()
            add(text[last:low], last, low)
            add(new, low, high)
            last = high
    if not last:
        return None
    add(text[last:], last, len(text))
    return View(text="".join(pieces), starts=tuple(starts), origins=tuple(origins))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if _INVISIBLE.match(character):
        return ""
    if character in _DASHES:
        return "-"
    if character in _DOTS:
        return "."
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKC", character)
    return " " if plain.isspace() and plain != "\n" else plain


def _as_latin(match: re.Match[str]) -> str:
    """A word of Latin and other letters, or of digits and lookalikes, all in Latin; others stay."""
    word = match[0]
    if not _ASCII_LETTER.search(word) and not any(character.isdigit() for character in word):
        return word
    return "".join(_LOOKALIKES.get(character, character) for character in word)


def _utf8(raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    printable = sum(character.isprintable() or character in "\n\t" for character in text)
    return text if text and printable >= _DECODED_SHARE * len(text) else None


def _json_escape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(int(code, 16))
    return {"n": "\n", "r": "\n", "t": "\t"}.get(match[4], match[4])


def _base64(match: re.Match[str]) -> str | None:
    token = match[0][:_LONGEST].rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _utf8(base64.b64decode(token + "=" * (-len(token) % 4), validate=True))
    except binascii.Error:
        return None


def _hex(match: re.Match[str]) -> str | None:
    try:
        return _utf8(bytes.fromhex(match[1].replace(":", " ")[:_LONGEST]))
    except ValueError:
        return None


def _digits(match: re.Match[str]) -> str:
    return "".join(str(DIGIT_WORDS[word.casefold()]) for word in re.findall(r"[^\W\d_]+", match[0]))


def _percent(match: re.Match[str]) -> str | None:
    return _utf8(unquote_to_bytes(match[0]))


def _entity(match: re.Match[str]) -> str:
    return html.unescape(match[0])


_ENCODINGS: Final[Mapping[str, tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]]] = {
    "percent": (_PERCENT, _percent),
    "json": (_JSON_ESCAPE, _json_escape),
    "entity": (_ENTITY, _entity),
    "base64": (_BASE64, _base64),
    "hex": (_HEX, _hex),
    "spelled": (_WORD_RUN, _digits),
}
#: Names of the encodings that can be undone.
ENCODINGS = frozenset(_ENCODINGS)
