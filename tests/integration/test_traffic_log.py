"""The recorded log that figures are measured on, through import, store and export."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierwright.gateway.feedback_import import import_feedback
from tierwright.gateway.log_export import export_log
from tierwright.gateway.log_import import import_log
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.chat import Usage

DATA = Path(os.environ.get("TIERWRIGHT_DATA") or Path(__file__).parents[3] / "shared" / "data") / "traffic"
LOG, KEY = DATA / "support_30d.jsonl.gz", DATA / "support_30d.key.jsonl.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LOG.exists(), reason=f"{LOG} is not there; set TIERWRIGHT_DATA to the data directory"),
]


def a_micro_dollar(_model: str, usage: Usage, _at: datetime) -> Decimal | None:
    """A millionth of a dollar for each token sent."""
    return Decimal(usage.prompt_tokens) / 1_000_000


def test_the_recorded_log_goes_in_and_out_whole(tmp_path: Path) -> None:
    """Every record is imported, exported and imported again as the same inference; every label finds its own."""
    first = open_store(f"sqlite:///{tmp_path / 'first.db'}")
    report = import_log(LOG, first, price=a_micro_dollar, rejects=tmp_path / "rejects")
    assert report.read == report.added > 0
    assert report.rejected == 0
    out = tmp_path / "out.jsonl.gz"
    assert export_log(first, out).written == report.added
    second = open_store(f"sqlite:///{tmp_path / 'second.db'}")
    assert import_log(out, second, price=a_micro_dollar).added == report.added
    assert all(one == other for one, other in zip(first.scan(), second.scan(), strict=True))
    newest = max(inference.created_at for inference in first.scan())
    labels = import_feedback(KEY, first, inferences=first, now=newest, rejects=tmp_path / "rejects")
    assert (labels.unknown, labels.rejected) == (0, 0)
    assert labels.added + labels.without_output == report.added
    first.close()
    second.close()
