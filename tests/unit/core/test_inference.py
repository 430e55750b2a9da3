"""What follows from an inference."""

from __future__ import annotations

from decimal import Decimal

from tests.fakes import a_call, an_inference


def test_a_cost_is_that_of_all_calls() -> None:
    """An escalation costs both; an answer without a price makes the whole unknown, a failed attempt does not."""
    priced, unpriced, failed = a_call(), a_call(cost_usd=None), a_call(cost_usd=None, answered=False)
    for calls, cost in (
        ((priced, priced), Decimal("0.0006")),
        ((failed, priced), Decimal("0.0003")),
        ((priced, unpriced), None),
        ((failed,), None),
        ((), None),
    ):
        assert an_inference(calls=calls).cost_usd == cost
