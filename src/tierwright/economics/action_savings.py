"""What following an advice would save in a month, before anything was built.

Owns the sums for each action and what they take for granted; refuses to say which action is right (`curation.advice`
does) and what self-hosting large models costs. All sums are drawn: volume, price, shares and running costs vary
together by seeded Monte Carlo, and the interval is the middle 95 % of the draws. Money goes in and comes out as
Decimal; the draws between are binary floating point.

**The share a specialist will answer itself** is not known before one is trained. It is derived from the probe's
agreement with the incumbent:

1. That share of the answers is right, the rest is wrong. A better rung and more examples would do better; that the
   incumbent may contradict itself, so that nothing can agree with it more often, is not credited either.
2. Confidence is binormal: that of wrong answers is N(0, 1), that of right ones N(m, 1), where m = sqrt(2) z(AUROC).
   The AUROC is drawn from `ranking`. `benchmarks/advice.py` holds the whole rule against recorded answers of frontier
   models, none of which was looked at before.
3. Of the differing answers given locally the share that counts against the specialist is drawn from U(0, 1): 1 where
   the incumbent is right whenever they differ, 0 where each is as often right as the other.
4. The threshold is the one at which what counts against it makes up `margin` of all requests, which is what the gate
   allows. What lies above it is answered locally.

Where no probe applies nothing is known of the share, and it is drawn from U(0, 1).

References:
    Green and Swets (1966), Signal Detection Theory and Psychophysics: the binormal model.
    Metropolis and Ulam (1949), The Monte Carlo Method, JASA 44:335-341.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from tierwright.core.errors import SettingsError
from tierwright.core.estimate import Estimate, UsdEstimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tierwright.core.profile import TaskProfile
    from tierwright.economics.machine import MachineCost

    Draws = NDArray[np.float64]

_DRAWS = 4000
_LEVEL = 0.95
#: Decimal places of a result: a millionth of a cent.
_PLACES = Decimal("1e-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the sums take for granted; the settings change it.

    Raises SettingsError for a share outside [0, 1], a negative number, or a number of months below 1.
    """

    #: Of a specialist's traffic, what goes on to the incumbent for ever; the default is the gateway's.
    holdout_share: float = 0.01
    #: Of a specialist's answers, what the incumbent is asked for, too; the default is the gateway's.
    audit_share: float = 0.0
    #: Share of right answers that may be given up; the default is that of `[evaluation] margin`.
    margin: float = 0.01
    #: Answers that people label for each specialist: `[evaluation] min_gold`, below which accuracy isn't measured.
    labels: int = 50
    #: One label. Crowd workers: thirty times $0.003 (Gilardi, Alizadeh and Kubli 2023, PNAS 120:e2305016120).
    label_usd: Decimal = Decimal("0.09")
    #: Months over which what is paid once is spread: a year, the usual term of a budget.
    months: int = 12
    #: Months after which a specialist is trained again.
    retrain_months: int = 3
    #: An hour of the person who looks after it; 0: people's time is not counted, because only you know what it costs.
    person_hour_usd: Decimal = Decimal(0)
    #: Hours a month that a change of any kind takes to look after.
    hours_per_month: float = 1.0
    #: What is really paid, as a share of the list price, from and to: discounts, cached prompts, and prices that fall.
    price: tuple[float, float] = (0.8, 1.0)
    #: How well confidence tells right answers from wrong ones (AUROC), from and to; fixed before it was measured.
    ranking: tuple[float, float] = (0.75, 0.95)
    #: Factor on the seconds that an answer keeps the machine busy, from and to: machines differ.
    machine: tuple[float, float] = (0.5, 2.0)
    #: Share of the fixed text that can go from a long prompt, from and to: a guess, and said so wherever it is used.
    cut: tuple[float, float] = (0.2, 0.6)
    #: Share of requests that a small model is good enough for, from and to: a guess, and said so wherever it is used.
    small_share: tuple[float, float] = (0.5, 1.0)

    def __post_init__(self) -> None:
        for name in ("holdout_share", "audit_share", "margin"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it is a share, from 0 to 1")
        for name in ("price", "ranking", "cut", "small_share", "machine"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high or (name != "machine" and high > 1.0):
                raise SettingsError(f"{name} runs from {low} to {high}; give two shares, the lower one first")
        if self.ranking[0] < 0.5:
            raise SettingsError(f"ranking begins at {self.ranking[0]}; confidence that guesses has 0.5")
        if self.labels < 0 or self.hours_per_month < 0 or self.label_usd < 0 or self.person_hour_usd < 0:
            raise SettingsError("labels, hours and what they cost must not be negative")
        if self.months < 1 or self.retrain_months < 1:
            raise SettingsError("months and retrain_months must be at least 1")

    @property
    def person_usd(self) -> Decimal:
        """People's time in a month, in US dollars."""
        return self.person_hour_usd * Decimal(repr(self.hours_per_month))


@dataclass(frozen=True, slots=True, kw_only=True)
class RungCost:
    """What a specialist of one rung takes of the machine."""

    recipe: str
    #: Seconds that an answer keeps one machine busy.
    busy_s: float
    #: The same for one training, calibration included.
    train_s: float


#: Medians of single answers and seconds of trainings in LAB.md ("the whole ring on the shared log", "the ladder with
#: three seeds"), rounded up; the factor `Assumptions.machine` covers other machines.
RUNGS = {
    rung.recipe: rung
    for rung in (
        RungCost(recipe="ngram", busy_s=0.003, train_s=20),
        RungCost(recipe="encoder-head", busy_s=0.008, train_s=90),
        RungCost(recipe="span-tagger", busy_s=0.015, train_s=120),
        RungCost(recipe="template", busy_s=0.003, train_s=60),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCosts:
    """What the alternatives to a task's incumbent cost."""

    machine: MachineCost
    assumptions: Assumptions = Assumptions()
    #: A general small model to compare with; empty: none.
    small_model: str = ""
    #: What it charges for the task's mean request; None: no price is known.
    small_usd: Decimal | None = None
    #: What the incumbent charges for the prompt of the mean request; None: no price is known.
    prompt_usd: Decimal | None = None


def local_share(agreement: Estimate | None, given: Assumptions, *, seed: int) -> Estimate:
    """The share of requests a specialist is expected to answer itself, if it passes the gate; see the module.

    From the probe's agreement with the incumbent; None: not probed.
    """
    method = "binormal confidence at the probe's agreement" if agreement else "not probed: uniform from 0 to 1"
    return Estimate(
        **_middle(_local_share(agreement, given, np.random.default_rng(seed))),
        level=_LEVEL,
        n=agreement.n if agreement else 0,
        method=f"{method}, median of {_DRAWS:,} Monte Carlo draws",
    )


def specialise_saving(profile: TaskProfile, rung: RungCost, costs: LocalCosts, *, seed: int) -> UsdEstimate | None:
    """What a specialist saves in a month, if it passes the gate; None: the task's requests have no price.

    The local share times what the incumbent charges, less the machine (asked for every request but the holdout),
    audits, training, labels and people's time.
    """
    found = _common(profile, costs, seed)
    if found is None:
        return None
    rng, volume, price = found
    given, assumed = costs.assumptions, costs.machine
    agreement = profile.learnability.agreement if profile.learnability else None
    share = _local_share(agreement, given, rng)
    second = float(assumed.cost(1.0))
    busy = rung.busy_s * rng.uniform(*given.machine, _DRAWS) * second
    served = volume * (1.0 - given.holdout_share)
    fixed = rung.train_s * second / given.retrain_months + given.labels * float(given.label_usd) / given.months
    saved = served * (share * price * (1.0 - given.audit_share) - busy) - fixed - float(given.person_usd)
    return _usd(saved, profile, "volume, price, local share and machine")


def cache_saving(profile: TaskProfile, costs: LocalCosts, *, seed: int) -> UsdEstimate | None:
    """What answering repeated requests from memory saves in a month, people's time deducted; None: no price.

    Memory and look-ups cost too little to show.
    """
    found = _common(profile, costs, seed)
    if found is None:
        return None
    rng, volume, price = found
    repeated = _share(profile.duplicate_share, rng)
    return _usd(volume * repeated * price - float(costs.assumptions.person_usd), profile, "volume, price and repeats")


def prompt_saving(profile: TaskProfile, costs: LocalCosts, *, seed: int) -> UsdEstimate | None:
    """What a shorter prompt saves in a month, people's time deducted; None: no price of prompts is known.

    Only the fixed part can be cut, by the share `Assumptions.cut`.
    """
    found = _common(profile, costs, seed)
    if found is None or costs.prompt_usd is None or not profile.mean_cost_usd:
        return None
    rng, volume, price = found
    part = min(1.0, float(costs.prompt_usd / profile.mean_cost_usd))
    fixed = _share(profile.prompt.boilerplate_share, rng)
    saved = volume * price * part * fixed * rng.uniform(*costs.assumptions.cut, _DRAWS)
    return _usd(saved - float(costs.assumptions.person_usd), profile, "volume, price, fixed text and how much goes")


def unusable_answers_cost(profile: TaskProfile, costs: LocalCosts, *, seed: int) -> UsdEstimate | None:
    """What answers that can't be used cost in a month, people's time deducted; None: no price."""
    found = _common(profile, costs, seed)
    if found is None:
        return None
    rng, volume, price = found
    lost = _share(profile.prompt.unparsed_share, rng)
    return _usd(volume * lost * price - float(costs.assumptions.person_usd), profile, "volume, price and lost answers")


def small_model_saving(profile: TaskProfile, costs: LocalCosts, *, seed: int) -> UsdEstimate | None:
    """What a general small model saves in a month, people's time deducted; None: one of the prices is not known."""
    found = _common(profile, costs, seed)
    if found is None or costs.small_usd is None:
        return None
    rng, volume, price = found
    share = rng.uniform(*costs.assumptions.small_share, _DRAWS)
    saved = volume * share * (price - float(costs.small_usd)) - float(costs.assumptions.person_usd)
    return _usd(saved, profile, "volume, price and the share it is good for")


def _common(profile: TaskProfile, costs: LocalCosts, seed: int) -> tuple[np.random.Generator, Draws, Draws] | None:
    """The generator, requests of a month and US dollars of a request; None: no price."""
    if profile.mean_cost_usd is None:
        return None
    rng = np.random.default_rng(seed)
    volume = np.maximum(_normal(profile.volume.monthly, rng), 0.0)
    return rng, volume, float(profile.mean_cost_usd) * rng.uniform(*costs.assumptions.price, _DRAWS)


def _local_share(agreement: Estimate | None, given: Assumptions, rng: np.random.Generator) -> Draws:
    if agreement is None:
        return rng.uniform(0.0, 1.0, _DRAWS)
    right = _share(agreement, rng)
    wrong = 1.0 - right
    apart = np.sqrt(2.0) * ndtri(np.minimum(rng.uniform(*given.ranking, _DRAWS), 1.0 - 1e-9))
    # What counts against it, of the differing answers; never 0, so that the margin allows a finite number of them.
    allowed = given.margin / np.maximum(rng.uniform(0.0, 1.0, _DRAWS), 1e-9)
    kept = np.minimum(allowed / np.maximum(wrong, 1e-12), 1.0)  # share of the wrong answers that may be given
    threshold = -ndtri(kept)
    share: Draws = np.where(kept >= 1.0, 1.0, wrong * kept + right * ndtr(apart - threshold))
    return share


def _share(estimate: Estimate, rng: np.random.Generator) -> Draws:
    return np.clip(_normal(estimate, rng), 0.0, 1.0)


def _normal(estimate: Estimate, rng: np.random.Generator) -> Draws:
    """Draws whose middle is the estimate and whose spread is that of its interval; an endless one spreads as itself."""
    wide = float(ndtri(0.5 + estimate.level / 2))
    spread = (estimate.ci_high - estimate.ci_low) / (2.0 * wide)
    if not np.isfinite(spread):
        spread = abs(estimate.value)
    return estimate.value + spread * rng.standard_normal(_DRAWS)


def _middle(draws: Draws) -> dict[str, float]:
    low, value, high = np.quantile(draws, (0.5 - _LEVEL / 2, 0.5, 0.5 + _LEVEL / 2)).tolist()
    return {"value": value, "ci_low": low, "ci_high": high}


def _usd(draws: Draws, profile: TaskProfile, varied: str) -> UsdEstimate:
    ends = {name: Decimal(repr(number)).quantize(_PLACES) for name, number in _middle(draws).items()}
    method = f"median of {_DRAWS:,} Monte Carlo draws of {varied}"
    return UsdEstimate(**ends, level=_LEVEL, n=profile.requests, method=method)
