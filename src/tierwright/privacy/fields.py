"""The text of every member of a request: what detectors look at, and what nobody can read.

Every leaf is a text of its own, with the member's name before it as a label; names are texts, too; what one part or
message ends with is read together with what the next begins with. Files given as base64 are read where they hold text.
Owns what a request consists of; refuses to know what is looked for. Fails closed: what has no known form is unread.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from tierwright.privacy.embedded import data_uri, file_text, is_file, json_of
from tierwright.privacy.seams import seams
from tierwright.privacy.vocabulary import (
    ADDRESSES,
    BLOBS,
    CALLS,
    DATA,
    ELSEWHERE,
    GENERIC,
    HANDLES,
    KNOWN,
    LONGEST_WORD,
    NAMING,
    PAIRED,
    PART_LISTS,
    PLAIN_NAMES,
    POINTING,
    READABLE_KINDS,
    ROLES,
    SEALED,
    SOURCES,
    SPOKEN,
    TOKENS,
    TUNING,
    WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.privacy.embedded import DataUri
    from tierwright.privacy.seams import Seam

#: Levels of nesting, JSON in texts included, and values, that are read at most.
_DEEPEST, _MOST_VALUES = 64, 200_000
#: Unread paths that are named at most.
_MOST_UNREAD = 32
#: Characters of a text that may be JSON itself, at most.
_LONGEST_JSON = 1024 * 1024
#: Characters of a name that may be a label.
_LONGEST_LABEL = 64
#: Between texts that are looked at together and have nothing to do with each other: no number and no label crosses it.
_APART = "\n\n\n\n"
_NUMBERS: Final = (int, float)
#: The members of most messages.
_TURN: Final = {"role", "content"}
#: From here on a number has as many digits as somebody's may have.
_NO_NUMBER = 100_000
#: Digits that a list of groups of them may be together, for a number to be read in it.
_GROUPED = range(12, 20)

_FETCHED = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
#: Where words meet in a name such as patientId, MRNNumber or card-number.
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_.\-]+")
#: What programs draw: a UUID, a trace, or 16 letters and digits and more after a prefix. A long row of digits, and a
#: name without both kinds, may be somebody's.
_DRAWN = re.compile(
    r"(?=[^a-z]*[a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?=[^a-f]*[a-f])[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
    r"|(?:[A-Za-z]+[_-]){0,4}(?!.*[0-9]{9})(?=(?:[0-9]*[A-Za-z]){4})(?=(?:[A-Za-z]*[0-9]){4})[0-9A-Za-z]{16,128}"
)
#: The way to a member: the way to what it is in, and its name or place. None: the request itself.
Trail: TypeAlias = "tuple[Trail, str | int] | None"


class Piece(NamedTuple):
    """A text to look at."""

    text: str
    #: Where it stands.
    trail: Trail
    #: Characters of a label before the member's own text; None: places in it are none of the member's.
    shift: int | None
    #: Whether it is another reading of what is a piece already.
    again: bool = False
    #: Whether a program drew it: digits in it are those of no number, whatever they look like.
    drawn: bool = False


class Fields(NamedTuple):
    """All that a request consists of."""

    pieces: tuple[Piece, ...]
    seams: tuple[Seam, ...]
    #: Paths of what nobody can read; names that a caller may have made up are "?".
    unread: tuple[str, ...]


def read(payload: object) -> Fields:
    """The fields of a request, given as decoded JSON. Never raises for what is in it."""
    reader = _Reader()
    reader.whole(payload)
    return reader.fields()


def read_bytes(body: bytes, headers: Mapping[str, str], *, payload: object = None) -> Fields:
    """The fields of a request as it is sent; what is no JSON, or says a member twice, is unread.

    `payload`: as `embedded.json_of`.
    """
    reader = _Reader()
    for name, value in headers.items():
        reader.header(name, value)
    reader.body(body, payload)
    return reader.fields()


def keys(trail: Trail) -> tuple[str | int, ...]:
    """The names and places that lead from the request to a member."""
    found: list[str | int] = []
    while trail is not None:
        trail, key = trail
        found.append(key)
    return tuple(reversed(found))


def path(trail: Trail) -> str:
    """The way to a member as ledgers write it; a name that a caller may have made up is "?"."""
    found = "$"
    for key in keys(trail):
        found += f"[{key}]" if isinstance(key, int) else f".{key}" if key in KNOWN else ".?"
    return found


class _Reader:
    """Reads one request."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._unread: dict[str, None] = {}
        self._names: dict[str, None] = {}
        self._spoken: list[str] = []
        self._values = 0

    def fields(self) -> Fields:
        """What was read."""
        if self._names:
            self._pieces.append(Piece(_APART.join(self._names), None, None))
        return Fields(tuple(self._pieces), tuple(seams(self._spoken)), tuple(self._unread))

    def body(self, body: bytes, payload: object) -> None:
        """Reads the JSON in a body."""
        try:
            said = json_of(body, payload)
        except (ValueError, RecursionError):
            self._unreadable(None)
            return
        self.whole(said)

    def header(self, name: str, value: str) -> None:
        """Reads a header."""
        trail: Trail = ((None, "headers"), name)
        if not self._drawn(name, value, trail, own=True):
            self._add(value, _label(name), trail)

    def whole(self, payload: object) -> None:
        """Reads all of a request."""
        try:
            self._value(payload, "", "", None, 0, own=True)
        except RecursionError:
            self._unreadable(None)

    def _unreadable(self, trail: Trail) -> None:
        if len(self._unread) < _MOST_UNREAD:
            self._unread[path(trail)] = None

    def _value(self, value: object, name: str, label: str, trail: Trail, depth: int, *, own: bool) -> None:
        """Reads a value. `own`: it is part of the API's form; else of what a caller or a model wrote as data."""
        self._values += 1
        if depth > _DEEPEST or self._values > _MOST_VALUES:
            self._unreadable(trail if depth > _DEEPEST else None)
        elif isinstance(value, str):
            self._text(value, name, label, trail, depth, own=own)
        elif isinstance(value, dict):
            self._object(value, name, label, trail, depth, own=own)
        elif isinstance(value, list | tuple):
            self._list(value, name, label, trail, depth, own=own)
        elif _says_nothing(name, value, own=own):
            return
        elif isinstance(value, _NUMBERS):
            self._add(_digits(value), label, trail)
        else:
            self._unreadable(trail)

    def _object(self, value: Mapping[str, Any], name: str, label: str, trail: Trail, depth: int, *, own: bool) -> None:
        fractions: list[float] = []
        if name == "prompt" and own and "id" in value:
            self._unreadable(trail)
        # What a model calls a tool with is data, whatever its members are called.
        kind = value.get("type")
        called = isinstance(kind, str) and kind in CALLS
        for key, member in value.items():
            if key not in PLAIN_NAMES:
                if type(key) is not str:
                    self._unreadable(trail)
                    continue
                self._names[key] = None
            if isinstance(member, float):
                fractions.append(member)
            points = own and key in POINTING
            if not points and depth < _DEEPEST and _says_nothing(key, member, own=own):
                self._values += 1
                continue
            here: Trail = (trail, key)
            if points and self._pointed(key, member, name, here, encoded=kind != "text"):
                continue
            data = key in DATA or (called and key == "input")
            known = _label_of(key, value, label, own=own)
            self._value(member, key, known, here, depth + 1, own=own and not data)
        if len(fractions) == 2:  # a place on earth
            self._pieces.append(Piece(f"{fractions[0]!r}, {fractions[1]!r}", trail, None, again=True))

    def _pointed(self, key: str, member: object, name: str, here: Trail, *, encoded: bool) -> bool:
        """Reads a member that is a file, or notes that its content lies elsewhere; False: its value is to be read."""
        if self._lies_elsewhere(key, member, name):
            self._unreadable(here)
        if isinstance(member, str) and (key in BLOBS or (key == "data" and name in SOURCES)):
            self._file(member, here, encoded=encoded)
            return True
        return False

    def _lies_elsewhere(self, key: str, member: object, name: str) -> bool:
        """Whether a member names content that is not in the request."""
        if not member:
            return False
        if key in ELSEWHERE:
            return not isinstance(member, dict) or "id" in member
        if key == "id" and name == "audio":
            return True
        address = key in ADDRESSES or (key == "url" and name in SOURCES)
        return address and isinstance(member, str) and _FETCHED.match(member) is not None

    def _list(self, value: Any, name: str, label: str, trail: Trail, depth: int, *, own: bool) -> None:
        numbers = _numbers_in(value)
        if numbers:
            if own and name in TOKENS and all(isinstance(one, int) for one in numbers):
                self._unreadable(trail)
            self._numbers(numbers, label, trail)
        parts = own and name in PART_LISTS
        for at, member in enumerate(value):
            here: Trail = (trail, at)
            if parts and isinstance(member, dict):
                if member.keys() == _TURN and self._turn(member, here, depth + 2):
                    continue
                kind = member.get("type")
                if kind is not None and (not isinstance(kind, str) or kind not in READABLE_KINDS):
                    self._unreadable(here)
            self._value(member, name, label, here, depth + 1, own=own)

    def _turn(self, turn: Mapping[str, Any], trail: Trail, depth: int) -> bool:
        """Reads what most messages are, a role and a text, as `_value` would; False: it is something else."""
        role, content = turn["role"], turn["content"]
        if depth > _DEEPEST or self._values + 3 > _MOST_VALUES:
            return False
        if not (isinstance(content, str) and isinstance(role, str) and role in ROLES):
            return False
        self._values += 3
        self._text(content, "content", "", (trail, "content"), depth, own=True)
        return True

    def _numbers(self, numbers: list[int | float], label: str, trail: Trail) -> None:
        """Reads a number whose digits or groups are the elements of a list, and a place on earth."""
        written = [_digits(one) for one in numbers[: _GROUPED.stop]]
        digits = sum(map(len, written))
        if len(numbers) == 2 and all(isinstance(one, float) for one in numbers):
            self._pieces.append(Piece(", ".join(written), trail, None, again=True))
        elif len(numbers) > 1 and (digits == len(numbers) or digits in _GROUPED):
            self._pieces.append(Piece(f"{label}: {' '.join(written)}", trail, None, again=True))

    def _text(self, value: str, name: str, label: str, trail: Trail, depth: int, *, own: bool) -> None:
        found = data_uri(value)
        if found is not None:
            self._data(found, trail)
            return
        if _says_nothing(name, value, own=own) or self._drawn(name, value, trail, own=own):
            return
        if is_file(value):
            self._file(value, trail, encoded=True)
            return
        self._add(value, label, trail)
        if own and name in SPOKEN:
            self._spoken.append(value)
        if value[:1] in {"{", "["} and len(value) <= _LONGEST_JSON:
            try:
                inner = msgspec.json.decode(value)
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                return
            before = len(self._pieces)
            self._value(inner, name, label, trail, depth + 1, own=False)
            self._pieces[before:] = [
                Piece(piece.text, piece.trail, None, again=True) for piece in self._pieces[before:]
            ]

    def _drawn(self, name: str, value: str, trail: Trail, *, own: bool) -> bool:
        """Reads a name that a program drew, or what a server sealed; False: it is neither."""
        handle = name in HANDLES and (own or name != "id") and _DRAWN.fullmatch(value) is not None
        if not handle and not (own and name in SEALED):
            return False
        self._pieces.append(Piece(value, trail, 0, drawn=True))
        return True

    def _data(self, found: DataUri, trail: Trail) -> None:
        """Reads a data: URI."""
        if found.media_type.lower().startswith(("image/", "audio/", "video/")):
            self._unreadable(trail)
        elif found.is_base64:
            self._file(found.content, trail, encoded=True)
        else:
            self._add(found.content, "", trail, shifted=False)

    def _file(self, content: str, trail: Trail, *, encoded: bool) -> None:
        """Reads a file. `encoded`: it must be base64; else it may be text as it stands."""
        found = data_uri(content)
        if found is not None:
            self._data(found, trail)
            return
        text = file_text(content)
        if text is not None:
            self._add(text, "", trail, shifted=False)
        elif encoded:
            self._unreadable(trail)
        if not encoded:
            self._add(content, "", trail)

    def _add(self, text: str, label: str, trail: Trail, *, shifted: bool = True) -> None:
        if not text:
            return
        if label:
            self._pieces.append(Piece(f"{label}: {text}", trail, len(label) + 2 if shifted else None))
        else:
            self._pieces.append(Piece(text, trail, 0 if shifted else None))


