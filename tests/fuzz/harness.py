"""What a harness is: one claim about bytes from elsewhere, and bytes to begin with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Harness(NamedTuple):
    """A claim that holds for all bytes."""

    #: Raises AssertionError where the claim is false; whatever else it raises is a finding, too.
    check: Callable[[bytes], None]
    #: What mutations begin with: sound input of every kind.
    seeds: tuple[bytes, ...]


def seeds(*values: Any) -> tuple[bytes, ...]:
    """Bytes as they are, anything else as JSON, as dense as servers write it."""
    return tuple(
        value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode() for value in values
    )


def is_json(data: bytes) -> bool:
    """Whether a strict client could read it."""
    try:
        json.loads(data, parse_constant=_refuse)
    except ValueError:
        return False
    except RecursionError:
        # As deep as what wrote it could follow, which is deeper than this one can.
        return True
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)
