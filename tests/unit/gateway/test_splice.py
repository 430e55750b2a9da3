"""The id of an answer is replaced, and not one other byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.gateway.splice import replace_id

NEW = "chatcmpl-0198f00d"

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_keys = st.sampled_from(["id", "choices", "i", 'a"id"', "\\id", "usage"]) | st.text(max_size=5)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"id":"up-1","choices":[]}', b'{"id":"NEW","choices":[]}'),
        (b' \n{ "id" :\t"up-1" , "choices":[]}\n', b' \n{ "id" :\t"NEW" , "choices":[]}\n'),
        (b'{"choices":[{"id":"call-1"}],"id":"up-1"}', b'{"choices":[{"id":"call-1"}],"id":"NEW"}'),
        (b'{"a":{"id":"up-1"},"id":"up-1","b":["up-1"]}', b'{"a":{"id":"up-1"},"id":"NEW","b":["up-1"]}'),
        (b'{"t":"\\"id\\":\\"x\\" {[","id":"up-1"}', b'{"t":"\\"id\\":\\"x\\" {[","id":"NEW"}'),
        (b'{"t":"id","u":"\\\\","id":"up\\"1\\\\"}', b'{"t":"id","u":"\\\\","id":"NEW"}'),
        (b'{"\\u0069d":"up-1","a":1}', b'{"\\u0069d":"NEW","a":1}'),
        (b'{"id":null,"a":1}', b'{"id":"NEW","a":1}'),
        (b'{"a":1,"id":17}', b'{"a":1,"id":"NEW"}'),
        (b'{"id":"","choices":[]}', b'{"id":"NEW","choices":[]}'),
        (b'{"id":"a","x":1,"id":"b"}', b'{"id":"NEW","x":1,"id":"NEW"}'),
        (b'{"choices":[]}', b'{"id":"NEW","choices":[]}'),
        (b'{"error":{"id":"e-1"}}', b'{"error":{"id":"e-1"}}'),
        (b'{"id":"up-1","p":[NaN,-Infinity]}', b'{"id":"NEW","p":[NaN,-Infinity]}'),
        (b'{"id":"up-1","t":"\\ud800"}', b'{"id":"NEW","t":"\\ud800"}'),
    ],
)
def test_exactly_the_top_level_id_is_replaced(before: bytes, after: bytes) -> None:
    """Nested ids, ids in texts, white space, escapes, repeated and missing ids: only the answer's own id changes."""
    spliced = replace_id(before, NEW)
    assert spliced is not None
    assert spliced.body == after.replace(b"NEW", NEW.encode())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"id"', b"null", b"<html>", b'{"id":"a"', b'{"id":"a"} x', b'{"id":"a",}', b"\xff\xfe"]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """An answer that is no JSON object gets no id and is said to be none."""
    assert replace_id(body, NEW) is None


@given(
    members=st.lists(st.tuples(_keys.filter(lambda key: key != "id"), _values), max_size=5, unique_by=lambda m: m[0]),
    old=st.text(),
    place=st.integers(0, 5),
    style=st.sampled_from([(None, (",", ":")), (None, (", ", ": ")), (2, (",", " : ")), ("\t", (" ,", "\n:\r"))]),
    ascii_only=st.booleans(),
)
def test_any_other_member_keeps_its_bytes(
    members: list[tuple[str, Any]],
    old: str,
    place: int,
    style: tuple[int | str | None, tuple[str, str]],
    ascii_only: bool,  # noqa: FBT001 - hypothesis passes by name
) -> None:
    """Putting the old id back into a spliced object gives the very bytes that came in, whatever surrounds it."""
    indent, separators = style
    members.insert(min(place, len(members)), ("id", old))
    text = json.dumps(dict(members), indent=indent, separators=separators, ensure_ascii=ascii_only)
    body = text.encode("utf-8", "surrogatepass")
    spliced = replace_id(body, NEW)
    if spliced is None:
        # Raw surrogates are not UTF-8, so that this is no JSON.
        assert not ascii_only
        return
    literal = json.dumps(old, ensure_ascii=ascii_only).encode()
    assert spliced.body.replace(b'"%b"' % NEW.encode(), literal, 1) == body
    assert spliced.upstream_id == old
    assert json.loads(spliced.body)["id"] == NEW
