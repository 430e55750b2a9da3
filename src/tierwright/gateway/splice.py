"""Gives an answer the inference's id without touching another byte of it.

Owns finding the top-level "id" of a JSON object, exactly: nested ids, ids in strings, escapes, any white space and
repeated keys. Refuses to re-encode: everything else of the body is what the model server sent.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import msgspec

#: An object whose first member is a string called "id": what nearly every server sends.
_ID_FIRST = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"id"[ \t\n\r]*:[ \t\n\r]*("[^"\\]*")')
#: A string, or a bracket outside of strings.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"[ \t\n\r]*:[ \t\n\r]*")
_STRING_OR_LITERAL = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^ \t\n\r,}\]\[{"]+', re.DOTALL)
_NULL = msgspec.Raw(b"null")
_OPEN, _CLOSE = b"{[", b"}]"


class Head(msgspec.Struct):
    """The members of an answer or a chunk that the gateway itself reads; the rest is skipped, not built."""

    id: msgspec.Raw = _NULL
    model: msgspec.Raw = _NULL
    usage: msgspec.Raw = _NULL
    choices: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


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
        spliced = b"%b%b%b" % (body[:start], wanted, body[end:])
        head = _read_head(spliced)
        if head is None:
            return None
        # A second "id" further on would be the one that readers see.
        if bytes(head.id) == wanted:
            return Spliced(spliced, _decoded(found.group(1)), head)
    return _replace_anywhere(body, wanted)


def _replace_anywhere(body: bytes, wanted: bytes) -> Spliced | None:
    head = _read_head(body)
    if head is None:
        return None
    spans = _id_spans(body)
    if not spans:
        if head.choices is _NULL:
            return Spliced(body, None, head)
        place = body.index(b"{") + 1
        return Spliced(b'%b"id":%b,%b' % (body[:place], wanted, body[place:]), None, head)
    pieces: list[bytes] = []
    at = 0
    for start, end in spans:
        pieces += (body[at:start], wanted)
        at = end
    pieces.append(body[at:])
    start, end = spans[-1]
    return Spliced(b"".join(pieces), _decoded(body[start:end]), head)


def _id_spans(body: bytes) -> list[tuple[int, int]]:
    """Where the values of the top-level members called "id" stand in a valid JSON object."""
    spans: list[tuple[int, int]] = []
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in _OPEN:
            depth += 1
        elif first in _CLOSE:
            depth -= 1
        elif depth == 1 and _is_id(token.group()) and (colon := _COLON.match(body, token.end())) is not None:
            value = _STRING_OR_LITERAL.match(body, colon.end())
            if value is not None:
                spans.append(value.span())
    return spans


def _is_id(key: bytes) -> bool:
    return key == b'"id"' or (b"\\u" in key and _decoded(key) == "id")


def _decoded(value: bytes) -> str | None:
    try:
        return _text.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def _read_head(body: bytes) -> Head | None:
    try:
        return _head.decode(body)
    except (msgspec.DecodeError, RecursionError):
        # The standard library also reads NaN, Infinity and lone surrogates, which some servers write.
        return _read_head_leniently(body)


def _read_head_leniently(body: bytes) -> Head | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    members = {name: found[name] for name in Head.__struct_fields__ if name in found}
    return Head(**{name: msgspec.Raw(json.dumps(value).encode()) for name, value in members.items()})
