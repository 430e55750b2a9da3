"""What it costs in a month to answer a task oneself, and what it costs to begin.

Owns the assumptions by name, with the values each may have, and the sums; refuses to know where a value comes from.
Money is Decimal. The sums, for N calls a month:

- The API alone: N times the price of a call.
- One's own: as many machines as N needs, and the spare ones; people's hours; retraining and its labels; and what the
  API still gets: the holdout, what the specialist is not sure enough to answer, and audits of what it did answer.
- Machines come whole. One bears `calls_per_second` in the share `utilisation` of the time: nights, peaks and repairs
  take the rest, so idle capacity is paid for. The specialist is asked for all calls but the holdout, also for those it
  then leaves to the API.
- A bought machine costs its annuity: equal payments over its life that are worth, at the discount rate, its price less
  what it is sold for. It is paid for as if leased, and not in the first month.
- To begin: people's hours, training runs, first labels, and the trial, in which machines and people are paid and the
  API is not yet relieved.

References:
    Brealey, Myers and Allen (2020), Principles of Corporate Finance, 13th edition, chapters 2 and 6: annuity, and the
    equivalent annual cost of equipment.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

from tierwright.core.errors import InputError

#: Of a mean month, 365.25 / 12 days.
HOURS_PER_MONTH = Decimal("730.5")
SECONDS_PER_MONTH = 3600 * HOURS_PER_MONTH
MONTHS_PER_YEAR = 12
_ZERO, _ONE = Decimal(0), Decimal(1)
#: More than any task has: a machine that is never asked bears it.
_ENDLESS = 10**18
#: Roots take long to work out, and searches ask for the same ones.
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """An assumption one can make: its meaning, and the values it may have and is looked for in."""

    about: str
    low: Decimal
    high: Decimal
    #: Whether it is a count that can't be uncertain.
    whole: bool = False


def _quantity(about: str, low: str, high: str, *, whole: bool = False) -> Quantity:
    return Quantity(about=about, low=Decimal(low), high=Decimal(high), whole=whole)


#: By name; the names are those of `Hosting`, of scenarios and of settings.
QUANTITIES = {
    "calls_per_month": _quantity("calls of the task in the first month", "0", "1E+12"),
    "growth_per_month": _quantity("relative growth of the calls per month", "-0.9", "1"),
    "api_usd_per_call": _quantity("what the API charges for a call", "0", "100"),
    "api_price_fall_per_year": _quantity("share that the API's price falls by in a year", "-1", "0.999"),
    "local_share": _quantity("share of the calls put to it that the specialist answers itself", "0", "1"),
    "holdout_share": _quantity("share of the calls that stay on the API for ever", "0", "1"),
    "audit_share": _quantity("share of the specialist's answers for which the API is asked, too", "0", "1"),
    "judge_share": _quantity("share of the specialist's answers that a judge looks at", "0", "1"),
    "judge_usd_per_call": _quantity("what a judge's look costs", "0", "100"),
    "machine_usd_per_hour": _quantity("rent of a machine, busy or not", "0", "10000"),
    "machine_price_fall_per_year": _quantity("share that the rent falls by in a year", "-1", "0.999"),
    "purchase_usd": _quantity("price of a machine of one's own", "0", "1E+7"),
    "life_months": _quantity("months until it is replaced", "1", "240"),
    "residual_share": _quantity("share of its price it is then sold for", "0", "1"),
    "watts": _quantity("mean draw of a machine of one's own", "0", "100000"),
    "pue": _quantity("power of the building over power of the machines", "1", "10"),
    "usd_per_kwh": _quantity("price of power", "0", "10"),
    "colocation_usd_per_month": _quantity("room, network and service of a machine of one's own", "0", "1E+6"),
    "calls_per_second": _quantity("calls a busy machine answers in a second", "0.00001", "1E+7"),
    "utilisation": _quantity("share of the time in which a machine can be busy", "0.0001", "1"),
    "spare_machines": _quantity("machines more than the calls need", "0", "1000", whole=True),
    "hours_per_month": _quantity("hours people spend on it in a month", "0", "100000"),
    "usd_per_hour": _quantity("what an hour of theirs costs", "0", "10000"),
    "setup_hours": _quantity("hours people spend until it is in service", "0", "1E+6"),
    "training_runs": _quantity("training runs until the first is good enough", "0", "100000"),
    "training_hours": _quantity("machine hours of a training run", "0", "100000"),
    "training_usd_per_hour": _quantity("what an hour of the training machine costs", "0", "10000"),
    "retrainings_per_year": _quantity("training runs in a year once it serves", "0", "10000"),
    "labels": _quantity("labels people give before the first is in service", "0", "1E+8"),
    "labels_per_retraining": _quantity("labels people give for each further training", "0", "1E+8"),
    "usd_per_label": _quantity("what a label costs", "0", "1000"),
    "trial_months": _quantity("months of shadow and canary, paid for twice", "0", "120"),
    "horizon_months": _quantity("months looked at", "1", "120", whole=True),
    "discount_per_year": _quantity("interest by which later money counts less", "0", "10"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """One value for each assumption; what they mean stands in `QUANTITIES`.

    Raises InputError for a value that is no number or lies outside what the quantity may be.
    """

    calls_per_month: Decimal
    api_usd_per_call: Decimal
    calls_per_second: Decimal
    growth_per_month: Decimal = _ZERO
    api_price_fall_per_year: Decimal = _ZERO
    local_share: Decimal = _ONE
    holdout_share: Decimal = _ZERO
    audit_share: Decimal = _ZERO
    judge_share: Decimal = _ZERO
    judge_usd_per_call: Decimal = _ZERO
    machine_usd_per_hour: Decimal = _ZERO
    machine_price_fall_per_year: Decimal = _ZERO
    purchase_usd: Decimal = _ZERO
    life_months: Decimal = Decimal(36)
    residual_share: Decimal = _ZERO
    watts: Decimal = _ZERO
    pue: Decimal = _ONE
    usd_per_kwh: Decimal = _ZERO
    colocation_usd_per_month: Decimal = _ZERO
    utilisation: Decimal = _ONE
    spare_machines: Decimal = _ZERO
    hours_per_month: Decimal = _ZERO
    usd_per_hour: Decimal = _ZERO
    setup_hours: Decimal = _ZERO
    training_runs: Decimal = _ZERO
    training_hours: Decimal = _ZERO
    training_usd_per_hour: Decimal = _ZERO
    retrainings_per_year: Decimal = _ZERO
    labels: Decimal = _ZERO
    labels_per_retraining: Decimal = _ZERO
    usd_per_label: Decimal = _ZERO
    trial_months: Decimal = _ZERO
    horizon_months: Decimal = Decimal(12)
    discount_per_year: Decimal = _ZERO

    def __post_init__(self) -> None:
        for field in fields(self):
            checked(field.name, getattr(self, field.name))

    @property
    def saved_calls_share(self) -> Decimal:
        """Share of all calls that the API is relieved of, audits counted against it."""
        return (1 - self.holdout_share) * self.local_share * (1 - self.audit_share)

    @property
    def judged_usd_per_call(self) -> Decimal:
        """What judging costs, spread over all calls."""
        return (1 - self.holdout_share) * self.local_share * self.judge_share * self.judge_usd_per_call

    @property
    def training_run_usd(self) -> Decimal:
        """The machine's part of one training run."""
        return self.training_hours * self.training_usd_per_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """What a month costs in which the specialist serves, in US dollars."""

    #: Machines paid for, the spare ones included.
    machines: int
    machines_usd: Decimal
    people_usd: Decimal
    #: Training runs and their labels.
    retraining_usd: Decimal
    #: What the API still gets: holdout, escalations and audits.
    api_usd: Decimal
    judge_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        """All of it."""
        return self.machines_usd + self.people_usd + self.retraining_usd + self.api_usd + self.judge_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupCost:
    """What is paid once, before the specialist serves, in US dollars."""

    people_usd: Decimal
    training_usd: Decimal
    labels_usd: Decimal
    #: Machines and people while the API is not yet relieved.
    trial_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        """All of it."""
        return self.people_usd + self.training_usd + self.labels_usd + self.trial_usd


