"""What the tests of threats share: a real gateway, one inside a real gate, and a count of what was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.conftest import gateway, start, store, upstream
from tests.threats.gates import gated

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["gated", "gateway", "probes", "start", "store", "upstream"]


@pytest.fixture
def probes(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Told how many attempts a test made; `benchmarks/threats.py` adds them up."""

    def tried(count: int) -> None:
        assert count > 0
        record_property("probes", count)

    return tried
