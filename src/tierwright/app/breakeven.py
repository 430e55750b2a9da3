"""Where the assumptions of `report breakeven` come from: a scenario, the settings, a task's own traffic, the caller.

Owns the order in which they replace each other, the later the stronger: scenario, `[economics]`, what was measured of
the task, what the caller states. Refuses to compute with them (`economics.appraisal` does).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING

from tierwright.core.chat import Usage
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.inference import RouteReason
from tierwright.economics.assumptions import Assumption, between, exactly, read
from tierwright.economics.hosting import QUANTITIES, calls_per_second_of_tokens
from tierwright.economics.scenarios import Scenario, scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tierwright.app.wiring import Parts
    from tierwright.core.estimate import Estimate
    from tierwright.core.inference import Inference
    from tierwright.core.task import Task
    from tierwright.economics.prices import Prices

#: What is assumed of a task beyond its traffic, unless told otherwise: most specialists need no accelerator.
DEFAULT_SCENARIO = "today-cpu"
#: Requests a specialist was asked from which its share is taken as measured.
_ENOUGH = 100
#: Inputs answered at once when a specialist is timed, and how often at least.
_BATCH, _BATCHES = 64, 5
_ESCALATED = frozenset({RouteReason.LOW_CONFIDENCE, RouteReason.SPECIALIST_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What is assumed, and whose figures these are."""

    scenario: Scenario
    #: None: no task of the store.
    task: str | None
    assumptions: dict[str, Assumption]
    #: Mean tokens of a call: the task's, where its provider said, else the scenario's.
    prompt_tokens: int
    completion_tokens: int
    #: Calls of the task that have no price and are not in its mean.
    unpriced_calls: int = 0


def scenario_basis(name: str) -> Basis:
    """A scenario as it stands in the list."""
    found = scenario(name)
    return _basis(found, found.assumptions)


def own_basis(parts: Parts, name: str | None, task_name: str | None, *, time_it: bool = False) -> Basis:
    """A scenario, the settings over it, and what was measured of a task over both.

    With `time_it` the task's specialist is timed on this machine, for some seconds. Raises NotFound for an unknown task
    or one without a specialist to time, NotEnoughData where nothing of it has a price.
    """
    found = scenario(name or DEFAULT_SCENARIO)
    assumptions = found.assumptions | _settings(parts)
    if task_name is None:
        if time_it:
            raise InputError("there is nothing to measure without a task; name it with --task")
        return _basis(found, assumptions)
    task = parts.store.task(task_name)
    tally = _tally(parts, task)
    measured = _measured(parts, task, tally)
    if time_it:
        measured["calls_per_second"] = _throughput(parts, task)
    prompt, completion = tally.mean_tokens or (found.prompt_tokens, found.completion_tokens)
    return Basis(
        scenario=found,
        task=task.name,
        assumptions=assumptions | measured,
        prompt_tokens=prompt,
        completion_tokens=completion,
        unpriced_calls=tally.unpriced,
    )


def _basis(found: Scenario, assumptions: dict[str, Assumption]) -> Basis:
    return Basis(
        scenario=found,
        task=None,
        assumptions=assumptions,
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
    )


def stated_by_caller(basis: Basis, texts: Sequence[str]) -> Basis:
    """The basis with what the caller states, each as `NAME=VALUE`; raises InputError for what can't be."""
    own: dict[str, Assumption] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} states nothing; write NAME=VALUE, such as calls_per_month=1000000")
        own[name.strip()] = read(name.strip(), value, "stated on the command line")
    return replace(basis, assumptions=basis.assumptions | own)


