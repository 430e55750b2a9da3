"""What a model call costs.

Owns the price list: the catalogue of the installed `genai-prices` package with a team's own prices over it. Refuses to
know who made a call. Nothing here uses the network: the catalogue is the one the package was published with, and its
updater is never started. A model that no list has is unpriced: None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

    from tierwright.core.chat import Usage

_FULL = Decimal(1)
#: Models remembered; names come from callers, so there is no end to them.
_REMEMBERED = 1024
_MILLION = Decimal(1_000_000)
_OVERRIDES = (
    "input_usd_per_million",
    "output_usd_per_million",
    "cached_input_usd_per_million",
    "cache_write_usd_per_million",
    "audio_input_usd_per_million",
    "audio_output_usd_per_million",
    "reasoning_usd_per_million",
)
#: What calls of a price class cost, as a share of the list price. OpenAI documents half for the Batch API and for flex
#: processing (platform.openai.com/docs/pricing), Anthropic half for batches (docs.claude.com, batch processing).
TIER_MULTIPLIERS: Mapping[str, Decimal] = MappingProxyType({"flex": Decimal("0.5"), "batch": Decimal("0.5")})


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride:
    """A team's own price of a model, in force at all times.

    Raises SettingsError for a price that is negative or not a number.
    """

    #: As callers name it, with or without the provider before it; case does not matter.
    model: str
    input_usd_per_million: Decimal
    output_usd_per_million: Decimal
    #: For tokens read from the provider's cache; None: like the others.
    cached_input_usd_per_million: Decimal | None = None
    #: For tokens written to the provider's cache; None: like the others.
    cache_write_usd_per_million: Decimal | None = None
    #: For sound heard; None: like text.
    audio_input_usd_per_million: Decimal | None = None
    #: For sound spoken; None: like text.
    audio_output_usd_per_million: Decimal | None = None
    #: For thinking; None: like other output.
    reasoning_usd_per_million: Decimal | None = None

    def __post_init__(self) -> None:
        for name in _OVERRIDES:
            price = getattr(self, name)
            if price is not None and not (price.is_finite() and price >= 0):
                raise SettingsError(
                    f"the price {name} of {self.model!r} is {price}; give US dollars per million tokens, 0 or more"
                )


class Prices(Protocol):
    """Anything that prices a call; `PriceList` does."""

    def cost(self, model: str, usage: Usage, at: datetime, *, requests: int = 1) -> Decimal | None:
        """As `PriceList.cost`."""


class PriceList:
    """Prices of models by the names callers give them.

    `openai/gpt-4o` and `gpt-4o` both find the provider's own price; a name whose first part is no known provider is
    unpriced rather than guessed. The catalogue is loaded with the first question that overrides don't answer (half a
    second): a server asks `unpriced` before it serves.
    """

    def __init__(
        self,
        overrides: Sequence[PriceOverride] = (),
        *,
        tier_multipliers: Mapping[str, Decimal] = TIER_MULTIPLIERS,
    ) -> None:
        """`tier_multipliers`: what a price class costs, as a share of the list price; calls of others are unpriced.

        Raises SettingsError where two overrides name the same model.
        """
        self._tiers = tier_multipliers
        self._own = {override.model.casefold(): _own_tariff(override) for override in overrides}
        if len(self._own) < len(overrides):
            names = sorted(override.model for override in overrides)
            raise SettingsError(f"a model has two prices among {', '.join(names)}; leave one")
        self._tariff = lru_cache(maxsize=_REMEMBERED)(self._find)
        self._catalogue = lru_cache(maxsize=1)(_bundled_catalogue)

    def cost(self, model: str, usage: Usage, at: datetime, *, requests: int = 1) -> Decimal | None:
        """US dollars of a call at the prices in force at an aware instant; None where the model is unpriced.

        With `requests` the usage is the sum of that many calls, priced as if they were equal (which matters only where
        long prompts cost more per token). Tokens that were cached, heard, spoken or thought cost what the list says of
        them, and like others where it says nothing. Takes a few microseconds for a model asked for before.
        """
        tariff = self._tariff(model)
        multiplier = _FULL if usage.service_tier is None else self._tiers.get(usage.service_tier)
        if tariff is None or multiplier is None:
            return None
        cost = tariff.at(at).cost(usage, requests)
        return None if cost is None else cost * multiplier

    def unpriced(self, models: Iterable[str]) -> tuple[str, ...]:
        """Those of some models that have no price, in order; afterwards all of them are quick to price."""
        return tuple(model for model in models if self._tariff(model) is None)

    def _find(self, model: str) -> _Tariff | None:
        name = model.casefold()
        while True:
            if name in self._own:
                return self._own[name]
            _, slash, name = name.partition("/")
            if not slash:
                break
        found = _look_up(self._catalogue(), model)
        return None if found is None else _catalogue_tariff(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """US dollars per token, which may rise for all tokens of a call whose prompt is long."""

    normal: Decimal
    #: Prompt tokens above which a rate holds instead, highest first.
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def of(self, prompt_tokens: int, requests: int) -> Decimal:
        for start, rate in self.tiers:
            if prompt_tokens > start * requests:
                return rate
        return self.normal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    input: _Rate | None
    output: _Rate | None
    cached: _Rate | None = None
    cache_write: _Rate | None = None
    audio_input: _Rate | None = None
    audio_output: _Rate | None = None
    reasoning: _Rate | None = None
    per_request: Decimal = Decimal(0)

    def cost(self, usage: Usage, requests: int) -> Decimal | None:
        special = usage.cached_tokens + usage.cache_write_tokens + usage.audio_prompt_tokens
        thought = usage.reasoning_tokens + usage.audio_completion_tokens
        total = self.per_request * requests
        # Parts may overlap, cached sound for one; what is left of the whole is never negative.
        for tokens, rate in (
            (max(0, usage.prompt_tokens - special), self.input),
            (usage.cached_tokens, self.cached or self.input),
            (usage.cache_write_tokens, self.cache_write or self.input),
            (usage.audio_prompt_tokens, self.audio_input or self.input),
            (max(0, usage.completion_tokens - thought), self.output),
            (usage.reasoning_tokens, self.reasoning or self.output),
            (usage.audio_completion_tokens, self.audio_output or self.output),
        ):
            if tokens and rate is None:
                return None
            if tokens and rate is not None:
                total += tokens * rate.of(usage.prompt_tokens, requests)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tariff:
    """The rates of a model over time."""

    #: In force where none of `conditional` is.
    default: _Rates
    #: Whether rates are in force at an instant, and which; the first that is counts.
    conditional: tuple[tuple[_Condition, _Rates], ...] = ()

    def at(self, instant: datetime) -> _Rates:
        for condition, rates in self.conditional:
            if condition.active(instant):
                return rates
        return self.default


class _Condition(Protocol):
    def active(self, request_timestamp: datetime, /) -> bool:
        """Whether the price is in force."""


class _Always:
    def active(self, _instant: datetime, /) -> bool:
        return True


def _own_tariff(override: PriceOverride) -> _Tariff:
    return _Tariff(
        default=_Rates(
            input=_own_rate(override.input_usd_per_million),
            output=_own_rate(override.output_usd_per_million),
            cached=_own_rate(override.cached_input_usd_per_million),
            cache_write=_own_rate(override.cache_write_usd_per_million),
            audio_input=_own_rate(override.audio_input_usd_per_million),
            audio_output=_own_rate(override.audio_output_usd_per_million),
            reasoning=_own_rate(override.reasoning_usd_per_million),
        )
    )


def _own_rate(usd_per_million: Decimal | None) -> _Rate | None:
    return None if usd_per_million is None else _Rate(normal=usd_per_million / _MILLION)


def _bundled_catalogue() -> DataSnapshot:
    # Imported here because it takes half a second, and made afresh because the package's own snapshot can be replaced
    # by an updater that some other library started.
    from genai_prices.data import providers  # noqa: PLC0415 - late, see above
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415 - late, see above

    return DataSnapshot(providers=providers, from_auto_update=False)


def _look_up(catalogue: DataSnapshot, model: str) -> ModelInfo | None:
    provider, slash, rest = model.partition("/")
    attempts = [(model, None), (rest, provider)] if slash and provider and rest else [(model, None)]
    for name, provider_id in attempts:
        try:
            return catalogue.find_provider_model(name, None, provider_id, None)[1]
        except LookupError:
            continue
    return None


def _catalogue_tariff(model: ModelInfo) -> _Tariff:
    if not isinstance(model.prices, list):
        return _Tariff(default=_catalogue_rates(model.prices))
    # The catalogue lets the last price that is in force win, and the first where none is.
    return _Tariff(
        default=_catalogue_rates(model.prices[0].prices),
        conditional=tuple(
            (price.constraint or _Always(), _catalogue_rates(price.prices)) for price in reversed(model.prices)
        ),
    )


def _catalogue_rates(price: ModelPrice) -> _Rates:
    per_thousand = price.requests_kcount
    return _Rates(
        input=_catalogue_rate(price.input_mtok),
        output=_catalogue_rate(price.output_mtok),
        cached=_catalogue_rate(price.cache_read_mtok),
        cache_write=_catalogue_rate(price.cache_write_mtok),
        audio_input=_catalogue_rate(price.input_audio_mtok),
        audio_output=_catalogue_rate(price.output_audio_mtok),
        reasoning=_catalogue_rate(price.output_reasoning_mtok),
        per_request=per_thousand / 1000 if isinstance(per_thousand, Decimal) else Decimal(0),
    )


def _catalogue_rate(price: Decimal | TieredPrices | None) -> _Rate | None:
    if price is None:
        return None
    if isinstance(price, Decimal):
        return _Rate(normal=price / _MILLION)
    return _Rate(
        normal=price.base / _MILLION,
        tiers=tuple((tier.start, tier.price / _MILLION) for tier in reversed(price.tiers)),
    )
