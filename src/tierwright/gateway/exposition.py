"""The metrics of several processes as those of one.

Owns what the same sample of several processes amounts to: their sum, and of a circuit's state the worst. Source of the
format: prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What is no amount: the worst of the processes stands for all.
_WORST = frozenset({"tierwright_deployment_state", "tierwright_backend_key_refused"})
_COUNTED = frozenset({"counter", "histogram"})
#: When a process began to count, which says nothing of a sum.
_CREATED = "_created"


class _Sample(NamedTuple):
    name: str
    labels: tuple[tuple[str, str], ...]


class Ledger:
    """Adds up pages. Counts of processes that have ended stay in the sums, which therefore never fall."""

    def __init__(self) -> None:
        self._ended: list[bytes] = []

    def ended(self, page: bytes) -> None:
        """Says that the process whose last page this is has ended."""
        self._ended = [merged([*self._ended, page], gauges=False)]

    def page(self, pages: Iterable[bytes]) -> bytes:
        """The page of all processes, given those of the ones that live."""
        return merged(pages, base=self._ended)


def merged(pages: Iterable[bytes], *, base: Iterable[bytes] = (), gauges: bool = True) -> bytes:
    """One page for several; of `base`, and without `gauges` of all, only what is counted."""
    families: dict[str, Metric] = {}
    values: dict[str, dict[_Sample, float]] = {}
    for given, with_gauges in ((base, False), (pages, gauges)):
        for page in given:
            for family in text_string_to_metric_families(page.decode("utf-8")):
                if family.name.endswith(_CREATED) or not (with_gauges or family.type in _COUNTED):
                    continue
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                found = values.setdefault(family.name, {})
                for sample in family.samples:
                    if sample.name.endswith(_CREATED):
                        continue
                    key = _Sample(sample.name, tuple(sorted(sample.labels.items())))
                    if family.name in _WORST:
                        found[key] = max(found.get(key, 0.0), sample.value)
                    else:
                        found[key] = found.get(key, 0.0) + sample.value
    registry = CollectorRegistry()
    for name, family in families.items():
        for key, value in values[name].items():
            family.add_sample(key.name, dict(key.labels), value)
    registry.register(_Collected(list(families.values())))
    return generate_latest(registry)


class _Collected:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families
