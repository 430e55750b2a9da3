"""What a model call costs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import StartDateConstraint

from tierwright.core.chat import Usage
from tierwright.core.errors import SettingsError
from tierwright.economics.prices import PriceList, PriceOverride
from tierwright.economics.tiers import RULES

AT = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
CALL = Usage(prompt_tokens=1_000, completion_tokens=100)


@pytest.fixture(scope="module")
def prices() -> PriceList:
    """The catalogue without overrides."""
    return PriceList()


def an_override(**changes: object) -> PriceOverride:
    """A model at 3 and 6 US dollars a million tokens."""
    fields: dict[str, object] = {
        "model": "house-model",
        "input_usd_per_million": Decimal(3),
        "output_usd_per_million": Decimal(6),
    }
    return PriceOverride(**fields | changes)


def test_cost_of_a_call_by_hand(prices: PriceList) -> None:
    """gpt-4o at 2.50 in and 10 out a million: 1,000 and 100 tokens cost 0.0025 + 0.0010 dollars, exactly."""
    assert prices.cost("gpt-4o", CALL, AT) == Decimal("0.0035")


def test_cached_tokens_cost_the_cached_price(prices: PriceList) -> None:
    """400 of 1,000 prompt tokens at 1.25 instead of 2.50 save half a thousandth of a dollar."""
    cached = Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=400)
    assert prices.cost("gpt-4o", cached, AT) == Decimal("0.0030")


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("GPT-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("azure/gpt-4o", "gpt-4o"),
        ("openrouter/openai/gpt-4o", "gpt-4o"),
        ("vertex_ai/gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_names_with_a_provider_find_the_model(prices: PriceList, name: str, same_as: str) -> None:
    """The provider before the name, its date and its case don't hide the price."""
    cost = prices.cost(name, CALL, AT)
    assert cost is not None
    assert cost == prices.cost(same_as, CALL, AT)


@pytest.mark.parametrize(
    "name", ["house-model", "meta-llama/llama-3.1-8b-instruct", "task:intent", "ft:gpt-4o:acme::1", "", "/", "gpt-4o/"]
)
def test_unknown_models_are_unpriced(prices: PriceList, name: str) -> None:
    """A name no list has, or whose provider is not known, has no price rather than a guessed one or zero."""
    assert prices.cost(name, CALL, AT) is None


def _found_by(provider_id: str, model_id: str, at: datetime) -> Decimal | None:
    """What the package's own calculator says of a name it finds under its provider only; None: another name."""
    usage = genai_prices.Usage(input_tokens=3_001, output_tokens=77, cache_read_tokens=1_024)
    try:
        genai_prices.calc_price(usage, f"{provider_id}/{model_id}", genai_request_timestamp=at)
    except LookupError:
        pass
    else:
        return None
    try:
        found = genai_prices.calc_price(usage, model_id, provider_id=provider_id, genai_request_timestamp=at)
    except LookupError:
        return None
    price = found.model.get_prices(at)
    # What is not sold by the token (speech, images) is unpriced here and 0 there.
    return None if price.input_mtok is None or price.output_mtok is None else found.total_price


def test_catalogue_agrees_with_its_own_calculator(prices: PriceList) -> None:
    """For every model of every provider, now and two years ago, our sum is the package's to the last digit."""
    usage = Usage(prompt_tokens=3_001, completion_tokens=77, cached_tokens=1_024)
    checked = 0
    for provider in providers:
        for model in provider.models:
            for at in (AT, datetime(2024, 6, 1, 20, tzinfo=UTC)):
                wanted = _found_by(provider.id, model.id, at)
                if wanted is not None:
                    assert prices.cost(f"{provider.id}/{model.id}", usage, at) == wanted, (provider.id, model.id)
                    checked += 1
    assert checked > 1_000


def test_price_in_force_at_the_time_of_the_call_counts(prices: PriceList) -> None:
    """A price that starts on a day holds from midnight in UTC on, and the one before it until then."""
    usage = Usage(prompt_tokens=3_001, completion_tokens=77, cached_tokens=1_024)
    changed = 0
    for provider in providers:
        for model in provider.models:
            conditions = [price.constraint for price in model.prices] if isinstance(model.prices, list) else []
            for day in [found.start_date for found in conditions if isinstance(found, StartDateConstraint)]:
                start = datetime(day.year, day.month, day.day, tzinfo=UTC)
                before, after = start - timedelta(seconds=1), start
                wanted = [_found_by(provider.id, model.id, at) for at in (before, after)]
                if None not in wanted:
                    name = f"{provider.id}/{model.id}"
                    assert [prices.cost(name, usage, at) for at in (before, after)] == wanted, name
                    changed += wanted[0] != wanted[1]
    assert changed > 50


