"""Some of the requests of `benchmarks/canaries.py`: no canary reaches a third party, and each has its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.canaries.run import MODES, UNGATED, run
from tests.canaries.values import FORMS, leaks, phrase

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("route", [False, True], ids=["refused", "routed"])
@pytest.mark.parametrize("mode", MODES)
def test_no_canary_reaches_a_third_party(mode: str, route: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Whatever the detector does, third parties see no canary, every request is answered, every byte has its permit."""
    found = run(120, seed=7, mode=mode, route=route, folder=tmp_path)
    assert found.leaks == []
    assert found.unanswered == []
    assert found.sent == 132
    permits = sum(count for kind, count in found.ledger.items() if kind.startswith("permit"))
    assert permits >= found.third_party + found.house
    assert (found.third_party > 0) == (mode in {"on", "killed"})
    assert (found.house > 0) == route


@pytest.mark.slow
def test_without_a_gate_they_leak(tmp_path: Path) -> None:
    """Without a gate the same canaries are seen where they arrive, so that their absence says something."""
    found = run(120, seed=7, mode=UNGATED, route=False, folder=tmp_path)
    assert len(found.leaks) > 20


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_is_seen_in_every_form(form: str) -> None:
    """What looks for leaks knows each form, and sees none where there is none."""
    assert leaks(f'{{"a": "{phrase(form, 4711)}"}}'.encode())
    assert not leaks(b'{"a": "Where is my parcel? 4711"}')
