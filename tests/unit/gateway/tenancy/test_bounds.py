"""No request costs more than was reserved for it, wherever that can be known; and a budget holds by it."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import NOON, a_key
from tierwright.core.caller import Limits
from tierwright.core.chat import Usage, decode_request
from tierwright.core.inference import Endpoint
from tierwright.economics.count import TokenCounter
from tierwright.economics.prices import PriceList, PriceOverride
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.dialect import Asked
from tierwright.gateway.dialects.plain import PlainDialect
from tierwright.gateway.problems import Problem
from tierwright.gateway.tenancy.bounds import Answerer, Dearest, Expected, expected, most_usd
from tierwright.gateway.tenancy.quota import Quotas, Reservation

OWN = PriceOverride(
    model="own",
    input_usd_per_million=Decimal(1),
    output_usd_per_million=Decimal(4),
    cache_write_usd_per_million=Decimal(3),
    reasoning_usd_per_million=Decimal(8),
    audio_output_usd_per_million=Decimal(80),
    priority_multiplier=Decimal(2),
)
PRICES = PriceList([OWN])
#: Of three providers and of our own, with prices for the cache, for thinking, for long prompts and of none of these.
MODELS = ("own", "gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "o3", "nobody-has-a-price-for-this")
COUNTER = TokenCounter()
PIXEL = "data:image/png;base64," + "A" * 4000


def asked_for(text: str = "hi", **members: Any) -> Asked:
    """A chat, read as the gateway reads it."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **members}).encode()
    found = ChatDialect().read(body, {})
    assert isinstance(found, Asked)
    return found


def answerer(model: str = "gpt-4o", *, most_tokens: int | None = None) -> Answerer:
    """One who may answer."""
    return Answerer(model, model, most_tokens)


def price(model: str, usage: Usage) -> Decimal | None:
    """By the list."""
    return PRICES.cost(model, usage, NOON)


@st.composite
def used(draw: st.DrawFn, most: Expected, *, hour: bool) -> Usage:
    """What a provider may count of a request: any number of tokens up to the most, of any kind."""
    prompt = draw(st.integers(0, most.prompt))
    completion = draw(st.integers(0, most.completion))
    cached = draw(st.integers(0, prompt))
    write = draw(st.integers(0, prompt - cached))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=write,
        cache_write_1h_tokens=draw(st.integers(0, write)) if hour else 0,
        reasoning_tokens=draw(st.integers(0, completion)),
    )


@settings(deadline=None)
@given(
    models=st.lists(st.sampled_from(MODELS), min_size=1, max_size=3),
    n=st.integers(1, 8),
    limit=st.integers(1, 20_000),
    size=st.integers(0, 300_000),
    hour=st.booleans(),
    data=st.data(),
)
def test_nothing_costs_more_than_its_bound(
    models: list[str], n: int, limit: int, size: int, data: st.DataObject, *, hour: bool
) -> None:
    """Whoever of those who may answers, with whatever counts, if only each answer keeps its limit."""
    more = {"cache_control": {"ttl": "1h"}} if hour else {}
    asked = asked_for("x" * size, n=n, max_tokens=limit, **more)
    answerers = [answerer(model) for model in models]
    most = expected(asked, Endpoint.CHAT, answerers)
    assert most.completion == n * limit
    bound = most_usd(most, asked, answerers, PRICES.cost, NOON)
    usage = data.draw(used(most, hour=hour))
    assert all((price(model, usage) or 0) <= bound for model in models)


