"""What `tierwright report savings` shows."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console

from tests.fakes import NOON
from tierwright.app.cli.report import savings_json, savings_table
from tierwright.core.inference import RouteReason
from tierwright.core.ledger import LedgerLine, ModelGap
from tierwright.economics.prices import PriceList
from tierwright.economics.savings import Period, savings

if TYPE_CHECKING:
    from tierwright.economics.savings import Savings

LINE = LedgerLine(
    task_id=None,
    backend="house",
    model="house-model",
    reason=RouteReason.REQUESTED,
    requests=1_300,
    cost_usd=Decimal(1),
    unpriced_calls=1_234,
    prompt_tokens=10_000,
    completion_tokens=100,
    estimated_calls=7,
)
GAPS = (
    ModelGap(model="house[/]model", unpriced_calls=1_230, uncounted_calls=4, estimated_calls=0),
    ModelGap(model="shy-model", unpriced_calls=0, uncounted_calls=0, estimated_calls=7),
)


def compared(*lines: LedgerLine, gaps: tuple[ModelGap, ...] = ()) -> Savings:
    """The savings of a day."""
    period = Period(since=NOON, until=NOON + timedelta(days=1))
    return savings(lines, incumbents={}, prices=PriceList(), period=period, gaps=gaps)


def drawn(found: Savings) -> str:
    """The report as text."""
    page = io.StringIO()
    savings_table(Console(file=page, width=200, highlight=False, emoji=False), found, {})
    return page.getvalue()


def test_unpriced_and_estimated_calls_are_shown_with_their_models() -> None:
    """Neither a model without a price nor a provider that counts nothing passes unseen, whatever it is called."""
    page = drawn(compared(LINE, gaps=GAPS))
    assert "No price is known for these models (calls): house[/]model (1,230)." in page
    assert "is an estimate, of these models (calls): shy-model (7)." in page
    assert "1,234 calls have no known price" in page


def test_certain_costs_need_no_warning() -> None:
    """Where everything has a price and a count, nothing is said of either."""
    page = drawn(compared(replace(LINE, unpriced_calls=0, estimated_calls=0)))
    assert "price" not in page
    assert "estimate" not in page


def test_every_deduction_is_shown() -> None:
    """From the gross saving to the saving, each with its amount, in the text and in the document."""
    line = replace(LINE, cost_usd=Decimal(8), second_usd=Decimal(3), audit_usd=Decimal(2), machine_usd=Decimal(4))
    found = compared(line)
    page = drawn(found)
    for what in ("machine time", "shadows", "audits", "judges", "training", "the holdout"):
        assert what in page
    assert savings_json(found, {})["deductions"] == {
        "machine_usd": Decimal(4),
        "shadow_usd": Decimal(1),
        "audit_usd": Decimal(2),
        "judge_usd": Decimal(0),
        "training_usd": Decimal(0),
        "holdout_usd": Decimal(0),
    }
    assert savings_json(found, {})["gross_saving_usd"]["value"] == Decimal(4)


def test_the_document_says_the_same() -> None:
    """The JSON names models and calls, beside the sums it always had."""
    document = savings_json(compared(LINE, gaps=GAPS), {})
    assert document["unpriced_models"] == [{"model": "house[/]model", "calls": 1_230}]
    assert document["estimated_models"] == [{"model": "shy-model", "calls": 7}]
    assert (document["unpriced_calls"], document["estimated_calls"]) == (1_234, 7)
