"""Faults 1 to 7: what an upstream says instead of answering."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.faults.answers import (
    DONE,
    LAST_PIECE,
    begin_stream,
    error_body,
    event,
    first,
    piece,
    refuse_with,
    send_whole,
)
from tests.faults.run import Fault
from tests.faults.upstream import Told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange


async def a_few(scene: Scene) -> None:
    """Requests one after the other and at the same time."""
    await scene.ask()
    await scene.several(scene.rng.randint(2, 5))


async def _storm(scene: Scene) -> Iterable[str]:
    """Many requests while every one is refused: retries stay within their budget."""
    asked = 30
    before = len(scene.upstream.orders)
    heard = await scene.several(asked)
    made = len(scene.upstream.orders) - before
    wrong = []
    # A fifth of the requests, or three where that is more.
    if made > asked + max(3, asked // 5):
        wrong.append(f"I3: {asked} requests made {made} attempts")
    wrong += [f"I4: {one.tag} got HTTP {one.status} in a storm of 429" for one in heard if one.status not in {429, 503}]
    wrong += [f"I4: {one.tag} was refused without a Retry-After" for one in heard if "retry-after" not in one.headers]
    return wrong


async def _passed_on(scene: Scene) -> Iterable[str]:
    """The caller's own fault is told as the upstream told it, after one attempt."""
    heard = await scene.several(scene.rng.randint(2, 5))
    wrong = [f"{one.tag}: the upstream's 400 arrived as HTTP {one.status}" for one in heard if one.status != 400]
    tags = [order.tag for order in scene.upstream.orders]
    return wrong + [f"I3: {one.tag} was asked {tags.count(one.tag)} times" for one in heard if tags.count(one.tag) != 1]


def _limited(rng: Random) -> Behaviour:
    refusal = refuse_with(429, "rate_limit_exceeded", retry_after=rng.choice(("0", "0.3", "1", "3")))
    return first(rng.randint(1, 4), refusal)


def _failing(rng: Random) -> Behaviour:
    return first(rng.randint(1, 12), refuse_with(500, "server_error"))


def _gateways(rng: Random) -> Behaviour:
    status = rng.choice((502, 503, 504))

    async def behave(exchange: Exchange) -> None:
        if status == 504:
            # Whoever is behind a gateway that gave up may have finished, and bills.
            exchange.charge(Told.NO)
        if exchange.rng.random() < 0.5:
            await send_whole(exchange, status, b"<html>bad gateway</html>", content_type="text/html")
        else:
            await send_whole(exchange, status, error_body(exchange, "server_overloaded"))

    return first(rng.randint(1, 12), behave)


def _error_with_200(rng: Random) -> Behaviour:
    bills = rng.random() < 0.5

    async def behave(exchange: Exchange) -> None:
        if bills:
            exchange.charge(Told.NO, completion_tokens=0)
        if exchange.order.stream and exchange.rng.random() < 0.5:
            await begin_stream(exchange)
            await exchange.wire.write(piece(event(json.loads(error_body(exchange, "server_error")))))
            if exchange.rng.random() < 0.5:
                await exchange.wire.write(piece(DONE))
            await exchange.wire.write(LAST_PIECE)
        else:
            await send_whole(exchange, 200, error_body(exchange, "server_error"))

    return behave


STATUSES = (
    Fault(number=1, name="429 with Retry-After", drive=a_few, behave=_limited),
    Fault(number=2, name="429 storm", drive=_storm, behave=lambda _: refuse_with(429, "slow_down", retry_after="1")),
    Fault(number=3, name="500", drive=a_few, behave=_failing),
    Fault(number=4, name="502, 503, 504", drive=a_few, behave=_gateways),
    Fault(number=5, name="401", drive=a_few, behave=lambda _: refuse_with(401, "invalid_api_key")),
    Fault(number=6, name="400", drive=_passed_on, behave=lambda _: refuse_with(400, "invalid_request")),
    Fault(number=7, name="200 with an error body", drive=a_few, behave=_error_with_200),
)