def _says_nothing(name: str, value: object, *, own: bool) -> bool:
    """Whether a member is a word of the APIs, a switch, or a small number that says how an answer is to be made."""
    if isinstance(value, str):
        return len(value) <= LONGEST_WORD and value in WORDS
    if isinstance(value, _NUMBERS):
        return (own and name in TUNING and abs(value) < _NO_NUMBER) or isinstance(value, bool)
    return value is None


def _numbers_in(value: Any) -> list[int | float]:
    """The members of a list of nothing but numbers; empty: it is none."""
    if not value or not isinstance(value[0], _NUMBERS):
        return []
    numbers = [member for member in value if isinstance(member, _NUMBERS) and not isinstance(member, bool)]
    return numbers if len(numbers) == len(value) else []


def _label_of(key: str, value: Mapping[str, Any], label: str, *, own: bool) -> str:
    """The label of a member of an object, whose own label is given."""
    if key in PAIRED and "role" not in value and (paired := _paired(value)):
        return _label(paired)
    if key in SPOKEN and own:
        return ""
    return label if key in GENERIC else _label(key)


def _paired(value: Mapping[str, Any]) -> str:
    """What an object calls itself, where that may be the label of what is in it."""
    return next((said for one in NAMING if isinstance(said := value.get(one), str) and len(said) <= _LONGEST_LABEL), "")


@lru_cache(maxsize=4096)
def _label(name: str) -> str:
    """A member's name in words."""
    return " ".join(_WORDS.sub(" ", name[-_LONGEST_LABEL:]).split())


def _digits(number: float) -> str:
    """A number as its digits."""
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    try:
        return str(number)
    except ValueError:  # longer than the interpreter writes: nobody's number
        return hex(int(number))
