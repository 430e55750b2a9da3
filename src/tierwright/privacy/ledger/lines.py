"""One line of a chain: how it is written and hashed, and how it is taken apart again.

Owns the bytes; refuses to know files, and what any kind of entry means.
"""

from __future__ import annotations

import re
from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: `prev` of a chain's first line.
GENESIS: Final = b"0" * 64
#: Members that are a line's own and no facts.
RESERVED: Final = frozenset({"seq", "at", "kind", "prev", "hash"})
#: The longest line, its newline included.
MOST_LINE_BYTES: Final = 4 * 1024 * 1024
#: Written before the hashed bytes, so that no hash of a line is one of anything else.
_ENTRY: Final = b"\0"

_FRONT = re.compile(rb'\{"seq":([1-9][0-9]{0,15}),"at":"([0-9T:.Z-]{27})","kind":"([a-z_]{1,32})"')
_BACK = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n')
_BACK_BYTES: Final = len(b',"prev":"","hash":""}\n') + 2 * 64
#: From `,"hash":` on.
_HASH_BYTES: Final = len(b',"hash":""}\n') + 64
_KIND = re.compile(r"[a-z_]{1,32}")

_encode = msgspec.json.Encoder().encode


class Line(NamedTuple):
    """A line, taken apart."""

    seq: int
    at: bytes
    kind: bytes
    prev: bytes
    hash: bytes
    #: Whether `hash` is the one of its bytes.
    true: bool


def instant(at: datetime) -> bytes:
    """An aware instant as lines spell it, in UTC, always 27 bytes, which compare as the instants do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def members(kind: str, facts: Mapping[str, object]) -> bytes:
    """What a line says between `at` and `prev`.

    Raises ValueError where the kind is no word in lower case or a fact has the name of a member that every line has,
    and TypeError where a fact has no JSON form.
    """
    if _KIND.fullmatch(kind) is None:
        raise ValueError(f"{kind!r} is no kind of an entry: a kind is one word in lower case")
    if not RESERVED.isdisjoint(facts):
        raise ValueError(f"the facts of {kind!r} have a member that every line has: {sorted(RESERVED & set(facts))}")
    inner = _encode(facts)[1:-1]
    return b'"kind":"%b"%b%b' % (kind.encode(), b"," if inner else b"", inner)


def line(seq: int, at: bytes, said: bytes, prev: bytes) -> tuple[bytes, bytes]:
    """A line with its newline, and its hash; `said` as `members` gives it."""
    hashed = b'{"seq":%d,"at":"%b",%b,"prev":"%b"' % (seq, at, said, prev)
    digest = sha256(_ENTRY + hashed).hexdigest().encode()
    return b'%b,"hash":"%b"}\n' % (hashed, digest), digest


def taken_apart(raw: bytes) -> Line | None:
    """A line's own members; None: it does not have the form of one."""
    front = _FRONT.match(raw)
    back = _BACK.fullmatch(raw, len(raw) - _BACK_BYTES) if len(raw) >= _BACK_BYTES else None
    if front is None or back is None:
        return None
    true = sha256(_ENTRY + raw[:-_HASH_BYTES]).hexdigest().encode() == back[2]
    return Line(int(front[1]), front[2], front[3], back[1], back[2], true)
