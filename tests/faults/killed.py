"""Faults 33 to 35 and 39: a gateway that is killed, alone or with its machine's power, or that is told to stop."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from struct import Struct
from typing import TYPE_CHECKING

from tests.faults.answers import DONE, LAST_PIECE, answer_well, begin_stream, chunks, send_events, usage_chunk
from tests.faults.disk import Remembering
from tests.faults.program import program
from tests.faults.run import Fault
from tests.faults.upstream import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from random import Random

    from tests.faults.client import Heard
    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange

#: Length and CRC-32 before each record of a journal.
_HEAD = Struct("<II")


def paced(rng: Random) -> Behaviour:
    """Answers that take a while, each another one."""
    slow = rng.uniform(0.005, 0.03)

    async def behave(exchange: Exchange) -> None:
        pause_s = slow * exchange.rng.random()
        if not exchange.order.stream:
            await asyncio.sleep(10 * pause_s)
            await answer_well(exchange)
            return
        exchange.script.finish_sent = True
        await begin_stream(exchange)
        if not await send_events(exchange, [*chunks(exchange)], pause_s=pause_s):
            exchange.charge(Told.NO)
            return
        exchange.charge(Told.YES)
        await send_events(exchange, [usage_chunk(exchange), DONE])
        await exchange.wire.write(LAST_PIECE)

    return behave


async def _killed(scene: Scene) -> Iterable[str]:
    """Kill -9 at any moment: what was acknowledged is in the store when the next one has started."""
    await _kill(scene)
    return ()


async def _powerless(scene: Scene) -> Iterable[str]:
    """As when it is killed, and the disk has lost what was not synced: what was acknowledged is all there."""
    copies = scene.gateway.folder / "durable"

    def cut() -> None:
        disk = Remembering(scene.gateway.folder, copies)
        disk.cut_power(scene.gateway.folder / "spool", scene.rng, lost=scene.rng.choice((0.5, 0.9, 1.0)))

    await _kill(scene, cut, copies=copies)
    return ()


async def _torn(scene: Scene) -> Iterable[str]:
    """As when it is killed, and the last record was not written to its end: those before it are all there."""

    def tear() -> None:
        for segment in (scene.gateway.folder / "spool").glob("*/*.segment"):
            _tear(segment, scene.rng)

    await _kill(scene, tear)
    return ()


async def _kill(scene: Scene, then: Callable[[], None] | None = None, *, copies: Path | None = None) -> None:
    """Kills it at any moment; `then` does to its files what happens before the next one starts."""
    async with program(scene, copies=copies) as running:
        with closing(sqlite3.connect(scene.gateway.store_path, isolation_level=None, timeout=10)) as other:
            if scene.rng.random() < 0.5:
                # A store that takes nothing: only the journal has what is acknowledged.
                other.execute("BEGIN IMMEDIATE").close()
            rounds = [asyncio.create_task(_ask_on(scene)) for _ in range(scene.rng.randint(2, 8))]
            await asyncio.sleep(scene.rng.uniform(0.02, 0.6))
            await running.kill()
            for heard in await asyncio.gather(*rounds):
                for one in heard:
                    one.cut = not one.complete
        if then is not None:
            await asyncio.to_thread(then)


async def _ask_on(scene: Scene) -> list[Heard]:
    """One request after the other until the gateway is gone."""
    heard = [await scene.ask()]
    while heard[-1].complete and len(heard) < 200:
        heard.append(await scene.ask())
    return heard


def _tear(segment: Path, rng: Random) -> None:
    """Writes the beginning of a record after the last one, or cuts the file there."""
    data = segment.read_bytes()
    at = 0
    while at + _HEAD.size <= len(data) and (length := _HEAD.unpack_from(data, at)[0]):
        at += _HEAD.size + length
    with segment.open("r+b") as file:
        if rng.random() < 0.3:
            file.truncate(at + rng.randint(0, _HEAD.size - 1))
            return
        file.seek(at)
        file.write(_HEAD.pack(rng.randint(1, 1 << rng.randint(1, 31)), rng.getrandbits(32)) + b"half a record")


async def _stopped(scene: Scene) -> Iterable[str]:
    """SIGTERM with a hundred answers under way, which all finish and are stored; the next one takes over."""
    scene.upstream.words = (10, 12)
    async with program(scene) as running:
        before = len(scene.upstream.orders)
        asking = asyncio.create_task(scene.several(100))
        await scene.upstream.until_received(before + 100)
        code = await running.terminate()
        heard = await asking
    wrong = [f"{one.tag} got HTTP {one.status} though it was only told to stop" for one in heard if not one.good]
    if code != 0:
        wrong.append(f"I5: it ended with {code}")
    return wrong


def _slow(rng: Random) -> Behaviour:
    """Answers that take half a second."""
    pause_s = rng.uniform(0.02, 0.05)

    async def behave(exchange: Exchange) -> None:
        if not exchange.order.stream:
            await asyncio.sleep(0.5)
            await answer_well(exchange)
            return
        exchange.script.finish_sent = True
        exchange.charge(Told.YES)
        await begin_stream(exchange)
        await send_events(exchange, [*chunks(exchange), usage_chunk(exchange), DONE], pause_s=pause_s)
        await exchange.wire.write(LAST_PIECE)

    return behave


KILLED = (
    Fault(number=33, name="kill -9", drive=_killed, behave=paced),
    Fault(number=34, name="pages lost in a power cut", drive=_powerless, behave=paced),
    Fault(number=35, name="torn tail of the journal", drive=_torn, behave=paced),
    Fault(number=39, name="SIGTERM with a hundred answers under way", drive=_stopped, behave=_slow),
)
