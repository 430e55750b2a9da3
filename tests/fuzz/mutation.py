"""Changes bytes at random: as bytes, and where they are JSON also as JSON.

The same generator leads to the same changes, so that the suite sees the same input every time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

#: What stands where something else belongs.
_ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1e300,
    "",
    "task:card-intent",
    "data:image/png;base64,AA==",
    '{"a":1}',
    '{"a":"\\ud800"}',
    "\ud83d",
    "\u2028\x00\x7f",
    [],
    {},
    [[]],
    [{"type": "text", "text": "a"}],
    {"type": {}, "index": -1},
)
#: Deeper than most readers follow, and about as deep as the interpreter does.
_DEPTHS = (2, 30, 200, 450, 900, 990)
_BITS = (
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b'"', b"[", b"}", b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"1" * 5000),
    *(b"\r", b"\n\n", b"\r\n\r\n", b"data: ", b"[DONE]"),
)


def mutated(data: bytes, random: Random, other: bytes) -> bytes:
    """The bytes with a few changes; `other` lends pieces of itself."""
    for _ in range(random.randint(1, 3)):
        changed = _as_json(data, random, other) if random.random() < 0.6 else None
        data = _as_bytes(data, random, other) if changed is None else changed
    return data


def _as_bytes(data: bytes, random: Random, other: bytes) -> bytes:
    at = random.randint(0, len(data))
    end = min(len(data), at + random.randint(0, 8))
    kind = random.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + random.choice(_BITS) + data[at:]
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
    if kind == 4:
        start = random.randint(0, len(other))
        return data[:at] + other[start : start + random.randint(0, 64)] + data[end:]
    return data[:end] + data[at:]


def _as_json(data: bytes, random: Random, other: bytes) -> bytes | None:
    """The same with one place of the JSON value changed; None where it is none."""
    try:
        value = json.loads(data)
        places = list(_places(value, ()))
        place = random.choice(places)
        return json.dumps(_replaced(value, place, random, other), separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return None


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from _places(member, (*path, name))


def _replaced(value: Any, path: tuple[Any, ...], random: Random, other: bytes) -> Any:
    if path:
        name, *rest = path
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[name] = _replaced(value[name], tuple(rest), random, other)
        return copy
    return random.choice(_CHANGES)(value, random, other)


def _odd(_value: Any, random: Random, _other: bytes) -> Any:
    return random.choice(_ODD)


def _nested(value: Any, random: Random, _other: bytes) -> Any:
    in_objects = random.random() < 0.5
    for _ in range(random.choice(_DEPTHS)):
        value = {"a": value} if in_objects else [value]
    return value


def _borrowed(_value: Any, random: Random, other: bytes) -> Any:
    """A part of the other value."""
    try:
        found = json.loads(other)
        for name in random.choice(list(_places(found, ()))):
            found = found[name]
    except (ValueError, RecursionError):
        return None
    return found


def _repeated(value: Any, random: Random, other: bytes) -> Any:
    if isinstance(value, (list, str)):
        return value * random.randint(2, 3)
    return _borrowed(value, random, other)


def _with_another(value: Any, random: Random, other: bytes) -> Any:
    name = random.choice(["id", "type", "index", "error", "content", "usage", "x"])
    return {**value, name: random.choice(_ODD)} if isinstance(value, dict) else _odd(value, random, other)


def _without_one(value: Any, random: Random, other: bytes) -> Any:
    if not isinstance(value, (dict, list)) or not value:
        return _odd(value, random, other)
    left_out = random.randrange(len(value))
    if isinstance(value, dict):
        return {name: member for place, (name, member) in enumerate(value.items()) if place != left_out}
    return [*value[:left_out], *value[left_out + 1 :]]


_CHANGES = (_odd, _odd, _nested, _borrowed, _repeated, _with_another, _without_one)