def test_instant_in_another_time_zone_is_the_same_instant(prices: PriceList) -> None:
    """The price depends on the instant, not on how it is written."""
    elsewhere = AT.astimezone(timezone(timedelta(hours=-11)))
    assert prices.cost("deepseek-chat", CALL, AT) == prices.cost("deepseek-chat", CALL, elsewhere)


def test_long_prompts_cost_the_higher_rate_for_all_tokens(prices: PriceList) -> None:
    """gemini-2.5-pro doubles the input rate above 200,000 prompt tokens, for the whole call."""
    short = prices.cost("gemini-2.5-pro", Usage(prompt_tokens=200_000, completion_tokens=0), AT)
    long = prices.cost("gemini-2.5-pro", Usage(prompt_tokens=200_001, completion_tokens=0), AT)
    assert (short, long) == (Decimal("0.25"), Decimal("0.5000025"))


def test_sum_of_many_calls_is_priced_as_short_calls(prices: PriceList) -> None:
    """A thousand short calls cost a thousand times one of them, though together they are long."""
    one = prices.cost("gemini-2.5-pro", CALL, AT)
    assert one is not None
    together = Usage(prompt_tokens=1_000_000, completion_tokens=100_000)
    assert prices.cost("gemini-2.5-pro", together, AT, requests=1_000) == 1_000 * one


ANTHROPIC_CACHE = "https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing"
OPENAI_AUDIO = "https://platform.openai.com/docs/pricing#audio-tokens"
OPENAI_BATCH = "https://platform.openai.com/docs/guides/batch"
OPENAI_FLEX = "https://platform.openai.com/docs/guides/flex-processing"
OPENAI_PRIORITY = "https://platform.openai.com/docs/guides/priority-processing"
PERPLEXITY = "https://docs.perplexity.ai/getting-started/pricing"


@pytest.mark.parametrize(
    ("model", "usage", "usd", "source"),
    [
        # 1,000 fresh at 5, 4,000 read at 0.1 times that, 2,000 written at 1.25 times, 1,000 of them for an hour at 2
        # times; 100 out at 25.
        pytest.param(
            "claude-opus-5",
            Usage(
                prompt_tokens=7_000,
                completion_tokens=100,
                cached_tokens=4_000,
                cache_write_tokens=2_000,
                cache_write_1h_tokens=1_000,
            ),
            "0.02575",
            ANTHROPIC_CACHE,
            id="cache reads and writes",
        ),
        # 400 of text at 4, 600 of sound at 32; 50 of text at 16, 150 of sound at 64.
        pytest.param(
            "gpt-realtime",
            Usage(prompt_tokens=1_000, completion_tokens=200, audio_prompt_tokens=600, audio_completion_tokens=150),
            "0.0312",
            OPENAI_AUDIO,
            id="sound in and out",
        ),
        # As much of the sound as fits was fresh: 300 at 32; the other 300 were cached, at 0.4, as were 400 of text.
        pytest.param(
            "gpt-realtime",
            Usage(prompt_tokens=1_000, completion_tokens=0, audio_prompt_tokens=600, cached_tokens=700),
            "0.00988",
            OPENAI_AUDIO,
            id="sound that was cached",
        ),
        # 1,000 in at 2; 100 out at 8, 900 of thinking at 3.
        pytest.param(
            "perplexity/sonar-deep-research",
            Usage(prompt_tokens=1_000, completion_tokens=1_000, reasoning_tokens=900),
            "0.0055",
            PERPLEXITY,
            id="thinking with a price of its own",
        ),
        # Thinking is output: 1,000 at 10.
        pytest.param(
            "gpt-5.1",
            Usage(prompt_tokens=0, completion_tokens=1_000, reasoning_tokens=900),
            "0.01",
            "https://platform.openai.com/docs/guides/reasoning#costs",
            id="thinking as output",
        ),
        # 1,000 in at 1.25 and 100 out at 5: half of 2.50 and 10.
        pytest.param(
            "gpt-4o",
            Usage(prompt_tokens=1_000, completion_tokens=100, service_tier="batch"),
            "0.00175",
            OPENAI_BATCH,
            id="batch",
        ),
        pytest.param(
            "gpt-5.1",
            Usage(prompt_tokens=1_000, completion_tokens=100, service_tier="flex"),
            "0.001125",
            OPENAI_FLEX,
            id="flex",
        ),
        # 1,000 in at 4.25, 400 of them cached at 2.125; 100 out at 17.
        pytest.param(
            "gpt-4o",
            Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=400, service_tier="priority"),
            "0.0051",
            OPENAI_PRIORITY,
            id="priority",
        ),
        # Fast mode doubles 5 and 25.
        pytest.param(
            "claude-opus-5",
            Usage(prompt_tokens=1_000, completion_tokens=100, service_tier="fast"),
            "0.015",
            "https://platform.claude.com/docs/en/build-with-claude/fast-mode#pricing",
            id="fast",
        ),
        # A provider's own word for its capacity changes nothing.
        pytest.param(
            "gpt-4o",
            Usage(prompt_tokens=1_000, completion_tokens=100, service_tier="provisioned"),
            "0.0035",
            "https://platform.openai.com/docs/pricing",
            id="a class without a rule",
        ),
    ],
)
def test_worked_examples_of_each_rule(prices: PriceList, model: str, usage: Usage, usd: str, source: str) -> None:
    """Cache, sound, thinking and price classes cost what the provider's page says, worked out by hand."""
    assert prices.cost(model, usage, AT) == Decimal(usd), source


