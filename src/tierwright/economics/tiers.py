"""What providers take off for work that may wait, where the catalogue has no rates of its own for it.

Owns the rules as data, each with its source; refuses to know any model. A class that costs more (priority, fast) has
no rule: its surcharge differs from model to model, so a call without a known price is unpriced rather than too cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

#: Price classes that cost more than the normal one.
DEARER = frozenset({"priority", "fast"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRule:
    """One provider's discount for one price class, for all its models."""

    #: The provider's id in the catalogue.
    provider: str
    #: As `Usage.service_tier` says it.
    tier: str
    #: What is paid, as a share of the normal price.
    share: Decimal
    #: Where the provider says so.
    source: str


RULES = (
    TierRule(
        provider="openai",
        tier="batch",
        share=Decimal("0.5"),
        source="https://developers.openai.com/api/docs/guides/batch: 50% lower costs",
    ),
    TierRule(
        provider="openai",
        tier="flex",
        share=Decimal("0.5"),
        source="https://developers.openai.com/api/docs/guides/flex-processing: tokens are priced at Batch API rates",
    ),
    TierRule(
        provider="anthropic",
        tier="batch",
        share=Decimal("0.5"),
        source="https://platform.claude.com/docs/en/build-with-claude/batch-processing: 50% of the standard prices",
    ),
    TierRule(
        provider="mistral",
        tier="batch",
        share=Decimal("0.5"),
        source="https://docs.mistral.ai/capabilities/batch: 50% discount",
    ),
    TierRule(
        provider="groq",
        tier="batch",
        share=Decimal("0.5"),
        source="https://console.groq.com/docs/batch: 50% lower cost",
    ),
)


def share_of(provider: str, tier: str) -> Decimal | None:
    """What is paid for a class, as a share of the normal price; None: the class costs more, by a rate not known.

    A class nobody has a rule for (a provider's own word for its capacity, say) costs what the normal one does.
    """
    if tier in DEARER:
        return None
    return next((rule.share for rule in RULES if (rule.provider, rule.tier) == (provider, tier)), Decimal(1))
