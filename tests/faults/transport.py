"""Faults 8 to 14: connections that are refused, reset, silent or slow, and names and handshakes that fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.faults.answers import (
    DONE,
    JSON,
    LAST_PIECE,
    answer_well,
    begin_stream,
    chunks,
    first,
    head,
    piece,
    usage_chunk,
    whole,
)
from tests.faults.gateway import IDLE_S, MODEL, TOTAL_S, Plan
from tests.faults.run import Fault
from tests.faults.statuses import a_few
from tests.faults.upstream import Told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange, Upstream, Wire


def _fallback(rng: Random, _: Upstream) -> Plan:
    return Plan(fallback=rng.random() < 0.5)


async def _refused(scene: Scene) -> Iterable[str]:
    """Nobody listens for a while."""
    await scene.upstream.close()
    asking = asyncio.create_task(scene.several(scene.rng.randint(2, 8)))
    await asyncio.sleep(scene.rng.uniform(0.02, 0.3))
    await scene.upstream.open()
    await asking
    return ()


async def _no_way(scene: Scene) -> Iterable[str]:
    """No connection is ever made: errors, until the model that stands in answers, where one does."""
    heard = await scene.several(scene.rng.randint(2, 6))
    if scene.gateway.plan.fallback:
        # Further attempts are three at a time, or a fifth of the requests; an open circuit needs none.
        return await scene.recover(MODEL)
    return [
        f"{one.tag}: HTTP {one.status} of a server that can't be reached"
        for one in heard
        if one.status not in {502, 503}
    ]


def _resetting(rng: Random) -> Behaviour:
    bills = rng.random() < 0.5

    async def behave(exchange: Exchange) -> None:
        if bills:
            exchange.charge(Told.NO)
        await asyncio.sleep(exchange.rng.uniform(0, 0.02))
        exchange.wire.reset()

    return first(rng.randint(1, 4), behave)


def _black_hole(rng: Random) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        exchange.charge(Told.NO)
        await exchange.wire.until_gone(TOTAL_S * 3)

    return first(rng.randint(1, 3), behave)


def _slow_first_byte(_: Random) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        if exchange.rng.random() < 0.5:
            await asyncio.sleep(exchange.rng.uniform(0.1, 0.4))
            await answer_well(exchange)
        elif await exchange.wire.until_gone(IDLE_S * 2):
            exchange.charge(Told.NO, completion_tokens=0)

    return behave


def _drip(rng: Random) -> Behaviour:
    """A byte at a time: never silent for long, and never over."""

    async def behave(exchange: Exchange) -> None:
        exchange.charge(Told.NO)
        if exchange.order.stream:
            await begin_stream(exchange)
            data = b"".join([*chunks(exchange), usage_chunk(exchange), DONE])
            pieces = [piece(data[at : at + 1]) for at in range(len(data))]
        else:
            data = whole(exchange)
            await exchange.wire.write(head(200, {"content-type": JSON, "content-length": str(len(data))}))
            pieces = [data[at : at + 1] for at in range(len(data))]
        for one in pieces:
            if not await exchange.wire.write(one):
                return
            await asyncio.sleep(0.02)
        await exchange.wire.write(LAST_PIECE)

    return first(rng.randint(1, 3), behave)


def _tls_plan(rng: Random, upstream: Upstream) -> Plan:
    # The port speaks no TLS: the handshake fails before anything is sent.
    return Plan(base_url=f"https://127.0.0.1:{upstream.port}/v1", fallback=rng.random() < 0.5)


async def _tls(scene: Scene) -> Iterable[str]:
    """A handshake is answered with something else, or broken off."""
    abrupt = scene.rng.random() < 0.5

    async def raw(wire: Wire) -> None:
        data = await wire.reader.read(1)
        if data[:1] == b"\x16":
            await (_break_off(wire) if abrupt else wire.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    if not scene.gateway.plan.fallback:
        scene.upstream.raw = raw
    return await _no_way(scene)


async def _break_off(wire: Wire) -> None:
    wire.reset()


def _dns_plan(rng: Random, _: Upstream) -> Plan:
    # RFC 2606, 2: this name never resolves.
    return Plan(base_url="http://models.invalid/v1", fallback=rng.random() < 0.5)


TRANSPORT = (
    Fault(number=8, name="connection refused", drive=_refused, plan=_fallback),
    Fault(number=9, name="RST before the answer", drive=a_few, behave=_resetting, plan=_fallback),
    Fault(number=10, name="black hole", drive=a_few, behave=_black_hole, plan=_fallback),
    Fault(number=11, name="slow first byte", drive=a_few, behave=_slow_first_byte, plan=_fallback),
    Fault(number=12, name="a byte at a time", drive=a_few, behave=_drip),
    Fault(number=13, name="TLS failure", drive=_tls, plan=_tls_plan, heals=False),
    Fault(number=14, name="DNS failure", drive=_no_way, plan=_dns_plan, heals=False),
)
