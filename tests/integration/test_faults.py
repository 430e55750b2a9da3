"""Every fault of the list at two seeds; `benchmarks/faults.py` runs them at twenty."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.run import Fault, run_fault

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault.number}-{fault.name}" for fault in FAULTS])
def test_fault_is_survived(fault: Fault, seed: int, streamed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """One answer or error to each request, the invoice's cost, nothing twice or lost, memory bounded, and recovery."""
    assert run_fault(fault, seed=seed, streamed=streamed).wrong == ()
