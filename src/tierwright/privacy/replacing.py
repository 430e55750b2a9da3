"""Puts tokens in the place of what is found in a request, wherever it stands: texts, parts, tools, arguments, names.

Owns the walk through a decoded body and what counts as a stretch to replace. Refuses to find anything itself, and to
decide whether what is left may leave: a gate looks at the new bytes. Whatever can't be replaced with certainty stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tierwright.privacy.json_text import literals, quoted
from tierwright.privacy.pseudonyms import GROUPED, LITERAL, TOKEN, ungrouped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from tierwright.core.privacy import Found
    from tierwright.privacy.json_text import Literal
    from tierwright.privacy.pseudonyms import Named, Pseudonyms

    #: What detectors find in each of some texts, in their order.
    Look = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[Found]]]]

#: Members that models' servers compare, follow or decode: another text in them is an error, or another request.
_LEFT: Final = frozenset(
    {
        *("model", "role", "type", "id", "tool_call_id", "tool_use_id", "call_id", "item_id", "conversation"),
        *("previous_response_id", "encrypted_content", "signature", "data", "file_data", "file_id", "url", "image_url"),
    }
)
#: Objects that hold whatever an application wants: nothing in them is left, and numbers may become texts.
_FREE: Final = frozenset({"metadata", "input", "arguments", "output"})
#: Members whose names say nothing of their text.
_SPEECH: Final = frozenset({"content", "text", "input", "arguments", "output", "instructions", "system", "name"})
#: What stands between a name and its text where both are looked at together.
_COLON: Final = ": "
#: Where words meet in a name such as patient_id or cardNumber.
_WORDS: Final = re.compile(r"[_.-]+|(?<=[a-z])(?=[A-Z])")
#: Names that nobody is called by: letters and underscores.
_PLAIN_NAME: Final = re.compile("[A-Za-z_]{1,32}")
#: A token may be a label for a number beside it, so that a second look finds more; more than this finds nothing new.
_ROUNDS: Final = 4
#: What may stand between the digits of a number that is known.
_SEPARATOR: Final = "[ ./-]?"
#: Characters of a value that is replaced wherever it stands, found or not; what is shorter may be anything.
_SHORTEST: Final = 6


class _Leaf(NamedTuple):
    """A text in a body, and the name that stands before it."""

    text: str
    label: str


class _Span(NamedTuple):
    start: int
    end: int
    type: str


@dataclass(slots=True)
class Replaced:
    """A body without what was found in it."""

    payload: Any = field(repr=False)
    #: Stretches that became tokens, by type of finding.
    counts: Counter[str] = field(default_factory=Counter)
    #: What the tokens in it stand for.
    texts: dict[str, str] = field(default_factory=dict, repr=False)


async def replaced(payload: Any, pseudonyms: Pseudonyms, look: Look) -> Replaced:
    """The decoded body with tokens in the place of all that `look` finds; the body given is not changed.

    What has a token already is replaced wherever it stands, also where nothing is found.
    """
    pseudonyms.reserve(_literals_of(payload, pseudonyms))
    found: dict[str, Sequence[Found]] = {}
    result = Replaced(payload)
    known = -1
    for turn in range(_ROUNDS):
        unseen = [text for text in _to_look_at(result.payload) if text not in found]
        found.update(zip(unseen, await look(unseen), strict=True))
        work = _Replacing(pseudonyms, found, result, literal=turn == 0)
        payload = _Walk(work.leaf, numbers=True).through(result.payload)
        if payload == result.payload and known == len(pseudonyms):
            break
        result.payload, known = payload, len(pseudonyms)
    present = {token for leaf in _leaves(result.payload) for token in TOKEN.findall(leaf.text)}
    result.texts = {one.token: one.text for one in pseudonyms.named() if one.token in present}
    return result


def _literals_of(payload: Any, pseudonyms: Pseudonyms) -> set[str]:
    """What a body holds that looks like a token and stands for nothing."""
    written = (token for leaf in _leaves(payload) for token in TOKEN.findall(leaf.text))
    return {token for token in written if pseudonyms.text(token) is None}


def _leaves(payload: Any) -> list[_Leaf]:
    """Every text in a body that may be changed, names of members among them."""
    found: list[_Leaf] = []

    def visit(leaf: _Leaf) -> str:
        found.append(leaf)
        return leaf.text

    _Walk(visit, numbers=False).through(payload)
    return found


def _to_look_at(payload: Any) -> dict[str, None]:
    """The texts of a body in which something may be found, each once, in order."""
    texts: dict[str, None] = {}
    for leaf in _leaves(payload):
        if leaf.label:
            texts[_labelled(leaf)] = None
        _note(leaf.text, texts)
    return texts


def _note(text: str, texts: dict[str, None]) -> None:
    texts[text] = None
    # Each is shorter than what it stands in, and JSON inside of JSON doubles its escapes: this ends soon.
    for one in literals(text) or ():
        _note(one.text, texts)


def _labelled(leaf: _Leaf) -> str:
    return f"{_label(leaf)}{_COLON}{leaf.text}"


def _label(leaf: _Leaf) -> str:
    """The name before a text, in words."""
    return _WORDS.sub(" ", leaf.label)


class _Walk:
    """Goes through a body and makes another of it."""

    def __init__(self, visit: Callable[[_Leaf], str], *, numbers: bool) -> None:
        """`visit` says what becomes of a text; `numbers`: a number that it changes becomes a text."""
        self._visit = visit
        self._numbers = numbers

    def through(self, value: Any, name: str = "", *, free: bool = False) -> Any:
        """What becomes of a value under a name."""
        if isinstance(value, str):
            left = name in _LEFT and not free
            return value if left else self._visit(_Leaf(value, "" if name in _SPEECH else name))
        if isinstance(value, dict):
            return self._members(value, free=free or name in _FREE)
        if isinstance(value, list):
            return [self.through(item, name, free=free) for item in value]
        if free and isinstance(value, int | float) and not isinstance(value, bool):
            told = self._visit(_Leaf(str(value), name))
            return told if self._numbers and told != str(value) else value
        return value

    def _members(self, value: Mapping[str, Any], *, free: bool) -> dict[str, Any]:
        names = {name: name if _PLAIN_NAME.fullmatch(name) else self._visit(_Leaf(name, "")) for name in value}
        if len(set(names.values())) < len(names):
            # Two names that become one: a member would be lost.
            names = {name: name for name in value}
        return {names[name]: self.through(member, name, free=free) for name, member in value.items()}


class _Replacing:
    """Replaces what was found, leaf by leaf."""

    def __init__(
        self, pseudonyms: Pseudonyms, found: Mapping[str, Sequence[Found]], result: Replaced, *, literal: bool
    ) -> None:
        """`literal`: tokens in the texts are the caller's own words, since none is there yet."""
        self._pseudonyms = pseudonyms
        self._found = found
        self._result = result
        self._literal = literal
        self._known = _Known(pseudonyms.named())

    def leaf(self, leaf: _Leaf) -> str:
        """What becomes of a text."""
        offset = len(_label(leaf)) + len(_COLON)
        labelled = self._found.get(_labelled(leaf), ()) if leaf.label else ()
        spans = [_Span(one.start - offset, one.end - offset, one.type) for one in labelled if one.start >= offset]
        return self._text(leaf.text, spans)

    def _text(self, text: str, more: Iterable[_Span]) -> str:
        """What becomes of a text, of which somebody who saw what is around it has found more."""
        spans = [*self._spans(text), *more]
        inner = literals(text)
        if inner is not None:
            return self._json(text, inner, spans)
        return self._applied(text, [_whole_escape(text, span) for span in spans])

    def _json(self, text: str, inner: Sequence[Literal], around: Sequence[_Span]) -> str:
        """What becomes of a text that is JSON; `around`: what is found in the text as it is written."""
        starts = [one.start for one in inner]
        within: dict[int, list[_Span]] = {}
        for span in around:
            at = bisect_right(starts, span.start) - 1
            if at >= 0 and inner[at].is_plain and span.end <= inner[at].end:
                inside, size = inner[at].inside, len(inner[at].text)
                clipped = _Span(max(0, span.start - inside), min(size, span.end - inside), span.type)
                if clipped.start < clipped.end:
                    within.setdefault(at, []).append(clipped)
        said = [self._text(one.text, within.get(at, ())) for at, one in enumerate(inner)]
        names = {one.text: new for one, new in zip(inner, said, strict=True) if one.is_name}
        keep_names = len(set(names.values())) < len(names)
        pieces: list[str] = []
        end = 0
        for one, new in zip(inner, said, strict=True):
            changed = new != one.text and not (one.is_name and keep_names)
            pieces += (text[end : one.start], quoted(new) if changed else text[one.start : one.end])
            end = one.end
        return "".join([*pieces, text[end:]])

    def _spans(self, text: str) -> list[_Span]:
        """What is to be replaced in a text: what was found, what is known, and what looks like a token of ours."""
        spans = [_Span(one.start, one.end, one.type) for one in self._found.get(text, ())]
        spans += self._known.spans(text)
        if self._literal:
            spans += [
                _Span(match.start(), match.end(), LITERAL)
                for match in TOKEN.finditer(text)
                if self._pseudonyms.text(match[0]) is not None
            ]
        return spans

    def _applied(self, text: str, spans: Iterable[_Span]) -> str:
        pieces: list[str] = []
        end = 0
        tokens = () if self._literal else [match.span() for match in TOKEN.finditer(text)]
        for span in _merged(spans, text, tokens):
            token = self._pseudonyms.token(span.type, text[span.start : span.end])
            if token is None:
                continue
            self._result.counts[span.type] += 1
            pieces += (text[end : span.start], token)
            end = span.end
        return "".join([*pieces, text[end:]]) if pieces else text


