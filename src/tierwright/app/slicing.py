"""Where test examples lie: by the answer they should get, the client that asked, the month.

Owns which dimensions a registered experiment may be sliced by; refuses to compare anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Example


def slice_examples(
    parts: Parts, examples: Sequence[Example], dimensions: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """By example and dimension, the slice it lies in; it may lie in none. Raises InputError for an unknown one."""
    unknown = [dimension for dimension in dimensions if dimension not in DIMENSIONS]
    if unknown:
        raise InputError(f"there is no slice {unknown[0]!r}; there are {', '.join(sorted(DIMENSIONS))}")
    columns = {dimension: DIMENSIONS[dimension](parts, examples) for dimension in dimensions}
    return {
        example.id: {dimension: column[at] for dimension, column in columns.items() if column[at]}
        for at, example in enumerate(examples)
    }


def _clients(parts: Parts, examples: Sequence[Example]) -> list[str]:
    owners = parts.store.owners([example.id for example in examples])
    return [owners.get(example.id, "") for example in examples]


def _labels(_: Parts, examples: Sequence[Example]) -> list[str]:
    return [example.output[:_MOST_CHARACTERS] for example in examples]


def _months(_: Parts, examples: Sequence[Example]) -> list[str]:
    return [f"{example.created_at:%Y-%m}" for example in examples]


#: Of a label that a slice is called by.
_MOST_CHARACTERS = 80
#: By name: each example's slice, empty where it has none.
DIMENSIONS: Mapping[str, Callable[[Parts, Sequence[Example]], list[str]]] = {
    "client": _clients,
    "label": _labels,
    "month": _months,
}
