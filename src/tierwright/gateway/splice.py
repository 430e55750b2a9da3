"""Changes one member of a JSON object, an answer's id above all, without touching another byte of it.

Owns finding a top-level member of a JSON object, exactly: nested ids, ids in strings, escapes, any white space and
repeated keys. Refuses to re-encode: everything else of the body is what the model server sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tierwright.gateway.lenient_json import UNREADABLE, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

#: An object whose first member is a string called "id": what nearly every server sends.
_ID_FIRST = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"id"[ \t\n\r]*:[ \t\n\r]*("[^"\\\x00-\x1f]*")')
#: A string, or a bracket outside of strings.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"[ \t\n\r]*:[ \t\n\r]*")
_STRING_OR_LITERAL = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^ \t\n\r,}\]\[{"]+', re.DOTALL)
#: What a member is that is not there. Compared as it is: its bytes would be a copy, and an answer may be large.
NULL = msgspec.Raw(b"null")
_OPEN, _CLOSE = b"{[", b"}]"
_LARGE_BYTES = 64 * 1024


class Head(msgspec.Struct):
    """The members of an answer or a chunk that the gateway itself reads; the rest is skipped, not built."""

    id: msgspec.Raw = NULL
    model: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    choices: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    service_tier: msgspec.Raw = NULL


class Spliced(NamedTuple):
    """A JSON object that has the inference's id, and what was read of it on the way."""

    #: The bytes to pass on.
    body: bytes
    #: The id it came with; None: it had none, or one that is no string.
    upstream_id: str | None
    head: Head


_head = msgspec.json.Decoder(Head)
_text = msgspec.json.Decoder(str)


def replace_id(body: bytes, new_id: str) -> Spliced | None:
    """The body with `new_id` (ASCII, nothing to escape) as its top-level id; None where it is no JSON object.

    An object that has `choices` and no id is given one in front; any other object without an id stays as it is.
    """
    wanted = b'"%b"' % new_id.encode("ascii")
    found = _ID_FIRST.match(body)
    if found is not None:
        start, end = found.span(1)
        spliced = _replaced(body, ((start, end),), wanted)
        head = read_head(spliced)
        if head is None:
            return None
        # A second "id" further on would be the one that readers see.
        if bytes(head.id) == wanted:
            return Spliced(spliced, _decoded(found.group(1)), head)
    return _replace_anywhere(body, wanted)


def _replace_anywhere(body: bytes, wanted: bytes) -> Spliced | None:
    head = read_head(body)
    if head is None:
        return None
    spans = _spans(body, "id")
    if not spans:
        if head.choices is NULL:
            return Spliced(body, None, head)
        place = body.index(b"{") + 1
        return Spliced(b'%b"id":%b,%b' % (body[:place], wanted, body[place:]), None, head)
    start, end = spans[-1]
    return Spliced(_replaced(body, spans, wanted), _decoded(body[start:end]), head)


def replace_text(body: bytes, name: str, value: str) -> bytes:
    """A valid JSON object whose top-level member `name`, a string, is replaced; every other byte stays as it is."""
    return _replaced(body, _spans(body, name), msgspec.json.encode(value))


def add_member(body: bytes, name: str, value: bytes) -> bytes:
    """A valid JSON object with one more member in front; the object must not be empty."""
    place = body.index(b"{") + 1
    return b'%b"%b":%b,%b' % (body[:place], name.encode("ascii"), value, body[place:])


def _replaced(body: bytes, spans: Sequence[tuple[int, int]], wanted: bytes) -> bytes:
    """A body in which other bytes stand in some places."""
    # Slices of bytes are copies, which only small ones are quicker with.
    left: bytes | memoryview = body if len(body) < _LARGE_BYTES else memoryview(body)
    pieces: list[bytes | memoryview] = []
    at = 0
    for start, end in spans:
        pieces += (left[at:start], wanted)
        at = end
    pieces.append(left[at:])
    return b"".join(pieces)


def _spans(body: bytes, name: str) -> list[tuple[int, int]]:
    """Where the scalar values of the top-level members of that name stand in a valid JSON object."""
    quoted = b'"%b"' % name.encode("ascii")
    spans: list[tuple[int, int]] = []
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in _OPEN:
            depth += 1
        elif first in _CLOSE:
            depth -= 1
        elif depth == 1 and _names(token.group(), quoted, name):
            colon = _COLON.match(body, token.end())
            value = None if colon is None else _STRING_OR_LITERAL.match(body, colon.end())
            if value is not None:
                spans.append(value.span())
    return spans


def _names(key: bytes, quoted: bytes, name: str) -> bool:
    return key == quoted or (b"\\u" in key and _decoded(key) == name)


def _decoded(value: bytes) -> str | None:
    try:
        return _text.decode(value)
    except UNREADABLE:
        return None


def read_head(body: bytes) -> Head | None:
    """The members of a JSON object that the gateway reads; None where it is none."""
    try:
        return _head.decode(body)
    except UNREADABLE:
        # The standard library also reads NaN, Infinity and lone surrogates, which some servers write.
        return _leniently(body)


def _leniently(body: bytes) -> Head | None:
    try:
        found = decoded(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    members = {name: found[name] for name in Head.__struct_fields__ if name in found}
    return Head(**{name: msgspec.Raw(encoded(value)) for name, value in members.items()})
