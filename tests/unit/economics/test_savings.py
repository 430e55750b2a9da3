"""What the specialists saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import an_estimate
from tierwright.core.errors import InputError
from tierwright.core.ids import TaskId
from tierwright.core.inference import RouteReason
from tierwright.core.ledger import LedgerLine
from tierwright.economics.prices import PriceList, PriceOverride
from tierwright.economics.savings import (
    Deductions,
    Incumbent,
    Period,
    Savings,
    Spent,
    incumbent_models,
    savings,
)
from tierwright.economics.tokens import TokenRates

#: 10 dollars a million tokens in, 20 out.
PRICES = PriceList(
    [PriceOverride(model="frontier", input_usd_per_million=Decimal(10), output_usd_per_million=Decimal(20))]
)
TASK = TaskId("task-1")
START = datetime(2026, 3, 1, tzinfo=UTC)
TEN_DAYS = Period(since=START, until=START + timedelta(days=10))
INCUMBENT = Incumbent(
    model="frontier",
    rates=TokenRates(
        prompt_per_character=an_estimate(0.25, ci_low=0.2, ci_high=0.3),
        completion_per_answer=an_estimate(10.0, ci_low=9.0, ci_high=11.0),
    ),
)


def a_line(**changes: Any) -> LedgerLine:
    """1,000 requests that a specialist answered for 2 cents: the incumbent would have taken 0.1 M and 0.01 M tokens."""
    fields: dict[str, Any] = {
        "task_id": TASK,
        "backend": "specialist",
        "model": "ngram-abc123",
        "reason": RouteReason.SPECIALIST,
        "requests": 1_000,
        "cost_usd": Decimal("0.02"),
        "unpriced_calls": 0,
        "prompt_tokens": 100_000,
        "completion_tokens": 10_000,
    }
    return LedgerLine(**fields | changes)


def an_escalated_line(**changes: Any) -> LedgerLine:
    """100 requests the specialist passed on: 12 cents for the frontier calls, 1 cent for asking in vain."""
    fields: dict[str, Any] = {
        "backend": "openai",
        "model": "frontier",
        "reason": RouteReason.LOW_CONFIDENCE,
        "requests": 100,
        "cost_usd": Decimal("0.13"),
        "prompt_tokens": 10_000,
        "completion_tokens": 1_000,
    }
    return a_line(**fields | changes)


def saved(*lines: LedgerLine, **changes: Any) -> Savings:
    """The comparison over some lines."""
    fields: dict[str, Any] = {"incumbents": {TASK: INCUMBENT}, "prices": PRICES, "period": TEN_DAYS}
    return savings(lines, **fields | changes)


def test_local_answers_are_compared_with_what_the_incumbent_would_have_charged() -> None:
    """100,000 tokens in and 10,000 out would have cost 1.20 dollars, 2 cents were paid: 1.18 saved, 98.3 %."""
    found = saved(a_line())
    assert (found.before_usd.value, found.after_usd) == (Decimal("1.2"), Decimal("0.02"))
    assert found.saving_usd.value == Decimal("1.18")
    assert found.saving_share is not None
    assert found.saving_share.value == pytest.approx(1.18 / 1.2)
    assert (found.requests, found.local_requests) == (1_000, 1_000)


def test_interval_comes_from_the_token_rates() -> None:
    """Rates 20 % lower or higher for prompts and 10 % for answers move the cost before to 0.98 and 1.42 dollars."""
    found = saved(a_line())
    assert (found.before_usd.low, found.before_usd.high) == (Decimal("0.98"), Decimal("1.42"))
    assert (found.saving_usd.low, found.saving_usd.high) == (Decimal("0.96"), Decimal("1.40"))
    assert found.saving_share is not None
    assert found.saving_share.ci_low == pytest.approx(1 - 0.02 / 0.98)
    assert found.saving_share.ci_high == pytest.approx(1 - 0.02 / 1.42)


def test_escalations_cost_what_asking_in_vain_costs() -> None:
    """They would have cost the frontier call's 12 cents and did cost 13, so the saving is minus one cent."""
    found = saved(an_escalated_line())
    assert found.before_usd.value == Decimal("0.12")
    assert found.saving_usd.value == Decimal("-0.01")
    assert found.local_requests == 0