def test_sound_without_a_price_is_unpriced(prices: PriceList) -> None:
    """Sound costs many times what text does: no call with sound is priced as if it were text."""
    heard = Usage(prompt_tokens=1_000, completion_tokens=0, audio_prompt_tokens=1)
    spoken = Usage(prompt_tokens=1_000, completion_tokens=10, audio_completion_tokens=1)
    assert prices.cost("gpt-4o", CALL, AT) is not None
    assert prices.cost("gpt-4o", heard, AT) is None
    assert prices.cost("gpt-4o", spoken, AT) is None


def test_a_dearer_class_without_a_price_is_unpriced(prices: PriceList) -> None:
    """Priority processing of a model that has no price for it is not charged as the normal class."""
    assert (
        prices.cost("gpt-3.5-turbo", Usage(prompt_tokens=9, completion_tokens=1, service_tier="priority"), AT) is None
    )


@pytest.mark.parametrize(("model", "tier"), [("gpt-4o", "batch"), ("gpt-4o", "flex"), ("claude-opus-5", "batch")])
def test_documented_discounts_hold_where_the_catalogue_has_no_rates(prices: PriceList, model: str, tier: str) -> None:
    """Before the day the catalogue's own batch rates begin, the provider's documented half of the price counts."""
    before = datetime(2026, 9, 1, tzinfo=UTC)
    normal = prices.cost(model, CALL, before)
    assert normal is not None
    waiting = Usage(prompt_tokens=1_000, completion_tokens=100, service_tier=tier)
    assert prices.cost(model, waiting, before) == normal / 2


def test_every_discount_has_a_source_and_lowers_the_price() -> None:
    """The rules are data that someone can check."""
    for rule in RULES:
        assert 0 < rule.share < 1
        assert rule.source.startswith("https://")
        assert rule.provider in {provider.id for provider in providers}
    assert len({(rule.provider, rule.tier) for rule in RULES}) == len(RULES)


def test_cache_writes_and_classes_agree_with_the_catalogues_own_calculator(prices: PriceList) -> None:
    """For every model with variants, each class with cache reads and writes costs what the package says."""
    counts = genai_prices.Usage(
        input_tokens=3_001, output_tokens=77, cache_read_tokens=1_024, cache_write_tokens=500, cache_write_1h_tokens=200
    )
    checked = 0
    for provider in providers:
        for model in provider.models:
            for variant in model.price_variants or []:
                (name, value), *more = variant.when.items()
                if more or name not in ("processing", "service_tier", "speed") or value == "default":
                    continue
                if _found_by(provider.id, model.id, AT) is None:
                    continue
                if variant.constraint is not None and not variant.constraint.active(AT):
                    continue
                wanted = genai_prices.calc_price(
                    counts,
                    model.id,
                    provider_id=provider.id,
                    genai_request_timestamp=AT,
                    price_context={name: value},
                ).total_price
                usage = Usage(
                    prompt_tokens=3_001,
                    completion_tokens=77,
                    cached_tokens=1_024,
                    cache_write_tokens=500,
                    cache_write_1h_tokens=200,
                    service_tier=value,
                )
                assert prices.cost(f"{provider.id}/{model.id}", usage, AT) == wanted, (provider.id, model.id, value)
                checked += 1
    assert checked > 50


def test_override_prices_every_part_and_class() -> None:
    """A team's own prices and multipliers are used for each kind of token and each class."""
    own = an_override(
        cached_input_usd_per_million=Decimal(1),
        cache_write_usd_per_million=Decimal(4),
        audio_input_usd_per_million=Decimal(30),
        audio_output_usd_per_million=Decimal(60),
        reasoning_usd_per_million=Decimal(5),
        batch_multiplier=Decimal("0.4"),
        priority_multiplier=Decimal(2),
    )
    usage = Usage(
        prompt_tokens=1_000,
        completion_tokens=1_000,
        cached_tokens=100,
        cache_write_tokens=200,
        audio_prompt_tokens=300,
        audio_completion_tokens=400,
        reasoning_tokens=500,
    )
    whole = Decimal(100 * 1 + 200 * 4 + 300 * 30 + 400 * 3 + 400 * 60 + 500 * 5 + 100 * 6) / 1_000_000
    prices = PriceList([own])
    assert prices.cost("house-model", usage, AT) == whole
    for tier, share in (("batch", "0.4"), ("flex", "0.4"), ("priority", "2"), ("fast", "2"), ("scale", "1")):
        assert prices.cost("house-model", replace(usage, service_tier=tier), AT) == whole * Decimal(share)