def checked(name: str, value: Decimal) -> Decimal:
    """The value; raises InputError where the assumption is unknown or can't have it."""
    quantity = QUANTITIES.get(name)
    if quantity is None:
        raise InputError(f"there is no assumption {name!r}; there are {', '.join(QUANTITIES)}")
    if not value.is_finite() or not quantity.low <= value <= quantity.high:
        raise InputError(
            f"{name} ({quantity.about}) is {value}; give a number from {quantity.low:f} to {quantity.high:f}"
        )
    if quantity.whole and value != value.to_integral_value():
        raise InputError(f"{name} ({quantity.about}) is {value}; give a whole number")
    return value


def calls_per_second_of_tokens(
    *, prompt_tokens: int, completion_tokens: int, input_per_second: Decimal, output_per_second: Decimal
) -> Decimal:
    """Calls that a busy machine answers in a second, by how many tokens it reads and writes in one.

    Both rates are those of the whole machine with as many calls at a time as it will have, each measured by itself: a
    call takes the machine for its prompt and then for its answer. Raises InputError for rates or tokens of 0 or less.
    """
    if prompt_tokens < 0 or completion_tokens < 0 or prompt_tokens + completion_tokens == 0:
        raise InputError(f"a call of {prompt_tokens} tokens in and {completion_tokens} out takes no time; state them")
    for name, rate in (("reads", input_per_second), ("writes", output_per_second)):
        if not (rate.is_finite() and rate > 0):
            raise InputError(f"the machine {name} {rate} tokens a second; measure it, it must be above 0")
    return 1 / (prompt_tokens / input_per_second + completion_tokens / output_per_second)


