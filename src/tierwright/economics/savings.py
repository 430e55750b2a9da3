"""What the specialists saved: what was paid against what the same requests would have cost on the incumbent.

Owns the comparison over ledger lines; refuses to know how the lines were summed. Money is Decimal. The rules, each on
the side of too small a saving:

- A request that a specialist answered would have cost what the incumbent charges for the tokens it would have used,
  estimated when it was answered. It did cost what its calls cost.
- An escalated request would have cost its frontier call alone: the price of that call's tokens, or what the request
  did cost in all where that is less. So escalating never saves, and asking the specialist in vain counts as a loss.
- Every other request would have cost what it did cost.
- Shadows and audits are paid for, and without specialists there would be none: they count on one side only. So do
  what judges were paid and what training took of the machine.
- The holdout stays on the incumbent for ever, so that it saves nothing: what it would have saved at the rate of the
  requests that were not drawn into it is in the gross saving and is deducted from it.
- A specialist's requests whose incumbent is unknown, has no price or no token count are left out of both sides and
  counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.core.chat import Usage
from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.core.inference import RouteReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tierwright.core.ids import TaskId
    from tierwright.core.ledger import LedgerLine, ModelGap
    from tierwright.economics.prices import Prices
    from tierwright.economics.tokens import TokenRates

#: Days of a mean month: 365.25 / 12.
DAYS_PER_MONTH = Decimal("30.4375")
_ESCALATED = frozenset({RouteReason.LOW_CONFIDENCE, RouteReason.SPECIALIST_FAILED})
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class UsdRange:
    """US dollars with the interval that estimated tokens leave open."""

    value: Decimal
    low: Decimal
    high: Decimal

    def __add__(self, other: UsdRange) -> UsdRange:
        """The sum; both ends are added, as if all errors pointed the same way."""
        return UsdRange(value=self.value + other.value, low=self.low + other.low, high=self.high + other.high)

    def less(self, paid: Decimal) -> UsdRange:
        """What remains after something that is known exactly."""
        return UsdRange(value=self.value - paid, low=self.low - paid, high=self.high - paid)

    def times(self, factor: Decimal) -> UsdRange:
        """Every number times a factor of 0 or more."""
        return UsdRange(value=self.value * factor, low=self.low * factor, high=self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a task's specialists cost beside its requests, in US dollars."""

    judge_usd: Decimal = Decimal(0)
    training_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deductions:
    """What lies between the gross saving and the saving, in US dollars; only of requests that are compared."""

    #: Specialists' machine time before the answer, asking in vain included.
    machine_usd: Decimal = Decimal(0)
    shadow_usd: Decimal = Decimal(0)
    audit_usd: Decimal = Decimal(0)
    judge_usd: Decimal = Decimal(0)
    training_usd: Decimal = Decimal(0)
    #: What the holdout's requests would have saved; never below 0.
    holdout_usd: Decimal = Decimal(0)

    @property
    def sum_usd(self) -> Decimal:
        """All of them."""
        return sum((getattr(self, name) for name in self.__slots__), start=Decimal(0))

    @property
    def once_usd(self) -> Decimal:
        """The part that does not grow with the requests."""
        return self.judge_usd + self.training_usd

    def __add__(self, other: Deductions) -> Deductions:
        """The sums."""
        return Deductions(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSavings:
    """The comparison for one task."""

    #: None: requests of no task.
    task_id: TaskId | None
    #: The model it is compared with; None: not known.
    incumbent: str | None
    requests: int
    #: Of these answered by a specialist.
    local_requests: int
    #: What the counted requests would have cost on the incumbent.
    before_usd: UsdRange
    #: What they did cost, judges and training included.
    after_usd: Decimal
    #: The part of it that shadows and audits cost.
    second_usd: Decimal
    #: The difference; negative: the specialist costs more than it saves.
    saving_usd: UsdRange
    deductions: Deductions
    #: Requests left out of both sides, for want of a price or a token count.
    unpriced_requests: int
    #: What the requests left out did cost, as far as known.
    unpriced_requests_usd: Decimal
    #: Calls without a price among the counted requests: the cost on both sides is too low by them.
    unpriced_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """The comparison over all tasks and a period."""

    requests: int
    local_requests: int
    before_usd: UsdRange
    after_usd: Decimal
    saving_usd: UsdRange
    #: What was deducted for it; together they are the gross saving.
    deductions: Deductions
    #: Saving over what it would have cost; None: nothing would have cost anything.
    saving_share: Estimate | None
    #: Days the ledger covers.
    days: Decimal
    #: The saving of a month at the volume and mix of the period, judges and training deducted once, not by the month.
    monthly_saving_usd: UsdRange
    unpriced_requests: int
    unpriced_calls: int
    #: Calls whose tokens are an estimate of ours: what they cost is one, too.
    estimated_calls: int
    #: Models with calls whose cost is unknown or estimated, the most unpriced first.
    gaps: tuple[ModelGap, ...]
    #: By task, the largest saving first.
    tasks: tuple[TaskSavings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The time a ledger covers: since <= created_at < until, both aware."""

    since: datetime
    #: Prices are those in force at this instant.
    until: datetime

    @property
    def days(self) -> Decimal:
        """Its length; raises InputError unless it is positive."""
        seconds = (self.until - self.since).total_seconds()
        if seconds <= 0:
            raise InputError(f"the period from {self.since} to {self.until} has no length; savings need one")
        return Decimal(repr(seconds)) / _SECONDS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """What a task's requests would have been answered by."""

    model: str
    #: The tokens it uses for this task, with intervals.
    rates: TokenRates


def incumbent_models(lines: Sequence[LedgerLine]) -> dict[TaskId, str]:
    """For each task the model that answered most of the requests no specialist did; ties go to the first by name."""
    counts: dict[TaskId, dict[str, int]] = {}
    for line in lines:
        if line.task_id is not None and line.model is not None and line.reason is not RouteReason.SPECIALIST:
            models = counts.setdefault(line.task_id, {})
            models[line.model] = models.get(line.model, 0) + line.requests
    return {task: min(models, key=lambda name: (-models[name], name)) for task, models in counts.items()}


def savings(
    lines: Sequence[LedgerLine],
    *,
    incumbents: Mapping[TaskId, Incumbent],
    prices: Prices,
    period: Period,
    gaps: Sequence[ModelGap] = (),
    spent: Mapping[TaskId | None, Spent] | None = None,
) -> Savings:
    """The comparison over ledger lines of one period, by the rules at the head of this module.

    `gaps` says which models' calls of the period are unpriced or estimated; it is passed on as it is. `spent` is what
    judges and training cost by task; None as a key: for no task.

    The interval holds the uncertainty of estimated tokens and nothing else; its ends take all errors to point the same
    way. Raises InputError where the period has no length.
    """
    days = period.days
    grouped: dict[TaskId | None, list[LedgerLine]] = {}
    for line in lines:
        grouped.setdefault(line.task_id, []).append(line)
    spent = spent or {}
    for task in spent:
        grouped.setdefault(task, [])
    tasks = [
        _task_savings(
            of_task,
            None if task is None else incumbents.get(task),
            prices,
            period.until,
            task,
            spent.get(task, Spent()),
        )
        for task, of_task in grouped.items()
    ]
    before = sum((task.before_usd for task in tasks), start=_exactly(Decimal(0)))
    after = sum((task.after_usd for task in tasks), start=Decimal(0))
    once = sum((task.deductions.once_usd for task in tasks), start=Decimal(0))
    deductions = sum((task.deductions for task in tasks), start=Deductions())
    saving, local = before.less(after), sum(task.local_requests for task in tasks)
    return Savings(
        requests=sum(task.requests for task in tasks),
        local_requests=local,
        before_usd=before,
        after_usd=after,
        saving_usd=saving,
        deductions=deductions,
        saving_share=_share(before, after, local, _level(incumbents)),
        days=days,
        monthly_saving_usd=saving.less(-once).times(DAYS_PER_MONTH / days).less(once),
        unpriced_requests=sum(task.unpriced_requests for task in tasks),
        unpriced_calls=sum(task.unpriced_calls for task in tasks),
        estimated_calls=sum(line.estimated_calls for line in lines),
        gaps=tuple(gaps),
        tasks=tuple(sorted(tasks, key=lambda task: (-task.saving_usd.value, task.task_id or ""))),
    )


def _task_savings(
    lines: Sequence[LedgerLine],
    incumbent: Incumbent | None,
    prices: Prices,
    at: datetime,
    task_id: TaskId | None,
    spent: Spent,
) -> TaskSavings:
    before, left_out_usd = _exactly(Decimal(0)), Decimal(0)
    after = spent.judge_usd + spent.training_usd
    deductions = Deductions(judge_usd=spent.judge_usd, training_usd=spent.training_usd)
    local = left_out = unpriced_calls = routed = held_out = 0
    routed_usd = Decimal(0)
    for line in lines:
        answering_usd = line.cost_usd - line.second_usd
        would_have = _exactly(answering_usd)
        if line.reason is RouteReason.SPECIALIST:
            local += line.requests
            estimated = _incumbent_cost(line, incumbent, prices, at)
            if estimated is None:
                left_out, left_out_usd = left_out + line.requests, left_out_usd + line.cost_usd
                continue
            would_have = estimated
        elif line.reason in _ESCALATED and line.model is not None:
            frontier_call = _line_cost(line, line.model, prices, at)
            if frontier_call is not None:
                would_have = _exactly(min(frontier_call, answering_usd))
        before, after = before + would_have, after + line.cost_usd
        deductions += Deductions(
            machine_usd=line.machine_usd, shadow_usd=line.second_usd - line.audit_usd, audit_usd=line.audit_usd
        )
        if line.reason is RouteReason.HOLDOUT:
            held_out += line.requests
        elif line.reason is RouteReason.SPECIALIST or line.reason in _ESCALATED:
            routed, routed_usd = routed + line.requests, routed_usd + would_have.value - answering_usd
        unpriced_calls += line.unpriced_calls
    if routed:
        deductions += Deductions(holdout_usd=max(Decimal(0), routed_usd * held_out / routed))
    return TaskSavings(
        task_id=task_id,
        incumbent=None if incumbent is None else incumbent.model,
        requests=sum(line.requests for line in lines),
        local_requests=local,
        before_usd=before,
        after_usd=after,
        second_usd=sum((line.second_usd for line in lines), start=Decimal(0)),
        saving_usd=before.less(after),
        deductions=deductions,
        unpriced_requests=left_out,
        unpriced_requests_usd=left_out_usd,
        unpriced_calls=unpriced_calls,
    )


def _incumbent_cost(line: LedgerLine, incumbent: Incumbent | None, prices: Prices, at: datetime) -> UsdRange | None:
    value = None if incumbent is None else _line_cost(line, incumbent.model, prices, at)
    if incumbent is None or value is None:
        return None
    prompt, completion = incumbent.rates.prompt_per_character, incumbent.rates.completion_per_answer
    ends: list[Decimal] = []
    for prompt_end, completion_end in ((prompt.ci_low, completion.ci_low), (prompt.ci_high, completion.ci_high)):
        usage = Usage(
            prompt_tokens=_scaled(line.prompt_tokens, prompt_end, prompt.value),
            completion_tokens=_scaled(line.completion_tokens, completion_end, completion.value),
        )
        cost = prices.cost(incumbent.model, usage, at, requests=line.requests)
        ends.append(value if cost is None else cost)
    return UsdRange(value=value, low=ends[0], high=ends[1])


def _line_cost(line: LedgerLine, model: str, prices: Prices, at: datetime) -> Decimal | None:
    if line.requests and not (line.prompt_tokens or line.completion_tokens):
        return None
    usage = Usage(prompt_tokens=line.prompt_tokens, completion_tokens=line.completion_tokens)
    return prices.cost(model, usage, at, requests=line.requests)


def _scaled(tokens: int, end: float, value: float) -> int:
    return tokens if value <= 0 else round(tokens * end / value)


def _share(before: UsdRange, after: Decimal, local_requests: int, level: float) -> Estimate | None:
    if before.low <= 0:
        return None
    low, value, high = (float(1 - after / usd) for usd in (before.low, before.value, before.high))
    return Estimate(
        value=value, ci_low=low, ci_high=high, level=level, n=local_requests, method="ledger, tokens by ratio"
    )


def _level(incumbents: Mapping[TaskId, Incumbent]) -> float:
    levels = [found.rates.prompt_per_character.level for found in incumbents.values()]
    return min(levels, default=0.95)


def _exactly(usd: Decimal) -> UsdRange:
    return UsdRange(value=usd, low=usd, high=usd)