def priced(basis: Basis, model: str, prices: Prices, at: datetime) -> Basis:
    """The basis with a model's list price for its tokens; raises InputError where the model has none."""
    prompt, completion = basis.prompt_tokens, basis.completion_tokens
    cost = prices.cost(model, Usage(prompt_tokens=prompt, completion_tokens=completion), at)
    if cost is None:
        raise InputError(f"no price is known of {model!r}; give one in [[economics.prices]], or api_usd_per_call")
    source = f"{model}, list price of {at:%Y-%m-%d}: {prompt:,} tokens in, {completion:,} out"
    own = {"api_usd_per_call": exactly("api_usd_per_call", cost, source)}
    return replace(basis, assumptions=basis.assumptions | own)


def paced(basis: Basis, rates: str) -> Basis:
    """The basis with the throughput that `INPUT,OUTPUT` tokens a second make of its tokens. Raises InputError."""
    try:
        reads, writes = (Decimal(rate) for rate in rates.split(","))
    except (ArithmeticError, ValueError) as error:
        raise InputError(f"{rates!r} are no rates; write tokens read and written a second, as 20000,1500") from error
    calls = calls_per_second_of_tokens(
        prompt_tokens=basis.prompt_tokens,
        completion_tokens=basis.completion_tokens,
        input_per_second=reads,
        output_per_second=writes,
    )
    source = (
        f"stated: {reads:,} tokens read and {writes:,} written a second, for {basis.prompt_tokens:,} in and "
        f"{basis.completion_tokens:,} out"
    )
    own = {"calls_per_second": exactly("calls_per_second", Decimal(f"{calls:.6g}"), source)}
    return replace(basis, assumptions=basis.assumptions | own)


def _settings(parts: Parts) -> dict[str, Assumption]:
    """What the settings file says, whether it says it here or elsewhere."""
    from tierwright.app.economics_settings import stated_assumptions  # noqa: PLC0415 - settings are read by then

    file, path = parts.settings.file, parts.settings.path
    found = {
        name: exactly(name, Decimal(value), f"{path}: {key}")
        for name, value, key in (
            ("machine_usd_per_hour", file.economics.machine_usd_per_hour, "economics.machine_usd_per_hour"),
            ("utilisation", repr(file.economics.utilisation), "economics.utilisation"),
            ("holdout_share", repr(file.routing.holdout_share), "routing.holdout_share"),
            ("audit_share", repr(file.routing.audit_share), "routing.audit_share"),
        )
    }
    return found | stated_assumptions(file.economics, path)


class _Tally:
    """What is counted of a task's requests."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.costs: list[Decimal] = []
        self.unpriced = self.local = self.escalated = 0
        self.tokens: list[tuple[int, int]] = []

    def note(self, inference: Inference) -> None:
        """Counts one request; what specialists answered says nothing of the API's price."""
        self.at.append(inference.created_at.timestamp())
        reason = inference.route.reason
        self.local += reason is RouteReason.SPECIALIST
        self.escalated += reason in _ESCALATED
        call = inference.answering_call
        if call is None or call.model_version_id is not None:
            return
        if call.prompt_tokens is not None and call.completion_tokens is not None:
            self.tokens.append((call.prompt_tokens, call.completion_tokens))
        if call.cost_usd is None:
            self.unpriced += 1
        else:
            self.costs.append(call.cost_usd)

    @property
    def mean_tokens(self) -> tuple[int, int] | None:
        """Of a prompt and of an answer, to the nearest token; None: no provider said."""
        if not self.tokens:
            return None
        prompts, completions = zip(*self.tokens, strict=True)
        return round(sum(prompts) / len(prompts)), round(sum(completions) / len(completions))


def _tally(parts: Parts, task: Task) -> _Tally:
    tally = _Tally()
    for inference in parts.store.scan(task_id=task.id):
        tally.note(inference)
    return tally


def _measured(parts: Parts, task: Task, tally: _Tally) -> dict[str, Assumption]:
    if len(tally.costs) < 2:
        raise NotEnoughData(
            f"{len(tally.costs)} answers of task {task.name!r} by an API have a price, and {tally.unpriced} have none; "
            "capture or import more, or give prices in [[economics.prices]]"
        )
    # A judge reads what the model read, and writes about as much.
    price = _mean_price(tally.costs)
    found = [_volume(parts, tally.at), price, replace(price, name="judge_usd_per_call")]
    share = _local_share(parts, task, tally)
    if share is not None:
        found.append(share)
    return {one.name: one for one in found}