def test_escalations_with_cached_prompts_save_nothing() -> None:
    """Where the calls cost less than their tokens' list price, what they cost is what they would have cost."""
    found = saved(an_escalated_line(cost_usd=Decimal("0.08")))
    assert found.before_usd.value == found.after_usd == Decimal("0.08")


def test_audits_are_paid_for_and_save_nothing() -> None:
    """5 cents of audits beside 2 cents of answers are cost, and nothing the incumbent would have charged."""
    found = saved(a_line(cost_usd=Decimal("0.07"), second_usd=Decimal("0.05")))
    assert (found.before_usd.value, found.after_usd) == (Decimal("1.2"), Decimal("0.07"))
    assert found.saving_usd.value == Decimal("1.13")
    assert found.tasks[0].second_usd == Decimal("0.05")


@pytest.mark.parametrize("reason", [RouteReason.REQUESTED, RouteReason.HOLDOUT, RouteReason.OUTSIDE_SHARE])
def test_shadows_of_other_requests_are_a_loss(reason: RouteReason) -> None:
    """A request that the frontier answered would have cost its own call: what its shadow cost is lost."""
    found = saved(a_line(reason=reason, model="frontier", cost_usd=Decimal("0.5"), second_usd=Decimal("0.1")))
    assert (found.before_usd.value, found.after_usd, found.saving_usd.value) == (
        Decimal("0.4"),
        Decimal("0.5"),
        Decimal("-0.1"),
    )


def test_shadows_of_escalated_requests_are_a_loss_too() -> None:
    """12 cents of frontier calls, 1 of asking in vain and 4 of shadows: 5 cents are lost."""
    found = saved(an_escalated_line(cost_usd=Decimal("0.17"), second_usd=Decimal("0.04")))
    assert found.saving_usd.value == Decimal("-0.05")


@pytest.mark.parametrize(
    "reason", [RouteReason.REQUESTED, RouteReason.HOLDOUT, RouteReason.OUTSIDE_SHARE, RouteReason.IMPORTED]
)
def test_requests_no_specialist_was_asked_for_cost_what_they_cost(reason: RouteReason) -> None:
    """Whatever their tokens would list at, both sides are the ledger's figure."""
    found = saved(an_escalated_line(reason=reason))
    assert found.before_usd.value == found.after_usd == Decimal("0.13")
    assert found.saving_usd.low == found.saving_usd.high == 0


def test_requests_without_a_price_are_left_out_and_counted() -> None:
    """An incumbent without a price, without a token count or unknown leaves its requests out of both sides."""
    for line, incumbents in (
        (a_line(), {TASK: Incumbent(model="nobody-knows", rates=INCUMBENT.rates)}),
        (a_line(prompt_tokens=0, completion_tokens=0), {TASK: INCUMBENT}),
        (a_line(), {}),
        (a_line(task_id=None), {TASK: INCUMBENT}),
    ):
        found = saved(line, incumbents=incumbents)
        assert found.before_usd.value == found.after_usd == 0
        assert found.unpriced_requests == 1_000
        assert found.tasks[0].unpriced_requests_usd == Decimal("0.02")
        assert found.saving_share is None


def test_unpriced_calls_are_counted_and_shown() -> None:
    """Calls without a price stay visible in the task and in the whole."""
    found = saved(a_line(unpriced_calls=7), an_escalated_line(unpriced_calls=2))
    assert found.unpriced_calls == found.tasks[0].unpriced_calls == 9


def test_month_is_projected_from_the_days_covered() -> None:
    """Ten days at 1.18 dollars are 3.04375 times that in a mean month, interval included."""
    found = saved(a_line())
    assert found.days == 10
    assert found.monthly_saving_usd.value == Decimal("1.18") * Decimal("3.04375")
    assert found.monthly_saving_usd.low == Decimal("0.96") * Decimal("3.04375")


