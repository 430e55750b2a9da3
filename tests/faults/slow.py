"""Faults 26 and 27: callers that take their answers slowly, or not at all, and callers that never finish asking."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from tests.faults.answers import answer_well, begin_stream, chunks, piece
from tests.faults.client import HANG_S, KEY, Manner, chat
from tests.faults.gateway import MAX_ANSWER_BYTES, SOUND_MODEL, Plan
from tests.faults.run import Fault
from tests.faults.upstream import Told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange, Upstream

#: Seconds that callers have here to send, and to take something.
_SEND_S, _TAKE_S = 1.5, 1.0
#: One word, and a whole answer, of which the kernel may hold all between two ends of a connection.
_WORD_BYTES, _LARGE_BYTES = 16_384, 2 * 1024 * 1024
#: Seconds between two words of an endless stream: the kernel on its way to the gateway can hold tens of megabytes.
_WORD_S = 0.005
#: What it takes until a caller that takes nothing is found, and more.
_REST_S = 2 * _TAKE_S + 1.0


def _patience(_: Random, __: Upstream) -> Plan:
    return Plan(send_s=_SEND_S, take_s=_TAKE_S, max_answer_bytes=8 * MAX_ANSWER_BYTES)


def _endless(_: Random) -> Behaviour:
    """Of the faulty model large answers, and streams that go on for as long as anybody is there."""

    async def behave(exchange: Exchange) -> None:
        script = exchange.script
        if SOUND_MODEL.encode() in exchange.order.body:
            await answer_well(exchange)
            return
        # One text many times: what grows must not be the upstream.
        script.words = ["w" * _WORD_BYTES] * (_LARGE_BYTES // _WORD_BYTES)
        if not exchange.order.stream:
            await answer_well(exchange)
            return
        role, word = (piece(event) for event in chunks(exchange)[:2])
        await begin_stream(exchange)
        await exchange.wire.write(role)
        # The word that finds nobody was generated, too.
        said = 1
        while await exchange.wire.write(word):
            said += 1
            await asyncio.sleep(_WORD_S)
        exchange.upstream.notes[exchange.order.tag].append("cancelled")
        exchange.charge(Told.NO, completion_tokens=said)

    return behave


async def _take_slowly(scene: Scene) -> Iterable[str]:
    """A caller that takes nothing is cut and costs what was generated; one that takes its time gets everything."""
    rest = asyncio.Event()
    stuck = asyncio.create_task(scene.ask(manner=Manner(rest=rest)))
    others = await scene.several(scene.rng.randint(2, 4), model=SOUND_MODEL)
    wrong = [f"{one.tag} got HTTP {one.status} though only another caller is slow" for one in others if not one.good]
    if not scene.streamed:
        # An answer in one piece has been handed over whole; only its connection waits.
        await asyncio.sleep(_REST_S)
    elif not await scene.until(lambda: any(scene.upstream.notes.values())):
        wrong.append("I4: a caller that takes nothing is not cut, and the upstream goes on")
    if not await scene.until(lambda: not scene.gateway.readiness()["in_flight"]):
        wrong.append("I4: the request of a caller that takes nothing is held for ever")
    rest.set()
    heard = await stuck
    heard.left = not heard.complete
    scene.upstream.behaviour = answer_well
    scene.upstream.words = (200, 300)
    await scene.several(scene.rng.randint(1, 3), manner=Manner(take_pause_s=scene.rng.uniform(0.001, 0.01)))
    return wrong


async def _ask_slowly(scene: Scene) -> Iterable[str]:
    """Requests that never end are refused in time, reach nobody and keep nobody waiting; a slow one is answered."""
    rng, port = scene.rng, scene.gateway.port
    before = len(scene.upstream.orders)
    request = chat("never", streamed=scene.streamed)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n".encode("latin-1")
    with_body = b"%bcontent-length: %d\r\n\r\n%b" % (head, 4 * len(request), request)
    begun = [b"", head[: rng.randint(1, len(head))], head + b"x-never: ", with_body]
    chosen = [rng.choice(begun) for _ in range(rng.randint(5, 30))]
    dripping = [asyncio.create_task(_drip(port, start)) for start in chosen]
    half = len(request) // 2
    parts = [request.replace(b"never", scene.next_tag.encode())[part] for part in (slice(half), slice(half, None))]
    answered = [await scene.ask(body=parts, manner=Manner(send_pause_s=_SEND_S / 10)), *await scene.several(3)]
    said = await asyncio.gather(*dripping)
    wrong = [f"{one.tag} got HTTP {one.status} though others are slow" for one in answered if not one.good]
    for start, answer in zip(chosen, said, strict=True):
        # Whoever asked nothing at all is told nothing.
        if answer is None:
            wrong.append(f"I4: a caller that never ends its request after {len(start)} bytes is kept for ever")
        # A line that was cut short is no HTTP with what follows, which may be said first.
        elif start and answer and not answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")):
            wrong.append(f"I5: a request that never ends got {answer[:30]!r}")
    if len(scene.upstream.orders) != before + len(answered):
        wrong.append("I5: a request that was never whole reached the upstream")
    if not await scene.until(lambda: not scene.gateway.readiness()["in_flight"]):
        wrong.append("I4: a request that was never whole is held for ever")
    return wrong


async def _drip(port: int, start: bytes) -> bytes | None:
    """Sends a byte now and then after the beginning of a request, and all that is said to it; None: it may go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    hearing = asyncio.create_task(reader.read())
    writer.write(start)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(HANG_S):
            while not hearing.done():
                await writer.drain()
                await asyncio.sleep(0.05)
                if start:
                    writer.write(b"x")
    ended = hearing.done()
    writer.transport.abort()
    found: list[Any] = await asyncio.gather(hearing, return_exceptions=True)
    if not ended:
        return None
    # A reset can overtake what was said before it.
    return found[0] if isinstance(found[0], bytes) else b""


SLOW = (
    Fault(number=26, name="caller takes its answer slowly", drive=_take_slowly, behave=_endless, plan=_patience),
    Fault(number=27, name="caller asks slowly", drive=_ask_slowly, plan=_patience),
)
