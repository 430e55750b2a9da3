"""What is nearly JSON is read, and what was read is written as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tierwright.gateway.lenient_json import decoded, encoded


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":[1,2.5,"\\ud83d\\ude00"]}', {"a": [1, 2.5, "😀"]}),
        (b'"half \\ud83d"', "half \ud83d"),
        (b"[NaN,-Infinity,1e999,1]", [None, None, None, 1]),
    ],
)
def test_what_servers_write_is_read_and_written_as_json(data: bytes, value: Any) -> None:
    """Emojis cut in two stay what they are; numbers that are none are null, as a strict reader can be told."""
    assert decoded(data) == value
    written = encoded(decoded(data))
    assert json.loads(written, parse_constant=pytest.fail) == value
    assert written.decode("utf-8")


@pytest.mark.parametrize("data", [b"", b"{", b'{"a":"\xff"}', b'{"a":1} x', b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    """Whatever is wrong with it, and however deep: one error."""
    with pytest.raises(ValueError):
        decoded(data)