def test_tasks_are_told_apart_and_add_up() -> None:
    """Each task has its own comparison, the largest saving first, and the whole is their sum."""
    other = TaskId("task-2")
    found = saved(
        an_escalated_line(),
        a_line(task_id=other),
        a_line(task_id=None, reason=RouteReason.REQUESTED, cost_usd=Decimal(5), model="frontier"),
        incumbents={TASK: INCUMBENT, other: INCUMBENT},
    )
    assert [task.task_id for task in found.tasks] == [other, None, TASK]
    assert found.saving_usd.value == Decimal("1.17")
    assert found.after_usd == Decimal("5.15")


def test_every_deduction_is_a_line_of_its_own() -> None:
    """Machine, shadows, audits, judges, training and the holdout lead from the gross saving to the saving.

    1,000 local answers would have cost 1.20 and took 2 cents of the machine, 5 of audits and 1 of shadows; 100 requests
    of the holdout cost 12 cents and would have saved a tenth of 1.18; a judge took 30 cents and training 20.
    """
    local = a_line(
        cost_usd=Decimal("0.08"), second_usd=Decimal("0.06"), audit_usd=Decimal("0.05"), machine_usd=Decimal("0.02")
    )
    holdout = an_escalated_line(reason=RouteReason.HOLDOUT, cost_usd=Decimal("0.12"))
    spent = {TASK: Spent(judge_usd=Decimal("0.3"), training_usd=Decimal("0.2"))}
    found = saved(local, holdout, spent=spent)
    assert found.deductions == Deductions(
        machine_usd=Decimal("0.02"),
        shadow_usd=Decimal("0.01"),
        audit_usd=Decimal("0.05"),
        judge_usd=Decimal("0.3"),
        training_usd=Decimal("0.2"),
        holdout_usd=Decimal("0.118"),
    )
    assert found.saving_usd.value == Decimal("0.62")
    assert found.saving_usd.value + found.deductions.sum_usd == Decimal("1.2") + Decimal("0.118")
    assert (found.before_usd.value, found.after_usd) == (Decimal("1.32"), Decimal("0.70"))


def test_what_is_spent_once_is_not_multiplied_by_the_month() -> None:
    """Ten days that saved 1.18 make 3.04375 times that in a month, less a training that cost 0.20 once."""
    found = saved(a_line(), spent={TASK: Spent(training_usd=Decimal("0.2"))})
    assert found.monthly_saving_usd.value == Decimal("1.18") * Decimal("3.04375") - Decimal("0.2")


def test_asking_in_vain_is_machine_time_too() -> None:
    """An escalated request's cent of the machine is a deduction, and the saving of its task is minus that cent."""
    found = saved(an_escalated_line(machine_usd=Decimal("0.01")))
    assert found.deductions.machine_usd == Decimal("0.01")
    assert found.saving_usd.value == Decimal("-0.01")


def test_a_holdout_that_would_have_lost_costs_nothing() -> None:
    """Where the specialist costs more than the incumbent, what stays on the incumbent is no loss."""
    holdout = an_escalated_line(reason=RouteReason.HOLDOUT, cost_usd=Decimal("0.12"))
    assert saved(a_line(cost_usd=Decimal(5)), holdout).deductions.holdout_usd == 0


def test_what_is_spent_for_no_request_is_a_loss() -> None:
    """A task that was trained and judged and has answered nothing yet has cost that, and so has a judge of no task."""
    found = saved(spent={TASK: Spent(training_usd=Decimal("0.2")), None: Spent(judge_usd=Decimal("0.1"))})
    assert found.saving_usd.value == Decimal("-0.3")
    assert {task.task_id: task.saving_usd.value for task in found.tasks} == {
        TASK: Decimal("-0.2"),
        None: Decimal("-0.1"),
    }


AMOUNT = st.integers(0, 10**8).map(lambda cents: Decimal(cents) / 10_000)