def test_override_without_parts_takes_the_safe_side() -> None:
    """Without its own prices the cache costs as input, batch in full, and sound or priority are unpriced."""
    prices = PriceList([an_override()])
    usage = Usage(prompt_tokens=1_000, completion_tokens=0, cached_tokens=300, cache_write_tokens=300)
    assert prices.cost("house-model", usage, AT) == Decimal("0.003")
    assert prices.cost("house-model", replace(usage, service_tier="flex"), AT) == Decimal("0.003")
    assert prices.cost("house-model", replace(usage, service_tier="priority"), AT) is None
    assert prices.cost("house-model", replace(usage, audio_prompt_tokens=1), AT) is None


def test_override_adds_a_model_and_beats_the_catalogue() -> None:
    """A team's own price is used for any spelling of the name, cached tokens at their own rate."""
    prices = PriceList(
        [an_override(), an_override(model="gpt-4o", cached_input_usd_per_million=Decimal("0.5"))],
    )
    cached = Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=400)
    assert prices.cost("vllm/House-Model", cached, AT) == Decimal("0.0036")
    assert prices.cost("openai/gpt-4o", cached, AT) == Decimal("0.0018") + Decimal("0.0002") + Decimal("0.0006")


def test_override_of_zero_is_a_price() -> None:
    """Free is a price; unpriced is not free."""
    free = an_override(input_usd_per_million=Decimal(0), output_usd_per_million=Decimal(0))
    assert PriceList([free]).cost("house-model", CALL, AT) == 0


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity"])
def test_override_that_is_no_price_is_refused(price: str) -> None:
    """A negative price and one that is no number name the model and the member."""
    with pytest.raises(SettingsError, match="output_usd_per_million of 'house-model'"):
        an_override(output_usd_per_million=Decimal(price))


def test_two_overrides_of_one_model_are_refused() -> None:
    """Which of two prices holds would be chance."""
    with pytest.raises(SettingsError, match="two prices"):
        PriceList([an_override(), an_override(model="HOUSE-model")])


def test_unpriced_names_the_models_without_a_price(prices: PriceList) -> None:
    """Of several models those without a price come back, in order."""
    assert prices.unpriced(["zz", "gpt-4o", "aa"]) == ("zz", "aa")


def test_pricing_uses_no_network_and_imports_late() -> None:
    """Importing the module loads no catalogue, and pricing opens no socket and starts no thread."""
    script = """
import socket, sys, threading
def refuse(*_args, **_kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from tierwright.economics.prices import PriceList
assert "genai_prices" not in sys.modules
from datetime import UTC, datetime
from tierwright.core.chat import Usage
usage = Usage(prompt_tokens=1, completion_tokens=1)
assert PriceList().cost("gpt-4o", usage, datetime(2026, 1, 1, tzinfo=UTC)) is not None
assert threading.active_count() == 1
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_kind_of_token_has_its_own_price() -> None:
    """Fresh, read, written and heard; told, thought and spoken: each part by hand, in millionths."""
    prices = PriceList(
        [
            an_override(
                cached_input_usd_per_million=Decimal(1),
                cache_write_usd_per_million=Decimal(4),
                audio_input_usd_per_million=Decimal(9),
                reasoning_usd_per_million=Decimal(5),
                audio_output_usd_per_million=Decimal(20),
            )
        ]
    )
    usage = Usage(
        prompt_tokens=1_000,
        completion_tokens=60,
        cached_tokens=200,
        cache_write_tokens=300,
        audio_prompt_tokens=400,
        reasoning_tokens=20,
        audio_completion_tokens=30,
    )
    millionths = 100 * 3 + 200 * 1 + 300 * 4 + 400 * 9 + 10 * 6 + 20 * 5 + 30 * 20
    assert prices.cost("house-model", usage, AT) == Decimal(millionths) / 1_000_000


def test_cache_writes_of_claude_cost_a_quarter_more(prices: PriceList) -> None:
    """Anthropic's list: claude-3-5-sonnet 3 a million, 3.75 for what is written to the cache, 0.30 for what is read."""
    usage = Usage(prompt_tokens=3_000, completion_tokens=0, cached_tokens=1_000, cache_write_tokens=1_000)
    assert prices.cost("claude-3-5-sonnet", usage, AT) == Decimal("0.003") + Decimal("0.00375") + Decimal("0.0003")
