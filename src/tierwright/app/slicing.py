"""Where test examples lie: client, answer, language, length, month.

Owns which dimensions a registered experiment may be sliced by; refuses to compare anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.evals.slices import by_language, by_length, by_month, by_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Example
    from tierwright.evals.slices import Slice


def slice_examples(parts: Parts, examples: Sequence[Example], dimensions: Sequence[str]) -> dict[str, dict[str, str]]:
    """By example and dimension, the slice it lies in. Raises InputError for a dimension that is unknown or too fine."""
    found: dict[str, dict[str, str]] = {example.id: {} for example in examples}
    for dimension in dimensions:
        if dimension not in DIMENSIONS:
            raise InputError(f"there is no slice {dimension!r}; there are {', '.join(sorted(DIMENSIONS))}")
        for one in DIMENSIONS[dimension](parts, examples):
            for place in one.members:
                found[examples[place].id][dimension] = one.value
    return found


def _by_client(parts: Parts, examples: Sequence[Example]) -> list[Slice]:
    owners = parts.store.owners([example.id for example in examples])
    return by_value("client", [owners.get(example.id, "") for example in examples])


#: By name.
DIMENSIONS: Mapping[str, Callable[[Parts, Sequence[Example]], list[Slice]]] = {
    "client": _by_client,
    "label": lambda _, examples: by_value("label", [example.output for example in examples]),
    "language": lambda _, examples: by_language([example.input for example in examples]),
    "length": lambda _, examples: by_length([example.input for example in examples]),
    "time": lambda _, examples: by_month([example.created_at for example in examples]),
}