@given(
    amounts=st.tuples(*[AMOUNT] * 5),
    more=st.tuples(*[AMOUNT] * 5),
    held_out=st.integers(0, 5_000),
    tokens=st.integers(1, 10**7),
)
def test_no_deduction_raises_the_saving(
    amounts: tuple[Decimal, ...], more: tuple[Decimal, ...], held_out: int, tokens: int
) -> None:
    """Whatever is spent beside the answers lowers the saving by just that much; the lines add up, in Decimal."""

    def found(costs: tuple[Decimal, ...]) -> Savings:
        machine, shadow, audit, judge, training = costs
        return saved(
            a_line(
                prompt_tokens=tokens,
                cost_usd=machine + shadow + audit,
                second_usd=shadow + audit,
                audit_usd=audit,
                machine_usd=machine,
            ),
            an_escalated_line(reason=RouteReason.HOLDOUT, requests=held_out, cost_usd=Decimal(held_out) / 1000),
            spent={TASK: Spent(judge_usd=judge, training_usd=training)},
        )

    first = found(amounts)
    second = found(tuple(a + b for a, b in zip(amounts, more, strict=True)))
    assert first.saving_usd.value - second.saving_usd.value == sum(more)
    assert second.saving_usd.value <= first.saving_usd.value
    for one in (first, second):
        assert one.before_usd.value - one.after_usd == one.saving_usd.value
        taken = one.deductions
        assert min(getattr(taken, name) for name in taken.__slots__) >= 0
        # A request of a specialist has no provider's call: gross is what the incumbent would have charged.
        incumbent = Decimal(tokens) / 100_000 + Decimal("0.2")
        assert one.saving_usd.value + taken.sum_usd - taken.holdout_usd == incumbent
        assert isinstance(taken.sum_usd, Decimal)


@given(more=st.integers(0, 10**6), tokens=st.integers(1, 10**7), price=st.integers(1, 1000))
def test_the_saving_grows_with_volume_and_with_the_incumbents_price(more: int, tokens: int, price: int) -> None:
    """More requests answered at the same cost each, or a dearer incumbent, never save less."""

    def found(requests: int, usd: int) -> Decimal:
        override = PriceOverride(
            model="frontier", input_usd_per_million=Decimal(usd), output_usd_per_million=Decimal(2 * usd)
        )
        line = a_line(
            requests=requests, prompt_tokens=tokens * requests, completion_tokens=requests, cost_usd=Decimal(0)
        )
        return saved(line, prices=PriceList([override])).saving_usd.value

    assert found(10 + more, price) >= found(10, price)
    assert found(10, price + more) >= found(10, price)


@given(
    counts=st.lists(
        st.tuples(
            st.sampled_from(list(RouteReason)), st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**7)
        ),
        max_size=8,
    )
)
def test_books_balance_whatever_the_ledger_holds(counts: list[tuple[RouteReason, int, int, int]]) -> None:
    """Before minus after is the saving, ends are in order, and no request is lost or counted twice."""
    lines = [
        a_line(reason=reason, requests=n, prompt_tokens=tokens, cost_usd=Decimal(cents) / 100, model="frontier")
        for reason, n, tokens, cents in counts
    ]
    found = saved(*lines)
    assert found.before_usd.value - found.after_usd == found.saving_usd.value
    assert found.before_usd.low <= found.before_usd.value <= found.before_usd.high
    assert found.requests == sum(n for _, n, _, _ in counts)
    left_out = sum(task.unpriced_requests_usd for task in found.tasks)
    assert found.after_usd + left_out == sum((line.cost_usd for line in lines), start=Decimal(0))


def test_incumbent_is_the_model_that_answered_most() -> None:
    """Of the models no specialist is, the one with most requests; a tie goes to the first by name."""
    lines = [
        a_line(),
        an_escalated_line(model="small", requests=60),
        an_escalated_line(model="frontier", requests=50),
        an_escalated_line(model="frontier", requests=20, reason=RouteReason.HOLDOUT),
        an_escalated_line(task_id=TaskId("task-2"), model="b", requests=5),
        an_escalated_line(task_id=TaskId("task-2"), model="a", requests=5),
        an_escalated_line(task_id=None, model="x"),
    ]
    assert incumbent_models(lines) == {TASK: "frontier", TaskId("task-2"): "a"}


def test_period_without_length_is_refused() -> None:
    """A month can't be projected from no time."""
    with pytest.raises(InputError, match="no length"):
        saved(a_line(), period=Period(since=START, until=START))


def test_empty_ledger_saves_nothing() -> None:
    """No line is no saving and no share, not an error."""
    found = saved()
    assert (found.requests, found.saving_share, found.tasks) == (0, None, ())