def _volume(parts: Parts, at: Sequence[float]) -> Assumption:
    import numpy as np  # noqa: PLC0415 - scenarios alone need neither

    from tierwright.stats.volume import project  # noqa: PLC0415 - as above

    # The period is that of all traffic: a task that is asked for seldom is no more frequent for it.
    first = next(iter(parts.store.scan(batch=1))).created_at.timestamp()
    last = parts.store.latest(1)[0].created_at.timestamp()
    monthly = project(np.array(at), first, last).monthly
    return _ranged("calls_per_month", monthly, f"measured: {len(at):,} requests, projected ({monthly.method})")


def _mean_price(costs: Sequence[Decimal]) -> Assumption:
    mean = sum(costs, Decimal(0)) / len(costs)
    variance = sum(((cost - mean) ** 2 for cost in costs), Decimal(0)) / (len(costs) - 1)
    half = Decimal(repr(1.96 * sqrt(variance / len(costs))))
    source = f"measured: mean of {len(costs):,} priced answers, normal interval"
    return between("api_usd_per_call", max(Decimal(0), mean - half), mean, mean + half, source)


def _local_share(parts: Parts, task: Task, tally: _Tally) -> Assumption | None:
    """What a specialist answered itself, where it served enough; else what its newest evaluation expects."""
    asked = tally.local + tally.escalated
    if asked >= _ENOUGH:
        from tierwright.stats.intervals import wilson  # noqa: PLC0415 - as above

        return _ranged("local_share", wilson(tally.local, asked), f"measured: {asked:,} requests it was asked")
    looked = max(parts.store.evaluations(task.id), key=lambda evaluation: evaluation.created_at, default=None)
    if looked is None:
        return None
    return _ranged("local_share", looked.local_share, f"measured: evaluation {looked.id[:12]}")


def _throughput(parts: Parts, task: Task) -> Assumption:
    """What the task's specialist answers in a second on all cores of this machine; the range is that of its batches."""
    from time import perf_counter  # noqa: PLC0415 - as above

    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above
    from tierwright.app.wiring import ArtifactLoader  # noqa: PLC0415 - as above

    version = version_of(parts, task.name)
    specialist = ArtifactLoader(parts).load(version)
    inputs = [example.input for example in parts.store.examples(version.dataset_id)][:_BATCH]
    if not inputs:
        raise NotEnoughData(f"the dataset of {task.name!r} holds no examples to time its specialist with")
    specialist.predict(inputs)
    rates: list[float] = []
    begun = perf_counter()
    while len(rates) < _BATCHES or perf_counter() - begun < 1.0:
        started = perf_counter()
        specialist.predict(inputs)
        rates.append(parts.cores * len(inputs) / (perf_counter() - started))
    low, value, high = (Decimal(f"{rate:.6g}") for rate in (min(rates), sorted(rates)[len(rates) // 2], max(rates)))
    source = f"measured here: {version.recipe} in batches of {len(inputs)}, one core times {parts.cores}"
    return between("calls_per_second", low, value, high, source)


def _ranged(name: str, found: Estimate, source: str) -> Assumption:
    """An estimate as an assumption, within what the quantity may be."""
    quantity = QUANTITIES[name]
    ends = [Decimal(repr(end)) for end in (found.ci_low, found.value, found.ci_high)]
    low, value, high = (min(max(end, quantity.low), quantity.high) for end in ends)
    return between(name, min(low, value), value, max(high, value), source)


def sources(assumptions: Mapping[str, Assumption]) -> list[Assumption]:
    """The assumptions in the order in which they are explained."""
    return [assumptions[name] for name in QUANTITIES if name in assumptions]
