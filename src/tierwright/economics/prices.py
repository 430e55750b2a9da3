"""What a model call costs.

Owns the price list: the catalogue of the installed `genai-prices` package with a team's own prices over it. Refuses to
know who made a call. Nothing here uses the network: the catalogue is the one the package was published with, and its
updater is never started. A model that no list has is unpriced: None, never 0. The rules, for parts of a usage:

- Tokens read from or written to the cache without a price of their own cost what other input does.
- Thinking without a price of its own costs what other output does.
- Sound is sold far dearer than text: without a price of its own the call is unpriced.
- A price class (batch, flex, priority, …) costs its own rates where the catalogue has them, else the provider's
  documented share of the normal ones (`tiers`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import lru_cache, partial, reduce
from typing import TYPE_CHECKING, Protocol

from tierwright.core.errors import SettingsError
from tierwright.economics.tiers import DEARER, share_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

    from tierwright.core.chat import Usage

#: Models remembered; names come from callers, so there is no end to them.
_REMEMBERED = 1024
_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)
#: Under which names the catalogue keeps what is one price class here.
_TIER_KEYS = frozenset({"processing", "service_tier", "speed"})


#: Members of an override that are prices.
_PRICES = (
    "input_usd_per_million",
    "output_usd_per_million",
    "cached_input_usd_per_million",
    "cache_write_usd_per_million",
    "audio_input_usd_per_million",
    "audio_output_usd_per_million",
    "reasoning_usd_per_million",
)
_MULTIPLIERS = ("batch_multiplier", "flex_multiplier", "priority_multiplier")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride:
    """A team's own price of a model, in force at all times.

    Raises SettingsError for a price or a multiplier that is negative or not a number.
    """

    #: As callers name it, with or without the provider before it; case does not matter.
    model: str
    input_usd_per_million: Decimal
    output_usd_per_million: Decimal
    #: For tokens read from the provider's cache; None: like the others.
    cached_input_usd_per_million: Decimal | None = None
    #: For tokens written to the provider's cache; None: like other input.
    cache_write_usd_per_million: Decimal | None = None
    #: For sound sent; None: a call with sound is unpriced.
    audio_input_usd_per_million: Decimal | None = None
    #: For sound received; None: a call with sound is unpriced.
    audio_output_usd_per_million: Decimal | None = None
    #: For thinking; None: like other output.
    reasoning_usd_per_million: Decimal | None = None
    #: What a batched call costs, as a share of the prices above; None: all of them.
    batch_multiplier: Decimal | None = None
    #: The same for the class "flex"; None: as batch.
    flex_multiplier: Decimal | None = None
    #: The same for the classes "priority" and "fast"; None: such a call is unpriced.
    priority_multiplier: Decimal | None = None

    def __post_init__(self) -> None:
        for name in (*_PRICES, *_MULTIPLIERS):
            price = getattr(self, name)
            if price is not None and not (price.is_finite() and price >= 0):
                unit = "US dollars per million tokens" if name in _PRICES else "a share of the price"
                raise SettingsError(f"the price {name} of {self.model!r} is {price}; give {unit}, 0 or more")


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

    def __init__(self, overrides: Sequence[PriceOverride] = ()) -> None:
        """Raises SettingsError where two overrides name the same model."""
        self._own = {override.model.casefold(): _own_tariff(override) for override in overrides}
        if len(self._own) < len(overrides):
            names = sorted(override.model for override in overrides)
            raise SettingsError(f"a model has two prices among {', '.join(names)}; leave one")
        self._tariff = lru_cache(maxsize=_REMEMBERED)(self._find)
        self._catalogue = lru_cache(maxsize=1)(_bundled_catalogue)

    def cost(self, model: str, usage: Usage, at: datetime, *, requests: int = 1) -> Decimal | None:
        """US dollars of a call at the prices in force at an aware instant; None where the model is unpriced.

        With `requests` the usage is the sum of that many calls, priced as if they were equal (which matters only where
        long prompts cost more per token). What parts of a usage and price classes cost is said at the head of this
        module. Takes a few microseconds for a model asked for before.
        """
        tariff = self._tariff(model)
        if tariff is None:
            return None
        if usage.service_tier is not None:
            return tariff.tier_cost(usage, at, requests)
        return tariff.at(at).cost(usage, requests)

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
        return None if found is None else _catalogue_tariff(*found)


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
    """The rates of one call, by what the tokens are; None: no price of its own."""

    input: _Rate | None
    output: _Rate | None
    cached: _Rate | None = None
    cache_write: _Rate | None = None
    cache_write_1h: _Rate | None = None
    audio_input: _Rate | None = None
    audio_cached: _Rate | None = None
    audio_output: _Rate | None = None
    reasoning: _Rate | None = None
    per_request: Decimal | None = None

    def cost(self, usage: Usage, requests: int) -> Decimal | None:
        """None where tokens are of a kind that has no price."""
        cached, write = usage.cached_tokens, usage.cache_write_tokens
        fresh, written = usage.prompt_tokens - cached - write, usage.completion_tokens
        parts = [(cached, self.cached or self.input)]
        if write:
            hour = usage.cache_write_1h_tokens
            kept = self.cache_write or self.input
            parts += ((write - hour, kept), (hour, self.cache_write_1h or kept))
        if usage.audio_prompt_tokens:
            # Providers don't say which sound was cached: as little of it as the counts allow.
            sound = min(usage.audio_prompt_tokens, fresh)
            cached_sound = min(usage.audio_prompt_tokens - sound, cached)
            fresh -= sound
            parts[0] = (cached - cached_sound, parts[0][1])
            parts += ((sound, self.audio_input), (cached_sound, self.audio_cached or self.audio_input))
        if usage.audio_completion_tokens:
            written -= usage.audio_completion_tokens
            parts.append((usage.audio_completion_tokens, self.audio_output))
        if usage.reasoning_tokens and self.reasoning is not None:
            written -= usage.reasoning_tokens
            parts.append((usage.reasoning_tokens, self.reasoning))
        parts += ((fresh, self.input), (written, self.output))
        total = _NOTHING if self.per_request is None else self.per_request * requests
        for tokens, rate in parts:
            if tokens:
                if rate is None:
                    return None
                total += tokens * rate.of(usage.prompt_tokens, requests)
        return total

    def over(self, other: _Rates) -> _Rates:
        """These where they say something, the others elsewhere."""
        said = {name: value for name in _RATES if (value := getattr(self, name)) is not None}
        return replace(other, **said)


_RATES = tuple(field.name for field in fields(_Rates))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tier:
    """Rates of one price class, which may begin on a day."""

    name: str
    condition: _Condition
    rates: _Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tariff:
    """The rates of a model over time."""

    #: In force where none of `conditional` is.
    default: _Rates
    #: Whether rates are in force at an instant, and which; the first that is counts.
    conditional: tuple[tuple[_Condition, _Rates], ...] = ()
    #: Rates of price classes, over those in force; the first that is in force counts most.
    tiers: tuple[_Tier, ...] = ()
    #: Of a class that has no rates: the share of the normal price; None: not known.
    share: Callable[[str], Decimal | None]

    def at(self, instant: datetime) -> _Rates:
        for condition, rates in self.conditional:
            if condition.active(instant):
                return rates
        return self.default

    def tier_cost(self, usage: Usage, instant: datetime, requests: int) -> Decimal | None:
        """US dollars of a call of a price class."""
        name, normal = usage.service_tier or "", self.at(instant)
        active = [tier.rates for tier in self.tiers if tier.name == name and tier.condition.active(instant)]
        if active:
            return reduce(lambda rates, more: more.over(rates), reversed(active), normal).cost(usage, requests)
        share, cost = self.share(name), normal.cost(usage, requests)
        return None if share is None or cost is None else cost * share


class _Condition(Protocol):
    def active(self, request_timestamp: datetime, /) -> bool:
        """Whether the price is in force."""


class _Always:
    def active(self, _instant: datetime, /) -> bool:
        return True


def _own_tariff(override: PriceOverride) -> _Tariff:
    batch, priority = override.batch_multiplier, override.priority_multiplier
    flex = batch if override.flex_multiplier is None else override.flex_multiplier
    shares = {"batch": batch, "flex": flex}

    def share(tier: str) -> Decimal | None:
        if tier in DEARER:
            return priority
        found = shares.get(tier)
        return Decimal(1) if found is None else found

    return _Tariff(
        default=_Rates(
            input=_own_rate(override.input_usd_per_million),
            cached=_own_rate(override.cached_input_usd_per_million),
            cache_write=_own_rate(override.cache_write_usd_per_million),
            audio_input=_own_rate(override.audio_input_usd_per_million),
            output=_own_rate(override.output_usd_per_million),
            audio_output=_own_rate(override.audio_output_usd_per_million),
            reasoning=_own_rate(override.reasoning_usd_per_million),
        ),
        share=share,
    )


def _own_rate(price: Decimal | None) -> _Rate | None:
    return None if price is None else _Rate(normal=price / _MILLION)


def _bundled_catalogue() -> DataSnapshot:
    # Imported here because it takes half a second, and made afresh because the package's own snapshot can be replaced
    # by an updater that some other library started.
    from genai_prices.data import providers  # noqa: PLC0415 - late, see above
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415 - late, see above

    return DataSnapshot(providers=providers, from_auto_update=False)


def _look_up(catalogue: DataSnapshot, model: str) -> tuple[Provider, ModelInfo] | None:
    provider, slash, rest = model.partition("/")
    attempts = [(model, None), (rest, provider)] if slash and provider and rest else [(model, None)]
    for name, provider_id in attempts:
        try:
            return catalogue.find_provider_model(name, None, provider_id, None)
        except LookupError:
            continue
    return None


def _catalogue_tariff(provider: Provider, model: ModelInfo) -> _Tariff:
    conditional: list[tuple[_Condition, _Rates]] = []
    if isinstance(model.prices, list):
        # The catalogue lets the last price that is in force win, and the first where none is.
        conditional = [(price.constraint or _Always(), _catalogue_rates(price.prices)) for price in model.prices]
        default = conditional[0][1]
    else:
        default = _catalogue_rates(model.prices)
    return _Tariff(
        default=default,
        conditional=tuple(reversed(conditional)),
        tiers=tuple(
            _Tier(
                name=variant.when[next(iter(variant.when))],
                condition=variant.constraint or _Always(),
                rates=_catalogue_rates(variant.prices),
            )
            for variant in model.price_variants or []
            if _TIER_KEYS.issuperset(variant.when) and len(variant.when) == 1
        ),
        share=partial(share_of, provider.id),
    )


def _catalogue_rates(price: ModelPrice) -> _Rates:
    per_thousand = price.requests_kcount
    return _Rates(
        input=_catalogue_rate(price.input_mtok),
        cached=_catalogue_rate(price.cache_read_mtok),
        cache_write=_catalogue_rate(price.cache_write_mtok),
        cache_write_1h=_catalogue_rate(price.cache_write_1h_mtok),
        audio_input=_catalogue_rate(price.input_audio_mtok),
        audio_cached=_catalogue_rate(price.cache_audio_read_mtok),
        output=_catalogue_rate(price.output_mtok),
        audio_output=_catalogue_rate(price.output_audio_mtok),
        reasoning=_catalogue_rate(price.output_reasoning_mtok),
        per_request=per_thousand / 1000 if isinstance(per_thousand, Decimal) else None,
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
