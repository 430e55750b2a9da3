"""Task profiles for tests, without traffic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tierwright.core.estimate import Estimate, UsdEstimate
from tierwright.core.profile import (
    Complexity,
    CurvePoint,
    FieldLearnability,
    Learnability,
    PromptFacts,
    Retrieval,
    Signal,
    TaskProfile,
    Volume,
)


def near(value: float, *, half: float = 0.01, n: int = 1000, level: float = 0.95) -> Estimate:
    """An estimate with a narrow interval."""
    return Estimate(value=value, ci_low=value - half, ci_high=value + half, level=level, n=n, method="given")


def a_volume(monthly: float = 10_000) -> Volume:
    """So many requests a month, a tenth more or fewer."""
    return Volume(
        monthly=near(monthly, half=0.1 * monthly, n=30),
        trend=near(0.0),
        hourly=(monthly / 730,) * 24,
        weekly=(monthly / 30,) * 7,
        daily=(round(monthly / 30),) * 30,
    )


def a_field(name: str = "label", agreement: float = 0.9, majority: float = 0.1, **changes: Any) -> FieldLearnability:
    """A field that can be learned where the probe beats the most frequent answer."""
    skill = (agreement - majority) / (1.0 - majority)
    fields: dict[str, Any] = {
        "name": name,
        "agreement": near(agreement),
        "majority": near(majority),
        "skill": near(skill),
        "learnable": skill > 0.2,
    }
    return FieldLearnability(**fields | changes)


def learned(*fields: FieldLearnability, agreement: float | None = None) -> Learnability:
    """What a probe found; the whole answer is as right as the field that is worst, unless told."""
    found = fields or (a_field(),)
    whole = min(f.agreement.value for f in found) if agreement is None else agreement
    return Learnability(
        agreement=near(whole),
        majority=near(min(f.majority.value for f in found)),
        fields=found,
        curve=tuple(CurvePoint(examples=n, agreement=near(whole)) for n in (500, 1000, 2000)),
    )


def a_prompt(**changes: Any) -> PromptFacts:
    """A short prompt without examples whose answers can all be read."""
    fields: dict[str, Any] = {
        "characters": 1000.0,
        "boilerplate_share": near(0.4),
        "few_shot_share": near(0.0, half=0.0),
        "few_shot_examples": 0,
        "unparsed_share": near(0.0, half=0.0),
    }
    return PromptFacts(**fields | changes)


def a_profile(*, monthly: float = 10_000, cost: str | None = "0.001", **changes: Any) -> TaskProfile:
    """A learnable task with so many requests a month, seen for a month, at so many US dollars a request."""
    mean = None if cost is None else Decimal(cost)
    fields: dict[str, Any] = {
        "requests": round(monthly),
        "share": 0.5,
        "volume": a_volume(monthly),
        "monthly_cost_usd": None if mean is None else a_cost(mean * Decimal(round(monthly))),
        "mean_cost_usd": mean,
        "unpriced_calls": 0 if mean is not None else round(monthly),
        "latency_ms": None,
        "prompt_tokens": near(250.0, half=5.0),
        "completion_tokens": near(5.0, half=0.5),
        "clients": {"desk": round(monthly)},
        "models": {"gpt-4o": round(monthly)},
        "distinct_outputs": 3,
        "entropy_bits": near(1.5),
        "determinism": near(0.98),
        "learnability": learned(),
        "complexity": a_complexity(0.2),
        "sensitive_share": near(0.0, half=0.0),
        "tool_share": 0.0,
        "multi_turn_share": 0.0,
        "languages": {"en": 1.0},
        "drift": None,
        "duplicate_share": near(0.03),
        "prompt": a_prompt(),
        "retrieval": Retrieval(changing_share=None, ungrounded_share=None),
    }
    return TaskProfile(**fields | changes)


def a_complexity(score: float) -> Complexity:
    """One signal that is the whole score."""
    return Complexity(score=near(score), signals=(Signal(name="length", value=score, weight=1.0, about="given"),))


def a_cost(usd: Decimal) -> UsdEstimate:
    """So many US dollars, a tenth more or less."""
    tenth = usd / 10
    return UsdEstimate(value=usd, ci_low=usd - tenth, ci_high=usd + tenth, n=30, method="given")
