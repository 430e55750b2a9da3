"""Every way in which one place of a JSON value can hold something of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e300,
    "odd",
    [],
    {},
    [None],
    ["odd"],
    {"type": []},
    [{"type": {}, "index": {}}],
)


def broken(value: Any) -> Iterator[Any]:
    """The value with one place replaced by something odd or left out, for every place and everything odd."""
    yield from _ODD
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {other: value[other] for other in value if other != name}
            for odd in broken(inner):
                yield value | {name: odd}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield [*value[:place], *value[place + 1 :]]
            for odd in broken(inner):
                yield [*value[:place], odd, *value[place + 1 :]]
