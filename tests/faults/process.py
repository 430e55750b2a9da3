"""Faults 31, 36, 37, 38 and 40: stores that take nothing, settings that change, jumping clocks, stalled event loops."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.faults.answers import (
    DONE,
    LAST_PIECE,
    answer_well,
    begin_stream,
    chunks,
    first,
    refuse_with,
    send_events,
    send_whole,
    usage_chunk,
    whole,
)
from tests.faults.run import Fault
from tests.faults.upstream import Told
from tierwright.core.errors import SettingsError, StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.client import Heard
    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange


def _all_good(heard: list[Heard], why: str) -> list[str]:
    return [f"{one.tag} got HTTP {one.status} though only {why}" for one in heard if not one.good]


async def _full(scene: Scene) -> Iterable[str]:
    """Writes fail for a while, before or after they were kept: no answer suffers, and all is stored in the end."""
    store = scene.gateway.captured
    heard: list[Heard] = []
    for _ in range(scene.rng.randint(1, 3)):
        store.keeps = scene.rng.random() < 0.4
        store.error = scene.rng.choice((StoreFull("scripted: no space"), StoreError("scripted: disk error")))
        heard += await scene.several(scene.rng.randint(1, 6))
        await asyncio.sleep(scene.rng.uniform(0, 0.4))
        store.error = None
        heard += await scene.several(scene.rng.randint(1, 3))
    return _all_good(heard, "the store was full")


async def _locked(scene: Scene) -> Iterable[str]:
    """Another process holds the database's write lock for a while."""
    other = sqlite3.connect(scene.gateway.store_path, isolation_level=None, timeout=10)
    try:
        other.execute("BEGIN IMMEDIATE").close()
        heard = await scene.several(scene.rng.randint(2, 20))
        await asyncio.sleep(scene.rng.uniform(0, 0.8))
        heard += await scene.several(scene.rng.randint(1, 5))
        other.execute("ROLLBACK").close()
    finally:
        other.close()
    return _all_good(heard, "the store was locked")


async def _changing(scene: Scene) -> Iterable[str]:
    """Settings are taken and refused in a random order while requests are under way: no answer suffers."""
    asking = asyncio.create_task(scene.several(scene.rng.randint(5, 15)))
    wrong = []
    for turn in range(scene.rng.randint(2, 6)):
        await asyncio.sleep(scene.rng.uniform(0, 0.1))
        sound = scene.rng.random() < 0.6
        try:
            scene.gateway.change(key=f"sk-{turn}", sound=sound)
        except SettingsError as error:
            if sound:
                wrong.append(f"sound settings were refused: {error}")
        else:
            if not sound:
                wrong.append("settings that fit nowhere were taken")
        wrong += _all_good(await scene.several(scene.rng.randint(1, 4)), "the settings changed")
    return [*wrong, *_all_good(await asking, "the settings changed under it")]


async def _jumping(scene: Scene) -> Iterable[str]:
    """The time of day jumps by an hour, back or forth, while requests are under way and upstreams cool down."""
    clock = scene.gateway.clock
    asking = asyncio.create_task(scene.several(scene.rng.randint(3, 8)))
    for _ in range(scene.rng.randint(2, 5)):
        clock.offset += timedelta(seconds=scene.rng.choice((-3600, 3600, -7200, 1, -1)))
        await asyncio.sleep(scene.rng.uniform(0, 0.1))
    await asking
    return _all_good(await scene.several(3), "the clock jumped")


def _cooling(rng: Random) -> Behaviour:
    return first(rng.randint(0, 2), refuse_with(429, "rate_limit_exceeded", retry_after="0.2"))


async def _slowly(exchange: Exchange) -> None:
    """Answers well, over a time in which settings change."""
    await asyncio.sleep(0.1)
    await answer_well(exchange)


def _stalling(long: float) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        exchange.script.finish_sent = True
        # A stall beyond the deadlines can end an attempt whose answer is there already.
        exchange.charge(Told.MAYBE if long else Told.YES)
        if exchange.order.stream:
            await begin_stream(exchange)
            await send_events(exchange, [*chunks(exchange), usage_chunk(exchange), DONE], pause_s=0.02)
            await exchange.wire.write(LAST_PIECE)
        else:
            await asyncio.sleep(0.2)
            await send_whole(exchange, 200, whole(exchange))

    return behave


async def _stalled(scene: Scene) -> Iterable[str]:
    """The event loop does nothing for a while: shorter than the deadlines, or longer."""
    long = scene.rng.random() < 0.5
    scene.upstream.behaviour = _stalling(long)
    asking = asyncio.create_task(scene.several(scene.rng.randint(3, 10)))
    await asyncio.sleep(scene.rng.uniform(0.02, 0.15))
    scene.gateway.stall(scene.rng.uniform(1.2, 1.5) if long else scene.rng.uniform(0.2, 0.5))
    heard = await asking
    return [] if long else _all_good(heard, "its loop stalled for less than its deadlines")


PROCESS = (
    Fault(number=31, name="store full or failing", drive=_full),
    Fault(number=36, name="database locked", drive=_locked),
    Fault(number=37, name="settings change under load", drive=_changing, behave=lambda _: _slowly),
    Fault(number=38, name="clock jumps", drive=_jumping, behave=_cooling),
    Fault(number=40, name="event loop stalls", drive=_stalled),
)