@lru_cache(maxsize=_REMEMBERED)
def monthly(per_year: Decimal) -> Decimal:
    """The factor that, applied every month, makes this one in a year."""
    return _ONE if per_year == 1 else per_year ** (_ONE / MONTHS_PER_YEAR)


def annuity_usd(hosting: Hosting) -> Decimal:
    """The equal monthly payments over a bought machine's life that are worth its price less its residual value."""
    if not hosting.purchase_usd:
        return _ZERO
    return hosting.purchase_usd * _annuity(hosting.life_months, hosting.residual_share, hosting.discount_per_year)


@lru_cache(maxsize=_REMEMBERED)
def _annuity(life: Decimal, residual_share: Decimal, discount_per_year: Decimal) -> Decimal:
    if not discount_per_year:
        return (1 - residual_share) / life
    growth = monthly(1 + discount_per_year)
    worth = growth**-life
    return (1 - residual_share * worth) * (growth - 1) / (1 - worth)


def rent_usd(hosting: Hosting) -> Decimal:
    """What one machine's rent comes to in the first month."""
    return hosting.machine_usd_per_hour * HOURS_PER_MONTH


def machine_usd(hosting: Hosting) -> Decimal:
    """What one machine costs in the first month: rent, annuity, power and room."""
    power = hosting.watts * hosting.pue * hosting.usd_per_kwh * HOURS_PER_MONTH / 1000
    return rent_usd(hosting) + annuity_usd(hosting) + power + hosting.colocation_usd_per_month


def capacity_calls(hosting: Hosting) -> int:
    """Calls of the task that one machine is enough for in a month, at least 1."""
    asked = 1 - hosting.holdout_share
    if not asked:
        return _ENDLESS
    bears = hosting.calls_per_second * SECONDS_PER_MONTH * hosting.utilisation / asked
    return max(1, int(bears.to_integral_value(ROUND_FLOOR)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all months have in common, worked out once."""

    #: As `capacity_calls`.
    capacity: int
    spare_machines: int
    people_usd: Decimal
    retraining_usd: Decimal
    #: Per call of the task, at the first month's prices.
    api_usd_per_call: Decimal
    judge_usd_per_call: Decimal

    @classmethod
    def of(cls, hosting: Hosting) -> Terms:
        """The terms of some assumptions."""
        labels_usd = hosting.labels_per_retraining * hosting.usd_per_label
        return cls(
            capacity=capacity_calls(hosting),
            spare_machines=int(hosting.spare_machines),
            people_usd=hosting.hours_per_month * hosting.usd_per_hour,
            retraining_usd=hosting.retrainings_per_year * (hosting.training_run_usd + labels_usd) / MONTHS_PER_YEAR,
            api_usd_per_call=(1 - hosting.saved_calls_share) * hosting.api_usd_per_call,
            judge_usd_per_call=hosting.judged_usd_per_call,
        )

    def machines(self, calls: Decimal) -> int:
        """Machines for so many calls a month, the spare ones included; one at least, however few calls there are."""
        whole, part = divmod(calls, self.capacity)
        return max(1, int(whole) + bool(part)) + self.spare_machines

    def total_usd(self, calls: Decimal, machines: int, *, one_machine_usd: Decimal, api_factor: Decimal) -> Decimal:
        """The sum of `month`, in less time; machines as `machines` says."""
        per_call = (self.api_usd_per_call + self.judge_usd_per_call) * api_factor
        return machines * one_machine_usd + self.people_usd + self.retraining_usd + calls * per_call

    def month(self, calls: Decimal, *, one_machine_usd: Decimal, api_factor: Decimal = _ONE) -> MonthlyCost:
        """A month of so many calls, what one machine costs in it, and what the API's prices have come to by then."""
        machines = self.machines(calls)
        return MonthlyCost(
            machines=machines,
            machines_usd=machines * one_machine_usd,
            people_usd=self.people_usd,
            retraining_usd=self.retraining_usd,
            api_usd=calls * self.api_usd_per_call * api_factor,
            judge_usd=calls * self.judge_usd_per_call * api_factor,
        )


def api_usd(hosting: Hosting, calls: Decimal) -> Decimal:
    """What so many calls cost on the API alone, in the first month."""
    return calls * hosting.api_usd_per_call


def monthly_cost(hosting: Hosting, calls: Decimal) -> MonthlyCost:
    """A month of so many calls at the first month's prices."""
    return Terms.of(hosting).month(calls, one_machine_usd=machine_usd(hosting))


def setup_cost(hosting: Hosting, calls: Decimal) -> SetupCost:
    """What beginning costs where the trial sees so many calls a month."""
    people_usd = hosting.hours_per_month * hosting.usd_per_hour
    return SetupCost(
        people_usd=hosting.setup_hours * hosting.usd_per_hour,
        training_usd=hosting.training_runs * hosting.training_run_usd,
        labels_usd=hosting.labels * hosting.usd_per_label,
        trial_usd=hosting.trial_months * (Terms.of(hosting).machines(calls) * machine_usd(hosting) + people_usd),
    )
