"""What a dataset inherits from the requests its examples come from: their class and what was found in them.

Owns the rule: the highest class of all, and none where that of a single one is not known. Refuses to look at texts.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierwright.core.dataset import Example
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.privacy import DataClass

#: What examples are counted under whose class is not known.
UNKNOWN = "unknown"


class Sensitivity(NamedTuple):
    """Of one request."""

    #: None: no gate looked at it.
    data_class: DataClass | None
    findings: Mapping[str, int]


class Inherited(NamedTuple):
    """Of a dataset."""

    #: None: of some it is not known.
    data_class: DataClass | None
    #: Examples by the class of what they come from.
    classes: Mapping[str, int]
    findings: Mapping[str, int]


class Lineage:
    """Remembers how sensitive requests are, for the examples that are made of them."""

    def __init__(self) -> None:
        self._known: dict[InferenceId, Sensitivity] = {}

    def note(self, inference: Inference) -> None:
        """Remembers one."""
        self._known[inference.id] = Sensitivity(inference.data_class, inference.findings)

    def inherited(self, examples: Iterable[Example]) -> Inherited:
        """What examples inherit from all their sources, each of which was noted."""
        classes: Counter[str] = Counter()
        findings: Counter[str] = Counter()
        highest: set[DataClass | None] = set()
        for example in examples:
            sources = [self._known[source] for source in example.sources]
            data_class = top_class(source.data_class for source in sources)
            highest.add(data_class)
            classes[UNKNOWN if data_class is None else data_class.label] += 1
            for source in sources:
                findings.update(source.findings)
        return Inherited(top_class(highest), dict(classes), dict(findings))


def top_class(classes: Iterable[DataClass | None]) -> DataClass | None:
    """The class of several things together; None: there are none, or that of one is not known."""
    highest: DataClass | None = None
    for one in classes:
        if one is None:
            return None
        highest = one if highest is None else max(highest, one)
    return highest