class _Known:
    """The values that have a token, and where they stand in texts."""

    def __init__(self, named: Iterable[Named]) -> None:
        self._types: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        patterns: set[str] = set()
        for one in named:
            number = ungrouped(one.text) if one.type in GROUPED else ""
            if len(number) >= _SHORTEST:
                self._numbers[number] = one.type
                patterns.add(_SEPARATOR.join(map(re.escape, number)))
            elif len(one.text) >= _SHORTEST:
                self._types[one.text] = one.type
                patterns.add(re.escape(one.text))
        longest_first = sorted(patterns, key=lambda one: (-len(one), one))
        self._pattern = re.compile("|".join(longest_first), re.IGNORECASE) if patterns else None

    def spans(self, text: str) -> Iterator[_Span]:
        """Where one stands as a word of its own."""
        for match in () if self._pattern is None else self._pattern.finditer(text):
            start, end = match.span()
            kind = self._types.get(match[0]) or self._numbers.get(ungrouped(match[0]))
            begins = start == 0 or not (text[start - 1].isalnum() and text[start].isalnum())
            ends = end == len(text) or not (text[end - 1].isalnum() and text[end].isalnum())
            if kind is not None and begins and ends:
                yield _Span(start, end, kind)


def _whole_escape(text: str, span: _Span) -> _Span:
    """A stretch that begins in the middle of an escape (the n of a line break) takes all of it: the rest is no text."""
    before = text[: span.start]
    odd = (len(before) - len(before.rstrip("\\"))) % 2
    return _Span(span.start - odd, span.end, span.type)


def _merged(spans: Iterable[_Span], text: str, tokens: Sequence[tuple[int, int]]) -> list[_Span]:
    """Stretches that don't touch one another nor a token; those that overlap become one, of the longest one's type."""
    ordered = sorted((span for outer in spans for span in _outside(outer, text, tokens)), key=lambda one: one.start)
    merged: list[_Span] = []
    longest = 0
    for span in ordered:
        size = span.end - span.start
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            longest = size
            continue
        last = merged[-1]
        merged[-1] = _Span(last.start, max(last.end, span.end), span.type if size > longest else last.type)
        longest = max(longest, size)
    return merged


def _outside(span: _Span, text: str, tokens: Sequence[tuple[int, int]]) -> Iterator[_Span]:
    """The parts of a stretch that are outside of tokens and hold something to hide."""
    crossed = [(low, high) for low, high in tokens if high > span.start and low < span.end]
    if not crossed:
        yield span
        return
    start = span.start
    for low, high in (*crossed, (span.end, span.end)):
        piece = text[start:low]
        if any(character.isalnum() for character in piece):
            # What joined it to a token is no part of the value.
            yield _Span(low - len(piece.lstrip()), low - len(piece) + len(piece.rstrip()), span.type)
        start = high
