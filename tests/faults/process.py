"""Faults 31, 32, 36, 37, 38 and 40: stores and disks that keep nothing, changing settings, jumping clocks, stalls."""

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
from tests.faults.disk import Breakable
from tests.faults.gateway import MAX_ANSWER_BYTES, Plan
from tests.faults.killed import paced
from tests.faults.run import Fault
from tests.faults.upstream import Told
from tierwright.core.errors import SettingsError, StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.client import Heard
    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange, Upstream

#: Answers of half a megabyte that surely have no room in what a journal has reserved: two segments of 8 MiB.
_MOST_LARGE = 48


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


def _large(_: Random) -> Behaviour:
    """Answers of which a few fill what a journal has reserved."""

    async def behave(exchange: Exchange) -> None:
        exchange.script.words = ["w" * 16_384] * (MAX_ANSWER_BYTES // 131_072)
        await answer_well(exchange)

    return behave


async def _journal_full(scene: Scene) -> Iterable[str]:
    """The journal can't grow: when its room is used up requests are refused before they cost anything, until it can."""
    disk = scene.gateway.plan.disk
    assert isinstance(disk, Breakable)
    disk.full = True
    for _ in range(_MOST_LARGE):
        if b"capture_unavailable" in (await scene.ask()).body:
            break
    else:
        return ["I1: answers are acknowledged for which there is no room"]
    orders = len(scene.upstream.orders)
    refused = await scene.several(scene.rng.randint(2, 5))
    disk.full = False
    wrong = _not_refused(refused)
    if len(scene.upstream.orders) > orders:
        wrong.append("I3: the upstream was asked for what can't be acknowledged")
    return wrong


def _not_refused(heard: list[Heard]) -> list[str]:
    return [
        f"I1: {one.tag} got HTTP {one.status}, and nothing can be acknowledged"
        for one in heard
        if one.status != 503 or one.error_code != "capture_unavailable" or one.inference_id is not None
    ]


def _breakable(_: Random, __: Upstream) -> Plan:
    return Plan(disk=Breakable())


def _unhurried(_: Random, __: Upstream) -> Plan:
    """No model server is to blame, so that none may be given up while the machine is busy."""
    return Plan(connect_s=5.0, idle_s=10.0, total_s=15.0)


async def _failing_sync(scene: Scene) -> Iterable[str]:
    """A sync fails, at any moment: nothing is acknowledged or asked for any more, until the gateway starts again."""
    gateway, rng = scene.gateway, scene.rng
    disk = gateway.plan.disk
    assert isinstance(disk, Breakable)
    wrong = _all_good(await scene.several(rng.randint(1, 3)), "nothing had failed yet")
    under_way = asyncio.create_task(scene.several(rng.randint(2, 8)))
    await asyncio.sleep(rng.uniform(0, 0.3))
    disk.broken = True
    # At the latest for this one a sync is asked for.
    await scene.ask()
    await under_way
    disk.broken = False
    syncs, orders = disk.syncs, len(scene.upstream.orders)
    refused = await scene.several(rng.randint(2, 5))
    wrong += _not_refused(refused)
    if len(scene.upstream.orders) > orders:
        wrong.append("I3: the upstream was asked for what can't be acknowledged")
    if disk.syncs > syncs:
        wrong.append("I1: a sync was tried again after one had failed")
    if gateway.readiness()["status"] != "not_ready":
        wrong.append("I1: a gateway that acknowledges nothing says that it is ready")
    await gateway.stop()
    await asyncio.to_thread(gateway.start)
    return wrong


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
    Fault(number=31, name="journal's disk full", drive=_journal_full, behave=_large, plan=_breakable),
    Fault(number=32, name="fsync fails", drive=_failing_sync, behave=paced, plan=_breakable),
    Fault(number=36, name="database locked", drive=_locked),
    Fault(number=37, name="settings change under load", drive=_changing, behave=lambda _: _slowly, plan=_unhurried),
    Fault(number=38, name="clock jumps", drive=_jumping, behave=_cooling, plan=_unhurried),
    Fault(number=40, name="event loop stalls", drive=_stalled),
)