@settings(deadline=None)
@given(text=st.text(max_size=400), system=st.text(max_size=50), model=st.sampled_from(MODELS))
def test_no_text_has_more_tokens_than_its_bound(text: str, system: str, model: str) -> None:
    """Whatever the script: no vocabulary here finds more tokens in a chat than its body has bytes."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    asked = asked_for(messages=messages)
    counted = COUNTER.estimate(decode_request(asked.body), None, model)
    assert counted.prompt_tokens <= expected(asked, Endpoint.CHAT, [answerer(model)]).prompt


@settings(deadline=None)
@given(
    budget_cents=st.integers(0, 40),
    steps=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4000), st.booleans(), st.floats(0, 1)), max_size=40),
)
def test_a_budget_is_never_passed_by_requests_that_say_how_long_an_answer_may_be(
    budget_cents: int, steps: list[tuple[int, int, bool, float]]
) -> None:
    """However requests overlap, whatever they use up to their bounds, and whoever answers."""
    budget = Decimal(budget_cents) / 100
    spent = _spent(budget, [({"n": n, "max_tokens": limit}, share, ends) for n, limit, ends, share in steps])
    assert spent <= budget


@settings(deadline=None)
@given(budget_cents=st.integers(0, 40), steps=st.lists(st.tuples(st.booleans(), st.floats(0, 40)), max_size=40))
def test_a_budget_is_passed_by_the_excess_of_what_was_under_way_at_most(
    budget_cents: int, steps: list[tuple[bool, float]]
) -> None:
    """Where nobody says how long an answer may be: what is spent beyond its reservation stops the next request."""
    budget = Decimal(budget_cents) / 100
    excess: list[Decimal] = []
    spent = _spent(budget, [({}, share, ends) for ends, share in steps], excess)
    assert spent <= budget + sum(sorted(excess)[-_UNDER_WAY:], Decimal(0))


#: Requests under way together in the simulations.
_UNDER_WAY = 3


def _spent(
    budget: Decimal, steps: list[tuple[dict[str, Any], float, bool]], excess: list[Decimal] | None = None
) -> Decimal:
    """Dollars spent by requests of one key: each with its members, what it uses of its bound, and whether one ends."""
    quotas = Quotas(None, keys=4, processes=2)
    key = a_key(limits=Limits(budget_usd=budget))
    answerers = [answerer("gpt-4o-mini"), answerer("gpt-4o")]
    under_way: deque[tuple[Reservation, Decimal]] = deque()
    spent = Decimal(0)

    def end() -> None:
        nonlocal spent
        reservation, cost = under_way.popleft()
        reservation.settle(tokens=0, cost_usd=cost)
        spent += cost

    for members, share, ends in steps:
        if under_way and (ends or len(under_way) == _UNDER_WAY):
            end()
        asked = asked_for("x" * 500, **members)
        most = expected(asked, Endpoint.CHAT, answerers)
        bound = most_usd(most, asked, answerers, PRICES.cost, NOON)
        admitted = quotas.admit(key, tokens=0, cost_usd=bound, now=NOON)
        if isinstance(admitted, Problem):
            assert admitted.code == "insufficient_quota"
            continue
        assert spent < budget
        usage = Usage(prompt_tokens=int(most.prompt * min(1, share)), completion_tokens=int(most.completion * share))
        cost = price("gpt-4o", usage) or Decimal(0)
        if excess is not None:
            excess.append(max(Decimal(0), cost - bound))
        under_way.append((admitted, cost))
    while under_way:
        end()
    quotas.close()
    return spent


@pytest.mark.parametrize(
    ("members", "answerers", "completion"),
    [
        ({"max_tokens": 100}, [answerer()], 100),
        ({"max_completion_tokens": 100, "n": 4}, [answerer()], 400),
        # Servers differ in which of two limits holds.
        ({"max_completion_tokens": 1, "max_tokens": 900}, [answerer()], 900),
        ({"max_tokens": 900.0, "n": 2.0}, [answerer()], 1800),
        ({"max_tokens": 100, "n": 0}, [answerer()], 100),
        ({"n": 3}, [answerer(most_tokens=5000), answerer(most_tokens=7000)], 21_000),
        # One whose limit is not known may answer.
        ({}, [answerer(most_tokens=5000), answerer()], 1024),
        ({"max_tokens": 100}, [answerer(most_tokens=5000)], 100),
    ],
)
def test_an_answers_length_is_bounded(members: dict[str, Any], answerers: list[Answerer], completion: int) -> None:
    """By the request, else by all who may answer, else by a guess; times the answers wanted."""
    assert expected(asked_for(**members), Endpoint.CHAT, answerers).completion == completion


def test_pictures_are_counted_as_pictures() -> None:
    """Their base64 is no text; a text that only looks like it is."""
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    said = [{"type": "text", "text": "what is this?"}]
    one = expected(asked_for(messages=[{"role": "user", "content": said}]), Endpoint.CHAT, [answerer()])
    two = expected(asked_for(messages=[{"role": "user", "content": [*said, picture]}]), Endpoint.CHAT, [answerer()])
    assert 1600 <= two.prompt - one.prompt <= 1700
    assert 1600 <= two.usual - one.usual <= 1700
    assert expected(asked_for(PIXEL), Endpoint.CHAT, [answerer()]).prompt > 4000
    odd = asked_for(messages=[{"role": "user", "content": [{"type": ["image"], "x": 1}, said]}])
    assert expected(odd, Endpoint.CHAT, [answerer()]).prompt == len(odd.body)


@pytest.mark.parametrize(
    ("members", "dear"),
    [
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        ({"service_tier": "priority"}, {"service_tier": "priority", "reasoning_tokens": 20, "cache_write_tokens": 10}),
        ({}, {"cache_write_tokens": 10}),
        ({}, {"reasoning_tokens": 20}),
        ({"audio": {"voice": "alloy", "format": "wav"}}, {"audio_completion_tokens": 20}),
    ],
)
def test_what_makes_tokens_dearer_is_reserved(members: dict[str, Any], dear: dict[str, Any]) -> None:
    """A price class that was asked for, a prompt that is written to the cache, thinking, an answer that is heard."""
    plain = Usage(prompt_tokens=10, completion_tokens=20)
    bound = most_usd(Expected(0, 10, 20), asked_for(**members), [answerer("own")], PRICES.cost, NOON)
    assert (price("own", plain) or 0) < (price("own", replace(plain, **dear)) or 0) <= bound


def test_a_model_is_priced_as_its_server_knows_it_where_its_own_name_has_no_price() -> None:
    """An alias reserves what it costs; what has no price reserves nothing."""
    asked, most = asked_for(), Expected(0, 10, 20)
    alias = Answerer("fast", "gpt-4o", None)
    assert most_usd(most, asked, [alias], PRICES.cost, NOON) == price(
        "gpt-4o", Usage(prompt_tokens=10, completion_tokens=20)
    )
    assert most_usd(most, asked, [Answerer("fast", "fast", None)], PRICES.cost, NOON) == 0
    assert most_usd(most, asked, [], PRICES.cost, NOON) == 0


def test_what_writes_nothing_reserves_no_answer() -> None:
    """Embeddings cost what they read; counting tokens costs nothing."""
    asked = PlainDialect(Endpoint.EMBEDDINGS).read(b'{"model":"m","input":"some words"}', {})
    assert isinstance(asked, Asked)
    assert expected(asked, Endpoint.EMBEDDINGS, [answerer()])[1:] == (len(asked.body), 0)
    assert expected(asked_for(), Endpoint.COUNT_TOKENS, [answerer()]) == (0, 0, 0)


@settings(deadline=None)
@given(
    prompt=st.integers(0, 2_000_000),
    completion=st.integers(0, 100_000),
    model=st.sampled_from(MODELS),
    seconds=st.integers(0, 59),
)
def test_what_is_remembered_is_never_below_the_bound(prompt: int, completion: int, model: str, seconds: int) -> None:
    """It is the bound of a prompt that is longer by a 64th at most, at the prices of the same minute."""
    asked, most = asked_for("x"), Expected(0, prompt, completion)
    found = Dearest(PRICES.cost).usd(most, asked, (answerer(model),), NOON + timedelta(seconds=seconds))
    longer = Expected(0, prompt + prompt // 64, completion)
    assert most_usd(most, asked, [answerer(model)], PRICES.cost, NOON) <= found
    assert found <= most_usd(longer, asked, [answerer(model)], PRICES.cost, NOON)


def test_requests_that_are_alike_are_priced_once() -> None:
    """A few bytes more are; another limit, price class, answerer or minute is not."""
    priced: list[str] = []

    def price(model: str, _: Usage, __: datetime) -> Decimal:
        priced.append(model)
        return Decimal(1)

    dearest, one = Dearest(price), (answerer("a"),)
    dearest.usd(Expected(0, 10_000, 5), asked_for("x"), one, NOON)
    once = len(priced)
    dearest.usd(Expected(0, 9_990, 5), asked_for("y"), one, NOON + timedelta(seconds=59))
    assert len(priced) == once
    for tokens, asked, answerers, at in (
        (Expected(0, 10_000, 6), asked_for("x"), one, NOON),
        (Expected(0, 10_000, 5), asked_for("x", service_tier="flex"), one, NOON),
        (Expected(0, 10_000, 5), asked_for("x"), (answerer("b"),), NOON),
        (Expected(0, 10_000, 5), asked_for("x"), one, NOON + timedelta(minutes=1)),
    ):
        before = len(priced)
        dearest.usd(tokens, asked, answerers, at)
        assert len(priced) > before
